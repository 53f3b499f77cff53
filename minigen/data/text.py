"""Texts as rows of a vocabulary, streamed: memory grows with the vocabulary, not with the text.

corpus("book.txt")      any text in UTF-8, or in UTF-16 or UTF-32 by its byte-order mark; plain,
                        .gz or .xz
corpus("text8")         100 MB of English Wikipedia, downloaded once from its publisher
corpus("docs")          the documentation that came with this installation: the docstrings of
                        Python's standard library, NumPy, SciPy and matplotlib, and the language
                        reference in pydoc_data: 1.4 million words
"""

from __future__ import annotations

import ast
import codecs
import gc
import gzip
import hashlib
import importlib.util
import io
import lzma
import re
import sys
import sysconfig
import tempfile
import unicodedata
import warnings
import weakref
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from minigen.data.download import obtained
from minigen.data.images import DataError
from minigen.display import progress
from minigen.files import StrPath

PIECE = 1 << 20  # characters read at a time
LONGEST = 1000  # characters of a word; in UTF-8 they fit into a file of vectors
BEGINNING = 4 * LONGEST  # characters that make as many, with marks of their own

TEXT8 = "text8.zip"
TEXT8_MIRRORS = ("http://mattmahoney.net/dc/",)
TEXT8_SIZE, TEXT8_MD5 = 100_000_000, "3bea1919949baf155f99411df5fada7e"  # of the unpacked file

DOCUMENTED = ("numpy", "scipy", "matplotlib")
NOT_READ = {
    "site-packages", "test", "tests", "idlelib", "lib2to3", "ensurepip", "pydoc_data",
    "turtledemo",
}  # fmt: skip

