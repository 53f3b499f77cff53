"""Words: a map to search, and sums of words."""

from __future__ import annotations

import re
from typing import Any

from minigen.data.vectors import Vectors
from minigen.explorer.answers import numbers
from minigen.explorer.controls import Text, ValuesError
from minigen.explorer.view import View
from minigen.explorer.worker import Show
from minigen.training.wordmap import tsne

ON_THE_MAP = 400
NEAR = 12
RARE = 30_000  # words from here on have vectors that are mostly noise


class OfWords(View):
    """The most frequent words where `tsne` puts them, and the nearest to a word or a sum of words
    of all.

    Args:
        vectors: of the words.
    """

    shows = "words"
    sees = "Words that are used alike lie near each other; king − man + woman asks for an analogy."

    def __init__(self, vectors: Vectors):
        self.vectors = vectors
        self.on_the_map = vectors.words[:ON_THE_MAP]
        self.points = tsne(vectors.vectors[:ON_THE_MAP])
        self.controls = [Text("words", "a word, or a sum such as king - man + woman")]

    def about(self) -> dict[str, Any]:
        return super().about() | {"words": self.on_the_map, "points": numbers(self.points)}

    def draw(self, values: dict[str, Any], show: Show) -> None:
        """The nearest words, with their cosines, and the words that were asked about."""
        plus, minus = terms(values["words"])
        if not plus and not minus:
            return show({"near": [], "asked": []})
        if unknown := [word for word in (*plus, *minus) if word not in self.vectors]:
            count = f"{len(self.vectors):,}"
            raise ValuesError(f"there is no vector for {unknown[0]!r}, of {count} words")
        near = self.vectors.most_similar(plus, minus, NEAR, RARE)
        near = [[word, round(cosine, 3)] for word, cosine in near]
        return show({"near": near, "asked": [*plus, *minus]})


def terms(text: str) -> tuple[list[str], list[str]]:
    """Words of "a - b + c" that are added, and those that are taken away. A sign stands between
    blanks, for some words have one inside."""
    plus: list[str] = []
    minus: list[str] = []
    now = plus
    for part in re.sub("[−–]", "-", text).split():
        if part in ("+", "-"):
            now = plus if part == "+" else minus
        else:
            now.append(part)
            now = plus
    return plus, minus
