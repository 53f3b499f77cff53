"""Whether a change is noticed, by whatever way two tensors came to lie in one memory."""

import copy
import gc
import mmap
import operator
import tempfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen as mg
from minigen import Tensor, nn, optim
from minigen import functional as F
from minigen.engine import memories
from minigen.kernels import memory

try:
    import torch
except ImportError:
    torch = None


def own():
    return np.ones(6)


def in_a_buffer():
    return np.frombuffer(bytearray(48))


def in_a_file():
    with tempfile.TemporaryFile() as file:
        file.truncate(48)
        return np.frombuffer(mmap.mmap(file.fileno(), 48))


def memmap():
    with tempfile.NamedTemporaryFile() as file:
        return np.memmap(file, np.float64, "w+", shape=(6,))


def torchs():
    return torch.zeros(6, dtype=torch.float64).numpy()


def taken_back(array):
    """As another library does that was lent the memory: NumPy no longer knows whose it is."""
    return np.frombuffer(memoryview(array).cast("B"), array.dtype)


def after_torch(array):
    return torch.from_numpy(array).numpy() if torch else taken_back(array)


def by_dlpack(array):
    """NumPy 2.0 lends it only to be read, and takes none that is read alone."""
    lent = np.from_dlpack(array) if array.flags.writeable else array
    return lent if lent.flags.writeable else array


MEMORIES = [own, in_a_buffer, in_a_file, memmap, *([torchs] if torch else [])]
WAYS = {
    "the same": lambda a: a,
    "a slice": lambda a: a[1:],
    "backwards": lambda a: a[::-1],
    "one without a mask": lambda a: np.ma.asarray(a),
    "a view of a view": lambda a: a[1:][:3].reshape(3, 1)[:, 0],
    "a buffer": taken_back,
    "part of a buffer": lambda a: taken_back(a)[2:],
    "a lent one": after_torch,
    "dlpack": by_dlpack,
    "a tensor's array": lambda a: Tensor(a).numpy()[1:],
    "a result's array": lambda a: Tensor(a)[1:].reshape(-1, 1).numpy(),
    "a detached one": lambda a: Tensor(a).detach(),
    "a parameter": lambda a: nn.Parameter(a),
    "a state": lambda a: _module(a).state_dict()["w"],
    "a copy": lambda a: copy.copy(Tensor(a)),
}


def _module(array):
    module = nn.Module()
    module.w = nn.Parameter(array)
    return module


def _step(w):
    w = nn.Parameter(w)
    w.grad = mg.ones(*w.shape, dtype=w.dtype)
    optim.SGD([w], lr=1.0).step()


CHANGES = {
    "fill_": lambda w: w.detach().fill_(2),
    "setitem": lambda w: operator.setitem(w.detach(), 0, 2.0),
    "an optimiser": _step,
    "a load": lambda w: _module(w).load_state_dict({"w": np.zeros(w.shape)}),
    "increment_version": mg.increment_version,
}


def _bound(array):
    """Given to a tensor that had another one."""
    tensor = Tensor(np.zeros(1))
    tensor.data = array
    return tensor


