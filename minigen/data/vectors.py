"""Words and their vectors: questions to them, and word2vec's two file formats.

Both formats begin with a line "<words> <dim>". In the text format a line follows for each word,
"<word> <number> … <number>"; in the binary one the word, a space and dim little-endian float32.
word2vec, gensim, fastText and others read and write them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from minigen.data.images import DataError
from minigen.display import progress
from minigen.files import StrPath, written_whole
from minigen.kernels.product import matmul

FREQUENT = 30_000  # words to look among: vectors of rarer ones are mostly noise
LONGEST = 4096  # bytes; no word is longer, and no first line
MOST = sys.maxsize >> 10  # numbers of a vector; a few more and no memory had addresses for them


class Vectors:
    """A vector for each of some words, usually the most frequent word first.

    Args:
        words: all different, none empty.
        vectors: (words, dim), kept as float32.

    Attributes:
        words: a list.
        vectors: (words, dim), float32.
        index: the row of each word.

    Raises:
        ValueError: the numbers of words and rows differ, a word is named twice, or a number is not
            finite.
    """

    def __init__(self, words: Iterable[str], vectors: np.ndarray):
        self.words = list(words)
        with np.errstate(over="ignore"):  # infinity is refused below
            self.vectors = np.asarray(vectors, np.float32)
        if self.vectors.ndim != 2 or len(self.vectors) != len(self.words):
            raise ValueError(
                f"Vectors: expected a row for each of {len(self.words)} words, got"
                f" {self.vectors.shape}"
            )
        self.index = {word: i for i, word in enumerate(self.words)}
        if len(self.index) < len(self.words):
            twice = next(w for i, w in enumerate(self.words) if self.index[w] != i)
            raise ValueError(f"Vectors: the word {twice!r} is there twice")
        if broken := np.flatnonzero(~np.isfinite(self.vectors).all(axis=1)).tolist():
            word = self.words[broken[0]]
            raise ValueError(
                f"Vectors: {len(broken)} of {len(self.words)} vectors hold NaN or infinity, that"
                f" of {word!r} first"
            )
        self._unit: np.ndarray | None = None

    @property
    def unit(self) -> np.ndarray:
        """The vectors divided by their lengths (a vector of zeros stays), made when first asked
        for."""
        if self._unit is None:
            # By the largest number first, whose square may be too large or too small for float32.
            largest = np.maximum(self.vectors.max(1, initial=0), -self.vectors.min(1, initial=0))
            largest = largest[:, None]
            unit = self.vectors / np.where(largest > 0, largest, 1)
            unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1)
            self._unit = unit
        return self._unit

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self.index

    def __getitem__(self, word: str) -> np.ndarray:
        return self.vectors[self._row(word)]

    def similarity(self, a: str, b: str) -> float:
        """The cosine of the angle between the vectors of two words.

        Raises:
            KeyError: a word is unknown.
        """
        return float((self.unit[self._row(a)] * self.unit[self._row(b)]).sum())

    def most_similar(
        self,
        positive: str | Sequence[str],
        negative: str | Sequence[str] = (),
        count: int = 10,
        restrict: int | None = None,
    ) -> list[tuple[str, float]]:
        """The words nearest to a sum of words, by cosine: of each `positive` word the unit vector
        is added, of each `negative` one subtracted. These words themselves are left out.

        Args:
            count: how many to give.
            restrict: look among the first so many words only.

        Raises:
            KeyError: a word is unknown.
            ValueError: no words at all.
        """
        plus, minus = (
            [self._row(w) for w in ([words] if isinstance(words, str) else words)]
            for words in (positive, negative)
        )
        if not plus and not minus:
            raise ValueError("most_similar: expected a word at least, got none")
        target = self.unit[plus].sum(0) - self.unit[minus].sum(0)
        length = float(np.sqrt(np.square(target).sum()))
        scores = matmul(self.unit[:restrict], (target / (length or 1.0))[:, None])[:, 0]
        given = {*plus, *minus}
        # A few more than asked for, since the given words are usually among the nearest.
        wanted = min(max(count, 0) + len(given), len(scores))
        best = np.argpartition(-scores, wanted - 1)[:wanted] if wanted else []
        best = sorted((i for i in best if i not in given), key=lambda i: (-scores[i], i))
        return [(self.words[i], float(scores[i])) for i in best[: max(count, 0)]]

    def analogy(
        self, a: str, b: str, c: str, count: int = 5, restrict: int | None = None
    ) -> list[tuple[str, float]]:
        """a is to b as c is to …: the words nearest to b − a + c (3CosAdd, Mikolov et al. 2013);
        see `most_similar`.

        Raises:
            KeyError: a word is unknown.
        """
        return self.most_similar([b, c], [a], count, restrict)

    def save(self, path: StrPath, text: bool = False) -> None:
        """Write all words and vectors in word2vec's binary format, or its text format, from which
        `load` gets the same float32 numbers.

        Raises:
            ValueError: a word that no file can hold: empty, with a blank, tab or another of ASCII's
                white space, longer than 4,096 bytes, or not UTF-8.
            OSError: the file cannot be written; an older one stays as it was.
        """
        with written_whole(path) as file:
            file.write(f"{len(self)} {self.vectors.shape[1]}\n".encode())
            for word, vector in zip(self.words, self.vectors, strict=True):
                try:
                    name = word.encode()
                except UnicodeEncodeError as error:
                    raise ValueError(f"{path}: the word {word!r} is no valid text") from error
                if fault := _fault(name):
                    raise ValueError(f"{path}: the word {word[:60]!r} {fault}")
                if text:  # nine digits tell any float32 from any other
                    file.write(name + b"".join(b" %.9g" % x for x in vector.tolist()) + b"\n")
                else:
                    file.write(name + b" " + vector.astype("<f4").tobytes() + b"\n")

    @classmethod
    def load(cls, path: StrPath) -> Vectors:
        """Read a file in word2vec's text or binary format; which one is told from its content.

        Raises:
            DataError: the file is missing, cannot be read, or is no such file: its first line
                promises other than what follows, it is cut short, a number is none, or a word is
                there twice or is one that `save` refuses. Nothing is allocated on the word of the
                first line.
        """
        path = Path(path)
        try:
            with open(path, "rb") as file:
                return cls._read(file, path)
        except OSError as error:
            raise DataError(
                f"{path}: cannot be read: {error.strerror}; give a file of word vectors"
            ) from error

    @classmethod
    def _read(cls, file: BinaryIO, path: Path) -> Vectors:
        first = file.readline(LONGEST)
        sizes = first.split()
        if [n.isdigit() for n in sizes] != [True, True] or not first.endswith(b"\n"):
            raise DataError(
                f"{path}: no file of word vectors: expected a first line '<words> <dim>', got"
                f" {first[:60]!r}"
            )
        # Forty digits are more than any file can hold, and Python refuses to read thousands.
        count, dim = (int(n.lstrip(b"0")[:40] or b"0") for n in sizes)
        left = os.fstat(file.fileno()).st_size - file.tell()
        # Two bytes are the least that a number takes in text; in binary it takes four.
        if count * (2 + 2 * dim) > left or dim > MOST:
            raise DataError(
                f"{path}: its first line promises {count} words of {dim} numbers, but only {left}"
                f" bytes follow: it is cut short, or damaged"
            )
        binary = count > 0 and _looks_binary(file, dim)
        words: list[str] = []
        vectors = np.empty((count, dim), np.float32)
        read = _binary_entry if binary else _text_entry
        for row in progress(range(count), "words"):
            name = read(file, vectors[row], path, row)
            if fault := _fault(name):
                raise DataError(f"{path}: word {row + 1}, {name[:60]!r}, {fault}")
            words.append(name.decode())
        if rest := file.read(LONGEST).strip():
            raise DataError(
                f"{path}: its first line promises {count} words, but more follows: {rest[:40]!r}"
            )
        try:
            return cls(words, vectors)
        except ValueError as error:
            raise DataError(f"{path}: {str(error).removeprefix('Vectors: ')}") from error

    def _row(self, word: str) -> int:
        if word not in self.index:
            raise KeyError(f"there is no vector for the word {word!r}, of {len(self)} words")
        return self.index[word]


@contextmanager
def answering() -> Iterator[None]:
    """Turn what is wrong with a user's question to `Vectors` into an error for the user.

    Raises:
        DataError: a word is unknown, or there is none.
    """
    try:
        yield
    except (KeyError, ValueError) as error:
        raise DataError(error.args[0]) from None


def signed(words: Iterable[str]) -> tuple[list[str], list[str]]:
    """Words that are added and words that are taken away, of ["king", "-", "man", "+", "woman"].
    A sign stands for the one word behind it."""
    signs: dict[str, list[str]] = {"+": [], "-": []}
    sign = "+"
    for word in words:
        if word in signs:
            sign = word
        else:
            signs[sign].append(word)
            sign = "+"
    return signs["+"], signs["-"]


def _fault(name: bytes) -> str | None:
    """Why a word cannot stand in a file of either format, if so."""
    if name.split() != [name]:
        return "has white space" if name else "is empty"
    if len(name) > LONGEST:
        return f"is longer than {LONGEST} bytes"
    try:
        name.decode()
    except UnicodeDecodeError:
        return "is not UTF-8"
    return None


def _looks_binary(file: BinaryIO, dim: int) -> bool:
    """Whether the first entry is other than a line of a word and `dim` numbers; a line of several
    words is text, if it can be printed."""
    start = file.tell()
    line = file.readline(LONGEST + 64 * dim)
    file.seek(start)
    fields = line.split()
    more = len(fields) - 1 - dim
    printable = b" ".join(fields).decode("utf-8", "surrogateescape").isprintable()
    return more < 0 or (more > 0 and not printable) or _numbers(fields[1 + more :]) is None


def _numbers(fields: list[bytes]) -> list[float] | None:
    try:
        return [float(x) for x in fields]
    except ValueError:
        return None


def _text_entry(file: BinaryIO, vector: np.ndarray, path: Path, row: int) -> bytes:
    longest = LONGEST + 64 * len(vector)
    line = file.readline(longest)
    fields = line.split()
    numbers = _numbers(fields[1:]) if len(fields) == len(vector) + 1 else None
    if numbers is not None:
        with np.errstate(over="ignore"):  # infinity is refused with its word
            vector[:] = numbers
        return fields[0]
    raise DataError(
        f"{path}: word {row + 1}: expected a line of a word and {len(vector)} numbers, got"
        f" {len(fields)} fields: {line[:60]!r}"
    )


def _binary_entry(file: BinaryIO, vector: np.ndarray, path: Path, row: int) -> bytes:
    name = bytearray()
    while (byte := file.read(1)) != b" ":
        if not byte or len(name) > LONGEST:
            raise DataError(
                f"{path}: word {row + 1} has no end"
                + (", for the file ends" if not byte else f" in {LONGEST} bytes")
            )
        if byte not in b"\r\n" or name:  # an entry may end with a line feed, which belongs to it
            name += byte
    data = file.read(4 * len(vector))
    if len(data) < 4 * len(vector):
        raise DataError(
            f"{path}: cut short in word {row + 1}, {bytes(name[:40])!r}: expected"
            f" {4 * len(vector)} bytes of numbers, got {len(data)}"
        )
    vector[:] = np.frombuffer(data, "<f4")
    return bytes(name)
