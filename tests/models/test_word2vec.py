"""Word vectors: what is learnt from, the formulas, and training on a language with known topics."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from minigen import Tensor, gradcheck, training
from minigen.data.vectors import Vectors
from minigen.models import word2vec as W
from minigen.models.word2vec import CONTEXTS, SENTENCE, Noise, Predictor, Word2Vec

WORDS = SENTENCE.split()


def test_contexts_of_the_sentence():
    context, target = W.contexts(WORDS, "last-four")
    found = {t: " ".join(c) for c, t in zip(context, target, strict=True)}
    assert found["juice"] == "a glass of orange" and len(found) == len(WORDS) - 4
    context, target = W.contexts(WORDS, "four-each-side")
    found = {t: " ".join(c) for c, t in zip(context, target, strict=True)}
    assert found["juice"] == "a glass of orange to go along with"
    context, target = W.contexts(WORDS, "last-one")
    assert ["orange", "juice"] in np.column_stack([context, target]).tolist()
    context, target = W.contexts(WORDS, "nearby-one", np.random.default_rng(0))
    places = np.array([WORDS.index(c) for c in context[:, 0]])
    distance = abs(places - np.arange(len(WORDS)))
    assert target.tolist() == WORDS and distance.min() == 1 and distance.max() <= 4
    for short in ([], ["one"]):
        for kind in CONTEXTS:
            assert len(W.contexts(short, kind)[1]) == 0
    with pytest.raises(ValueError, match="kind"):
        W.contexts(WORDS, "last-five")


@given(st.integers(0, 30), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_nearby_words_are_within_the_window_and_all_of_them_occur(count, window, seed):
    rng = np.random.default_rng(seed)
    context, target = W.contexts(np.arange(count), "nearby-one", rng, window)
    distance = context[:, 0] - target
    assert (abs(distance) <= window).all() and (distance != 0).all()
    seen = W.in_sight(np.arange(count), window, rng)
    distance = seen - np.arange(count)[:, None]
    assert (abs(distance[seen >= 0]) <= window).all() and (distance[seen >= 0] != 0).all()
    if count > 1:
        assert (seen >= 0).any(axis=1).all()  # every word sees the one beside it


def test_the_table_of_the_lesson():
    orange, juice = WORDS.index("orange"), WORDS.index("juice")
    table = W.examples(WORDS, orange, juice, ["king", "book", "the", "of"])
    assert table == [
        ("orange", "juice", 1), ("orange", "king", 0), ("orange", "book", 0),
        ("orange", "the", 0), ("orange", "of", 0),
    ]  # fmt: skip


def test_the_losses_are_their_formulas():
    """p(t|c) = exp(w_t·e_c + b_t) / Σ exp(w_j·e_c + b_j), and p(1|t,c) = σ(w_t·e_c + b_t)."""
    rng = np.random.default_rng(0)
    network = W.LanguageModel(6, 1, 3).to("float64")
    e, w, b = (p.array for p in network.parameters())
    b += rng.normal(0, 1, 6)
    scores = np.exp(e[2] @ w.T + b)
    p = scores / scores.sum()
    loss = network.loss(Tensor(np.array([[2]])), Tensor(np.array([4])))
    assert loss.item() == pytest.approx(-np.log(p[4]))
    several = network.loss(Tensor(np.array([[2]])), Tensor(np.array([[4, -1, 1]])))
    assert several.item() == pytest.approx(-np.log(p[[4, 1]]).mean())

    rows = [Tensor(np.array(x)) for x in ([2, 2], [4, 1], [1.0, 0.0], [1.0, 0.5])]
    s = 1 / (1 + np.exp(-(w[[4, 1]] @ e[2] + b[[4, 1]])))
    expected = -np.log(s[0]) - 0.5 * np.log(1 - s[1])
    assert W.pair_loss(Tensor(e), Tensor(w), Tensor(b), *rows).item() == pytest.approx(expected)


@pytest.mark.parametrize("hidden", [0, 5])
def test_gradients_of_the_language_model(hidden):
    network = W.LanguageModel(7, 2, dim=3, hidden=hidden).to("float64")
    context, target = Tensor(np.array([[0, 1], [5, 5], [2, 6]])), Tensor(np.array([1, 0, 6]))
    parameters = list(network.parameters())

    def loss(*values):
        for p, value in zip(parameters, values, strict=True):
            p.array[...] = value.array
        return network.loss(context, target)

    arrays = [p.array.copy() for p in parameters]
    gradients = []
    network.loss(context, target).backward()
    gradients = [p.grad.array.copy() for p in parameters]
    for i, gradient in enumerate(gradients):

        def along(x, i=i):
            values = [Tensor(a) for a in arrays]
            values[i] = Tensor(x)
            return loss(*values).array

        gradcheck(along, arrays[i], grad=lambda x, g=gradient: g)


counts = st.lists(st.integers(1, 1000), min_size=2, max_size=8).map(np.array)


@given(counts, st.integers(0, 2**32 - 1))
def test_noise_follows_counts_to_the_power_of_three_quarters(counts, seed):
    drawn = Noise(counts).draw(np.random.default_rng(seed), (100, 200)).ravel()
    expected = counts**0.75 / (counts**0.75).sum()
    observed = np.bincount(drawn, minlength=len(counts))
    assert len(observed) == len(counts)
    assert chisquare(observed, 20_000 * expected).pvalue > 1e-7


def test_the_test_of_noise_sees_a_wrong_exponent():
    counts = np.array([1000, 300, 100, 30])
    drawn = Noise(counts, power=0.7).draw(np.random.default_rng(0), (20_000,))
    expected = counts**0.75 / (counts**0.75).sum()
    assert chisquare(np.bincount(drawn), 20_000 * expected).pvalue < 1e-7


@given(counts, st.sampled_from([1e-1, 1e-2, 1e-3]), st.integers(0, 2**32 - 1))
def test_frequent_words_are_dropped_by_the_formula(counts, sample, seed):
    f = counts / counts.sum()
    keep = [min(1, math.sqrt(sample / x) + sample / x) for x in f]
    np.testing.assert_allclose(W.keep_probability(counts, sample), keep)
    assert (W.keep_probability(counts, 0) == 1).all()
    model = Word2Vec(counts, dim=1, sample=sample)
    rows = np.repeat(np.arange(len(counts), dtype=np.int32), 2000)
    text, reach, noise = model.draw(rows, np.random.default_rng(seed))
    assert len(text) - 10 == len(reach) == 16 * len(noise)
    kept = np.bincount(text[text >= 0], minlength=len(counts))
    assert (text[text >= 0] == np.sort(text[text >= 0])).all()  # in their order
    for n, p in zip(kept, keep, strict=True):
        assert abs(n - 2000 * p) <= 6 * math.sqrt(2000 * p * (1 - p)) + 1e-9
    assert reach.min(initial=1) >= 1 and reach.max(initial=5) <= 5


TOPICS, EACH = 4, 6


def language(words=12_000, seed=0):
    """Runs of twelve words, each run about one of four topics, which share no word."""
    rng = np.random.default_rng(seed)
    topic = np.repeat(rng.integers(0, TOPICS, words // 12), 12)
    return (topic * EACH + rng.integers(0, EACH, len(topic))).astype(np.int32)


def recovered(vectors):
    """The share of words whose nearest neighbour is about the same topic; by chance 0.22."""
    v = Vectors(map(str, range(len(vectors))), vectors)
    nearest = [int(v.most_similar(str(i), count=1)[0][0]) for i in range(len(v))]
    return np.mean(np.arange(len(v)) // EACH == np.array(nearest) // EACH)


def train(model, rows, epochs, size=1000):
    steps = -(-len(rows) // size) * epochs
    for step in range(steps):
        first = step * size % len(rows)
        last = model.step(rows[first : first + size], step + 1, step / steps, (step + 1) / steps)
    return last["loss"]


@pytest.mark.parametrize("options", [
    {"model": "skipgram"}, {"model": "skipgram", "bias": True}, {"model": "skipgram", "workers": 2},
    {"model": "cbow"}, {"model": "cbow", "bias": True},
])  # fmt: skip
def test_negative_sampling_recovers_topics(options):
    rows = language()
    model = Word2Vec(np.bincount(rows), dim=8, sample=0, **options)
    before = recovered(model.vectors()), [t.array.copy() for t in model.state_dict().values()]
    first = train(model, rows[:1000], epochs=1)
    last = train(model, rows, epochs=6)
    assert before[0] < 0.6 and recovered(model.vectors()) == 1
    assert last < first - 0.3
    for (name, table), old in zip(model.state_dict().items(), before[1], strict=True):
        assert (table.array != old).any(axis=-1).all(), f"{name} did not move"


@pytest.mark.parametrize("model", ["softmax", *CONTEXTS])
def test_the_full_softmax_recovers_topics(model):
    rows = language(6000)
    predictor = Predictor(np.bincount(rows), model=model, dim=8, sample=0, lr=0.05)
    assert recovered(predictor.vectors()) < 0.6
    train(predictor, rows, epochs=2)
    assert recovered(predictor.vectors()) == 1


def test_the_loss_of_the_full_softmax_is_bounded_by_what_can_be_known():
    """Within a run all six words are as probable: ln 6, and a little for the ends of runs."""
    rows = language(6000)
    predictor = Predictor(np.bincount(rows), model="softmax", dim=8, sample=0, lr=0.02)
    loss = train(predictor, rows, epochs=2)
    assert math.log(EACH) < loss < math.log(TOPICS * EACH) - 0.3


@pytest.mark.parametrize("make", [
    lambda **o: Word2Vec(np.bincount(language(2000)), dim=4, **o),
    lambda **o: Word2Vec(np.bincount(language(2000)), dim=4, model="cbow", bias=True, **o),
    lambda **o: Predictor(np.bincount(language(2000)), dim=4, **o),
])  # fmt: skip
def test_a_seed_gives_the_same_vectors_and_a_state_goes_on(make):
    rows = language(2000)
    whole, again, other = make(seed=1), make(seed=1), make(seed=2)
    for model in (whole, again, other):
        for step in (1, 2, 3):
            model.step(rows, step, step / 10, (step + 1) / 10)
    assert np.array_equal(whole.vectors(), again.vectors())
    assert not np.array_equal(whole.vectors(), other.vectors())

    half, resumed = make(seed=1), make(seed=1)
    half.step(rows, 1, 0.1, 0.2)
    half.step(rows, 2, 0.2, 0.3)
    resumed.step(rows, 7, 0, 1)  # whatever it did before is forgotten
    resumed.load_state_dict(half.state_dict())
    resumed.step(rows, 3, 0.3, 0.4)
    assert np.array_equal(whole.vectors(), resumed.vectors())


@pytest.mark.parametrize("make", [
    lambda counts: Word2Vec(counts, dim=2), lambda counts: Word2Vec(counts, dim=2, model="cbow"),
    lambda counts: Word2Vec(counts, dim=2, workers=3),
    *[lambda counts, m=m: Predictor(counts, dim=2, model=m) for m in ("softmax", *CONTEXTS)],
])  # fmt: skip
@pytest.mark.parametrize("rows", [[], [0], [0, 0]])
def test_texts_of_hardly_a_word(make, rows):
    model = make(np.array([2]))
    metrics = model.step(np.array(rows, np.int32), 1, 0, 1)
    loss, pairs = metrics["loss"], metrics["pairs"]
    assert np.isfinite(model.vectors()).all() and (loss >= 0 if pairs else math.isnan(loss))


def test_two_words_are_a_pair_for_however_many_workers():
    model = Word2Vec(np.array([1, 1]), dim=2, sample=0, workers=8)
    assert model.step(np.array([0, 1], np.int32), 1, 0, 1)["pairs"] == 2


def test_a_text_that_repeats_one_word_does_not_diverge():
    rows = language(12_000)
    rows[1000:3000] = 3
    model = Word2Vec(np.bincount(rows), dim=16, sample=0)
    assert train(model, rows, epochs=3) < 3
    assert abs(model.vectors()).max() < 20


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_learning_rate_that_diverges_is_named(tmp_path):
    run = training.Run.create(tmp_path / "run", {})
    rows = language(2000)
    model = Word2Vec(np.bincount(rows), dim=8, lr=1e20)
    loop = training.Loop(run, steps=50, state={"model": model}, log_every=1)
    with pytest.raises(training.DivergedError, match="smaller learning rate"):
        for step in loop:
            loop.log(model.step(rows, step, 0, 0))


@pytest.mark.parametrize("options, message", [
    ({"model": "glove"}, "skipgram or cbow, not 'glove'"), ({"dim": 0}, "dim must be 1 or more"),
    ({"window": 0}, "window"), ({"negative": 0}, "negative"), ({"sample": -1}, "sample"),
    ({"workers": 0}, "workers"), ({"seed": -1}, "seed"), ({"lr": -1.0}, "lr"),
])  # fmt: skip
def test_arguments_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Word2Vec(np.array([1, 2]), **options)
