"""A trained network for other programs: in ONNX, or its weights, with a card that says what it is.

| file | what |
| --- | --- |
| `trace.py` | a network as a list of operations: begin here |
| `recording.py`, `constants.py` | what it runs as; which numbers the list needs |
| `table.py` | how each operation is written in ONNX: `arithmetic.py`, `places.py` |
| `writer.py` | nodes, names and lengths that grow with the batch |
| `file.py` | the whole file, and whether onnxruntime makes of it what the engine does |
| `parts.py` | which network of each model, and what it is given |
| `usage.py`, `card.py` | the program that runs it, and the page beside it |
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from minigen.export.card import card, settings_of
from minigen.export.file import MOST, Part, as_onnx, differences
from minigen.export.parts import parts
from minigen.export.recording import ExportError
from minigen.files import StrPath, written_whole
from minigen.serialization import save

__all__ = ["ENDINGS", "ExportError", "Exported", "as_onnx", "export", "parts"]

ENDINGS = (".onnx", ".safetensors")


class Exported(NamedTuple):
    """What `export` has written.

    Attributes:
        part: what of the model.
        card: where its page is.
        size: of the file, in bytes.
        differences: to the engine by batch size, in shares of the largest number; {} where
            onnxruntime is not installed.
    """

    part: Part
    card: Path
    size: int
    differences: Mapping[int, float]


def export(
    trained: Any, path: StrPath, name: str | None = None, scores: Mapping[str, float] | None = None
) -> Exported:
    """Write a network of a trained model to a file, and its card beside it, of the ending .md.

    Args:
        trained: what `minigen.training.load` gives.
        path: ends in .onnx or .safetensors.
        name: of the part, the first of `parts` if left out.
        scores: what the run was measured by, for the card.

    Raises:
        ExportError: the model has no such part, it cannot be written, the ending is another, or
            onnxruntime makes something else of the file than the engine does; or another page
            stands where the card would.
        ImportError: the package `onnx`, or `safetensors`, is not installed.
        OSError: a file cannot be written.
    """
    path = Path(path)
    if path.suffix not in ENDINGS:
        raise ExportError(f"expected a name that ends in .onnx or .safetensors, not {path.name}")
    page = card_of(path)
    known = parts(trained)
    if name is not None and name not in known:
        raise ExportError(f"a run of {trained.demo} has the parts {', '.join(known)}, not {name}")
    part = known[name] if name else next(iter(known.values()))
    settings = json.dumps(settings_of(trained), ensure_ascii=False, separators=(",", ":"))
    part = part._replace(metadata={**part.metadata, "settings": settings})
    written, found = None, {}
    if path.suffix == ".safetensors":
        save(part.network.state_dict(), path, metadata=part.metadata)
    else:
        written = as_onnx(part)
        content = written.model.SerializeToString()
        if find_spec("onnxruntime"):
            found = differences(part, content)
            if not max(found.values()) <= MOST:
                raise ExportError(
                    f"{part.name}: onnxruntime makes something else of the file: on batches of"
                    f" {', '.join(map(str, found))} it differs by {max(found.values()):.1e} of the"
                    f" largest number, more than {MOST:g}"
                )
        with written_whole(path) as file:
            file.write(content)
    with written_whole(page) as file:
        file.write(card(trained, part, path.name, written, scores, found).encode())
    return Exported(part, page, path.stat().st_size, found)


def card_of(path: Path) -> Path:
    """Where the card of a file belongs.

    Raises:
        ExportError: another page stands there.
    """
    page = path.with_suffix(".md")
    try:
        first = page.read_bytes().splitlines()[:1]
    except OSError:
        return page
    if first not in [[f"# {path.stem}{ending}".encode()] for ending in ENDINGS]:
        raise ExportError(f"{page.name}, where the card belongs, is there: take another name")
    return page
