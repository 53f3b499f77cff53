"""How good are word vectors: agreement with people on the similarity of words, and analogies.

The protocols are gensim's, so that figures compare. Words are compared in lower case. Pairs and
questions with an unknown word are left out, and how many remain is part of the result.

    similarity   Spearman's rank correlation of the cosines with people's judgements
                 (WordSim-353, Finkelstein et al. 2002; RG-65, Rubenstein and Goodenough 1965)
    analogies    a is to b as c is to d: right if d is the word nearest to b − a + c, of unit
                 vectors, by cosine, with a, b and c left out (3CosAdd; Mikolov et al. 2013,
                 arXiv:1301.3781). Only the `restrict` most frequent words are known and looked at.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from minigen.data.images import DataError
from minigen.data.vectors import Vectors
from minigen.display import progress
from minigen.files import StrPath
from minigen.kernels.product import matmul
from minigen.kernels.threads import single_threaded_blas
from minigen.metrics.points import as_numbers

QUESTIONS_AT_ONCE = 256  # their scores against 68,000 words take 70 MB


class Similarity(NamedTuple):
    """Spearman's correlation (NaN where it cannot be told), of `found` among `total` pairs."""

    correlation: float
    found: int
    total: int


class Section(NamedTuple):
    """A kind of analogies: how many questions there are, could be answered, were right."""

    name: str
    right: int
    answered: int
    total: int

    @property
    def accuracy(self) -> float:
        """The share of right answers among the questions that could be answered."""
        return self.right / self.answered if self.answered else float("nan")


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation, ties sharing their mean rank: Pearson's, of the ranks, by
    `scipy.stats.spearmanr`.

    NaN where one of the two is constant, or there are fewer than two values.
    """
    from scipy.stats import spearmanr  # here, because it takes as long as all other imports

    a, b = as_numbers(a), as_numbers(b)
    if min(len(np.unique(a)), len(np.unique(b))) < 2:
        return float("nan")
    return float(spearmanr(a, b).statistic)


@single_threaded_blas()
def word_similarity(vectors: Vectors, path: StrPath) -> Similarity:
    """Compare with a file of lines "word, word, number", separated by tabs, commas or blanks; a
    line that begins with # is none.

    Raises:
        DataError: the file cannot be read, or a line is no such line.
    """
    known, cosines, judged, total = _lower(vectors), [], [], 0
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            a, b, value = line.replace("\t", " ").replace(",", " ").lower().split()
            value = float(value)
        except ValueError:
            if total == 0 and number == 1:  # the names of columns
                continue
            value = float("nan")
        if not np.isfinite(value):
            raise DataError(
                f"{path}, line {number}: expected two words and a number, got {line[:60]!r}"
            )
        total += 1
        if a in known and b in known:
            cosines.append(vectors.unit[known[a]] @ vectors.unit[known[b]])
            judged.append(value)
    if not total:
        raise DataError(f"{path}: it holds no pairs of words")
    return Similarity(spearman(np.array(cosines), np.array(judged)), len(cosines), total)


def analogies(vectors: Vectors, path: StrPath, restrict: int | None = None) -> list[Section]:
    """Answer a file of questions: lines of four words, in sections that begin ": name".

    Args:
        restrict: only the first so many words, the most frequent ones, are known.

    Returns:
        A result for each section, in the order of the file.

    Raises:
        DataError: the file cannot be read, or a line is no question.
    """
    known = _lower(vectors, restrict)
    names, section, rows, totals = [], [], [], []
    for number, line in enumerate(_lines(path), start=1):
        if line.startswith(":"):
            names.append(line[1:].strip())
            totals.append(0)
            continue
        words = line.lower().split()
        if not words:
            continue
        if len(words) != 4 or not names:
            raise DataError(
                f"{path}, line {number}: expected ': section', and then four words a line, got"
                f" {line[:60]!r}"
            )
        totals[-1] += 1
        if all(word in known for word in words):
            section.append(len(names) - 1)
            rows.append([known[word] for word in words])
    if not names:
        raise DataError(f"{path}: it holds no sections of questions")
    right = _answer(vectors.unit[:restrict], np.array(rows, np.int64).reshape(-1, 4), known)
    sections = np.array(section, np.int64)
    answered = np.bincount(sections, minlength=len(names))
    hits = np.bincount(sections[right], minlength=len(names))
    return [
        Section(name, int(h), int(a), total)
        for name, h, a, total in zip(names, hits, answered, totals, strict=True)
    ]


def total(sections: list[Section]) -> Section:
    """All sections as one."""
    sums = (sum(s[i] for s in sections) for i in (1, 2, 3))
    return Section("all", *sums)


def _answer(unit: np.ndarray, rows: np.ndarray, known: dict[str, int]) -> np.ndarray:
    """Whether d is the word nearest to b − a + c, for each row (a, b, c, d)."""
    # Of words that differ in capitals only the first one is known, and may be an answer.
    hidden = np.ones(len(unit), bool)
    hidden[list(known.values())] = False
    right = np.zeros(len(rows), bool)
    for first in progress(range(0, len(rows), QUESTIONS_AT_ONCE)):
        a, b, c, d = rows[first : first + QUESTIONS_AT_ONCE].T
        scores = matmul(unit[b] - unit[a] + unit[c], unit.T)  # (questions, dim) @ (dim, words)
        if hidden.any():
            scores[:, hidden] = -np.inf
        each = np.arange(len(a))
        for given in (a, b, c):
            scores[each, given] = -np.inf
        right[first : first + QUESTIONS_AT_ONCE] = scores.argmax(axis=1) == d
    return right


def _lower(vectors: Vectors, restrict: int | None = None) -> dict[str, int]:
    """The row of each word in lower case; of several the first, which is the most frequent."""
    known: dict[str, int] = {}
    for row, word in enumerate(vectors.words[:restrict]):
        known.setdefault(word.lower(), row)
    return known


def _lines(path: StrPath) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 at byte {error.start}") from error
