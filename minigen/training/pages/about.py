"""What a run's folder would not say: what its settings mean, how far it is, where it was trained.

It stands in about.json, which nothing but pages reads, and which says nothing about who trains: no
user, no host, no home folder.
"""

from __future__ import annotations

import os
import platform
import shlex
import sys
import time
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

import minigen
from minigen import backend, info
from minigen.training.common import StrPath, read_json, write_json
from minigen.training.flags import Flags

ABOUT = "about.json"
MEANINGS = {  # of what a run notes besides its flags
    "demo": "the script that trains it",
    "image_shape": "channels, height and width of a picture",
    "class_count": "classes of the data",
    "vocabulary": "words that get a vector",
}


def of_demo(flags: Flags, folder: Path) -> dict[str, Any]:
    """What a demo's command line says: its first paragraph, what its flags mean, and how to go on
    with the run in a folder, as in the folder where this process works."""
    first = (flags.description or "").strip().partition("\n\n")[0]
    helps = {name: (flag.help or "").replace("%%", "%") for name, flag in flags.flags.items()}
    resume = shlex.join(["python", nearby(sys.argv[0]), "--resume", nearby(folder)])
    return {"about": " ".join(first.split()), "help": helps, "resume": resume}


def of_machine(device: str) -> dict[str, str]:
    """The machine that trains, by what it is and not by its name."""
    found = {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": info.processor(),
        "threads": f"{backend.threads()} of {os.cpu_count()}",
        "versions": f"minigen {minigen.__version__}, Python {platform.python_version()},"
        f" NumPy {np.__version__}",
    }
    if device != "cpu":
        found["device"] = f"{device}: {info.card(device)}"
    return found


def of_progress(loop: Any) -> dict[str, Any]:
    """How far a loop is."""
    return {
        "step": loop.step,
        "steps": loop.steps,
        "seconds": round(loop.seconds, 1),
        "interrupted": loop.interrupted,
        "written": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
    }


def write(folder: Path, about: dict[str, Any]) -> None:
    """Store it.

    Raises:
        OSError: the file cannot be written.
    """
    write_json(folder / ABOUT, about)


def read_object(path: Path) -> tuple[dict[str, Any], str]:
    """The object that a JSON file holds, and "", or what is wrong with the file. One that is not
    there is empty, and nothing is wrong."""
    try:
        value = read_json(path.read_bytes())
    except FileNotFoundError:
        return {}, ""
    except (OSError, ValueError):
        return {}, f"{path.name} cannot be read"
    if not isinstance(value, dict):
        return {}, f"{path.name} holds no JSON object"
    return value, ""


def resume_command(about: dict[str, Any]) -> str:
    """The command that goes on with a run, "" if about.json, which others may have written, has
    anything else in its place."""
    try:
        words = shlex.split(str(about.get("resume", "")))
    except ValueError:
        return ""
    return shlex.join(words) if words[::2] == ["python", "--resume"] and len(words) == 4 else ""


def nearby(path: StrPath) -> str:
    """A path from here if it leads down from here, else its last part."""
    path = Path(path)
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except (ValueError, OSError):
        return path.name


def setting(value: Any) -> str:
    """A setting as text; of an absolute path the last part."""
    if isinstance(value, list):
        return " ".join(map(setting, value)) or "none"
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return last_part(value) if isinstance(value, str) else f"{value}"


def last_part(text: str) -> str:
    """The last part of what is an absolute path, on any system, or leads up or home; of a home
    folder itself nothing."""
    for kind in PurePosixPath, PureWindowsPath:
        path = kind(text)
        if path.is_absolute() or path.drive or path.parts[:1] in (("~",), ("..",)):
            name = path.name
            return "…" if name in ("", "..", "~") or _is_home(text) else f"…/{name}"
    return text


def _is_home(text: str) -> bool:
    return os.path.realpath(text) == os.path.realpath(os.path.expanduser("~"))
