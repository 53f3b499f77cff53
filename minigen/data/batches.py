"""Batches of arrays that go together, in an order that a resumed run meets again."""

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from minigen.backend import as_array
from minigen.data.images import DataError

share = (0, 1)  # which part of each batch new `Batches` hand out, and of how many: see `training`


class Batches:
    """Cuts arrays that share their first axis into batches, epoch after epoch.

    The order of epoch e is a function of (`seed`, e) alone, so where a run stands is two numbers:
    `epoch`, and `position`, how many of its batches have been handed out. They are the object's,
    not the iterator's: all iterators of one object share them.

    Where several processes train (see `share`), `batch_size` is that of one's part, of which a
    batch has one for each.

    With `drop_last` an incomplete last batch is left out. Raises DataError where an epoch would
    have no batch, or the last one cannot be dealt out, and ValueError where the arrays differ in
    length, `batch_size` < 1, or `seed` is not in 0..2^64 - 1.
    """

    def __init__(
        self,
        *arrays: np.ndarray,
        batch_size: int,
        shuffle: bool = True,
        drop_last: bool = True,
        seed: int = 0,
    ) -> None:
        arrays = tuple(map(as_array, arrays))
        lengths = [len(array) for array in arrays]
        if len(set(lengths)) != 1:
            raise ValueError(f"Batches: expected arrays of one length, got lengths {lengths}")
        if batch_size < 1:
            raise ValueError(f"Batches: expected a batch_size of 1 or more, got {batch_size}")
        if not 0 <= seed < 2**64:
            raise ValueError(f"Batches: expected a seed in 0..2^64 - 1, got {seed}")
        self.arrays = arrays
        self.items = lengths[0]
        self._part, parts = share
        self.batch_size = batch_size * parts
        self._own = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.seed = seed
        if len(self) == 0:
            remedy = "take a smaller batch size, or drop_last=False" if self.items else "give some"
            raise DataError(
                f"Batches: {self.items} items make no batch of {self.batch_size}: {remedy}"
            )
        if parts > 1 and not drop_last and self.items % self.batch_size:
            raise DataError(
                f"Batches: the last of {self.items} items cannot be dealt out to {parts} processes"
                f" as batches of {self.batch_size} are: take drop_last=True"
            )
        self._start(epoch=0, position=0)

    def __len__(self) -> int:
        """Return how many batches an epoch has."""
        whole, rest = divmod(self.items, self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[np.ndarray, ...]]:
        """Yield the rest of this epoch as tuples of fresh arrays, then move on to the next epoch.

        A batch is contiguous, in the memory order of its array. The epoch ends when more is asked
        for after its last batch: left or resumed just before that, its rest is empty.
        """
        while self.position < len(self):
            first = self.position * self.batch_size + self._part * self._own
            rows = self._order[first : first + self._own]
            batch = tuple(array[rows] for array in self.arrays)
            self.position += 1
            yield batch
        self._start(self.epoch + 1, position=0)

    def forever(self) -> Iterator[tuple[np.ndarray, ...]]:
        """Yield the rest of this epoch and then of all epochs to come."""
        while True:
            yield from self

    def state_dict(self) -> dict[str, Any]:
        """Return where it stands and what it stands in, as plain numbers and strings.

        Taken between two batches of a running iterator, it resumes with the second of them.
        """
        return {"epoch": self.epoch, "position": self.position} | self._identity()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Stand where `state` was taken; a running iterator goes on from there.

        Raises ValueError, and changes nothing, where the state is of other data or settings, or of
        no position in an epoch. Data are told apart by shape, type and first item.
        """
        expected = self._identity()
        if missing := {"epoch", "position", *expected} - state.keys():
            raise ValueError(f"Batches: the state lacks {', '.join(sorted(missing))}")
        for key, value in expected.items():
            if state[key] != value:
                raise ValueError(
                    f"Batches: the state was taken with {key} {state[key]}, here it is {value}: "
                    f"resume with the data and the settings that the run began with"
                )
        epoch, position = int(state["epoch"]), int(state["position"])
        if epoch < 0 or not 0 <= position <= len(self):
            raise ValueError(
                f"Batches: expected an epoch of 0 or more and a position in 0..{len(self)}, "
                f"got {epoch} and {position}"
            )
        self._start(epoch, position)

    def _start(self, epoch: int, position: int) -> None:
        self.epoch, self.position = epoch, position
        if self.shuffle:
            key = np.array([self.seed, epoch], np.uint64)
            self._order = np.random.Generator(np.random.Philox(key=key)).permutation(self.items)
        else:
            self._order = np.arange(self.items)

    def _identity(self) -> dict[str, Any]:
        data = (f"{a.dtype}{a.shape}:{zlib.crc32(a[:1].tobytes()):08x}" for a in self.arrays)
        return {
            "data": " ".join(data),
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "drop_last": self.drop_last,
            "seed": self.seed,
        }
