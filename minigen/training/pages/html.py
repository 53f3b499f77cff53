"""Elements of HTML that no name can break out of, and documents that ask nobody for anything."""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import json
from contextlib import suppress
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from minigen.files import written_whole

VOID = ("input", "img", "meta", "link", "br")  # elements that hold nothing
MARK = '<meta name="generator" content="minigen">'


class Markup(str):
    """Text that is HTML already, and is not escaped."""


def tag(name: str, *inside: str, **attributes: str | int | bool | None) -> Markup:
    """An element.

    Args:
        inside: its content; what is no Markup is text, and escaped.
        attributes: `class_` and `for_` are written with an underscore, aria_label means aria-label;
            True stands for an attribute without a value, None and False for none at all.
    """
    said = ""
    for key, value in attributes.items():
        key = key.rstrip("_").replace("_", "-")
        if value is True:
            said += f" {key}"
        elif value is not None and value is not False:
            said += f' {key}="{html.escape(str(value))}"'
    if name in VOID:
        return Markup(f"<{name}{said}>")
    return Markup(f"<{name}{said}>{joined(*inside)}</{name}>")


def joined(*parts: str) -> Markup:
    """Elements and texts after one another."""
    return Markup("".join(p if isinstance(p, Markup) else html.escape(p) for p in parts))


def in_script(value: Any) -> Markup:
    """A value as JSON that may stand in a script element: nothing in it ends the element, opens a
    comment, or ends a line of JavaScript."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))  # ASCII alone
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


@functools.cache
def resource(name: str) -> str:
    """A file of this room: a template, style or script."""
    return (resources.files(__package__) / name).read_text("utf-8")


def document(title: str, main: Markup, script: str = "", data: Any = None) -> bytes:
    """A whole page in one file, light or dark as the reader's system is.

    It may run and be styled by what stands in it alone, and load pictures of its own folder; a
    browser keeps it from all else, by the hashes of both.

    Args:
        title: its name.
        main: what its main element holds.
        script: the name of a script in this room, if there is one.
        data: for the script, which finds it as JSON in the element #data.
    """
    style = resource("colours.css") + resource("page.css")
    code = resource(script) if script else ""
    return (
        Template(resource("page.html"))
        .substitute(
            policy=html.escape(
                f"default-src 'none'; img-src data: 'self' file:; style-src {_hash(style)};"
                f" script-src {_hash(code)}; base-uri 'none'; form-action 'none'"
            ),
            mark=MARK,
            title=html.escape(title),
            style=style,
            main=main,
            data=in_script(data),
            script=code,
        )
        .encode("utf-8", "replace")
    )


def replaced(path: Path, content: bytes) -> bool:
    """Put a document at a path, whole; False if what stands there is a file that is none of ours,
    which then stays.

    Raises:
        OSError: it cannot be written.
    """
    with suppress(FileNotFoundError), open(path, "rb") as file:
        if MARK.encode() not in file.read(4096):
            return False
    with written_whole(path) as file:
        file.write(content)
    return True


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
