"""All measured constants of the kernels and the engine.

They choose among ways that are all right within rounding, and say how work is cut: speed and
rounding depend on them. Whether something crashes, how memory is freed and whether two runs are
equal do not: bits are promised for equal limits, threads, BLAS kernel and versions. So a run
folder keeps its limits, and who resumes it uses them.

    python -m minigen.kernels.limits                 what is shipped, and measured here
    python -m minigen.kernels.limits --write FILE    the same, kept as JSON, {name: number}
    MINIGEN_LIMITS=FILE python train.py              use those in a file
    with limits.use(**limits.read(FILE)): ...        use them for a block

Importing this measures nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any


def of(value: float, unit: str, how: str) -> Any:
    """A limit: what it counts, and how it was measured, or that it was chosen."""
    return field(default=value, metadata={"unit": unit, "how": how})


@dataclass(frozen=True, eq=False)
class Limits:
    """Whole ones are 1 or more, the others 0 or more.

    Raises:
        ValueError: a limit is none of that.
    """

    # fmt: off
    # threads.py: less work is not worth waking another thread. That takes 40 µs, but both then pass
    # the interpreter lock to and fro: networks of small layers take 10 to 25 % longer with twice a
    # hand-over for a limit. The caller does some alone meanwhile; pieces stay in cache.
    alone: float = of(1.6e7, "multiply-adds", "as many as a product does in six hand-overs")
    ahead: float = of(2.5e6, "multiply-adds", "as many as a product does in a hand-over")
    piece: int = of(1 << 18, "elements", "the size in which a formula of four calls is fastest")
    # product.py, softmax.py, normalization.py: products that BLAS shares out in no case.
    unshared: int = of(1 << 12, "multiply-adds", "OpenBLAS shares out from 9,216 on (its source)")
    # pieces.py: what each element goes through by itself.
    shared: int = of(1 << 20, "elements", "chosen: what two threads share must be larger")
    # What an element costs, beside `alone`.
    of_a_sum: float = of(8.0, "multiply-adds an element", "time of a sum")
    of_a_pass: float = of(16.0, "multiply-adds an element", "time of a pass through memory")
    of_a_draw: float = of(32.0, "multiply-adds an element", "time of a random number")
    of_a_tap: float = of(8.0, "multiply-adds a term", "chosen: depthwise sums, by networks")
    # memory.py: smaller arrays are always the C library's; a buffer that many requests have passed
    # by goes back; what glibc keeps of freed memory (128 KB if nobody says), set at import.
    recycled: int = of(1 << 20, "bytes", "chosen")
    patience: int = of(256, "requests", "chosen")
    kept_freed: int = of(1 << 30, "bytes", "chosen")
    # elementwise.py, pixels.py, normalization.py and functional/reduction.py: from where on the
    # other way is faster.
    clipped: int = of(2048, "elements", "from there on clip beats maximum")
    by_polynomials: int = of(1 << 11, "elements", "from there on polynomials beat SciPy")
    by_sorting: int = of(64, "rows", "chosen: sorting so many beats NumPy's add.at")
    by_pieces: int = of(1 << 14, "elements", "from there on sums of pieces beat NumPy's")
    together: int = of(64, "pixels", "chosen: a row of NumPy's inner loop")
    by_blocks: int = of(1 << 13, "elements", "from there on blocks beat the plain formula")
    rows_a_piece: int = of(4, "examples", "chosen: the least, of layers that are normalised")
    row: int = of(1024, "numbers", "chosen: from there on the start of an inner loop is cheap")
    # optim/optimizer.py: parameters that are updated as one.
    as_one: int = of(1 << 12, "numbers", "chosen: up to so many, copies take less time than calls")
    # blas.py: products that OpenBLAS's AVX-512 kernels take uncopied, and what they take at a time
    # (its source); of what is shorter, deeper or turned a piece does not pay.
    piece_products: int = of(10**6, "multiply-adds", "chosen: from OpenBLAS's source")
    piece_rows: int = of(24, "rows", "chosen: from OpenBLAS's source")
    piece_columns: int = of(64, "columns", "chosen: from OpenBLAS's source")
    piece_depth: int = of(64, "terms", "chosen: the least in a sum")
    piece_most: int = of(512, "terms", "chosen: the most in a sum for many columns")
    turned_numbers: int = of(1024, "numbers", "chosen: of a turned piece")
    turned_rows: int = of(32, "rows", "chosen: a turned factor's pieces pay with so few")
    # direct.py, scatter.py, winograd.py: what is copied stays in a core's share of the cache.
    windows_at_a_time: int = of(1 << 21, "bytes", "the size in which gathering is fastest")
    products_at_a_time: int = of(1 << 21, "bytes", "the size in which scattering is fastest")
    tiles_at_a_time: int = of(1 << 21, "bytes", "the size in which Winograd's tiles are fastest")
    margins_at_a_time: int = of(1 << 19, "bytes", "chosen: images that one thread gives margins")
    item: int = of(512, "bytes", "chosen: up to so many, items are copied faster than numbers")
    short_row: int = of(8, "numbers of a window's row", "up to so many, planes are copied faster")
    planar: int = of(4, "channels", "chosen: up to so many, planes are copied faster")
    turned_from: int = of(512, "pixels", "chosen: for which filters are copied in any order")
    few: int = of(8, "outputs", "up to so many, scattering beats gathering")
    # How many times as long as their multiply-adds say ways take where they are not at their best.
    short: float = of(6.0, "channels", "chosen: with so few, depthwise sums take twice as long")
    narrow: float = of(2.0, "times", "chosen: gathering for few pixels, by scattering")
    many_planes: float = of(1.25, "times", "scattering for many outputs, by gathering")
    many_pixels: float = of(2.0, "times", "scattering of many pixels, by gathering")
    copied: float = of(12.0, "multiply-adds a number", "chosen: what windows cost, by layers")
    placed: float = of(40.0, "multiply-adds a number", "chosen: what a product is added with")
    begun: float = of(16.0, "numbers", "chosen: that are added while an inner loop begins")
    addition: float = of(60.0, "multiply-adds", "chosen: a sum in tiles, by whole networks")
    # engine/gradients.py: gradients of leaves that another thread computes. Less is not worth
    # waking it, more is better shared out; each waiting one holds in memory what it is made of.
    late_from: float = of(1.6e7, "multiply-adds", "chosen: as `alone`")
    late_to: float = of(2e8, "multiply-adds", "chosen")
    late_numbers: int = of(1024, "numbers in a gradient", "chosen")
    late_at_once: int = of(2, "gradients", "chosen")
    # fmt: on

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            whole = type(getattr(Limits, name)) is int
            good = type(value) is int or (not whole and type(value) is float)
            if not (good and whole <= value < (2**63 if whole else 1e300)):  # nor is NaN
                wanted = "a whole number above 0" if whole else "a number, 0 or more"
                raise ValueError(f"limits: {name} should be {wanted}, got {value!r:.60}")


# What run folders of earlier versions may hold, and nothing asks for any more.
RETIRED = {"by_ones"}
now = Limits()  # those in use, by all threads of the process
_used = [now]


@contextlib.contextmanager
def use(**others: float) -> Iterator[Limits]:
    """Use other limits for a block, in all threads of the process.

    Raises:
        ValueError: a name is none, or a value.
    """
    global now
    now = own = changed(others)
    _used.append(own)
    try:
        yield own
    finally:
        _used.remove(own)  # whichever block ends first
        now = _used[-1]


def changed(others: dict[str, float]) -> Limits:
    """The limits in use, some of them changed.

    Raises:
        ValueError: a name is none, or a value.
    """
    if unknown := others.keys() - asdict(now).keys():
        raise ValueError(f"limits: there is none called {min(unknown)!r:.60}")
    return replace(now, **others)


def read(file: str | os.PathLike[str]) -> dict[str, float]:
    """The limits in a JSON file, {name: number}, for `use`.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is none of limits.
    """
    try:
        found = json.loads(Path(file).read_bytes())
        if not isinstance(found, dict):
            raise ValueError("expected a JSON object, {name: number}")
        found = {name: value for name, value in found.items() if name not in RETIRED}
        changed(found)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} holds no limits of this version: {error}") from None
    return found


if __name__ == "__main__":
    from minigen.kernels.measure import main

    main()
elif sys.argv[:1] == ["-m"]:  # about to be run as a command, which `runpy` would warn of
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="runpy")
if file := os.environ.get("MINIGEN_LIMITS"):
    try:
        now = _used[0] = changed(read(file))
    except OSError as error:
        said = f"MINIGEN_LIMITS: cannot read {file}: {error.strerror}"
        raise ValueError(said) from None
    except ValueError as error:
        raise ValueError(f"MINIGEN_LIMITS: {error}") from None
