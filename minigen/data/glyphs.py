"""Letters in several of matplotlib's fonts, thick and thin, upright and slanted, drawn on the spot:
translations whose right answer is known, where there is no network."""

from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from minigen.data.domains import SPLITS, Domains, dealt

FONTS = {
    "plain": "DejaVuSans",
    "bold": "DejaVuSans-Bold",
    "slanted": "DejaVuSans-Oblique",
    "serif": "DejaVuSerif",
    "bold serif": "DejaVuSerif-Bold",
    "thin serif": "STIXGeneral",
}
# Latin, Greek and Cyrillic. What has one shape, but for its size, is one family, or a letter that
# is tested would have been learnt under another name; letters that are Latin ones by their shape
# are left out.
WRITTEN = (
    "Aa Bb Cc Dd Ee Ff Gg Hh Ii1l Jj Kk L Mm Nnη Oo0Θθ Pp Qq Rr Ss Tt Uuμ Vv Ww Xxχ Yyγ Zz "
    "2 3Зз 4 5 6 7 8 9 α βß Γ Δ δ ε ζ ΛлЛ λ Ξ ξ Ππ Σ σ Φφ Ψψ Ωω "
    "Б б Дд Ии Цц Чч ЪъЫыЬь Ээ Яя & @ ? # §"
)
FAMILIES = WRITTEN.split()
LETTERS = "".join(FAMILIES)
FAMILY = np.repeat(np.arange(len(FAMILIES)), [len(family) for family in FAMILIES])
PARTS = 5  # into which the families are dealt, so that there are 13 to test with
# In sides of a picture, so that no letter leaves it: the size of the type, how far its foot is from
# the upper edge, and how far it is moved at most.
SMALLEST, LARGEST, FOOT, MOVED = 0.55, 0.73, 0.7, 0.06


def glyphs(
    size: int,
    split: str | None = None,
    domains: tuple[str, ...] = ("plain", "serif"),
    *,
    side: int = 32,
    seed: int = 0,
) -> Domains:
    """Draw `size` letters, white on black, uint8 (size, D, 1, side, side): a letter's pictures in
    all domains have one size of type and one place.

    The split is by letter, so what is tested is a style carried over to letters never seen; of a
    letter there are as many examples as are asked for. Content i depends on `split`, `seed` and i
    alone. A pixel may differ by a little between versions of Pillow.

    Args:
        split: "train", "validation" or "test", whole families of letters (see `dealt`), or None for
            all letters.
        domains: of FONTS: ("plain", "bold") say, or ("plain", "slanted").
        seed: of the split, the letters, sizes and places.

    Raises:
        ValueError: another domain or split, a size or side below 1, a seed not in 0..2^64 - 1.
    """
    if not domains or set(domains) - FONTS.keys():
        raise ValueError(f"glyphs: expected domains of {', '.join(FONTS)}, got {domains!r}")
    if min(size, side) < 1:
        raise ValueError(f"glyphs: expected a size and a side of 1 or more, got {size} and {side}")
    if not 0 <= seed < 2**64:
        raise ValueError(f"glyphs: expected a seed in 0..2^64 - 1, got {seed}")
    letters = np.arange(len(LETTERS))
    if split is not None:
        letters = letters[dealt(FAMILY, split, seed, parts=PARTS)]
    stream = (None, *SPLITS).index(split)
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, stream], np.uint64)))
    chance = rng.random((size, 4))
    letter = letters[(chance[:, 0] * len(letters)).astype(int)]
    height = np.rint(side * (SMALLEST + (LARGEST - SMALLEST) * chance[:, 1])).astype(int)
    foot = side * (np.array([0.5, FOOT]) + MOVED * (2 * chance[:, 2:] - 1))
    images = np.empty((size, len(domains), 1, side, side), np.uint8)
    for i, (k, h, (x, y)) in enumerate(zip(letter, height, foot, strict=True)):
        for d, domain in enumerate(domains):
            picture = Image.new("L", (side, side))
            face = _face(domain, max(int(h), 1))
            ImageDraw.Draw(picture).text((x, y), LETTERS[k], fill=255, font=face, anchor="ms")
            images[i, d, 0] = picture
    return Domains("glyphs", images, tuple(domains), FAMILY[letter])


@cache
def _face(domain: str, height: int) -> ImageFont.FreeTypeFont:
    folder = Path(matplotlib.get_data_path(), "fonts", "ttf")
    return ImageFont.truetype(str(folder / f"{FONTS[domain]}.ttf"), height)
