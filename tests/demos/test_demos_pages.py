"""The two pages: the tape's gradients are the engine's, and a GAN of one page trains and draws."""

import pathlib
import runpy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import minigen
from minigen import Tensor, data

DEMOS = pathlib.Path(__file__).parents[2] / "demos"


def names_of(page):
    """What is defined in a page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DEMOS)
        return runpy.run_path(str(DEMOS / page))


page = names_of("tape_in_a_page.py")

STEPS = ("a + b", "a * b", "a - b", "-a", "tanh(a)", "exp(a * 0.25)", "a * a")


def program(steps, leaves, names):
    """The sum of what these steps make of the leaves and of one another."""
    made = list(leaves)
    for step, a, b in steps:
        made.append(eval(STEPS[step], names, {"a": made[a % len(made)], "b": made[b % len(made)]}))
    last = made[-1]
    for leaf in leaves:  # so that each has a gradient
        last = last + leaf * leaf
    return last


@given(st.lists(st.tuples(st.integers(0, len(STEPS) - 1), *[st.integers(0, 9)] * 2), max_size=8))
def test_gradients_of_both_orders_are_the_engines(steps):
    """Over broadcasting, constants and values that are used several times."""
    rng = np.random.default_rng(len(steps))
    arrays = [rng.uniform(-1, 1, shape) for shape in ((2, 3), (3,), (2, 1))]

    ours = [page["leaf"](a) for a in arrays]
    y = page["total"](program(steps, ours, page))
    first = page["grad"](y, ours, create_graph=True)
    second = page["grad"](page["total"](first[0] * first[1] * first[2]), ours)

    theirs = [Tensor(a, requires_grad=True) for a in arrays]
    names = {"tanh": minigen.tanh, "exp": minigen.exp}
    slopes = minigen.grad(program(steps, theirs, names).sum(), theirs, create_graph=True)
    curves = minigen.grad((slopes[0] * slopes[1] * slopes[2]).sum(), theirs)

    for mine, wanted in zip([*first, *second], [*slopes, *curves], strict=True):
        scale = max(1.0, abs(wanted.numpy()).max())  # sums may cancel: roundings of the largest
        np.testing.assert_allclose(mine.array, wanted.numpy(), rtol=1e-10, atol=1e-10 * scale)


def test_a_matrix_product_and_a_chain_longer_than_pythons_stack():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((4, 3)), rng.standard_normal((3, 2))
    x, w = page["leaf"](a), page["leaf"](b)
    got = page["grad"](page["total"](page["tanh"](x @ w)), [x, w])
    p, q = Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)
    for mine, wanted in zip(got, minigen.grad((p @ q).tanh().sum(), [p, q]), strict=True):
        np.testing.assert_allclose(mine.array, wanted.numpy(), rtol=1e-12, atol=1e-12)
    y = x = page["leaf"](1.0)
    for _ in range(5000):
        y = y * 1.0001
    (g,) = page["grad"](y, [x])
    assert g.array == pytest.approx(1.0001**5000, rel=1e-10)


def test_a_gan_of_one_page_trains_and_draws(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "load", lambda name: data.digits(200))
    names = names_of("gan_in_a_page.py")
    main = names["main"]
    main.__globals__.update(STEPS=3, BATCH=16)
    before = [p.numpy().copy() for p in names["generator"].parameters()]
    main()
    with Image.open("gan.png") as image:
        assert image.size == (16 * 28, 8 * 28)
    after = [p.numpy() for p in names["generator"].parameters()]
    assert all((a != b).any() for a, b in zip(before, after, strict=True))
    assert "training" not in (DEMOS / "gan_in_a_page.py").read_text("utf-8")
