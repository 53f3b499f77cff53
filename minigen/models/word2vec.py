"""Word vectors, from neural language models to word2vec.

A neural language model (Bengio et al. 2003) predicts the next word from the last four: each word
has a row e in a table, the four rows go through a hidden layer, and a softmax over the vocabulary
says how probable each word is. Whoever wants the table and not the prediction may choose the
context freely: four words before and after, the one before, or one nearby. The last is skip-gram
(Mikolov et al. 2013, arXiv:1301.3781), which needs no hidden layer: word c predicts word t by

    p(t | c) = exp(w_tᵀe_c + b_t) / Σ_j exp(w_jᵀe_c + b_j)                        full softmax

Its sum over the vocabulary is costly. Negative sampling (Mikolov et al. 2013, arXiv:1310.4546) asks
instead whether t was seen near c, or is one of k words drawn from the noise distribution:

    p(y = 1 | t, c) = σ(w_tᵀe_c + b_t)

CBOW turns it round: the mean of the rows of the words around predicts the word in the middle.

    SENTENCE, contexts, examples     what is learnt from, on one sentence
    LanguageModel                    a network of the ordinary kind, for small vocabularies
    pair_loss                        negative sampling for one pair at a time, as in the formula
    negative_sampling                the same for a whole text: an operation with its own kernel
    Word2Vec, Predictor              the tables and the networks, and how they are trained
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

import minigen
from minigen import Tensor, nn, optim
from minigen import functional as F
from minigen.backend import Array, namespace, to_device
from minigen.distributed import all_reduce, group
from minigen.distributed.tables import Tables
from minigen.kernels import skipgram as kernels
from minigen.kernels.threads import ranges, single_threaded_blas
from minigen.operation import operation
from minigen.sparse import SparseRows
from minigen.tape import is_grad_enabled
from minigen.tensor import increment_version

SENTENCE = "I want a glass of orange juice to go along with my cereal"

CONTEXTS = {  # places of the context, relative to the word that is predicted
    "last-four": (-4, -3, -2, -1),
    "four-each-side": (-4, -3, -2, -1, 1, 2, 3, 4),
    "last-one": (-1,),
    "nearby-one": None,  # one of the words within a window, drawn anew each time
}


def contexts(
    words: Sequence[Any], kind: str, rng: np.random.Generator | None = None, window: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    """What is to be predicted from what: contexts (n, size) and targets (n,) of a text.

    Args:
        words: words, or rows of a vocabulary.
        kind: a key of CONTEXTS.
        rng: draws the nearby word.
        window: how far away a nearby word may be.

    Raises:
        ValueError: another kind.
    """
    words = np.asarray(words)
    if kind not in CONTEXTS:
        raise ValueError(f"contexts: kind must be one of {', '.join(CONTEXTS)}, not {kind!r}")
    places = CONTEXTS[kind]
    if places is None:
        if len(words) < 2:
            return words[:0, None], words[:0]
        i = np.arange(len(words))
        low, high = np.maximum(i - window, 0), np.minimum(i + window, len(words) - 1)
        j = (rng or np.random.default_rng(0)).integers(low, high)  # one less, to step over i
        return words[j + (j >= i)][:, None], words
    targets = np.arange(max(0, -min(places)), len(words) - max(0, *places))
    return words[targets[:, None] + np.array(places)], words[targets]


def examples(
    words: Sequence[str], context: int, target: int, noise: Sequence[str]
) -> list[tuple[str, str, int]]:
    """The examples (context, word, label) that negative sampling makes of one pair of words, by
    their places: the word that was seen there has label 1, the words of noise have label 0.

    Noise is not compared with the text: "of", drawn as noise, counts as 0 although it stands near
    "orange". Rare words are seldom drawn, so that it does little harm.
    """
    return [(words[context], words[target], 1)] + [(words[context], word, 0) for word in noise]


class LanguageModel(nn.Module):
    """The softmax over a vocabulary from a few words: (N, size) rows -> logits (N, words). From one
    word, without a hidden layer, it is skip-gram with the full softmax.

    Args:
        words: size of the vocabulary.
        size: words of a context.
        dim: length of a word's vector.
        hidden: units of the hidden layer; 0 for none.
    """

    def __init__(self, words: int, size: int, dim: int = 100, hidden: int = 0):
        super().__init__()
        self.embedding = nn.Embedding(words, dim)
        self.hidden = nn.Linear(size * dim, hidden) if hidden else None
        self.output = nn.Linear(hidden or size * dim, words)
        with minigen.no_grad():
            self.embedding.weight.mul_(1 / math.sqrt(dim))

    def forward(self, context: Tensor) -> Tensor:
        """Logits (N, words), whose softmax is p(t | context)."""
        e = self.embedding(context).flatten(1)  # (N, size·dim)
        return self.output(e if self.hidden is None else self.hidden(e).tanh())

    def loss(self, context: Tensor, target: Tensor, count: int | None = None) -> Tensor:
        """−log p(t | c), averaged, or its sum over `count`. A context that predicts several words
        needs its softmax once: target (N,), or (N, …) with −1 where there is none."""
        log_p = self(context).log_softmax(1)
        flat = target.array.reshape(len(context), math.prod(target.shape[1:]))
        rows, columns = (flat >= 0).nonzero()
        losses = -log_p[rows, flat[rows, columns]]
        return losses.mean() if count is None else losses.sum() / count


def pair_loss(
    w_in: Tensor,
    w_out: Tensor,
    bias: Tensor | None,
    context: Tensor,
    target: Tensor,
    label: Tensor,
    weight: Tensor | None = None,
) -> Tensor:
    """−log p(y | t, c) with p(y = 1 | t, c) = σ(w_tᵀe_c + b_t), summed over pairs.

    Shapes: tables (words, dim), bias (words,); context, target, label and weight (n,), where
    `weight` says how much a pair counts. The gradients of the tables are row-sparse.
    """
    e = F.embedding(context, w_in, sparse=True)
    w = F.embedding(target, w_out, sparse=True)
    score = (e * w).sum(1)
    if bias is not None:
        score = score + F.embedding(target, bias.unsqueeze(1)).squeeze(1)
    return F.binary_cross_entropy_with_logits(score, label, weight=weight, reduction="sum")


def _negative_sampling_pullback(g, w_in, w_out, bias, compute, needs):
    if is_grad_enabled():
        raise NotImplementedError(
            "negative_sampling has gradients of first order only; pair_loss without sparse rows "
            "has those of every order"
        )
    result = compute(w_in.array, w_out.array, None if bias is None else bias.array)

    def rows(table: Tensor, rows: Array, values: Array) -> SparseRows:
        real = rows >= 0
        return SparseRows(rows[real], -g.array * values[real], table.shape)

    return [
        rows(w_in, *result.w_in) if needs[0] else None,
        rows(w_out, *result.w_out) if needs[1] else None,
        rows(bias, result.w_out.rows, result.bias) if needs[2] else None,
    ]


@operation(joint=_negative_sampling_pullback)
def _negative_sampling(
    w_in: Array, w_out: Array, bias: Array | None, *, compute: Callable[..., Any]
) -> Array:
    with np.errstate(over="ignore"):
        loss = compute(w_in, w_out, bias, with_loss=True).loss
    return namespace(w_in).asarray(loss, w_in.dtype)


def negative_sampling(
    w_in: Tensor,
    w_out: Tensor,
    bias: Tensor | None,
    text: Array,
    reach: Array,
    noise: Array,
    *,
    window: int = 5,
    negative: float = 5,
    model: str = "skipgram",
) -> Tensor:
    """The loss of a text under negative sampling, with row-sparse gradients of first order.

    skipgram: Σ_(c, t in sight of c) −log σ(w_tᵀe_c + b_t) − share · Σ_n log σ(−w_nᵀe_c − b_n)
    cbow:     Σ_t −log σ(w_tᵀh + b_t) − share · Σ_n log σ(−w_nᵀh − b_n), h the mean of the e_c

    where n runs over the noise words of the tile of 16 words that c, or t, stands in, and
    share = negative / (their number). A noise word that happens to be the target counts all the
    same, as in equation 4 of the paper.

    Args:
        w_in, w_out, bias: tables (words, dim) of e and w, and (words,) of b, or None.
        text: rows of the tables, (window + n + window,), n a multiple of 16; −1 is no word. The
            halo at each end is seen, but sees nothing.
        reach: how many words to each side each of the n words sees, 1 to `window`, (n,).
        noise: rows of `w_out`, (n / 16, any number).
        window: the largest reach.
        negative: noise words for each pair.
        model: "skipgram" or "cbow".

    Raises:
        ValueError: shapes do not fit, or a row, a reach or the model is out of range.
    """
    n = len(text) - 2 * window
    if model not in _KERNELS:
        raise ValueError(f"negative_sampling: model must be skipgram or cbow, not {model!r}")
    if n < 0 or n % kernels.TILE or reach.shape != (n,) or len(noise) * kernels.TILE != n:
        raise ValueError(
            f"negative_sampling: expected a text of 2·{window} words more than a multiple of"
            f" {kernels.TILE}, a reach for each of these, and noise for each {kernels.TILE}, got"
            f" {text.shape}, {reach.shape}, {noise.shape}"
        )
    if n and (reach.min() < 1 or reach.max() > window):
        raise ValueError(f"negative_sampling: reach must be 1 to {window}")
    for name, rows, low in (("text", text, -1), ("noise", noise, 0)):
        if rows.size and (rows.min() < low or rows.max() >= min(len(w_in), len(w_out))):
            raise ValueError(
                f"negative_sampling: {name} holds {rows.min()} to {rows.max()}; the tables have"
                f" {len(w_in)} rows"
            )
    options = {"window": window, "negative": negative}
    compute = functools.partial(_KERNELS[model], text, reach, noise, **options)
    return _negative_sampling(w_in, w_out, bias, compute=compute)


_KERNELS = {"skipgram": kernels.skipgram, "cbow": kernels.cbow}
# The largest that did well on 17 million words. word2vec.c has 0.025 and 0.05, but gives every
# word of a CBOW context the whole gradient of their mean.
RATES = {"skipgram": 0.035, "cbow": 0.1}
# Noise words drawn for a tile. A tile of skip-gram has many pairs, and gained from more of them.
SHARED = {"skipgram": 48, "cbow": 32}
BATCH = {"skipgram": 256, "cbow": 512}  # words between two changes of the tables, at most
# Of several processes, chosen by the scores on 17 million words, of two and of four of them:
MEET = 25_000  # words of all, between two meetings of frequent rows
APART = 0.6  # sum of the rates of all steps that a row takes between two meetings, if it can be
BOWL = 3.0  # sum of rates of the steps that take a row from 1 to 1/e of its way, see `Tables`


def keep_probability(counts: np.ndarray, sample: float) -> np.ndarray:
    """How probable it is that an occurrence of each word is kept: √(s/f) + s/f, at most 1, where f
    is the word's share of the text (word2vec.c; the paper has 1 − √(s/f) for being left out).
    `sample` 0 keeps all."""
    share = counts / counts.sum()
    ratio = np.divide(sample, share, out=np.full(len(counts), np.inf), where=share > 0)
    return np.minimum(1.0, np.sqrt(ratio) + ratio) if sample else np.ones(len(counts))


class Noise:
    """Draws rows with probabilities in proportion to counts^power (3/4 in the paper).

    By the alias method (Walker 1977; Vose 1991): the probabilities are laid out as equal columns,
    each of at most two rows, so that a draw is one random number and two look-ups.
    """

    def __init__(self, counts: np.ndarray, power: float = 0.75):
        weights = np.asarray(counts, np.float64) ** power
        height = (weights * (len(weights) / weights.sum())).tolist()
        self.own, self.other = np.ones(len(height)), np.arange(len(height))
        low = [i for i, h in enumerate(height) if h < 1]
        high = [i for i, h in enumerate(height) if h >= 1]
        while low and high:  # fill up a low column from a high one
            i, j = low.pop(), high[-1]
            self.own[i], self.other[i] = height[i], j
            height[j] -= 1 - height[i]
            if height[j] < 1:
                low.append(high.pop())

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Rows, int64."""
        point = rng.random(shape) * len(self.own)
        column = point.astype(np.int64)
        point -= column
        return np.where(point < self.own[column], column, self.other[column])


