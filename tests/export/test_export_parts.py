"""What is passed on of a model is what the model itself draws."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from untrained import untrained

from minigen import Tensor
from minigen.export import parts
from minigen.export.file import short_names


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


dotted = st.lists(st.sampled_from("ab"), min_size=1, max_size=4).map(".".join)


@hypothesis.given(st.lists(dotted, unique=True, min_size=2))
def test_names_lack_what_all_of_them_begin_with_and_no_more(names):
    short = short_names({name: i for i, name in enumerate(names)})
    assert [*short.values()] == [*range(len(names))]  # none is another's
    lost = {name.removesuffix(few) for name, few in zip(names, short, strict=True)}
    assert len(lost) == 1 and lost.pop()[-1:] in ("", ".")
    assert not any(all(few.startswith(f"{first}.") for few in short) for first in "ab")
