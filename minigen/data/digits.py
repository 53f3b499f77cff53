"""Digits drawn in matplotlib's fonts and bent like handwriting: MNIST where there is no network.

A glyph is thinned to its centre line and kept as a map of the distance to that line. Ink is where
the distance is less than half the pen's width, so one map serves every pen. An image is the map
seen through a random affine map and a random smooth displacement, as in Simard, Steinkraus and
Platt, "Best practices for convolutional neural networks" (ICDAR 2003).
"""

from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import distance_transform_edt, map_coordinates

from minigen.data.images import Images
from minigen.display import progress
from minigen.kernels.threads import single_threaded_blas

# Left out: bold and sloped cuts, which pen and shear give anyway; DejaVu Sans Mono, whose dotted 0
# reads as an 8 once it is bent; Computer Modern Italic, whose 4 and 7 a broad pen fills.
FONTS = (
    "DejaVuSans",
    "DejaVuSerif",
    "DejaVuSerif-Italic",
    "STIXGeneral",
    "STIXGeneralItalic",
    "cmmi10",
    "cmr10",
    "cmss10",
    "cmtt10",
)
SIDE = 28  # of an image, in pixels
BOX = 20  # the longer side of a glyph, in pixels, as in MNIST
FINE = 4  # samples of a glyph's map for each pixel
TILE = 32 * FINE  # side of a map: the box, and a margin wider than any pen
CHUNK = 1000  # images that share a random stream; a multiple of ten
KNOTS = 6  # a displacement is a blur of KNOTS x KNOTS random vectors


def digits(size: int, seed: int = 0) -> Images:
    """Draw `size` digits: white on black, about 20 pixels tall, each class a tenth of them.

    Image i depends on `seed` and i alone, so a smaller set is the beginning of a larger one. Every
    ten images in a row hold each class once. A pixel may differ by a little between versions of
    NumPy, SciPy and Pillow. Raises ValueError where `size` < 1 or `seed` is not in 0..2^64 - 1.
    """
    if size < 1:
        raise ValueError(f"digits: expected a size of 1 or more, got {size}")
    if not 0 <= seed < 2**64:
        raise ValueError(f"digits: expected a seed in 0..2^64 - 1, got {seed}")
    images, labels = [], []
    for first in progress(range(0, size, CHUNK)):
        rng = np.random.Generator(np.random.Philox(key=np.array([seed, first // CHUNK], np.uint64)))
        classes = rng.permuted(np.tile(np.arange(10), (CHUNK // 10, 1)), axis=1).ravel()
        images.append(_draw(classes, rng)[: size - first])
        labels.append(classes[: size - first])
    return Images(
        name="digits",
        images=np.concatenate(images)[:, None],
        labels=np.concatenate(labels).astype(np.int64),
        classes=tuple("0123456789"),
    )


@single_threaded_blas()
def _draw(classes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one digit of each class asked for, (n,) to uint8 (n, SIDE, SIDE)."""
    n = len(classes)
    maps, centres = _glyphs()
    glyph = rng.integers(len(FONTS), size=n) * 10 + classes

    angle = rng.uniform(-0.22, 0.22, n)
    shear = rng.uniform(-0.2, 0.4, n)
    height = rng.uniform(0.85, 1.0, n)
    width = height * rng.uniform(0.75, 1.1, n)
    pen = rng.uniform(0.9, 1.7, n)  # half its width, in pixels
    # Rows and columns are (y, x): a glyph point v is drawn at rotate @ slant @ v.
    cos, sin = np.cos(angle), np.sin(angle)
    rotate = np.stack([cos, sin, -sin, cos], axis=1).reshape(n, 2, 2)
    slant = np.stack([height, 0 * height, -shear * height, width], axis=1).reshape(n, 2, 2)

    knots = rng.normal(0, rng.uniform(0.4, 1.2, (n, 1, 1, 1)), (n, 2, KNOTS, KNOTS))
    blur = _blur()
    pixels = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    drawn = (pixels + blur @ knots @ blur.T).reshape(n, 2, SIDE * SIDE)
    seen = np.linalg.inv(rotate @ slant) @ drawn * FINE + centres[glyph][:, :, None]

    # All maps lie below one another in one tall picture, so that one call looks up every image.
    seen = np.clip(seen, 0, TILE - 1)
    seen[:, 0] += TILE * glyph[:, None]
    away = map_coordinates(maps, seen.swapaxes(0, 1), order=1, output=np.float32)
    away *= np.sqrt(height * width)[:, None]
    ink = np.clip(pen[:, None] - away + 0.5, 0, 1)
    return np.rint(255 * ink).astype(np.uint8).reshape(n, SIDE, SIDE)


@cache
def _blur() -> np.ndarray:
    """Return Gaussian bumps (SIDE, KNOTS) that turn unit normal knots into unit normal pixels."""
    knots = np.linspace(0, SIDE - 1, KNOTS)
    bumps = np.exp(-0.5 * ((np.arange(SIDE)[:, None] - knots) / (knots[1] - knots[0])) ** 2)
    return bumps / np.linalg.norm(bumps, axis=1, keepdims=True)


@cache
def _glyphs() -> tuple[np.ndarray, np.ndarray]:
    """Return the glyphs' distance maps in pixels, (fonts * 10 * TILE, TILE), and their centres.

    Glyph f * 10 + k is digit k in FONTS[f]. Its centre, (y, x) in samples of its map, is halfway
    between its box's, which is the map's, and its line's centre of mass: by mass alone, as MNIST
    is centred, the foot of a bent 7 would leave the frame.
    """
    lines = _thin(np.stack([_ink(font, digit) for font in FONTS for digit in "0123456789"]))
    maps = np.concatenate([distance_transform_edt(~line) / FINE for line in lines])
    centres = np.array([np.argwhere(line).mean(axis=0) for line in lines])
    return maps.astype(np.float32), (centres + (TILE - 1) / 2) / 2


def _ink(font: str, digit: str) -> np.ndarray:
    """Return where a digit's ink is, bool (TILE, TILE), its longer side BOX pixels."""
    path = str(Path(matplotlib.get_data_path(), "fonts", "ttf", f"{font}.ttf"))
    left, top, right, bottom = ImageFont.truetype(path, 200).getbbox(digit)
    face = ImageFont.truetype(path, 200 * BOX * FINE / max(right - left, bottom - top))
    left, top, right, bottom = face.getbbox(digit)
    corner = ((TILE - left - right) / 2, (TILE - top - bottom) / 2)
    picture = Image.new("L", (TILE, TILE))
    ImageDraw.Draw(picture).text(corner, digit, font=face, fill=255)
    return np.asarray(picture) >= 128


def _thin(ink: np.ndarray) -> np.ndarray:
    """Thin bool pictures (n, H, W) to lines one sample wide, as Zhang and Suen (CACM 1984) do.

    A sample goes when it has 2 to 6 neighbours, all in one run round it, and lies on the side that
    is peeled: south-east and north-west in turn, until nothing goes.
    """
    ring = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
    while True:
        before = ink
        for side in (0, 1):
            around = np.stack([np.roll(ink, (-y, -x), axis=(1, 2)) for y, x in ring])
            count = around.sum(axis=0)
            runs = (~around & np.roll(around, -1, axis=0)).sum(axis=0)
            north, _, east, _, south, _, west, _ = around
            keep = north & west & (east | south) if side else east & south & (north | west)
            ink = ink & ~((count >= 2) & (count <= 6) & (runs == 1) & ~keep)
        if np.array_equal(ink, before):
            return ink
