"""Emoji in the hands of Noto and of Twemoji, and in six skin tones: translations whose right answer
is known.

They are read from `emoji_pairs_32.npz` in `$MINIGEN_DATA/emoji/` or in the cache (see
minigen.data.download). It holds, in the same order, `noto` and `twemoji`, uint8 (N, 32, 32, 4) of
red, green, blue and alpha, and `codepoints`, in hexadecimal with "-" between them.

Siblings look alike: a runner has 18 pictures, in six skin tones and three genders. A split by
picture would have half of its test pictures learnt by heart, so whole families are split.
"""

from __future__ import annotations

import numpy as np

from minigen.data.domains import Domains, dealt
from minigen.data.images import DataError
from minigen.data.local import arrays, at_hand

HANDS = ("noto", "twemoji")
KINDS = ("hands", "faces", "tones")
FILE = "emoji_pairs_32.npz"
# Without a tone, and the five tones of Fitzpatrick's scale.
TONES = {
    "yellow": "", "light": "1f3fb", "medium-light": "1f3fc", "medium": "1f3fd",
    "medium-dark": "1f3fe", "dark": "1f3ff",
}  # fmt: skip
PERSON = "1f9d1"
# What siblings differ in: tones, joiners and variants, signs of gender; a man and a woman are
# persons.
DROPPED = {*TONES.values(), "200d", "fe0f", "2640", "2642"}
PERSONS = {"1f468": PERSON, "1f469": PERSON}
FACES = {f"{point:x}" for point in range(0x1F600, 0x1F650)}  # some are cats', some raise a hand


def emoji(
    split: str | None = None,
    kind: str = "hands",
    *,
    hands: tuple[str, ...] = HANDS,
    alpha: bool = False,
    seed: int = 0,
) -> Domains:
    """Load emoji of 32 × 32 pixels, the same contents in several domains.

    - "hands": all 3,410 of them; the domains are "noto" and "twemoji".
    - "faces": the 80 of them that are faces.
    - "tones": the 305 that are drawn in all six skin tones; the domains are the tones, "yellow" to
      "dark", of one hand, and "noto yellow" to "twemoji dark" of both.

    Args:
        split: "train", "validation" or "test", whole families of each (see `dealt`): a family is on
            the same side in every kind. None takes all.
        hands: whose drawings. Those of one hand are a set of `Images` by `.pictures()`.
        alpha: (N, D, 4, 32, 32), colours multiplied by alpha, so that what is not seen is 0.
            Otherwise (N, D, 3, 32, 32) on white: such a colour, + 255 - alpha.
        seed: of the split.

    Raises:
        DataError: the file is missing or damaged.
        ValueError: another kind, split or hand.
    """
    if kind not in KINDS:
        raise ValueError(f"emoji: expected a kind of {', '.join(KINDS)}, got {kind!r}")
    if not hands or set(hands) - {*HANDS}:
        raise ValueError(f"emoji: expected hands of {', '.join(HANDS)}, got {hands!r}")
    drawn, points = _read()
    families = np.unique([family(p) for p in points], return_inverse=True)[1]
    if kind == "tones":
        rows = _in_all_tones(points)
    else:
        rows = np.flatnonzero([kind == "hands" or p in FACES for p in points])[:, None]
    if split is not None:
        rows = rows[dealt(families, split, seed)[rows[:, 0]]]
    # (N, hands, tones, H, W, RGBA), with one tone where tones are no domains.
    pictures = np.stack([drawn[hand][rows] for hand in hands], axis=1)
    pictures = pictures.reshape(len(rows), -1, *pictures.shape[3:])
    pictures = np.moveaxis(_premultiplied(pictures, alpha), -1, 2)
    names = hands
    if kind == "tones":
        names = tuple(f"{hand} {tone}" for hand in hands for tone in TONES)
        names = names if len(hands) > 1 else tuple(TONES)
    return Domains(f"emoji {kind}", pictures, names, families[rows[:, 0]])


def family(points: str) -> str:
    """Return what the code points of an emoji, "1f3c3-1f3fb-200d-2640" say, have in common with its
    siblings', "1f3c3": no skin tones, joiners, variants and signs of gender, and one person."""
    return "-".join(PERSONS.get(p, p) for p in points.split("-") if p not in DROPPED)


def _in_all_tones(points: list[str]) -> np.ndarray:
    """The places (n, 6) of emoji that are there in every tone; two people may have one tone."""
    found: dict[str, dict[str, int]] = {}
    for place, emoji in enumerate(points):
        parts = emoji.split("-")
        tones = {p for p in parts if p in TONES.values()} or {""}
        if len(tones) == 1:
            base = "-".join(p for p in parts if p not in tones)
            found.setdefault(base, {})[tones.pop()] = place
    rows = [[of[t] for t in TONES.values()] for of in found.values() if len(of) == len(TONES)]
    return np.array(rows, np.int64).reshape(-1, len(TONES))


def _premultiplied(pictures: np.ndarray, alpha: bool) -> np.ndarray:
    """RGBA (…, 4) with the colours multiplied by alpha, or RGB (…, 3), these on white."""
    cover = pictures[..., 3:]
    seen = ((pictures[..., :3].astype(np.uint16) * cover + 127) // 255).astype(np.uint8)
    return np.concatenate([seen, cover], axis=-1) if alpha else seen + (255 - cover)


def _read() -> tuple[dict[str, np.ndarray], list[str]]:
    """Each hand's drawings (N, H, W, 4), and the code points of each, without bare skin tones."""
    path = at_hand("emoji", FILE, "the drawings of Noto and Twemoji: see minigen.data.emoji")
    found = arrays(path)
    if lacking := {*HANDS, "codepoints"} - found.keys():
        raise DataError(f"{path}: expected an array {sorted(lacking)[0]}, found none")
    points = found["codepoints"]
    try:
        points = points.astype("S").astype("U")  # refuses what is not ASCII
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: expected code points in hexadecimal: {error}") from error
    for hand in HANDS:
        drawn = found[hand]
        if drawn.dtype != np.uint8 or drawn.ndim != 4 or drawn.shape[3] != 4:
            raise DataError(f"{path}: {hand}: expected bytes (N, H, W, 4), got {drawn.shape}")
        if (drawn.shape, points.shape) != (found[HANDS[0]].shape, drawn.shape[:1]):
            raise DataError(
                f"{path}: expected as many drawings in both hands as code points, of one size, got"
                f" {found[HANDS[0]].shape}, {drawn.shape} and {points.shape}"
            )
    whole = ~np.isin(points, list(TONES.values()))
    return {hand: found[hand][whole] for hand in HANDS}, points[whole].tolist()
