"""The model of digits that comes with the package draws what it is asked for; samplers, by it."""

import itertools
import tomllib
from pathlib import Path

import numpy as np
import pytest

import minigen
from minigen import Generator, Tensor
from minigen.models import diffusion as D
from minigen.models import digits

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def model():
    return digits.load()


def noise(count, seed=0):
    return minigen.randn(count, 1, 28, 28, generator=Generator(seed))


def all_classes(each):
    return Tensor(np.repeat(np.arange(10), each))


@pytest.fixture(scope="module")
def read():
    """Whose mean image of MNIST's training images is most like an image: it reads 79 % of test
    images rightly."""

    def shape(images):
        rows = images.reshape(len(images), -1).astype(np.float64)
        rows = rows - rows.mean(1, keepdims=True)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    means = shape(np.load(Path(__file__).with_name("digit_means.npy")))
    return lambda images: (shape(images) @ means.T).argmax(1)


def test_it_ships_small_and_draws_no_number_as_it_is_loaded(model):
    assert digits.WEIGHTS.stat().st_size < 10**6
    minigen.manual_seed(3)
    expected = minigen.rand(2).numpy()
    minigen.manual_seed(3)
    digits.load()
    np.testing.assert_array_equal(minigen.rand(2).numpy(), expected)
    assert {w.dtype for w in minigen.load(digits.WEIGHTS).values()} == {np.dtype("float16")}
    assert {p.dtype for p in model.parameters()} == {np.dtype("float32")}


def test_what_is_drawn_is_read_as_the_class_asked_for(model, read):
    labels = all_classes(4)
    made = digits.draw(model, labels, Generator(0)).numpy()
    assert made.shape == (40, 1, 28, 28) and abs(made).max() <= 1
    assert (read(made) == labels.numpy()).mean() > 0.6  # by chance 0.1
    again = digits.draw(model, labels, Generator(0)).numpy()
    np.testing.assert_array_equal(made, again)


@pytest.mark.parametrize("sampler", ["ddpm", "ddim", "heun", "euler"])
def test_each_sampler_draws_digits(model, read, sampler):
    """Also ddpm, which draws noise on the way: what is left of it at the end is little."""
    labels = all_classes(2)
    if sampler in ("ddpm", "ddim"):
        by = getattr(D, sampler)
        made = by(model.respaced(12), noise(20), labels, guidance=1.0, generator=Generator(1))
    else:
        made = D.probability_flow(model, noise(20), labels, steps=10, method=sampler, guidance=1.0)
    assert (read(made.numpy()) == labels.numpy()).mean() > 0.5
    assert (made.numpy() < -0.9).mean() > 0.5  # of a digit most pixels are black


def test_encoding_a_digit_comes_back_the_nearer_the_more_steps(model):
    labels = all_classes(1)[::2]
    x = digits.draw(model, labels, Generator(2))
    model.clip = False
    try:
        errors = []
        for steps in 4, 12, 36:
            few = model.respaced(steps)
            back = D.ddim(few, D.ddim_encode(few, x, labels), labels)
            errors.append(float(((back - x) ** 2).mean()) / 4)  # on [0, 1]
    finally:
        model.clip = True
    assert all(a > 1.5 * b for a, b in itertools.pairwise(errors)), errors


def test_more_steps_come_nearer_to_where_the_flow_leads(model):
    labels, x = all_classes(1)[::2], noise(5, 4)
    end = D.probability_flow(model, x, labels, steps=20).numpy()
    errors = {
        (method, steps): np.square(
            D.probability_flow(model, x, labels, steps=steps, method=method).numpy() - end
        ).mean()
        for method, steps in (("euler", 6), ("euler", 12), ("heun", 6), ("heun", 12))
    }
    assert errors["euler", 12] < errors["euler", 6]
    assert errors["heun", 12] < errors["heun", 6]
    assert errors["heun", 12] < errors["euler", 12]


def test_what_the_package_reads_is_installed_with_it():
    """Of a wheel, that is: whatever is neither Python nor a page is named as package data."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    package = ROOT / "minigen"
    named = {f for pattern in settings["package-data"]["minigen"] for f in package.glob(pattern)}
    read = {f for f in package.rglob("*.*") if f.suffix not in (".py", ".pyc", ".md")}
    assert digits.WEIGHTS in read and read <= named
