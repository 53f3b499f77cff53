"""Grids of images as one image, in files and tensors, with torchvision's values."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from minigen.functional import stack
from minigen.missing import missing_from
from minigen.tensor import Tensor
from minigen.tiles import tiled

__path__: list[str] = []  # so that importing what is not here says so, see `names.Finder`


def make_grid(
    tensor: Any,
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
    range: tuple[float, float] | None = None,
) -> Tensor:
    """Lay images out in rows, left to right, top to bottom.

    Args:
        tensor: (N, C, H, W), (C, H, W), (H, W), or a list of images of one shape; one channel
            becomes three.
        nrow: images in a row.
        padding: pixels around and between the images.
        normalize: map `value_range` to 0..1, values beyond it first moved to its ends.
        value_range: by default the smallest and the largest value; `range` is its older name.
        scale_each: take those of each image, not of all.
        pad_value: of the padding.

    Returns:
        The grid (C, H', W'), without history; a single image comes back without padding.

    Raises:
        ValueError: another shape.
    """
    images = (stack(list(tensor)) if isinstance(tensor, list | tuple) else tensor).detach().numpy()
    if images.ndim not in (2, 3, 4) or 0 in images.shape[:1]:
        raise ValueError(f"make_grid: expected images (N, C, H, W), got {images.shape}")
    images = images.reshape((1,) * (4 - images.ndim) + images.shape)
    if images.shape[1] == 1:
        images = np.concatenate([images] * 3, 1)
    if normalize:
        ends = value_range or range
        parts = images if scale_each else [images]
        images = np.stack([_mapped(part, *(ends or (part.min(), part.max()))) for part in parts])
        images = images if scale_each else images[0]
    single = len(images) == 1
    return Tensor(images[0].copy() if single else tiled(images, nrow, padding, pad_value))


def _mapped(images: np.ndarray, low: float, high: float) -> np.ndarray:
    kind = images.dtype.type  # so that float32 stays float32
    low, high = kind(low), kind(high)
    return (images.clip(low, high) - low) / max(high - low, kind(1e-5))


def save_image(tensor: Any, fp: Any, format: str | None = None, **options: Any) -> None:
    """Write the grid that `make_grid(tensor, **options)` gives to an image file, 1.0 as white.

    Raises:
        OSError: the file cannot be written.
    """
    grid = make_grid(tensor, **options).numpy()
    levels = (grid * grid.dtype.type(255) + grid.dtype.type(0.5)).clip(0, 255)
    Image.fromarray(levels.transpose(1, 2, 0).astype(np.uint8)).save(fp, format=format)


__getattr__ = missing_from(globals(), "torchvision.utils")
