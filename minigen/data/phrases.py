"""Coloured digits, and the phrases of a closed grammar that ask for them: "three red sevens".

    phrase       NUMBER COLOUR DIGIT, the digit in the plural where there are several
    combination  the places of these in NUMBERS, COLOURS and DIGITS, (3,)
    words        the places of these in WORDS, (3,): what a network is told

A picture has four cells, in as many of which as the number says stands a handwritten digit, each
drawn by itself. Which combinations are held out is a rule: of each digit one colour to test with
and another one for validation, in any number. So training sees each word, and each number with each
colour and with each digit, but never a red zero.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigen.data import batches
from minigen.data.images import DataError, Images

NUMBERS = ("a", "two", "three")
COLOURS = {
    "red": (1, 0, 0),
    "green": (0, 1, 0),
    "blue": (0, 0, 1),
    "yellow": (1, 1, 0),
    "purple": (1, 0, 1),
    "white": (1, 1, 1),
}
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
PARTS = (NUMBERS, tuple(COLOURS), DIGITS)
WORDS = sum(PARTS, ())
HELD_OUT = {0: "test", 3: "validation"}  # by the colour's place less the digit's, modulo 6
SPLITS = ("train", *HELD_OUT.values())
SIDE = 28  # of a picture, as of the digits that it is made from
CELL = SIDE // 2
BRIGHT = 0.5  # from 0 to 1: what is darker is no ink
NONE = -1  # for a number, colour or digit that a picture does not have


def split_of(combination: Sequence[int]) -> str:
    """Whether a combination is to "train", "validation" or "test" with."""
    _, colour, digit = combination
    return HELD_OUT.get((colour - digit) % len(COLOURS), "train")


def combinations(split: str) -> np.ndarray:
    """The combinations of a split, (M, 3)."""
    every = np.indices([len(part) for part in PARTS]).reshape(len(PARTS), -1).T
    return every[[split_of(combination) == split for combination in every]]


def words_of(combos: np.ndarray) -> np.ndarray:
    """The words of combinations (N, 3), as places in WORDS, (N, 3)."""
    return combos + np.cumsum([0, *map(len, PARTS[:-1])])


def phrase_of(combination: Sequence[int]) -> str:
    """The phrase that asks for a combination."""
    number, colour, digit = (part[i] for part, i in zip(PARTS, combination, strict=True))
    many = "" if number == NUMBERS[0] else "es" if digit.endswith("x") else "s"
    return f"{number} {colour} {digit}{many}"


def combination_of(phrase: str) -> np.ndarray:
    """The combination that a phrase asks for, (3,); a single digit is "a red six" or "one red six".

    Raises:
        DataError: it is no phrase of the grammar.
    """
    words = phrase.lower().split()
    asked = " ".join(["a", *words[1:]] if words[:1] == ["one"] else words)
    known = {phrase_of(c): c for split in SPLITS for c in combinations(split)}
    if asked in known:
        return known[asked]
    allowed = {word for phrase in known for word in phrase.split()}
    if strange := [word for word in words if word not in allowed]:
        colours, digits = ", ".join(COLOURS), f"{DIGITS[0]} to {DIGITS[-1]}"
        raise DataError(
            f"unknown {strange[0][:16]!r}: expected {', '.join(NUMBERS)}; {colours}; {digits}"
        )
    raise DataError(f"expected a phrase as 'a blue four' or 'two red sixes', got {phrase[:24]!r}")


def small(images: Images) -> np.ndarray:
    """The digits of images at half the size, (N, 14, 14) from 0 to 1: means of 2 × 2 pixels.

    Raises:
        DataError: they are no grey images of 28 × 28 pixels of the classes 0 to 9.
    """
    shape, kinds = images.images.shape[1:], images.classes
    if shape != (1, SIDE, SIDE) or "".join(kinds) != "0123456789":
        raise DataError(
            f"{images.name}: phrases are of digits, images (1, {SIDE}, {SIDE}) of the classes 0 to"
            f" 9, not {shape} of {', '.join(kinds)[:40]}"
        )
    pairs = images.images.reshape(-1, CELL, 2, CELL, 2)
    return pairs.mean((2, 4), dtype=np.float32) / 255


class PhrasePictures:
    """Pictures of combinations, drawn on the spot. A batch is a function of the seed and of how
    many were drawn before it.

    Args:
        images: of digits, of each at least one; see `small`.
        seed: of the batches.

    Raises:
        DataError: they are others, or a digit is missing.
    """

    def __init__(self, images: Images, seed: int = 0):
        self.digits, self.seed, self.batches = small(images), seed, 0
        self._share = batches.share
        self.rows = [np.flatnonzero(images.labels == digit) for digit in range(len(DIGITS))]
        if missing := [name for name, rows in zip(DIGITS, self.rows, strict=True) if not len(rows)]:
            raise DataError(
                f"{images.name}: of its {len(images):,} images none is a {missing[0]}: take more"
            )

    def draw(self, combos: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A picture of each combination (N, 3), float32 (N, 3, 28, 28) from −1 to 1."""
        grey = np.zeros((len(combos), 4, CELL, CELL), np.float32)
        cells = rng.permuted(np.tile(np.arange(4), (len(combos), 1)), axis=1)
        for i, (number, _, digit) in enumerate(combos):
            grey[i, cells[i, : number + 1]] = self.digits[rng.choice(self.rows[digit], number + 1)]
        colours = np.array(list(COLOURS.values()), np.float32)[combos[:, 1]]
        rows = grey.reshape(-1, 2, 2, CELL, CELL).swapaxes(2, 3)
        return 2 * rows.reshape(-1, 1, SIDE, SIDE) * colours[:, :, None, None] - 1

    def batch(self, size: int, split: str = "train") -> tuple[np.ndarray, np.ndarray]:
        """The next pictures (size, 3, 28, 28) of a split's combinations, each as probable, and
        their words (size, 3)."""
        key = np.array([self.seed, self.batches], np.uint64)
        rng = np.random.Generator(np.random.Philox(key=key))
        self.batches += 1
        part, parts = self._share
        combos = rng.choice(combinations(split), size * parts)
        own = slice(part * size, (part + 1) * size)
        return self.draw(combos, rng)[own], words_of(combos)[own]

    def state_dict(self) -> dict[str, Any]:
        """How many batches were drawn, and what of."""
        return {"batches": self.batches, "data": f"{zlib.crc32(self.digits):08x}"}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on after that batch.

        Raises:
            ValueError: it was drawn of other digits.
        """
        if state["data"] != self.state_dict()["data"]:
            raise ValueError("PhrasePictures: the state is of other digits than those here")
        self.batches = int(state["batches"])


def read_combinations(
    pictures: np.ndarray, digits: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """What pictures (N, 3, 28, 28) from −1 to 1 show, (N, 3), NONE for what is not to be said: no
    number without ink, no colour that less than 90 % of the ink have, no digit that not all cells
    with ink have.

    Args:
        pictures: of which a pixel is ink, if a channel is brighter than half.
        digits: reads cells (M, 14, 14) from 0 to 1, (M,).
    """
    light = (pictures.clip(-1, 1) + 1) / 2
    grey = light.max(1)
    cells = grey.reshape(-1, 2, CELL, 2, CELL).swapaxes(2, 3).reshape(-1, 4, CELL, CELL)
    full = cells.max((2, 3)) > BRIGHT
    number = full.sum(1)
    found = np.full((len(pictures), 3), NONE)
    known = (number > 0) & (number <= len(NUMBERS))
    found[known, 0] = number[known] - 1
    palette = np.array(list(COLOURS.values()), np.float32)
    palette /= np.linalg.norm(palette, axis=1, keepdims=True)
    nearest = np.einsum("nchw,kc->nkhw", light, palette).argmax(1)
    shares = np.stack([(nearest == k) & (grey > BRIGHT) for k in range(len(palette))], 1)
    shares = shares.sum((2, 3)) / np.maximum((grey > BRIGHT).sum((1, 2)), 1)[:, None]
    found[:, 1] = np.where(shares.max(1) >= 0.9, shares.argmax(1), NONE)
    said = np.full(full.shape, NONE)
    if full.any():
        said[full] = digits(cells[full])
    for digit in range(len(DIGITS)):
        found[((said == digit) | ~full).all(1) & (number > 0), 2] = digit
    return found
