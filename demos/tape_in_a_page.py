"""The tape in a page: all that happens between y = f(x) and ∂y/∂x, and nothing else.

    python demos/tape_in_a_page.py

Every operation on a recorded tensor writes a line on the tape: a node that knows the nodes of its
inputs and, for each of them, a pullback, which makes of the gradient with respect to the output, g,
the gradient with respect to that input. Walking back from y and adding up what arrives at each node
is the chain rule. Pullbacks are made of the same operations, so that a gradient can be recorded and
differentiated in its turn. minigen's own tape (minigen/tape.py) does the same, keeps less in memory
and says what is wrong when something is.
"""

import ctrl_c  # noqa: F401 - first: Ctrl-C ends the program in one line

import itertools

import numpy as np

numbers = itertools.count()
recording = True


class Node:
    """A line of the tape."""

    def __init__(self, shape, inputs=()):
        self.shape = shape
        self.inputs = inputs  # (node, pullback) of each recorded input
        self.number = next(numbers)  # inputs come before outputs


class Tensor:
    """An array and its node; None where nothing is recorded."""

    def __init__(self, array, node=None):
        self.array, self.node = np.asarray(array, np.float64), node

    def __add__(self, other):
        return add(self, other)

    def __mul__(self, other):
        return mul(self, other)

    def __neg__(self):
        return mul(self, -1)

    def __sub__(self, other):
        return add(self, mul(other, -1))

    def __matmul__(self, other):
        return matmul(self, other)


def leaf(array):
    """A tensor whose gradient will be asked for: a line of the tape that nothing leads to."""
    array = np.asarray(array, np.float64)
    return Tensor(array, Node(array.shape))


def recorded(array, *inputs):
    """The tensor of an operation's value; `inputs` are pairs of a tensor and its pullback."""
    known = [(x.node, pullback) for x, pullback in inputs if x.node is not None]
    return Tensor(array, Node(np.shape(array), known) if recording and known else None)


def tensors(*values):
    return [x if isinstance(x, Tensor) else Tensor(x) for x in values]


# --- operations: the value, and beside each input its pullback -----------------------------------


def add(a, b):
    a, b = tensors(a, b)
    return recorded(a.array + b.array, (a, lambda g: g), (b, lambda g: g))


def mul(a, b):
    a, b = tensors(a, b)
    return recorded(a.array * b.array, (a, lambda g: g * b), (b, lambda g: g * a))


def matmul(a, b):
    return recorded(a.array @ b.array, (a, lambda g: g @ turn(b)), (b, lambda g: turn(a) @ g))


def turn(x):
    return recorded(x.array.T, (x, turn))


def exp(x):
    y = recorded(np.exp(x.array), (x, lambda g: g * y))  # the slope of exp is exp
    return y


def tanh(x):
    y = recorded(np.tanh(x.array), (x, lambda g: g - g * y * y))
    return y


def sum_to(x, shape):
    """Add up the axes along which an array of `shape` was broadcast to x: broadcasting's pullback,
    as broadcasting is this one's."""
    new = x.array.ndim - len(shape)
    axes = [i for i, n in enumerate(x.array.shape) if i < new or n != shape[i - new]]
    return recorded(
        x.array.sum(tuple(axes)).reshape(shape), (x, lambda g: expand(g, x.array.shape))
    )


def expand(x, shape):
    """Broadcast."""
    return recorded(np.broadcast_to(x.array, shape), (x, lambda g: sum_to(g, x.array.shape)))


def total(x):
    """The sum of all elements."""
    return sum_to(x, ())


# --- the walk back --------------------------------------------------------------------------------


def grad(y, xs, create_graph=False):
    """∂y/∂x of one number y for each leaf x; with create_graph it is recorded itself."""
    global recording
    before, recording = recording, create_graph
    gradients = {y.node: Tensor(1.0)}
    for node in sorted(reached(y.node), key=lambda node: -node.number):  # outputs before inputs
        g = gradients[node]
        for parent, pullback in node.inputs:
            share = pullback(g)
            if share.array.shape != parent.shape:  # the input was broadcast
                share = sum_to(share, parent.shape)
            gradients[parent] = gradients[parent] + share if parent in gradients else share
    recording = before
    return [gradients.get(x.node, Tensor(np.zeros(x.array.shape))) for x in xs]


def reached(node):
    """All nodes on the ways back from this one. A loop: chains are longer than Python's stack."""
    found, left = {node}, [node]
    while left:
        for parent, _ in left.pop().inputs:
            if parent not in found:
                found.add(parent)
                left.append(parent)
    return found


def main():
    x = leaf([1.0, 2.0, 3.0])
    (g,) = grad(total(x * x * x), [x], create_graph=True)
    (h,) = grad(total(g), [x])
    print("x        ", x.array)
    print("∂Σx³/∂x  ", g.array, "= 3x²")
    print("∂Σ3x²/∂x ", h.array, "= 6x, the gradient of a gradient")

    print("\nA network of 20 hidden units learns sin(x) from 100 points:")
    rng = np.random.default_rng(0)
    points = Tensor(np.linspace(-3, 3, 100)[:, None])
    parameters = [leaf(rng.standard_normal(s)) for s in ((1, 20), (20,), (20, 1), (1,))]
    for step in range(2001):
        w, b, v, c = parameters
        error = tanh(points @ w + b) @ v + c - Tensor(np.sin(points.array))
        loss = total(error * error) * (1 / 100)
        for parameter, slope in zip(parameters, grad(loss, parameters), strict=True):
            parameter.array -= 0.02 * slope.array
        if step % 500 == 0:
            print(f"step {step:4}: mean squared error {loss.array:.6f}")
    print("Good is far below 0.5, about what answering 0 everywhere would get.")
    print("next: python demos/gan_in_a_page.py")


if __name__ == "__main__":
    main()