@given(
    st.sampled_from(MEMORIES), st.sampled_from(list(WAYS)), st.sampled_from(list(WAYS)),
    st.sampled_from(list(CHANGES)), st.sampled_from([Tensor, _bound]), st.booleans(),
)  # fmt: skip
def test_a_change_is_noticed_by_whatever_way_two_tensors_share(make, a, b, change, bind, first):
    array = make()
    ways = [WAYS[a](array), WAYS[b](array)]
    tensors = [bind(way) for way in (ways if first else ways[::-1])]
    kept, written = tensors if first else tensors[::-1]
    x = Tensor(1.0, True, dtype=np.float64)
    y = (x * kept).sum()
    CHANGES[change](written)
    with pytest.raises(RuntimeError, match="mul: other .* changed in place"):
        y.backward()


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4)), min_size=2, max_size=6))
def test_what_overlaps_by_address_is_one_memory_and_nothing_else_is(places):
    buffer = bytearray(8 * 13)
    arrays = [np.frombuffer(buffer, count=n, offset=8 * at) for at, n in places]
    tensors = [Tensor(array) for array in arrays]
    x = Tensor(1.0, True, dtype=np.float64)
    sums = [(x * t).sum() for t in tensors]
    tensors[0].add_(1)
    reached = {0}  # directly, or by way of others, as in a storage of PyTorch's
    for _ in places:
        reached |= {
            i for i, a in enumerate(arrays) for j in reached if np.may_share_memory(a, arrays[j])
        }
    for i, total in enumerate(sums):
        if i not in reached:
            total.backward()
        elif np.may_share_memory(arrays[i], arrays[0]):
            with pytest.raises(RuntimeError, match="changed in place"):
                total.backward()


def test_an_array_that_is_no_tensor_is_watched_too_and_so_is_what_went_out():
    a, x = np.ones(3), Tensor(np.zeros(3), requires_grad=True)
    y = x.exp()
    for output, change in (((x * a).sum(), a), (y.sum(), y.numpy()), (y.sum(), y.detach().array)):
        Tensor(change).add_(1)
        with pytest.raises(RuntimeError, match="changed in place"):
            output.backward()


def test_nothing_is_remembered_of_memory_that_is_gone(monkeypatch):
    monkeypatch.setattr(memory, "_KEPT", 0)  # so that buffers are used again, on any system

    def use():
        for make in MEMORIES[:4]:
            tensor = Tensor(make()[1:])
            (tensor * 2).numpy()
        for _ in range(3):
            large = memory.empty((600, 600), np.float32)  # the same again and again
            assert len(memories.shared_cell(large, [0])[1]) == 1
            del large

    gc.collect()
    Tensor(np.ones(1))  # clears what is gone
    before = len(memories._owners)
    for _ in range(3):
        use()
    Tensor(np.ones(1))
    assert len(memories._owners) <= before + 2 and gc.collect() == 0
    assert len(memories._regions) == len(memories._ends) <= len(memories._owners) + 1


@pytest.mark.parametrize(
    "f",
    [
        lambda x, i: x.index_select(0, i),
        lambda x, i: mg.zeros(3, 3, dtype=x.dtype).index_add(0, i, x),
        lambda x, i: x.gather(0, i.reshape(1, 3)),
        lambda x, i: x[i],
        lambda x, i: F.embedding(i, x),
        lambda x, i: F.cross_entropy(x, i),
        lambda x, i: mg.where(i > 0, x, 2 * x),
    ],
)
def test_an_index_that_changes_is_noticed_or_was_copied(f):
    x, weights = Tensor(np.eye(3), requires_grad=True), Tensor(np.arange(1.0, 4.0)[:, None])
    index = Tensor([0, 2, 1])
    y = (f(x, index) * weights).sum()
    (expected,) = mg.grad(y, x, retain_graph=True)
    index.zero_()
    try:
        y.backward()
    except RuntimeError as error:
        assert "changed in place" in str(error)
    else:
        np.testing.assert_array_equal(x.grad.numpy(), expected.numpy())


def test_memory_of_numpys_own_is_found_when_the_first_other_comes(monkeypatch):
    monkeypatch.setattr(memories, "_by_address", [False])
    array = np.ones(3)
    kept, x = Tensor(array), Tensor(np.ones(3), requires_grad=True)
    y = (x * kept).sum()
    Tensor(taken_back(array)[1:]).add_(1)
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


@pytest.mark.parametrize("change", ["fill_", "setitem", "an optimiser", "a load"])
def test_memory_that_cannot_be_written_is_named(change):
    for array in (np.broadcast_to(1.0, (3,)), np.frombuffer(bytes(24))):
        with pytest.raises(ValueError, match="cannot be written"):
            CHANGES[change](Tensor(array))
