"""What is left of a picture, for a network to make the picture from.

style      nothing is left out: the input is a picture of another domain
edges      where colours jump
colour     how light it is
enlarge    a quarter of its sides, in pixels of 4 × 4
inpaint    all but a square hole of half its sides, somewhere
"""

from __future__ import annotations

import numpy as np

from minigen.data.images import DataError

TASKS = ("style", "edges", "colour", "enlarge", "inpaint")
JUMP = 40  # levels of 256 between neighbours, in any colour, from which on there is an edge
LUMA = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)
FACTOR = 4  # by which pictures are enlarged


def planes(task: str, channels: int) -> int:
    """Return how many channels an input of the task has, for pictures of so many."""
    return {"edges": 1, "colour": 1, "inpaint": channels + 1}.get(task, channels)


def task_input(task: str, pictures: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """Return inputs from −1 to 1, float32 (N, planes, H, W), of pictures (N, C, H, W), uint8.

    Args:
        task: of TASKS, but "style".
        pictures: what is to be made.
        holes: (N, 2), from 0 to 1, where each hole lies: (0, 0) at the upper left.

    Raises:
        DataError: the pictures are grey, and the task is to colour them; or they have a side that
            is no multiple of 4, and the task is to enlarge them.
    """
    return {"edges": _edges, "colour": _light, "enlarge": _small, "inpaint": _broken}[task](
        pictures, holes
    )


def hole_masks(side: int, holes: np.ndarray) -> np.ndarray:
    """Return where the holes are, bool (N, side, side); see `task_input`."""
    first = np.minimum((holes * (side - side // 2 + 1)).astype(int), side - side // 2)
    place = np.arange(side) - first[..., None]  # (N, 2, side)
    inside = (place >= 0) & (place < side // 2)
    return inside[:, 0, :, None] & inside[:, 1, None, :]


def small(pictures: np.ndarray) -> np.ndarray:
    """Return the means of 4 × 4 pixels each, float32 (N, C, H / 4, W / 4)."""
    n, c, h, w = pictures.shape
    if h % FACTOR or w % FACTOR:
        raise DataError(f"enlarge: expected sides that are multiples of {FACTOR}, got {h} × {w}")
    parts = pictures.reshape(n, c, h // FACTOR, FACTOR, w // FACTOR, FACTOR)
    return parts.mean((3, 5), dtype=np.float32)


def from_levels(pictures: np.ndarray) -> np.ndarray:
    """Return levels 0..255 as float32 from −1 to 1."""
    return pictures * np.float32(2 / 255) - np.float32(1)


def _edges(pictures: np.ndarray, _: np.ndarray) -> np.ndarray:
    levels, edge = pictures.astype(np.int16), np.zeros(pictures.shape, bool)
    edge[..., 1:, :] |= abs(np.diff(levels, axis=-2)) > JUMP
    edge[..., :, 1:] |= abs(np.diff(levels, axis=-1)) > JUMP
    return edge.any(1, keepdims=True) * np.float32(2) - np.float32(1)


def _light(pictures: np.ndarray, _: np.ndarray) -> np.ndarray:
    if pictures.shape[1] != 3:
        raise DataError("colour: the pictures are grey: name a set of coloured ones by --data")
    return from_levels(np.einsum("nchw,c->nhw", pictures, np.float32(LUMA))[:, None])


def _small(pictures: np.ndarray, _: np.ndarray) -> np.ndarray:
    return from_levels(small(pictures).repeat(FACTOR, axis=2).repeat(FACTOR, axis=3))


def _broken(pictures: np.ndarray, holes: np.ndarray) -> np.ndarray:
    hole = hole_masks(pictures.shape[-1], holes)[:, None]
    seen = np.where(hole, np.float32(0), from_levels(pictures))
    return np.concatenate([seen, hole * np.float32(2) - np.float32(1)], axis=1)
