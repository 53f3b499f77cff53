"""Batches are those of the items, in an order and with numbers that no worker has a say in."""

import collections
import random
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen
from minigen import Tensor
from minigen.data.loader import (
    DataLoader,
    Dataset,
    Subset,
    TensorDataset,
    default_collate,
    random_split,
)

Pair = collections.namedtuple("Pair", "left right")


class Drawn(Dataset):
    """Items that draw: how long they take differs, so that threads finish out of order."""

    def __len__(self):
        return 11

    def __getitem__(self, index):
        time.sleep(0.001 * random.Random(index).random())
        return index, minigen.randn(3)


def epochs(**options):
    minigen.manual_seed(4)
    loader = DataLoader(Drawn(), **options)
    found = [[(i.numpy().tolist(), x.numpy().tolist()) for i, x in loader] for _ in range(2)]
    return found, minigen.rand(1).item()  # and what the shared stream gives afterwards


@given(
    batch_size=st.integers(1, 12),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
    workers=st.integers(1, 3),
)
def test_any_number_of_workers_gives_the_same_batches_and_draws(
    batch_size, shuffle, drop_last, workers
):
    options = {"batch_size": batch_size, "shuffle": shuffle, "drop_last": drop_last}
    if batch_size > len(Drawn()) and drop_last:
        with pytest.raises(minigen.data.DataError, match="take a smaller batch size"):
            list(DataLoader(Drawn(), **options))
        return
    alone = epochs(**options)
    assert epochs(num_workers=workers, **options) == alone
    both, _ = alone
    for batches in both:
        assert len(batches) == len(DataLoader(Drawn(), **options))
        sizes = [len(indices) for indices, _ in batches]
        met = sum((indices for indices, _ in batches), [])
        assert sizes == [batch_size] * (11 // batch_size) + [11 % batch_size][: len(met) % 11 == 0
            and 11 % batch_size > 0]  # fmt: skip
        assert len(set(met)) == len(met) and (shuffle or met == sorted(met))
    rows = [row for batches in both for _, drawn in batches for row in drawn]
    assert len(set(map(tuple, rows))) == len(rows)  # each item's own, in each epoch


def test_the_generator_says_the_order_and_the_default_stream_is_left_alone():
    def orders(stream):
        loader = DataLoader(range(20), batch_size=20, shuffle=True, generator=stream)
        return [batch.numpy().tolist() for _ in range(3) for batch in loader]

    minigen.manual_seed(0)
    first = orders(minigen.Generator(1))
    assert first == orders(minigen.Generator(1)) != orders(minigen.Generator(2))
    assert len(set(map(tuple, first))) == 3 and sorted(first[0]) == list(range(20))
    unused = minigen.rand(1).item()
    minigen.manual_seed(0)
    assert unused == minigen.rand(1).item()


def test_an_items_own_stream_is_its_own():
    class Own(Drawn):
        def __getitem__(self, index):
            return minigen.rand(1, generator=minigen.Generator(index))

    (batch,) = DataLoader(Own(), 11)
    alone = [minigen.rand(1, generator=minigen.Generator(i)).item() for i in range(11)]
    assert batch.numpy().ravel().tolist() == alone


def test_an_epoch_begins_where_it_is_asked_for_not_where_it_is_read():
    loader = DataLoader(range(20), 20, shuffle=True)
    minigen.manual_seed(0)
    first, second = iter(loader), iter(loader)
    late = [next(second).numpy().tolist(), next(first).numpy().tolist()]
    minigen.manual_seed(0)
    assert late[::-1] == [next(iter(loader)).numpy().tolist() for _ in range(2)]


def test_items_are_collected_by_their_kind():
    items = [
        {"x": np.full((2,), i, np.float32), "n": (i, 0.5 * i), "s": str(i), "p": Pair(i, i > 0),
         "t": Tensor([i]), "g": np.float32(i)}
        for i in range(3)
    ]  # fmt: skip
    (batch,) = DataLoader(items, batch_size=3)
    assert batch["x"].shape == (3, 2) and batch["x"].dtype == np.float32
    whole, half = batch["n"]
    assert (whole.dtype, half.dtype) == (np.int64, np.float64)  # as in PyTorch
    assert half.numpy().tolist() == [0, 0.5, 1] and batch["s"] == ["0", "1", "2"]
    assert batch["p"].right.numpy().tolist() == [False, True, True]
    assert batch["t"].shape == (3, 1) and batch["g"].dtype == np.float32


def test_collecting_agrees_with_pytorch():
    torch = pytest.importorskip("torch")
    from torch.utils.data import default_collate as theirs

    items = [(i, i / 2, [np.ones(2) * i, {"k": i == 1}], "a") for i in range(3)]

    def agree(ours, theirs):
        if isinstance(theirs, torch.Tensor):
            assert ours.numpy().dtype == theirs.numpy().dtype
            assert ours.numpy().tolist() == theirs.numpy().tolist()
        elif isinstance(theirs, dict):
            for key in theirs:
                agree(ours[key], theirs[key])
        elif isinstance(theirs, str):
            assert ours == theirs
        else:
            for a, b in zip(ours, theirs, strict=True):
                agree(a, b)

    agree(default_collate(items), theirs(items))


