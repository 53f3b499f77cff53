"""What is passed on of a model is what the model itself draws."""

import numpy as np
import pytest
from untrained import untrained

from minigen import Tensor
from minigen.export import parts


def given(part):
    """Something for each of its inputs."""
    return [Tensor(x.example(3, seed=i)) for i, x in enumerate(part.inputs)]


@pytest.mark.parametrize(
    ("demo", "settings"),
    [
        ("gan", {"conditional": True}),
        ("cyclegan", {"data": "glyphs", "start": "copy"}),
        ("stargan", {"data": "digits", "generator": "added"}),
    ],
)
def test_the_first_part_is_what_the_model_draws(demo, settings):
    trained = untrained(demo, **settings)
    part = next(iter(parts(trained).values()))
    x = [Tensor(5 * y.array) if y.dtype.kind == "f" else y for y in given(part)]
    np.testing.assert_array_equal(part.function(*x).numpy(), trained.model.draw(*x).numpy())


def test_an_encoder_draws_latents_by_the_noise_that_it_is_given():
    part = parts(untrained("vae"))["encoder"]
    pictures, epsilon = given(part)
    mean, log_var, z = (y.numpy() for y in part.function(pictures, epsilon))
    np.testing.assert_allclose(z, mean + np.exp(log_var / 2) * epsilon.numpy(), rtol=1e-5)
