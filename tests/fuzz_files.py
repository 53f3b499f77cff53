"""Damaged files by the thousand: every loader reads them, or raises the error that it documents.

    python tests/fuzz_files.py [--count 20000] [--seed 0] [--first 0] [FORMAT...]

Small valid files of each format are cut, their bits flipped, their bytes moved about, their numbers
put to extremes: the file itself, or what is inside its compression and checksums. A fault is any
error but the documented one, and so are more than 10 s of CPU for an input or a GiB of memory for a
format. Input i depends on the seed, the format and i alone: `--first i --count 1` repeats it, and
`--keep FILE` writes it. Prints a table, and exits with status 1 if there is a fault. The format of
the package `safetensors` is left out where that is not installed.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import hashlib
import importlib.util
import io
import json
import lzma
import os
import resource
import signal
import struct
import sys
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from PIL import Image

import minigen
from minigen.data import DataError, download, emoji, folder, load, local
from minigen.data import text as texts
from minigen.data.emoji import FILE, HANDS
from minigen.data.idx import read_idx
from minigen.data.text import corpus
from minigen.data.vectors import Vectors
from minigen.kernels import limits
from minigen.metrics.similarity import analogies, word_similarity
from minigen.training import CheckpointError, Run, RunError, load_checkpoint, save_checkpoint

SECONDS, MEMORY = 10, 1 << 30
TENSOR = (  # a pickle of PyTorch's, of four numbers in two rows
    b"ctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nI4\ntQI0\n"
    b"(I2\nI2\nt(I2\nI1\ntI00\n)tR."
)
WHOLE = [0, 1, 2, 65, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**63 - 1, 2**64 - 1]
NUMBERS = ["", "0", "-1", "1.5", "1e999", "-1e39", "nan", "Infinity", "null", "true", "1_0", "٣",
           "9" * 20, "9" * 400, "[" * 100_000, '{"a":' * 100_000, '"\\ud800"', "a b"]  # fmt: skip

Random = np.random.Generator


class Hang(BaseException):
    """More than SECONDS. No Exception, or a loader could take it for damage."""


class Format(NamedTuple):
    """A format: valid files, the path that one is put at, and how it is read and refused.

    `inside` damages what the file has packed, and packs it again.
    """

    name: str
    path: str
    files: list[bytes]
    read: Callable[[Path], Any]
    errors: type[Exception] = DataError
    inside: Callable[[bytes, Random], bytes] | None = None


def damaged(data: bytes, rng: Random) -> bytes:
    """`data` with one to four faults."""
    for _ in range(rng.integers(1, 5)):
        changed, size = bytearray(data), len(data)
        a, b = (int(rng.integers(size + 1)) for _ in range(2))
        length = int(rng.integers(1, 1 + rng.integers(1, 64)))
        match rng.integers(8):
            case 0:
                del changed[a:]
            case 1 if size:
                for bit in rng.integers(8 * size, size=rng.integers(1, 9)).tolist():
                    changed[bit // 8] ^= 1 << bit % 8
            case 2:
                changed[a : a + length] = data[b : b + length]
            case 3:
                changed[a:a] = rng.bytes(length)
            case 4:
                del changed[a : a + length]
            case 5:
                changed[a:a] = data[b : b + 10 * length]
            case 6:  # a field, if the file is binary
                kind = "<>"[rng.integers(2)] + "BHIQ"[rng.integers(4)]
                value = WHOLE[rng.integers(len(WHOLE))] % 256 ** struct.calcsize(kind)
                changed[a : a + struct.calcsize(kind)] = struct.pack(kind, value)
            case 7 if fields := data.replace(b":", b" ").replace(b",", b" ").split():
                value = NUMBERS[rng.integers(len(NUMBERS))].encode()  # a field, if it is text
                changed[:] = data.replace(fields[rng.integers(len(fields))], value, 1)
        data = bytes(changed)
    return data


def _repack(unpack: Callable[[bytes], bytes], pack: Callable[[bytes], bytes]) -> Any:
    return lambda data, rng: pack(damaged(unpack(data), rng))


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, 1, mtime=0)


def _xz(data: bytes) -> bytes:
    return lzma.compress(data, preset=0)


def _zip(entries: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


def _in_zip(data: bytes, rng: Random) -> bytes:
    """With a damaged entry, or one that is missing."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    name = list(entries)[rng.integers(len(entries))]
    if rng.integers(8):
        entries[name] = damaged(entries[name], rng)
    else:
        del entries[name]
    return _zip(entries)


