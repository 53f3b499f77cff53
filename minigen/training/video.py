"""Animations as MP4 files, by imageio and its ffmpeg, where they are installed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from minigen.files import StrPath, written_whole

NEEDED = ("imageio", "imageio_ffmpeg")
MISSING = (
    "MP4 needs imageio and its ffmpeg: pip install imageio imageio-ffmpeg, or take a name that ends"
    " in .gif"
)


def can_write_mp4() -> bool:
    """Whether what it takes is installed."""
    return all(find_spec(name) for name in NEEDED)


def save_mp4(
    path: StrPath, frames: Iterable[np.ndarray], seconds_per_frame: float = 0.1, scale: int = 1
) -> None:
    """Write an animation as an MP4 file that every browser plays (H.264, 4:2:0).

    Args:
        path: the file; its folder must exist.
        frames: all of one size: uint8 arrays (H, W) or (H, W, 3); what is odd of a side gets a
            white line.
        seconds_per_frame: as it says.
        scale: each pixel becomes a square of this side.

    Raises:
        ImportError: imageio or its ffmpeg is not installed; see `can_write_mp4`.
        OSError: the file cannot be written.
    """
    if not can_write_mp4():
        raise ImportError(MISSING)
    import imageio.v2 as imageio

    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "made.mp4")
        options = {"fps": 1 / seconds_per_frame, "macro_block_size": 2, "quality": 8}
        with imageio.get_writer(made, format="FFMPEG", codec="libx264", **options) as writer:
            for frame in frames:
                writer.append_data(_even(frame.repeat(scale, 0).repeat(scale, 1)))
        with written_whole(path) as file:
            file.write(made.read_bytes())


def _even(frame: np.ndarray) -> np.ndarray:
    """A frame (H, W, 3) of even sides, as the codec wants them."""
    rgb = frame if frame.ndim == 3 else np.repeat(frame[..., None], 3, axis=2)
    return np.pad(rgb, [(0, rgb.shape[0] % 2), (0, rgb.shape[1] % 2), (0, 0)], constant_values=255)
