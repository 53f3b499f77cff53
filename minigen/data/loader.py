"""Data sets of items, and loaders that collect the items into batches, under PyTorch's names.

Workers are threads of this process, which share its memory: nothing is pickled, a data set may be
a closure, and none of them outlives its epoch. The order of an epoch is a function of one draw from
the generator, and what an item draws from the default stream a function of that draw and of the
item's place in the epoch. So a run is the same for any number of workers. It is not PyTorch's: no
seed gives PyTorch's order or its numbers. What items draw from `random` or `numpy.random` comes
from streams that all threads share: with workers, its order is the threads' order.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, islice
from types import GenericAlias
from typing import Any

import numpy as np

from minigen import backend
from minigen.backend import Generator, class_name, is_array
from minigen.data.batches import Batches
from minigen.functional import stack, tensor
from minigen.functional.arguments import refuse
from minigen.tensor import Tensor


class Dataset:
    """What a loader reads; subclasses define `__getitem__` and `__len__`. Any other object that
    has both, such as a list, is as good."""

    __class_getitem__ = classmethod(GenericAlias)

    def __getitem__(self, index: Any) -> Any:
        """One item: tensors, arrays, numbers, strings, or tuples and dicts of them."""
        raise NotImplementedError(f"{type(self).__name__} does not define __getitem__()")

    def __add__(self, other: Any) -> ConcatDataset:
        """The items of this one, then those of another."""
        return ConcatDataset([self, other])


class TensorDataset(Dataset):
    """Tensors or arrays that share their first axis; an item is a tuple with a row of each.

    Raises:
        ValueError: there are none, or their lengths differ.
    """

    def __init__(self, *tensors: Any):
        self.tensors = tuple(t if isinstance(t, Tensor) else Tensor(t) for t in tensors)
        lengths = [len(t) for t in self.tensors]
        if len(set(lengths)) != 1:
            raise ValueError(f"TensorDataset: expected tensors of one length, got {lengths}")

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])


class Subset(Dataset):
    """The items of a data set at these indices."""

    def __init__(self, dataset: Any, indices: Sequence[int]):
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index: int) -> Any:
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset):
    """The items of several data sets, one set after the other."""

    def __init__(self, datasets: Iterable[Any]):
        self.datasets = list(datasets)
        self.cumulative_sizes = list(accumulate(map(len, self.datasets)))

    def __getitem__(self, index: int) -> Any:
        index = range(len(self))[index]  # negative ones count from the end
        which = bisect_right(self.cumulative_sizes, index)
        before = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][index - before]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1] if self.datasets else 0


class Sampler:
    """The indices of an epoch, in order; subclasses define `__iter__` and `__len__`."""

    __class_getitem__ = classmethod(GenericAlias)

    def __init__(self, data_source: Any = None):
        self.data_source = data_source


class SequentialSampler(Sampler):
    """All indices of a data set, one after the other."""

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))

    def __len__(self) -> int:
        return len(self.data_source)


class WeightedRandomSampler(Sampler):
    """`num_samples` indices, each as probable as its weight says; without `replacement` none comes
    twice.

    Raises:
        ValueError: without replacement, more than there are weights that are not 0.
    """

    def __init__(
        self,
        weights: Any,
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ):
        self.weights = np.asarray(getattr(weights, "tolist", lambda: weights)(), np.float64)
        self.num_samples, self.replacement, self.generator = num_samples, replacement, generator

    def __iter__(self) -> Iterator[int]:
        share = self.weights / self.weights.sum()
        how = len(share), self.num_samples, self.replacement, share
        return iter(_numbers(self.generator).choice(*how).tolist())

    def __len__(self) -> int:
        return self.num_samples


class RandomSampler(WeightedRandomSampler):
    """The indices of a data set in a new order each time, all of them if not told otherwise; with
    `replacement` some may come several times, and others not."""

    def __init__(
        self,
        data_source: Any,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ):
        count = len(data_source)
        super().__init__(np.ones(count), num_samples or count, replacement, generator)
        self.data_source = data_source


class SubsetRandomSampler(RandomSampler):
    """These indices, in a new order each time."""

    def __init__(self, indices: Sequence[int], generator: Generator | None = None):
        super().__init__(indices, generator=generator)

    def __iter__(self) -> Iterator[int]:
        return (self.data_source[place] for place in super().__iter__())


class BatchSampler(Sampler):
    """Lists of `batch_size` of a sampler's indices; with `drop_last` no shorter one at the end."""

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool):
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while len(batch := list(islice(indices, self.batch_size))) == self.batch_size:
            yield batch
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        rest = 0 if self.drop_last else self.batch_size - 1
        return (len(self.sampler) + rest) // self.batch_size


