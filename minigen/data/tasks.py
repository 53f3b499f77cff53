"""What is left of a picture, for a network to make the picture from.

style      nothing is left out: the input is a picture of another domain
edges      where colours jump
colour     how light it is
enlarge    a quarter of its sides, in pixels of 4 × 4
inpaint    all but a square hole of half its sides, somewhere, filled from its border, and from
           across as far as the picture is symmetric
"""

from __future__ import annotations

import numpy as np

from minigen.data.images import DataError

TASKS = ("style", "edges", "colour", "enlarge", "inpaint")
JUMP = 40  # levels of 256 between neighbours, in any colour, from which on there is an edge
LUMA = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)
MIRRORS = (3,), (2,), (2, 3)  # axes that are turned round: across, up and down, both
ASYMMETRIC = 0.05  # mean square of a picture less its mirror image, from −1 to 1, that is much
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
    place = np.arange(side) - _upper_left(side, holes)[..., None]  # (N, 2, side)
    inside = (place >= 0) & (place < side // 2)
    return inside[:, 0, :, None] & inside[:, 1, None, :]


def diffused(pictures: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """Return pictures (N, C, H, W) whose holes, see `task_input`, are filled as heat would flow in
    from their borders: in the end each pixel is the mean of its neighbours.

    So 4 of it less its neighbours is what comes from the border. That is A·x + x·B, A and B −1, 2,
    −1 along a column and a row, whose waves it does not mix: each is divided by a number.
    """
    n, channels, side = pictures.shape[:3]
    half, hole = side // 2, hole_masks(side, holes)[:, None]
    first, beside = _upper_left(side, holes)[..., None, None], np.eye(half, k=1)
    matrices = np.tile(2 * np.eye(half) - beside - beside.T, (n, 2, 1, 1))
    # Where the picture ends no heat flows.
    matrices[..., :1, :1] -= first == 0
    matrices[..., -1:, -1:] -= first == side - half
    (a, b), (down, across) = (np.moveaxis(x, 1, 0)[:, :, None] for x in np.linalg.eigh(matrices))
    x = np.pad(np.where(hole, 0, pictures), [(0, 0)] * 2 + [(1, 1)] * 2)
    x = x[..., 2:, 1:-1] + x[..., :-2, 1:-1] + x[..., 1:-1, 2:] + x[..., 1:-1, :-2]
    inside, filled = np.broadcast_to(hole, x.shape), pictures.copy()
    x = x[inside].reshape(n, channels, half, half)
    x = np.swapaxes(down, 2, 3) @ x @ across / (a[..., None] + b[..., None, :])
    filled[inside] = (down @ x @ np.swapaxes(across, 2, 3)).ravel()
    return filled


def mirrored_into(pictures: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """Return pictures (N, C, H, W), from −1 to 1, whose holes are filled from what stands across,
    too, where that is known: left and right, above and below, both. A mirror's share is 1 if the
    rest of a picture is symmetric by it, and falls with what it is off.
    """
    hole = hole_masks(pictures.shape[-1], holes)[:, None]
    across, missing = (np.stack([np.flip(x, m) for m in MIRRORS]) for x in (pictures, hole))
    known = ~(hole | missing)
    apart = np.square(pictures - across).mean(2, keepdims=True)
    apart = np.sum(apart * known, (2, 3, 4), keepdims=True)
    apart /= np.sum(known, (2, 3, 4), keepdims=True).clip(1)
    share = np.exp(-apart / ASYMMETRIC) * (hole & ~missing)
    most, mean = share.max(0), (share * across).sum(0) / share.sum(0).clip(1e-9)
    return (most * mean + (1 - most) * pictures).astype(pictures.dtype)


def _upper_left(side: int, holes: np.ndarray) -> np.ndarray:
    return np.minimum((holes * (side - side // 2 + 1)).astype(int), side - side // 2)


def small(pictures: np.ndarray) -> np.ndarray:
    """Return the means of 4 × 4 pixels each, float32 (N, C, H / 4, W / 4).

    Raises:
        DataError: H or W is no multiple of 4.
    """
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
    seen = mirrored_into(diffused(from_levels(pictures), holes), holes)
    return np.concatenate([seen, hole * np.float32(2) - np.float32(1)], axis=1)