def test_tensors_are_cut_as_if_item_by_item():
    x, y = Tensor(np.arange(20.0).reshape(10, 2)), np.arange(10)
    data = TensorDataset(x, y)
    assert len(data) == 10 and data[3][0].numpy().tolist() == [6, 7]
    options = {"batch_size": 4, "shuffle": True}
    minigen.manual_seed(0)
    whole = [[t.numpy().tolist() for t in batch] for batch in DataLoader(data, **options)]
    minigen.manual_seed(0)
    rows = DataLoader([data[i] for i in range(10)], **options)
    assert whole == [[t.numpy().tolist() for t in batch] for batch in rows]
    assert list(DataLoader(data, 5, collate_fn=len)) == [5, 5]
    with pytest.raises(ValueError, match=r"one length, got \[2, 3\]"):
        TensorDataset(np.ones(2), np.ones(3))


@given(st.integers(1, 40), st.data())
def test_a_split_shares_every_item_out_once(count, data):
    part = data.draw(st.integers(0, count))
    for lengths in ([part, count - part], [0.25, 0.25, 0.5]):
        parts = random_split(range(count), lengths)
        assert sorted(i for p in parts for i in p) == list(range(count))
        wanted = lengths if len(lengths) == 2 else [count * fraction for fraction in lengths]
        assert all(abs(len(p) - n) < 1 for p, n in zip(parts, wanted, strict=True))
    with pytest.raises(ValueError, match="do not sum"):
        random_split(range(count), [count + 1])
    assert list(Subset("abc", [2, 0])) == ["c", "a"]
    assert list(Subset("abc", [2, 0]) + Subset("abc", [1]) + "d") == ["c", "a", "b", "d"]


def test_samplers_and_single_items():
    assert [b.numpy().tolist() for b in DataLoader("abc", None, collate_fn=lambda x: Tensor(
        [ord(x[0])]))] == [[97], [98], [99]]  # fmt: skip
    assert list(DataLoader("abc", None)) == ["a", "b", "c"]
    loader = DataLoader(range(9), 2, sampler=[8, 1, 1])
    assert [b.numpy().tolist() for b in loader] == [[8, 1], [1]] and len(loader) == 2
    loader = DataLoader({"k": 1.0, "l": 2.0}, batch_sampler=[["l"], ["k", "l"]], num_workers=2)
    assert [b.numpy().tolist() for b in loader] == [[2], [1, 2]] and len(loader) == 2


def test_what_cannot_be_loaded_is_said():
    for arguments, error in [
        (((i for i in range(3)),), TypeError("__len__ and __getitem__, .* not a generator")),
        (([1], 0), ValueError("batch_size must be a whole number, 1 or more, not 0")),
        (([1], 1.5), ValueError("batch_size must be a whole number, 1 or more, not 1.5")),
        (([1], 1, True, [0]), ValueError("give one")),
        (([1], 2, False, None, [[0]]), ValueError("stands for batch_size")),
    ]:
        with pytest.raises(type(error), match=str(error)):
            DataLoader(*arguments)
    with pytest.raises(ValueError, match="workers"):
        list(DataLoader([1], num_workers=-1))
    with pytest.raises(ValueError, match="num_workers must be a whole number, 0 or more, not None"):
        DataLoader([1], None, num_workers=None)
    with pytest.raises(NotImplementedError, match="worker_init_fn"):
        DataLoader([1], worker_init_fn=print)
    with pytest.raises(ValueError, match=r"item 0 of a batch has shape \(1,\), item 1 \(2,\)"):
        default_collate([np.ones(1), np.ones(2)])
    with pytest.raises(TypeError, match="an item holds a object; .* give a collate_fn"):
        default_collate([object()])


@pytest.mark.parametrize("workers", [0, 2])
def test_an_items_error_says_which_and_no_thread_is_left(workers):
    class Broken(Drawn):
        def __getitem__(self, index):
            if index == 6:
                raise KeyError("no such file")
            return index

    before = threading.active_count()
    with pytest.raises(KeyError, match="no such file") as caught:
        list(DataLoader(Broken(), 2, num_workers=workers))
    assert "item 6 " in caught.value.__notes__[0]
    for _ in DataLoader(Drawn(), 2, num_workers=workers):
        break
    with pytest.raises(KeyboardInterrupt):
        for _ in DataLoader(Drawn(), 2, num_workers=workers):
            raise KeyboardInterrupt
    caught = None  # its traceback holds the iterator
    assert threading.active_count() == before
    assert minigen.backend._instead.stream is None