def _in_png(data: bytes, rng: Random) -> bytes:
    """With a damaged chunk, whose length and checksum are right; of pixels, before packing too."""
    chunks, place = [], 8
    while place < len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + size]))
        place += 12 + size
    i = rng.integers(len(chunks))
    kind, content = chunks[i]
    if kind == b"IDAT" and rng.integers(2):
        content = zlib.compress(damaged(zlib.decompress(content), rng), 1)
    else:
        content = damaged(content, rng)
    chunks[i] = kind, content
    return data[:8] + b"".join(
        struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks
    )


def _written(write: Callable[[Path], None], name: str = "file") -> bytes:
    with tempfile.TemporaryDirectory() as place:
        write(Path(place, name))
        return Path(place, name).read_bytes()


def _pictures() -> Iterator[tuple[str, str, list[bytes]]]:
    """The kinds of pictures, with their ending, in several modes each."""
    rng = np.random.default_rng(1)
    rgb = Image.fromarray(rng.integers(0, 256, (9, 7, 3), dtype=np.uint8))
    deep = Image.fromarray(rng.integers(0, 65536, (9, 7), dtype=np.uint16))
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "turned"  # the orientation, and a description
    more = {"exif": exif}
    frames = {"save_all": True, "append_images": [rgb.rotate(180)], "duration": 50}
    for ending, saved in {
        "png": [(rgb, more), (rgb.convert("LA"), {}), (rgb.convert("P"), {"transparency": 1}),
                (rgb.convert("1"), {}), (deep, {})],
        "jpg": [(rgb, more), (rgb.convert("CMYK"), {}), (rgb.convert("L"), {"progressive": True})],
        "gif": [(rgb, frames), (rgb.convert("P"), {"transparency": 1})],
        "tif": [(rgb, more), (deep, {}), (rgb.convert("F"), {}), (rgb.convert("1"), {}),
                (rgb.convert("I"), {}), (rgb, frames), *[(rgb, {"compression": name}) for name in
                ("tiff_lzw", "packbits", "tiff_adobe_deflate", "jpeg")]],
        "bmp": [(rgb, {}), (rgb.convert("P"), {}), (rgb.convert("1"), {})],
        "webp": [(rgb, more), (rgb.convert("RGBA"), {"lossless": True}), (rgb, frames)],
        "ppm": [(rgb, {}), (rgb.convert("L"), {})],
    }.items():  # fmt: skip
        files = [
            _written(lambda path, p=picture, o=options: p.save(path, **o), f"a.{ending}")
            for picture, options in saved
        ]
        if ending == "ppm":  # of 16 bits, which not every Pillow writes
            files.append(b"P5 7 9 65535\n" + np.asarray(deep).tobytes())
        yield ending, files


def _folder(path: Path) -> None:
    folder(path.parent, 4)


def _corpus(path: Path) -> None:
    for as_is in (False, True):
        with contextlib.suppress(DataError):
            corpus(path, 1, as_is=as_is)
    corpus(path, 1)


def _vectors(path: Path) -> None:
    """What loads must save, and come back."""
    vectors = Vectors.load(path)
    for text in (False, True):
        copy = path.with_name("copy")
        vectors.save(copy, text=text)
        back = Vectors.load(copy)
        assert back.words == vectors.words and np.array_equal(back.vectors, vectors.vectors)


