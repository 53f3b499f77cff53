"""The settings of a run of demos/phrases.py, the model that they describe, and how it draws."""

from __future__ import annotations

import argparse
import functools

import numpy as np

import minigen
from minigen import Generator, Tensor, data
from minigen.data import phrases as P
from minigen.data.vectors import Vectors
from minigen.models import diffusion as D
from minigen.models.denoiser import Denoiser
from minigen.training.builders.diffusion import add_chain
from minigen.training.builders.word2vec import vectors_of
from minigen.training.command import Parser
from minigen.training.course import in_parts
from minigen.training.flags import number, path
from minigen.training.run import Run

OWN_WORDS = "words.bin"  # in the run folder: the vectors that it needs
# What a word is looked up as in a text. The plural of a digit hardly stands in any, so that
# "sevens" has the vector of "seven"; then "two" must have another than "twos" has, or the sums of
# "two threes" and of "three twos" were one.
LOOKED_UP = {"a": "single", "two": "double", "three": "triple"}


def known_phrase(text: str) -> str:
    """A kind of flag: a phrase of the grammar."""
    try:
        return P.phrase_of(P.combination_of(text))
    except data.DataError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def words_from(path: str) -> Vectors:
    """The vectors of the grammar's words, from a run of demos/word2vec.py or a file.

    Raises:
        DataError: there are none, or not of all words.
    """
    found, names = vectors_of(path), [LOOKED_UP.get(w, w) for w in P.NUMBERS]
    names += [*P.COLOURS, *P.DIGITS]
    if missing := [name for name in names if name not in found]:
        raise data.DataError(
            f"{path} has no vector for {', '.join(missing)}: learn them from a larger text"
        )
    return Vectors(names, np.stack([found[name] for name in names]))


def told_by(words: Vectors | None) -> Tensor | None:
    """The vectors (words, dim) as the network is told them, their numbers about as large as those
    that learnt vectors begin with."""
    return None if words is None else Tensor(words.unit * np.float32(words.vectors.shape[1] ** 0.5))


def own_words(args: argparse.Namespace, run: Run) -> Vectors | None:
    """The vectors that a run keeps, if it was not to learn them.

    Raises:
        DataError: they are gone.
    """
    return words_from(str(run.folder / OWN_WORDS)) if args.words else None


def build(args: argparse.Namespace, words: Vectors | None) -> D.Diffusion:
    """The model of these flags; `words` are vectors that are not learnt.

    The network says x_0: the twelve numbers of a patch's noise, which ε and v would have to say
    again, hardly go through 16 channels.
    """
    vectors = told_by(words)
    levels = {"multiples": (1, 2), "attention": (1,), "patch": 2}
    network = Denoiser(3, width=args.width, **levels, classes=len(P.WORDS), vectors=vectors)
    return D.Diffusion(network, D.cosine(args.chain), predicts="data").to(args.device)


def draw(args: argparse.Namespace, model: D.Diffusion, combos: np.ndarray, seed: int) -> np.ndarray:
    """A picture of each combination (N, 3), (N, 3, 28, 28), as the flags have it."""
    told = Tensor(P.words_of(combos), device=args.device)
    shape = (len(combos), 3, P.SIDE, P.SIDE)
    x = minigen.randn(*shape, generator=Generator(seed), device=args.device)
    return drawn(model, x, told, args.steps_to_draw, args.guidance)


def drawn(model: D.Diffusion, x: Tensor, told: Tensor, steps: int, guidance: float) -> np.ndarray:
    """A picture of each phrase, words (N, W), from noise x, by DDIM."""
    ddim = functools.partial(D.ddim, model.respaced(steps), guidance=guidance)
    return in_parts(ddim, x, told, rows=100)


def flags(description: str = "") -> Parser:
    """The command line, by which a run's settings are checked too."""
    parser = Parser(
        description,
        name="phrases",
        quick={"steps": 30, "width": 4, "batch_size": 8, "steps_to_draw": 3, "chain": 40},
        may_change=("steps", "steps_to_draw", "guidance", "ask"),
    )
    add = parser.add_argument
    parser.add_course(20_000, lr=3e-3, fall=1.0, of_average=0.999)
    parser.add_images(size=None, batch_size={"default": 16})
    add("--words", type=path, metavar="RUN",
        help="vectors of a run of word2vec.py, or of a file, instead of learnt ones")  # fmt: skip
    add("--guidance", type=number(least=0, most=100), default=1.0,
        help="w, how much plainer the phrase is than the network says")  # fmt: skip
    add_chain(parser, 20, "steps of DDIM")
    add("--ask", type=known_phrase, metavar="PHRASE", help="draw this phrase in asked.png")
    return parser
