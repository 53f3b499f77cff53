"""Who owns what (the table in minigen/differentiation.py), in random programs."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigen
from minigen import Tensor, no_grad

COUNTS = sys.modules.get("minigen.engine") is not None  # who else would notice a change


class Program:
    """A leaf, and what must be true of it after each step."""

    def __init__(self):
        self.memory = np.array([1.0, 2.0])
        self.tensor = Tensor(self.memory, requires_grad=True)
        self.others = [(self.tensor.detach(), self.memory)]
        self.graphs = []
        self.changes = {id(self.memory): 0}
        self.kept = [self.memory]  # so that no two have the same id
        self.seen, self.hooks, self.expected = [], 0, None

    def write(self):
        with no_grad():
            self.tensor.add_(1)
        self.changes[id(self.memory)] += 1

    def write_by_data(self):
        self.tensor.data -= 3
        self.changes[id(self.memory)] += 1

    def write_by_another(self):
        other, memory = self.others[-1]
        other[0] = 7.0
        self.changes[id(memory)] += 1

    def rebind(self, shape=None, tensor=False):
        other = np.full(shape or self.memory.shape, 5.0)
        self.kept.append(other)
        self.changes[id(other)] = 0
        if shape is not None and shape != self.memory.shape:
            self.tensor.grad = self.expected = None
        self.tensor.data = Tensor(other) if tensor else other
        self.memory = other

    def rebind_to_a_tensor(self):
        self.rebind(tensor=True)

    def rebind_to_another_shape(self):
        node = self.tensor._node
        self.rebind((3,) if self.memory.shape == (2,) else (2,))
        assert self.tensor._node is not node

    def look(self):
        made = (self.tensor.data, self.tensor.detach(), Tensor(self.tensor), self.tensor.data[:])
        self.others += [(other, self.memory) for other in made]

    def hook(self):
        self.tensor.register_hook(lambda g: self.seen.append(g.shape))
        self.hooks += 1

    def record(self):
        x = self.tensor
        self.graphs.append(((x * x).sum(), self.memory, self.changes[id(self.memory)]))

    def backward(self):
        if not self.graphs:
            return
        y, memory, changes = self.graphs.pop()
        hooks = len(self.seen) + self.hooks
        if COUNTS and changes != self.changes[id(memory)]:
            with pytest.raises(RuntimeError, match="changed in place"):
                y.backward()
            return
        if memory.shape != self.memory.shape:
            with pytest.raises(RuntimeError, match="given other data since"):
                y.backward()
            assert len(self.seen) == hooks
            return
        y.backward()
        before = 0.0 if self.expected is None else self.expected
        self.expected = before + 2 * memory
        assert len(self.seen) == hooks

    def check(self):
        x = self.tensor
        assert x.array is self.memory and x.is_leaf and x.requires_grad
        for tensor in (x.data, x.detach()):
            assert tensor.array is self.memory and not tensor.requires_grad
        for other, memory in self.others:
            assert np.shares_memory(other.numpy(), memory) and not other.requires_grad
            np.testing.assert_array_equal(other.numpy(), memory)
        assert (x.grad is None) == (self.expected is None)
        if self.expected is not None:
            np.testing.assert_array_equal(x.grad.numpy(), self.expected)
            assert not any(np.shares_memory(x.grad.numpy(), a) for a in self.kept)


STEPS = [name for name in vars(Program) if not name.startswith("_") and name != "check"]


@settings(max_examples=200)
@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=20))
def test_data_versions_hooks_and_gradients_go_where_the_table_says(steps):
    program = Program()
    for step in steps:
        getattr(program, step)()
        program.check()


def test_data_is_a_tensor_on_the_same_memory():
    w = minigen.ones(3, requires_grad=True)
    y = (w * w).sum()
    w.data -= 0.5  # as PyTorch's programs write it
    assert w.is_leaf and w.requires_grad and w.numpy().tolist() == [0.5] * 3
    if COUNTS:
        with pytest.raises(RuntimeError, match="changed in place"):
            y.backward()
    w.data[0] = 2.0
    w.data.clamp(0, 1).mul_(7)  # of a new tensor
    w.data.copy_(w.data * 2)
    assert w.numpy().tolist() == [4, 1, 1]
    with pytest.raises(AttributeError):
        w.array = w.numpy()


def test_hooks_see_the_whole_gradient_and_may_replace_it():
    x = Tensor([1.0, 2.0], requires_grad=True)
    h = x * 3
    seen = []
    first = h.register_hook(lambda g: seen.append(g.numpy().tolist()))
    h.register_hook(lambda g: g * 10)
    last = x.register_hook(lambda g: g + 1)
    ((h * h).sum() + h.sum()).backward(retain_graph=True)
    assert seen == [[7, 13]] and x.grad.numpy().tolist() == [211, 391]
    first.remove(), last.remove(), last.remove()
    assert minigen.grad((h * h).sum(), [h, x])[1].numpy().tolist() == [180, 360]
    assert len(seen) == 1
    k = x * 3
    k.retain_grad(), k.retain_grad()  # as PyTorch keeps it: once, and after all hooks
    k.register_hook(lambda g: g * 10), k.register_hook(lambda g: g + 1)
    k.sum().backward()
    assert k.grad.numpy().tolist() == [11, 11]
    del k.grad
    assert k.grad is None
    w = Tensor([1.0, 2.0], requires_grad=True)
    w.register_hook(lambda g: g * 10)
    w.data = Tensor([1.0, 2.0, 3.0])
    (w * 2).sum().backward()
    assert w.grad.numpy().tolist() == [20, 20, 20]
    with pytest.raises(RuntimeError, match="register_hook: .* does not require"):
        Tensor([1.0]).register_hook(print)