def _numbers(generator: Generator | None) -> np.random.Generator:
    """NumPy's generator for one draw from the stream."""
    seed, draw = backend.stream_of(generator).reserve()
    return np.random.Generator(np.random.Philox(key=seed, counter=draw << 64))


def random_split(
    dataset: Any, lengths: Sequence[float], generator: Generator | None = None
) -> list[Subset]:
    """Cut a data set at random into parts of these lengths, or of these fractions, which sum to 1;
    what rounding leaves goes to the first parts, one item each.

    Raises:
        ValueError: the lengths do not sum to the data set's.
    """
    count, parts = len(dataset), list(lengths)
    if math.isclose(sum(parts), 1):
        parts = [math.floor(count * part) for part in parts]
        for i in range(count - sum(parts)):
            parts[i % len(parts)] += 1
    if sum(parts) != count:
        raise ValueError(f"random_split: lengths {list(lengths)} do not sum to {count} items")
    order = _numbers(generator).permutation(count)
    ends = np.cumsum(parts)
    return [
        Subset(dataset, order[end - part : end].tolist())
        for part, end in zip(parts, ends, strict=True)
    ]


def default_collate(batch: Sequence[Any]) -> Any:
    """One batch of a list of items: tensors and arrays are stacked, numbers become a tensor (floats
    one of float64, as in PyTorch), strings stay a list; tuples and dicts are gone into.

    Raises:
        TypeError: an item is of another kind.
        ValueError: items differ in their shapes or lengths.
    """
    first = batch[0]
    if isinstance(first, Tensor | np.generic) or is_array(first):
        rows = [row if isinstance(row, Tensor) else Tensor(row) for row in batch]
        for i, row in enumerate(rows):
            if row.shape != rows[0].shape:
                raise ValueError(
                    f"collate: item 0 of a batch has shape {rows[0].shape}, item {i} {row.shape}; "
                    "bring them to one, or give a collate_fn"
                )
        return stack(rows)
    if isinstance(first, float | int):
        return tensor(batch, dtype=np.float64 if isinstance(first, float) else None)
    if isinstance(first, str | bytes):
        return list(batch)
    if isinstance(first, Mapping):
        return {key: default_collate([item[key] for item in batch]) for key in first}
    if isinstance(first, Sequence):
        if len({len(item) for item in batch}) != 1:
            raise ValueError("collate: items are tuples or lists of several lengths")
        columns = [default_collate(column) for column in zip(*batch, strict=True)]
        return type(first)(*columns) if hasattr(first, "_fields") else columns
    raise TypeError(
        f"collate: an item holds a {class_name(first)}; expected tensors, arrays, numbers, strings "
        "and tuples, lists or dicts of them: make a tensor of a picture, or give a collate_fn"
    )