def formats() -> list[Format]:
    """All formats, with valid files of each."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (3, 5, 4), dtype=np.uint8)
    idx = bytes([0, 0, 8, 3]) + struct.pack(">3I", *pixels.shape) + pixels.tobytes()
    records = np.concatenate([np.arange(3)[:, None], rng.integers(0, 256, (3, 3072))], 1)
    cifar = records.astype(np.uint8).tobytes()
    rows = "\n".join(" ".join(map(str, row)) for row in rng.integers(0, 2, (2, 784))) + "\n"
    words = "Der Käse, हिन्दी re\u0301sume\u0301 می‌خواهم\u3000the\tcheese\r\n" * 8
    text = [words.encode(), words.encode("utf-16"), _gzip(words.encode()), _xz(words.encode())]
    vectors = Vectors(["the", "été", "日本", "a\xa0b"], rng.normal(size=(4, 3)))
    known = Vectors(["king", "man", "woman", "queen"], rng.normal(size=(4, 3)))
    arrays = {"a.weight": rng.normal(size=(2, 3)), "b": np.arange(4), "c": np.array(True)}
    state = {"step": 3, "model": arrays, "list": [1.5, None, "x", {}], "n": np.float32(2)}
    config = {"demo": "gan", "lr": 2e-4, "betas": [0.5, 0.9], "data": "mnist", "limit": None}
    lines = [{"step": i, "loss": 0.5 / i, "lr": "NaN"} for i in range(1, 5)]
    in_gzip, in_xz = _repack(gzip.decompress, _gzip), _repack(lzma.decompress, _xz)
    drawn = rng.integers(0, 256, (11, 784), dtype=np.uint8)
    hands = dict.fromkeys(HANDS, drawn[:3, :64].reshape(3, 4, 4, 4))
    hands["codepoints"] = np.array(["1f600", "1f3c3-1f3fb", "2640"])
    found = [
        Format("idx", "a", [idx, _gzip(idx)], read_idx),
        Format("idx.gz", "a.gz", [_gzip(idx)], read_idx, inside=in_gzip),
        Format("cifar", "cifar-10/test_batch.bin", [cifar], lambda _: load("cifar-10", "test")),
        Format("cifar.xz", "cifar-10/test_batch.bin.xz", [_xz(cifar)],
               lambda _: load("cifar-10", "test"), inside=in_xz),
        Format("amat", "binarized-mnist/binarized_mnist_test.amat", [rows.encode()],
               lambda _: load("binarized-mnist", "test")),
        Format("npy", "quickdraw/cat.npy", [_written(lambda p: np.save(p, drawn), "a.npy")],
               lambda _: load("quickdraw")),
        Format("npz", "quickdraw/a.npz", [_written(lambda p: np.savez(p, cat=drawn), "a.npz")],
               lambda _: load("quickdraw"), inside=_in_zip),
        Format("emoji", f"emoji/{FILE}", [_written(lambda p: np.savez(p, **hands), "a.npz")],
               lambda _: emoji(), inside=_in_zip),
        Format("text", "a.txt", text, _corpus),
        Format("text.gz", "a.gz", text[2:3], _corpus, inside=in_gzip),
        Format("text.xz", "a.xz", text[3:], _corpus, inside=in_xz),
        Format("text8.zip", "text8/text8.zip", [_zip({"text8": b" a bc a bc a"})],
               lambda _: corpus("text8", 1), inside=_in_zip),
        Format("vectors", "a", [_written(lambda p: vectors.save(p, text=True))], _vectors),
        Format("vectors.bin", "a", [_written(vectors.save)], _vectors),
        Format("pairs", "a", [b"# note\nking\tman\t9\nqueen,woman,8\nman king 1.5\n"],
               lambda path: word_similarity(known, path)),
        Format("analogies", "a", [b": royal\nman king woman queen\n: other\nking MAN queen man\n"],
               lambda path: analogies(known, path)),
        *[Format(ending, f"pictures/a.{ending}", files, _folder,
                 inside=_in_png if ending == "png" else None) for ending, files in _pictures()],
        Format("state.npz", "a.npz", [_written(lambda p: minigen.save(arrays, p), "a.npz")],
               minigen.load, ValueError, _in_zip),
        Format("nested.npz", "a.npz", [_written(lambda p: minigen.save(state, p), "a.npz")],
               minigen.load, ValueError, _in_zip),
        Format("pytorch", "a.pt", [_zip({"a/data.pkl": TENSOR, "a/data/0": bytes(16)})],
               minigen.load, ValueError, _in_zip),
        Format("checkpoint.npz", "a.npz", [_written(lambda p: save_checkpoint(p, state))],
               load_checkpoint, CheckpointError, _in_zip),
        Format("config.json", "run/config.json", [json.dumps(config, indent=2).encode()],
               lambda path: Run.resume(path.parent), RunError),
        Format("limits.json", "a.json", [json.dumps(asdict(limits.now)).encode()], limits.read,
               ValueError),
        Format("metrics.jsonl", "run/metrics.jsonl",
               ["".join(json.dumps(line) + "\n" for line in lines).encode()],
               lambda path: Run(path.parent, {}).metrics(), RunError),
    ]  # fmt: skip
    if importlib.util.find_spec("safetensors"):
        name = "a.safetensors"
        whole = _written(lambda p: minigen.save(arrays, p), name)
        found.append(Format("safetensors", name, [whole], minigen.load, ValueError))
    return found


def example(kind: Format, seed: int, i: int) -> bytes:
    """Input i of a format."""
    rng = np.random.default_rng([seed, zlib.crc32(kind.name.encode()), i])
    data = kind.files[rng.integers(len(kind.files))]
    if kind.inside and rng.integers(2):
        return kind.inside(data, rng)
    return damaged(data, rng)


def fuzz(kind: Format, count: int, seed: int = 0, first: int = 0) -> tuple[Counter, list[str]]:
    """How many of a format's inputs were read and how many refused, and what else came of them."""
    outcome, faults = Counter(), []

    def stop(*_: Any) -> None:
        raise Hang(f"more than {SECONDS} s")

    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        nothing, before = os.open(os.devnull, os.O_WRONLY), os.dup(2)
        stack.callback(os.dup2, before, 2)
        os.dup2(nothing, 2)  # for libtiff, which writes there itself
        stack.enter_context(contextlib.redirect_stderr(stack.enter_context(open(os.devnull, "w"))))
        # No published file has these checksums, and none is to be downloaded.
        places = {"MINIGEN_DATA": str(place), "MINIGEN_CACHE": str(place / "cache")}
        stack.enter_context(mock.patch.dict(os.environ, places))
        stack.enter_context(mock.patch.dict(local.CHECKSUMS, clear=True))
        stack.enter_context(mock.patch.object(download, "fetch", side_effect=OSError("offline")))
        stack.enter_context(mock.patch.object(texts, "TEXT8_SIZE", 12))
        md5 = hashlib.md5(b" a bc a bc a", usedforsecurity=False).hexdigest()
        stack.enter_context(mock.patch.object(texts, "TEXT8_MD5", md5))
        path = place / kind.path
        path.parent.mkdir(parents=True, exist_ok=True)
        before = signal.signal(signal.SIGVTALRM, stop)
        stack.callback(signal.signal, signal.SIGVTALRM, before)
        for whole in kind.files:
            path.write_bytes(whole)
            kind.read(path)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for i in range(first, first + count):
            path.write_bytes(example(kind, seed, i))
            try:
                signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
                try:
                    kind.read(path)
                finally:
                    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
                outcome["read"] += 1
            except kind.errors as error:
                # A subclass that the loader did not raise itself is no documented error either.
                if type(error) is kind.errors:
                    outcome["refused"] += 1
                else:
                    faults.append(f"{i}: {type(error).__name__}: {error}"[:200])
            except (Exception, Hang) as error:
                faults.append(f"{i}: {type(error).__name__}: {error}"[:200])
        grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory)
        if grown > MEMORY:
            faults.append(f"{first} to {first + count - 1}: {grown >> 20} MiB of memory")
    return outcome, faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("formats", nargs="*", metavar="FORMAT", help="all by default")
    parser.add_argument("--count", type=int, default=20_000, help="inputs of each format (20000)")
    parser.add_argument("--first", type=int, default=0, help="number of the first (0)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", metavar="FILE", help="write the first input there, and stop")
    options = parser.parse_args()
    known = {kind.name: kind for kind in formats()}
    if unknown := set(options.formats) - known.keys():
        parser.error(f"no such format: {', '.join(unknown)}; there are {', '.join(known)}")
    chosen = [known[name] for name in options.formats or known]
    if options.keep:
        Path(options.keep).write_bytes(example(chosen[0], options.seed, options.first))
        return
    print(f"{'format':16}{'inputs':>9}{'read':>9}{'refused':>9}{'faults':>9}")
    failed = False
    for kind in chosen:
        outcome, faults = fuzz(kind, options.count, options.seed, options.first)
        numbers = options.count, outcome["read"], outcome["refused"], len(faults)
        print(f"{kind.name:16}" + "".join(f"{n:9,}" for n in numbers), flush=True)
        for fault in faults[:5]:
            print(f"    {fault}")
        failed = failed or bool(faults)
    sys.exit(failed)


if __name__ == "__main__":
    main()
