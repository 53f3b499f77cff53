"""Words: a map to search, and sums of words."""

from __future__ import annotations

from typing import Any

from minigen.data.vectors import FREQUENT, answering, signed
from minigen.explorer.answers import numbers
from minigen.explorer.controls import Text
from minigen.explorer.view import View
from minigen.explorer.worker import Show
from minigen.training.trained_kinds import Words
from minigen.training.wordmap import tsne

ON_THE_MAP = 300
NEAR = 12


class OfWords(View[Words]):
    """The most frequent words where `tsne` puts them, and the nearest to a word or a sum of words
    of all.

    Args:
        trained: the vectors.
    """

    shows = "words"
    sees = "Words that are used alike lie near each other; king − man + woman asks for an analogy."

    def __init__(self, trained: Words):
        super().__init__(trained)
        vectors = trained.model
        self.on_the_map = vectors.words[:ON_THE_MAP]
        self.points = tsne(vectors.vectors[:ON_THE_MAP])
        self.controls = [Text("words", "a word, or a sum such as king - man + woman")]

    def about(self) -> dict[str, Any]:
        return super().about() | {"words": self.on_the_map, "points": numbers(self.points)}

    def draw(self, values: dict[str, Any], show: Show) -> None:
        """The nearest words, with their cosines, and the words that were asked about.

        Raises:
            DataError: there is no vector for a word.
        """
        plus, minus = signed(values["words"].replace("−", "-").split())
        near: list[Any] = []
        if plus or minus:
            with answering():
                near = self.trained.model.most_similar(plus, minus, NEAR, FREQUENT)
        show({"near": [[word, round(s, 3)] for word, s in near], "asked": [*plus, *minus]})