@dataclass(eq=False, repr=False)
class DataLoader:
    """Iterates over batches of a data set's items, each time in a new epoch.

    Args:
        dataset: has `__len__` and `__getitem__`.
        batch_size: items in a batch; None for single items as they are.
        shuffle: meet the items in a new order each epoch.
        sampler: the indices of an epoch's items, in order.
        batch_sampler: lists of them, a batch each, instead of all of the above.
        num_workers: threads that fetch batches ahead; 0 fetches each when it is asked for.
        collate_fn: makes a batch of a list of items (see `default_collate`).
        drop_last: leave out an incomplete last batch.
        generator: draws one number an epoch, by default from the default stream.
        prefetch_factor: batches that each worker fetches ahead, 2 if not told otherwise.
        pin_memory, timeout, multiprocessing_context, persistent_workers, pin_memory_device,
            in_order: as in PyTorch; there is nothing here that they could change.

    Raises:
        TypeError: the data set lacks a length or items.
        ValueError: arguments that exclude each other; while iterating, arguments out of range, and
            DataError where an epoch would have no batch. What an item raises says which it was.
        NotImplementedError: a worker_init_fn, which would seed what all threads share.
    """

    dataset: Any
    batch_size: int | None = 1
    shuffle: bool | None = False
    sampler: Iterable | None = None
    batch_sampler: Iterable | None = None
    num_workers: int = 0
    collate_fn: Callable[[list], Any] | None = None
    pin_memory: bool = False
    drop_last: bool = False
    timeout: float = 0
    worker_init_fn: Callable | None = None
    multiprocessing_context: Any = None
    generator: Generator | None = None
    prefetch_factor: int | None = None
    persistent_workers: bool = False
    pin_memory_device: str = ""
    in_order: bool = True

    __class_getitem__ = classmethod(GenericAlias)

    def __post_init__(self) -> None:
        refuse("DataLoader", worker_init_fn=self.worker_init_fn)
        if not (hasattr(self.dataset, "__len__") and hasattr(self.dataset, "__getitem__")):
            raise TypeError(
                f"DataLoader: expected a data set with __len__ and __getitem__, such as a list, "
                f"not a {class_name(self.dataset)}"
            )
        cut = self.batch_size != 1 or self.drop_last
        orders = (self.sampler is not None) + (self.batch_sampler is not None) + bool(self.shuffle)
        if orders > 1 or self.batch_sampler is not None and cut:
            raise ValueError(
                "DataLoader: of shuffle, sampler and batch_sampler give one; the last stands for "
                "batch_size and drop_last too"
            )
        single = self.batch_size is None
        for name, least in {"num_workers": 0, **({} if single else {"batch_size": 1})}.items():
            value = getattr(self, name)
            whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
            if not (whole and value >= least):
                raise ValueError(
                    f"DataLoader: {name} must be a whole number, {least} or more, not {value!r}"
                )
        self.collate_fn = self.collate_fn or ((lambda x: x[0]) if single else default_collate)

    def __len__(self) -> int:
        """Return how many batches an epoch has."""
        if self.batch_sampler is not None:
            return len(self.batch_sampler)
        items = len(self.dataset if self.sampler is None else self.sampler)
        whole, rest = divmod(items, self.batch_size or 1)
        return whole + (rest > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Any]:
        stream = backend.stream_of(self.generator).reserve()
        seed, key = np.random.SeedSequence(stream).generate_state(2, np.uint64).tolist()
        return self._epoch(self._batches(seed), partial(self._fetch, key))

    def _batches(self, seed: int) -> Iterator[tuple[int, list]]:
        """The indices of each batch, and how many items of the epoch went before them."""
        first, batches = 0, self.batch_sampler
        if batches is None:
            order = list(range(len(self.dataset)) if self.sampler is None else self.sampler)
            cut = Batches(
                np.arange(len(order)),
                batch_size=self.batch_size or 1,
                shuffle=bool(self.shuffle),
                drop_last=self.drop_last,
                seed=seed,
            )
            batches = ([order[place] for place in places] for (places,) in cut)
        for indices in batches:
            yield first, list(indices)
            first += len(indices)

    def _epoch(self, batches: Iterable, fetch: Callable[[int, list], Any]) -> Iterator[Any]:
        if not self.num_workers:
            yield from (fetch(*batch) for batch in batches)
            return
        pending: deque = deque()
        with ThreadPoolExecutor(self.num_workers, "minigen-loader") as pool:
            try:
                for batch in batches:
                    pending.append(pool.submit(fetch, *batch))
                    if len(pending) > self.num_workers * (self.prefetch_factor or 2):
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            finally:  # left early, by Ctrl-C too: what has not begun never does
                for future in pending:
                    future.cancel()

    def _fetch(self, key: int, first: int, indices: list) -> Any:
        if type(self.dataset) is TensorDataset and self.collate_fn is default_collate:
            return list(self.dataset[np.array(indices)])  # the rows at once
        items, stream = [], Generator(key)
        with backend.drawing_from(stream):
            for place, index in enumerate(indices, first):
                stream.draws = place << 32  # what an item draws is no other's
                try:
                    items.append(self.dataset[index])
                except Exception as error:
                    error.add_note(f"DataLoader: this was item {index!r} of the data set")
                    raise
            return self.collate_fn(items)