ENCODINGS = {  # by the mark that a file begins with; UTF-32's begins with UTF-16's
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
# The others are control characters: a byte of 11 in what is compressed, hardly any in a text.
SEEN = bytes({*range(256)} - {*range(9), *range(14, 27), 127})
_ASCII = {i: chr(i).lower() if chr(i).isalpha() else " " for i in range(128)}
_ORDER_MARK = "\ufeff"
# Not shown and part of no word: soft hyphens, directions of writing, byte-order marks.
_UNSEEN = rf"\xad\u061c\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069{_ORDER_MARK}"
_HIDE = re.compile(f"[{_UNSEEN}]+")


def letters(text: str) -> list[str]:
    """The words of a text, in lower case: runs of letters with the marks upon them, such as the
    vowel signs of हिन्दी and the points of Hebrew, and the joiners between them, such as Persian's
    that have no width. What is not shown, such as a soft hyphen, is left out.

    Words are in Unicode's form NFC, so that equivalent texts have equal words.
    """
    if text.isascii():  # the same, three times as fast
        return text.translate(_ASCII).split()
    text = unicodedata.normalize("NFC", _HIDE.sub("", text)).lower()
    return _patterns()[0].findall(unicodedata.normalize("NFC", text))


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What a word looks like, and a run of what may stand in one.

    Made when first asked for, since all characters are looked through for marks.
    """
    letter, joiner, ranges = r"[^\W\d_]", r"\u180e\u200c\u200d", []
    for i in range(sys.maxunicode + 1):
        if unicodedata.category(chr(i)).startswith("M"):
            if ranges and ranges[-1][1] == i - 1:
                ranges[-1][1] = i
            else:
                ranges.append([i, i])
    mark = "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)
    more = f"[{mark}]++|[{joiner}]++(?=[{mark}]|{letter})|{letter}++"
    inside = f"(?:{letter}++|[{mark}{joiner}{_UNSEEN}]++)*+"
    return re.compile(f"{letter}++(?:{more})*+"), re.compile(inside)


class Corpus:
    """A text as rows of its vocabulary, the most frequent word first.

    The text is read once. What is kept in memory is the vocabulary; the rows are in an unnamed
    file, 4 bytes a word, in the folder for temporary files (see `TMPDIR`), and go with the object.

    Args:
        pieces: the text, cut anywhere between words. Of a word longer than 1,000 characters these
            count alone.
        min_count: words that occur less often are left out of the vocabulary and of the text, so
            that those around them become neighbours, as in word2vec.
        tokenise: from a piece to its words.
        limit: the size of the vocabulary at most.
        name: for messages.

    Attributes:
        words: the vocabulary; ties in the order of first occurrence.
        counts: how often each occurs, int64.
        types: how many different words the text has.

    Raises:
        DataError: no word occurs `min_count` times, the file for the rows cannot be written, or
            min_count or limit is less than 1.
    """

    def __init__(
        self,
        pieces: Iterable[str],
        min_count: int = 5,
        tokenise: Callable[[str], list[str]] = letters,
        limit: int | None = None,
        name: str = "the text",
    ):
        for what, value in (("min_count", min_count), ("limit", 1 if limit is None else limit)):
            if value < 1:
                raise DataError(f"{name}: {what} must be 1 or more, not {value}")
        self.name, self.min_count = name, min_count
        numbers, counts = self._stored(pieces, tokenise)
        self.types = len(numbers)
        order = np.argsort(-counts, kind="stable")
        order = order[: int((counts >= min_count).sum())][:limit]
        if not len(order):
            raise DataError(
                f"{name}: none of its {self._length:,} words occurs {min_count} times or more:"
                " give more text, or a smaller --min-count"
            )
        # The row of each word in the vocabulary; −1 is a word that is left out.
        self._rows = np.full(len(numbers), -1, np.int32)
        self._rows[order] = np.arange(len(order), dtype=np.int32)
        self.counts = counts[order]
        words = list(numbers)
        self.words = [words[number] for number in order.tolist()]

    def __len__(self) -> int:
        """How many words the text has, those included that are not in the vocabulary."""
        return self._length

    def read(self, first: int, count: int) -> np.ndarray:
        """The rows, int32, of those among the words first, …, first + count − 1 of the text that
        are in the vocabulary."""
        self._file.seek(4 * first)
        data = self._file.read(4 * max(0, min(count, self._length - first)))
        rows = self._rows[np.frombuffer(data, np.int32)]
        return rows[rows >= 0]

    def _stored(
        self, pieces: Iterable[str], tokenise: Callable[[str], list[str]]
    ) -> tuple[_Numbers, np.ndarray]:
        """Write the text to the file as numbers of its words; gives these numbers, which are in the
        order of first occurrence, and how often each word occurs."""
        numbers, counts = _Numbers(), np.zeros(1 << 10, np.int64)
        self._length = 0
        try:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as this
            weakref.finalize(self, self._file.close)
            for piece in progress(pieces, "pieces"):
                found = tokenise(piece)
                rows = np.fromiter(map(numbers.__getitem__, found), np.int32, len(found))
                if len(numbers) > len(counts):
                    counts = np.concatenate([counts, np.zeros(2 * len(numbers), np.int64)])
                seen = np.bincount(rows)
                counts[: len(seen)] += seen
                self._length += len(rows)
                self._file.write(rows.tobytes())
            self._file.flush()
        except OSError as error:
            raise DataError(
                f"{self.name}: the words cannot be kept in {tempfile.gettempdir()}:"
                f" {error.strerror}. Set TMPDIR to a folder with space for 4 bytes a word"
            ) from error
        return numbers, counts[: len(numbers)]


class _Numbers(dict):
    """Numbers each new key, of which the first LONGEST characters are kept."""

    def __missing__(self, key: str) -> int:
        if len(key) > LONGEST:
            return self[key[:LONGEST]]
        self[key] = number = len(self)
        return number


def corpus(
    name: StrPath, min_count: int = 5, *, as_is: bool = False, limit: int | None = None
) -> Corpus:
    """Read "docs", "text8" (see above), or a file of text.

    Args:
        as_is: words are what white space separates, as they stand, as in word2vec; otherwise they
            are runs of letters, in lower case.
        limit: the size of the vocabulary at most.

    Raises:
        DataError: the file is missing or damaged, cannot be downloaded, or holds too few words.
    """
    tokenise = str.split if as_is else letters
    if name == "docs":
        return Corpus(documentation(), min_count, tokenise, limit, "docs")
    pieces = text8() if name == "text8" else text_pieces(name)
    return Corpus(pieces, min_count, tokenise, limit, str(name))


def text_pieces(path: StrPath) -> Iterator[str]:
    """A text file in pieces that cut no word; what is no text becomes U+FFFD, which is no letter,
    and byte-order marks are left out, wherever they stand.

    Raises:
        DataError: the file is missing, cannot be read, is an archive or UTF-16 without its mark,
            or its compression is damaged.
    """
    path = Path(path)
    try:
        with open(path, "rb") as raw:
            start, ending = raw.peek(6), path.suffix.lower()
            file: Any = raw
            if start.startswith(b"PK\x03\x04"):
                raise DataError(f"{path}: a zip archive, not a text: unpack it first")
            if ending == ".gz" or start.startswith(b"\x1f\x8b"):
                file = gzip.GzipFile(fileobj=raw)
            elif ending == ".xz" or start.startswith(b"\xfd7zXZ\0"):
                file = lzma.LZMAFile(raw, format=lzma.FORMAT_XZ)  # noqa: SIM115 - ends with raw
            head = file.peek(PIECE)
            encoding = next((name for mark, name in ENCODINGS.items() if head.startswith(mark)), "")
            if not encoding and 4 * head.count(0) > len(head):
                raise DataError(
                    f"{path}: every fourth byte or more is zero, as in UTF-16 or in no text at all:"
                    " save it as UTF-8"
                )
            if (
                not encoding
                and len(head) >= LONGEST
                and 20 * len(head.translate(None, SEEN)) > (len(head))
            ):
                raise DataError(
                    f"{path}: has the control characters of no text: unpack it, if it is packed,"
                    " or save it as UTF-8"
                )
            yield from _pieces(file, encoding or "utf-8")
    except FileNotFoundError as error:
        raise DataError(
            f"there is no text file {path}: give a file, text8, or docs for the documentation on"
            " this machine"
        ) from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read: {reason}") from error


def _pieces(file: Any, encoding: str = "utf-8") -> Iterator[str]:
    """Pieces of at most PIECE characters, cut behind white space.

    PIECE characters without any are cut behind the last that stands in no word. Of a word without
    an end the beginning is kept, for a corpus keeps no more. So neither the words depend on how the
    file is read, nor the time on where white space stands.
    """
    with io.TextIOWrapper(file, encoding=encoding, errors="replace") as text:
        rest = ""
        while piece := text.read(PIECE - len(rest)):
            piece = rest + piece.replace(_ORDER_MARK, "")
            end = len(piece)
            if piece and not piece[-1].isspace():
                end -= len(piece.rsplit(None, 1)[-1])
            if not end and len(piece) == PIECE:
                end = PIECE - _patterns()[1].match(piece[::-1]).end()
                if PIECE - end > BEGINNING:
                    piece = piece[: end + BEGINNING]
                else:
                    end = end or PIECE
            yield piece[:end]
            rest = piece[end:]
        yield rest


def text8() -> Iterator[str]:
    """Matt Mahoney's text8, the first 10⁸ bytes of English Wikipedia reduced to a to z and single
    spaces, unpacked on the way.

    text8.zip is looked for in `$MINIGEN_DATA/text8/` and then in the cache (see
    minigen.data.download), else downloaded to there. Its checksum decides, wherever it comes from.

    Raises:
        DataError: it is damaged, or cannot be downloaded.
    """
    path = obtained("text8", TEXT8, TEXT8_MIRRORS, _complaint_about_text8)
    with zipfile.ZipFile(path) as archive, archive.open("text8") as file:
        yield from _pieces(file)


def _complaint_about_text8(content: BinaryIO) -> str | None:
    """What is wrong with text8.zip, if anything."""
    md5 = hashlib.md5(usedforsecurity=False)
    size = 0
    try:
        with zipfile.ZipFile(content) as archive, archive.open("text8") as file:
            while (piece := file.read(PIECE)) and size <= TEXT8_SIZE:
                md5.update(piece)
                size += len(piece)
    except Exception as error:  # zipfile raises all kinds
        return f"no whole zip file ({error})"
    if size != TEXT8_SIZE or md5.hexdigest() != TEXT8_MD5:
        return f"expected {TEXT8_SIZE} bytes with the MD5 checksum {TEXT8_MD5}, got another file"
    return None


def documentation() -> Iterator[str]:
    """The docstrings of Python's standard library and of the packages in DOCUMENTED, read with
    `ast` and so without running them, and the language reference; tests are left out.

    Raises:
        DataError: there are none, in an installation stripped of its sources.
    """
    folders = [Path(sysconfig.get_paths()["stdlib"])]
    for package in DOCUMENTED:
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.submodule_search_locations:
            folders.append(Path(spec.submodule_search_locations[0]))
    found = False
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            if not NOT_READ.intersection(path.relative_to(folder).parts):
                for text in docstrings(path):
                    found = True
                    yield text
    try:
        from pydoc_data.topics import topics
    except ImportError:  # some distributions leave it out
        topics = {}
    yield from topics.values()
    if not found and not topics:
        raise DataError("there is no documentation on this machine: give --corpus FILE instead")


def docstrings(path: Path) -> Iterator[str]:
    """The docstrings of a file of Python source; none where it cannot be read or parsed."""
    collecting = gc.isenabled()
    gc.disable()  # so many nodes at once make Python look for cycles over and over
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of invalid escapes in others' sources
            tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return
    finally:
        if collecting:
            gc.enable()
    pending: list[ast.AST] = [tree]
    while pending:  # only statements are visited, for only they hold functions and classes
        node = pending.pop()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node, clean=False)
            if text:
                yield text
        for name in ("finalbody", "orelse", "handlers", "body"):
            pending.extend(reversed(getattr(node, name, [])))
