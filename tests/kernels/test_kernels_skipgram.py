"""Negative sampling in tiles, against the same pair by pair."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen
from minigen import Tensor, optim
from minigen.kernels import skipgram as kernel
from minigen.models.word2vec import negative_sampling, pair_loss
from minigen.sparse import SparseRows

WORDS, DIM, TILE = 7, 3, kernel.TILE


@st.composite
def problems(draw):
    """Tables and a text in which words repeat, are missing, and are drawn as noise too."""
    window, tiles = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    shared, count = draw(st.integers(1, 5)), tiles * TILE
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    text = rng.integers(0, draw(st.integers(1, WORDS)), count + 2 * window).astype(np.int32)
    missing = draw(st.sampled_from(["none", "some", "halo", "all but one"]))
    if missing == "some":
        text[rng.random(len(text)) < 0.3] = -1
    elif missing == "halo":
        text[:window] = text[-window:] = -1
    elif missing == "all but one":
        one = rng.integers(window, window + count)
        text[np.arange(len(text)) != one] = -1
    return {
        "model": draw(st.sampled_from(["skipgram", "cbow"])),
        "text": text,
        "reach": rng.integers(1, window + 1, count),
        "noise": rng.integers(0, WORDS, (tiles, shared)).astype(np.int32),
        "window": window,
        "negative": draw(st.sampled_from([1, 2.5, 5])),
        "tables": [rng.normal(0, 1, (WORDS, DIM)), rng.normal(0, 1, (WORDS, DIM))],
        "bias": rng.normal(0, 1, WORDS) if draw(st.booleans()) else None,
    }


def sight(p):
    """For each word of the text: its place, the words in its sight, and the noise of its tile."""
    text, window = p["text"], p["window"]
    for i, reach in enumerate(p["reach"]):
        if text[i + window] < 0:
            continue
        around = [i + window + d for d in range(-reach, reach + 1) if d]
        yield text[i + window], [text[j] for j in around if text[j] >= 0], p["noise"][i // TILE]


def obvious(p, w_in, w_out, bias):
    """The loss, pair by pair."""
    share = p["negative"] / p["noise"].shape[1]
    loss = Tensor(0.0)
    for word, around, noise in sight(p):
        targets = around if p["model"] == "skipgram" else [word] * bool(around)
        for target in targets:
            t = Tensor(np.array([target, *noise]))
            label = Tensor(np.array([1.0] + [0.0] * len(noise)))
            weight = Tensor(np.array([1.0] + [share] * len(noise)))
            if p["model"] == "skipgram":
                c = Tensor(np.full(len(t), word))
                loss = loss + pair_loss(w_in, w_out, bias, c, t, label, weight)
            else:
                mean = w_in[Tensor(np.array(around))].mean(0, keepdim=True)
                c = Tensor(np.zeros(len(t), int))
                loss = loss + pair_loss(mean, w_out, bias, c, t, label, weight)
    return loss


def leaves(p, dtype="float64"):
    arrays = [*p["tables"], p["bias"]]
    return [None if a is None else Tensor(a.astype(dtype), requires_grad=True) for a in arrays]


def tiled(p, tensors):
    names = ("text", "reach", "noise", "window", "negative", "model")
    return negative_sampling(*tensors, **{name: p[name] for name in names})


def dense(tensors):
    """The gradients as whole arrays; 0 where there is none."""
    grads = [None if t is None else t.grad for t in tensors]
    grads = [0 if g is None else g for g in grads]
    return [g.to_dense() if isinstance(g, SparseRows) else getattr(g, "data", g) for g in grads]


@given(problems())
def test_the_tiles_are_the_pairs(p):
    a, b = leaves(p), leaves(p)
    fast, slow = tiled(p, a), obvious(p, *b)
    assert fast.item() == pytest.approx(slow.item(), rel=1e-12)
    fast.backward()
    if slow.requires_grad:  # else no word sees another
        slow.backward()
    for x, y in zip(dense(a), dense(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12)


@given(problems())
def test_gradients_are_finite_differences(p):
    tensors = leaves(p)
    tiled(p, tensors).backward()
    rng, h = np.random.default_rng(0), 1e-5
    for t, gradient in zip(tensors, dense(tensors), strict=True):
        if t is None:
            continue
        direction, before = rng.normal(0, 1, t.shape), t.array.copy()
        ends = []
        for sign in (h, -h):
            t.array[...] = before + sign * direction
            with minigen.no_grad():
                ends.append(tiled(p, tensors).item())
        t.array[...] = before
        expected = (ends[0] - ends[1]) / (2 * h)
        assert (gradient * direction).sum() == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(problems())
def test_only_the_rows_of_its_words_have_a_gradient(p):
    tensors = leaves(p)
    tiled(p, tensors).backward()
    seen = set(p["text"][p["text"] >= 0].tolist())
    keys = seen | set(p["noise"].ravel().tolist())
    assert set(tensors[0].grad.rows.tolist()) <= seen
    assert set(tensors[1].grad.rows.tolist()) <= keys


@given(problems())
def test_adding_rows_is_a_step_of_sgd(p):
    """What training does in place is what the operation and the optimiser do."""
    slow, fast = leaves(p), leaves(p)
    optimiser = optim.SGD([t for t in slow if t is not None], lr=0.1)
    tiled(p, slow).backward()
    optimiser.step()
    compute = getattr(kernel, p["model"])
    arrays = [None if t is None else t.array for t in fast]
    result = compute(p["text"], p["reach"], p["noise"], *arrays, window=p["window"],
                     negative=p["negative"])  # fmt: skip
    kernel.add_rows(arrays[0], *result.w_in, 0.1)
    kernel.add_rows(arrays[1], *result.w_out, 0.1)
    if p["bias"] is not None:
        kernel.add_rows(arrays[2][:, None], result.w_out.rows, result.bias[:, None], 0.1)
    for a, b in zip(slow, fast, strict=True):
        if a is not None:
            np.testing.assert_allclose(b.array, a.array, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("compiled", [True, False])
@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.sampled_from(["float32", "float64"]))
def test_rows_named_several_times_add_up(compiled, seed, count, dtype):
    rng = np.random.default_rng(seed)
    # Small whole numbers, whose sums are exact whatever the order.
    table = rng.integers(-9, 10, (5, 4)).astype(dtype)
    rows = rng.integers(-1, 5, count).astype(np.int32)
    values = (rng.integers(-9, 10, (count, 4)) * (rows >= 0)[:, None]).astype(dtype)
    expected = table.copy()
    for row, value in zip(rows, values, strict=True):
        if row >= 0:
            expected[row] += 0.5 * value
    with pytest.MonkeyPatch.context() as patch:
        if not compiled:
            patch.setattr(kernel, "csc_matvecs", None)
        kernel.add_rows(table, rows, values, 0.5)
    assert np.array_equal(table, expected) and table.dtype == dtype


@pytest.mark.parametrize("model", ["skipgram", "cbow"])
@pytest.mark.parametrize("score", [1e4, -1e4])
def test_extreme_scores_give_finite_losses_and_gradients(model, score):
    p = {
        "model": model, "text": np.zeros(TILE + 4, np.int32), "reach": np.full(TILE, 2),
        "noise": np.ones((1, 2), np.int32), "window": 2, "negative": 2,
        "tables": [np.full((2, 1), 100.0), np.array([[score / 100], [-score / 100]])],
        "bias": None,
    }  # fmt: skip
    with np.errstate(all="raise", under="ignore"):
        tensors = leaves(p, "float32")
        loss = tiled(p, tensors)
        with np.errstate(over="ignore"):
            loss.backward()
    pairs = 4 * TILE if model == "skipgram" else TILE
    assert loss.item() == pytest.approx(0 if score > 0 else 3 * pairs * 1e4, rel=1e-5)
    assert all(np.isfinite(g).all() for g in dense(tensors)[:2])


def test_a_gradient_of_the_gradient_is_refused():
    rng = np.random.default_rng(0)
    tables = [Tensor(rng.normal(0, 1, (3, 2)), requires_grad=True) for _ in range(2)]
    text, reach = np.zeros(TILE + 2, np.int32), np.ones(TILE, int)
    loss = negative_sampling(*tables, None, text, reach, np.ones((1, 2), np.int32), window=1)
    with pytest.raises(NotImplementedError, match="first order"):
        minigen.grad(loss, tables[0], create_graph=True)


@pytest.mark.parametrize("change, message", [
    ({"text": np.zeros(TILE + 1, np.int32)}, "multiple of 16"),
    ({"reach": np.ones(TILE - 1, int)}, "multiple of 16"),
    ({"reach": np.full(TILE, 2)}, "reach must be 1 to 1"),
    ({"reach": np.zeros(TILE, int)}, "reach must be 1 to 1"),
    ({"text": np.full(TILE + 2, 3, np.int32)}, "3 rows"),
    ({"text": np.full(TILE + 2, -2, np.int32)}, "3 rows"),
    ({"noise": np.full((1, 2), -1)}, "3 rows"),
    ({"noise": np.zeros((2, 2), int)}, "multiple of 16"),
    ({"model": "glove"}, "glove"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(change, message):
    fit = {
        "text": np.zeros(TILE + 2, np.int32), "reach": np.ones(TILE, int),
        "noise": np.zeros((1, 2), int), "window": 1, "model": "skipgram",
    }  # fmt: skip
    table = minigen.zeros(3, 2)
    negative_sampling(table, table, None, **fit)
    with pytest.raises(ValueError, match=message):
        negative_sampling(table, table, None, **{**fit, **change})