def steps_a_word(counts: np.ndarray, keep: np.ndarray, negative: float) -> np.ndarray:
    """How many steps a word of the text makes with each row, on average: as itself, and as noise
    for another, of which each word that is kept has `negative`."""
    seen, drawn = counts * keep / counts.sum(), counts**0.75
    return seen + negative * seen.sum() * drawn / drawn.sum()


class Word2Vec:
    """The two tables, and training with negative sampling by stochastic gradient descent.

    Several workers, each on its part of the text, change the same tables without locks (Recht et
    al. 2011). All random numbers are a function of the seed and the step, so that with one worker
    the same seed gives the same vectors, bit for bit.

    Of several processes each has tables and workers of its own, and its part of each step's text,
    which is cut for all workers of all of them. They bring their tables together (see
    `distributed.tables`), rows of frequent words every `MEET` words, and all when `meet` is called.

    Args:
        counts: how often each word of the vocabulary occurs, most frequent first.
        dim: length of a word's vector.
        window: how many words to each side a word may see; each sees 1 to `window`, at random.
        negative: noise words for each pair.
        sample: frequent words are dropped at random; see `keep_probability`.
        model: "skipgram" or "cbow".
        bias: learn b_t too.
        lr: the learning rate at first, by default that of RATES; it falls to 0 in a line.
        workers: threads; one on a GPU.
        seed: of the vectors at first and of all draws.
        device: "cpu" or "cuda".

    Attributes:
        w_in, w_out, bias: the tables, and b or None; Tensors.
        words_a_step: a good number of words for a step.

    Raises:
        ValueError: an argument out of range.
    """

    def __init__(
        self,
        counts: np.ndarray,
        *,
        dim: int = 100,
        window: int = 5,
        negative: int = 5,
        sample: float = 1e-3,
        model: str = "skipgram",
        bias: bool = False,
        lr: float | None = None,
        workers: int = 1,
        seed: int = 0,
        device: str = "cpu",
    ):
        if model not in _KERNELS:
            raise ValueError(f"Word2Vec: model must be skipgram or cbow, not {model!r}")
        for name, value, least in (
            ("dim", dim, 1), ("window", window, 1), ("negative", negative, 1),
            ("sample", sample, 0), ("workers", workers, 1), ("seed", seed, 0), ("lr", lr or 0, 0),
        ):  # fmt: skip
            if value < least:
                raise ValueError(f"Word2Vec: {name} must be {least} or more, not {value}")
        self.model, self.window, self.negative = model, window, negative
        self.lr = RATES[model] if lr is None else lr
        self.workers = workers if device == "cpu" else 1
        self.seed, self.device = seed, device
        self.keep = keep_probability(counts, sample).astype(np.float32)
        self.noise = Noise(counts)
        self._steps = steps_a_word(counts, self.keep, negative)
        self._tables: Tables | None = None  # of several processes
        self._meetings = 0
        self._since = np.zeros(len(counts))  # of each row: words times their rate since it met
        self.batch = _batch_size(counts * self.keep, most=BATCH[model])
        w_in = (self._random(0, 0).random((len(counts), dim), np.float32) - 0.5) / dim
        self.w_in = Tensor(w_in, device=device)
        self.w_out = F.zeros(len(counts), dim, device=device)
        self.bias = F.zeros(len(counts), device=device) if bias else None
        self._pool: ThreadPoolExecutor | None = None

    words_a_step = 100_000

    def step(self, rows: np.ndarray, number: int, done: float, end: float) -> dict[str, float]:
        """Learn from the words of a piece of text, divided among the workers of all processes.

        Args:
            rows: of the tables, int32 (n,); the same in all processes.
            number: of the step, from 1: the random numbers depend on it.
            done: how much of the training is done before these words, from 0 to 1.
            end: and after them.

        Returns:
            The loss of a pair and its noise: a mean over the first batch of each worker, and how
            many pairs these had; NaN of 0 pairs.
        """
        ranks = group.get_world_size()
        pieces = max(1, len(rows) // MEET) if ranks > 1 else 1
        rate, fall = self.lr * (1 - done), self.lr * (done - end) / max(len(rows), 1)
        if ranks > 1:
            self._tables = self._tables or Tables(self._arrays())
        sums = np.zeros(2)
        for i, (a, b) in enumerate(ranges(len(rows), pieces)):
            sums += self._learn_piece(rows[a:b], number, i, rate + fall * a, fall)
            if ranks > 1:
                self._meet_often(b - a, rate + fall * (a + b) / 2)
        increment_version(self.w_in)
        increment_version(self.w_out)
        if ranks > 1:
            all_reduce(total := Tensor(sums))
            sums = total.numpy()
        loss, pairs = sums.tolist()
        return {"loss": loss / pairs if pairs else math.nan, "pairs": pairs}

    def meet(self) -> None:
        """Bring the tables of all processes together, which all have to call."""
        if self._since.any():
            self._meet(len(self._since))

    def _meet_often(self, words: int, rate: float) -> None:
        """Bring together, after so many words of all, those rows whose turn it is: frequent ones
        each time, rarer ones every second, fourth, … time, so that each meets when about as many
        steps were taken with it."""
        self._since += words * rate
        self._meetings += 1
        turns = self._meetings & -self._meetings  # 1, 2, 1, 4, 1, 2, 1, 8, …
        due = np.flatnonzero(self._steps * (MEET * self.lr * turns) >= APART)
        if len(due):
            self._meet(int(due[-1]) + 1)

    def _meet(self, rows: int) -> None:
        each = self._steps[:rows] * self._since[:rows] / group.get_world_size()
        self._tables.meet(each / BOWL)
        self._since[:rows] = 0.0

    def _learn_piece(
        self, rows: np.ndarray, number: int, piece: int, rate: float, fall: float
    ) -> np.ndarray:
        """What `_learn` gives of this process's workers, summed: each takes its part of a piece of
        the text of step `number`."""
        ranks, rank = group.get_world_size(), group.get_rank()
        # A word alone makes no pair.
        workers = max(1, min(ranks * self.workers, len(rows) // 2))
        before = piece * ranks * self.workers  # workers of pieces before
        tasks = [
            (rows[a:b], self._random(number, before + i + 1), rate + fall * a, rate + fall * b)
            for i, (a, b) in enumerate(ranges(len(rows), workers))
            if i * ranks // workers == rank
        ]
        with single_threaded_blas():
            if len(tasks) < 2:
                sums = [self._learn(*task) for task in tasks]
            else:
                self._pool = self._pool or ThreadPoolExecutor(self.workers, "word2vec")
                sums = list(self._pool.map(self._learn, *zip(*tasks, strict=True)))
        return np.sum([[float(n) for n in s] for s in sums] or [[0.0, 0.0]], axis=0)

    def _arrays(self) -> list[Array]:
        return [table.array for table in self.state_dict().values()]

    def _learn(
        self, rows: np.ndarray, rng: np.random.Generator, rate: float, end: float
    ) -> tuple[float, float]:
        """What one worker does; the loss of its first batch, and how many pairs that had."""
        text, reach, noise = self.draw(rows, rng)
        tables = [t if t is None else t.array for t in (self.w_in, self.w_out, self.bias)]
        compute, count = _KERNELS[self.model], len(reach)
        if self.device != "cpu":
            text, reach, noise = (to_device(a, self.device) for a in (text, reach, noise))
        sums = (0.0, 0.0)
        damping = kernels.Damping(tables[0])
        with np.errstate(over="ignore", invalid="ignore"):  # see the kernel; and a loss of NaN
            for a in range(0, count, self.batch):
                b = min(a + self.batch, count)
                tiles = slice(a // kernels.TILE, b // kernels.TILE)
                result = compute(
                    text[a : b + 2 * self.window], reach[a:b],
                    noise[tiles], *tables,
                    window=self.window, negative=self.negative, with_loss=a == 0,
                )  # fmt: skip
                if a == 0:
                    sums = result.loss, result.pairs
                now = rate + (end - rate) * (a / count)
                damping.count(text[a + self.window : b + self.window], noise[tiles], self.negative)
                kernels.add_rows(tables[0], *result.w_in, damping(result.w_in.rows, now))
                scale = damping(result.w_out.rows, now)
                kernels.add_rows(tables[1], *result.w_out, scale)
                if result.bias is not None:
                    values = result.bias[:, None]
                    kernels.add_rows(tables[2][:, None], result.w_out.rows, values, scale)
        return sums

    def draw(
        self, rows: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The text with frequent words dropped and a halo of −1, how far each word reaches, and
        the noise: see `negative_sampling`."""
        words = rows[rng.random(len(rows), np.float32) < self.keep[rows]]
        count = -(-len(words) // kernels.TILE) * kernels.TILE
        text = np.full(count + 2 * self.window, -1)
        text[self.window : self.window + len(words)] = words
        reach = rng.integers(1, self.window + 1, count)
        shape = (count // kernels.TILE, SHARED[self.model])
        return text, reach, self.noise.draw(rng, shape)

    def _random(self, number: int, worker: int) -> np.random.Generator:
        key = np.array([self.seed, number << 16 | worker], np.uint64)
        return np.random.Generator(np.random.Philox(key=key))

    def vectors(self) -> np.ndarray:
        """The vectors e + w, (words, dim), on the CPU. Adding w, which word2vec throws away, makes
        the cosine of two words count how often they stand beside each other too (Levy, Goldberg and
        Dagan 2015, section 3.3), and raised every score measured here."""
        return to_device(self.w_in.array + self.w_out.array, "cpu")

    def state_dict(self) -> dict[str, Any]:
        """The tables."""
        tables = {"w_in": self.w_in, "w_out": self.w_out, "bias": self.bias}
        return {name: table for name, table in tables.items() if table is not None}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up tables of the same sizes."""
        for name, table in self.state_dict().items():
            table.copy_(Tensor(state[name], device=self.device))


class Predictor:
    """Training of a `LanguageModel`, by the methods of `Word2Vec`.

    Args:
        counts: how often each word of the vocabulary occurs.
        model: "softmax", skip-gram with the full softmax, or a key of CONTEXTS.
        dim: length of a word's vector, and size of the hidden layer, which "last-four" and
            "four-each-side" have.
        window: for "softmax" and "nearby-one".
        sample: frequent words are dropped at random; see `keep_probability`.
        lr: learning rate of Adam at first; it falls to 0 in a line.
        seed: of the weights and of all draws.
        device: "cpu" or "cuda".
    """

    words_a_step = 2_000
    batch = 250  # words predicted at once; their probabilities are (batch, vocabulary) numbers

    def __init__(
        self,
        counts: np.ndarray,
        *,
        model: str = "softmax",
        dim: int = 100,
        window: int = 5,
        sample: float = 1e-3,
        lr: float | None = None,
        seed: int = 0,
        device: str = "cpu",
    ):
        self.model, self.window, self.seed, self.device = model, window, seed, device
        self.lr = 2e-3 if lr is None else lr
        self.keep = keep_probability(counts, sample).astype(np.float32)
        minigen.manual_seed(seed)
        size = len(CONTEXTS.get(model) or (0,))
        self.network = LanguageModel(len(counts), size, dim, hidden=dim * (size > 1)).to(device)
        self.optimiser = optim.Adam(self.network.parameters(), lr=self.lr)

    def step(self, rows: np.ndarray, number: int, done: float, end: float) -> dict[str, float]:
        """See `Word2Vec.step`; the loss is that of the last batch, the pairs are those of all.

        Of several processes each takes its part of each batch; who averages their gradients and
        losses, as `training.Loop` does, has those of the whole one."""
        rng = np.random.Generator(np.random.Philox(key=np.array([self.seed, number], np.uint64)))
        rows = rows[rng.random(len(rows), np.float32) < self.keep[rows]]
        if self.model == "softmax":
            context, target = rows[:, None], in_sight(rows, self.window, rng)
        else:
            context, target = contexts(rows, self.model, rng, self.window)
        self.optimiser.param_groups[0]["lr"] = self.lr * (1 - done)
        loss, pairs = math.nan, 0
        ranks, rank = group.get_world_size(), group.get_rank()
        for a in range(0, len(context), self.batch):
            end = min(a + self.batch, len(context))
            if not (count := int((target[a:end] >= 0).sum())):
                continue
            part = slice(*(a + i for i in ranges(end - a, ranks)[rank]))
            c, t = (Tensor(x[part].astype(np.int64), device=self.device) for x in (context, target))
            value = ranks * self.network.loss(c, t, count)
            self.optimiser.zero_grad()
            value.backward()
            self.optimiser.step()
            loss = value.item()
            pairs += count
        return {"loss": loss, "pairs": pairs}

    def vectors(self) -> np.ndarray:
        """The rows of e, (words, dim), on the CPU."""
        return to_device(self.network.embedding.weight.array, "cpu")

    def state_dict(self) -> dict[str, Any]:
        """The network's and the optimiser's."""
        return {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up those of a network of the same sizes."""
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])


def in_sight(rows: np.ndarray, window: int, rng: np.random.Generator) -> np.ndarray:
    """For each word of a text the words around it, up to a distance drawn from 1 to `window`:
    (n, 2·window), −1 where there is none."""
    padded = np.concatenate([np.full(window, -1), rows, np.full(window, -1)])
    places = np.array([d for d in range(-window, window + 1) if d])
    around = padded[np.arange(len(rows))[:, None] + window + places]
    reach = rng.integers(1, window + 1, (len(rows), 1))
    return np.where(abs(places) <= reach, around, -1)


def _batch_size(expected: np.ndarray, most: int) -> int:
    """Words between two changes of the tables: so many that the most frequent word stands among
    them eight times on average, for a batch adds up steps that were computed at one point."""
    share = float(expected.max() / max(expected.sum(), 1e-9))
    return kernels.TILE * max(1, int(min(most, 8 / max(share, 1e-9)) / kernels.TILE))
