"""The settings of a run of demos/word2vec.py, and the vectors that it has learnt."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from minigen.backend import threads
from minigen.data import DataError
from minigen.data.vectors import Vectors
from minigen.models.word2vec import CONTEXTS
from minigen.training.command import Parser
from minigen.training.flags import cut, did_you_mean, rate, share, units, whole

EPOCHS = {"docs": 20}  # a small text is read more often
TEXTS = ("docs", "text8")
SAMPLED = ("skipgram", "cbow")  # models that sample negatives


def text_file(text: str) -> str:
    """A kind of flag: a text by its name, or a file of it, whose path becomes absolute."""
    if text in TEXTS:
        return text
    if os.path.exists(text):
        return os.path.abspath(text)
    meant = did_you_mean(text, TEXTS) or "give a file, text8, or docs, the documentation at hand"
    raise argparse.ArgumentTypeError(f"there is no text file {cut(text)}: {meant}")


def vectors_of(path: str | Path) -> Vectors:
    """The vectors of a run folder, or of a file.

    Raises:
        DataError: there are none, or the file is damaged.
    """
    path = Path(path)
    if path.is_dir():
        files = [path / name for name in ("vectors.bin", "vectors.txt") if (path / name).exists()]
        if not files:
            raise DataError(f"{path} holds no vectors.bin: has its run ended? See --resume")
        path = max(files, key=os.path.getmtime)
    return Vectors.load(path)


def flags(description: str = "") -> Parser:
    """The command line, by which a run's settings are checked too."""
    parser = Parser(
        description,
        name="word2vec",
        quick={"epochs": 2, "dim": 50, "limit": 2000},
        may_change=("epochs", "workers", "text"),
        dealt_by_model=True,
    )
    add = parser.add_argument
    models = (*SAMPLED, "softmax", *CONTEXTS)
    add("--model", choices=models, default="skipgram",
        help="skipgram and cbow sample negatives; softmax is skip-gram with the full softmax, and"
        " the others are neural language models: for small vocabularies, see --limit")  # fmt: skip
    add("--corpus", type=text_file, default="docs", metavar="FILE",
        help="a text (plain, .gz or .xz), text8, or docs, the documentation at hand")  # fmt: skip
    add("--as-is", action="store_true",
        help="words are what white space separates, not runs of letters in lower case")  # fmt: skip
    sampled = f"without --model {' or '.join(SAMPLED)}", lambda args: args.model in SAMPLED
    add("--dim", type=units, default=100, help="length of a vector")
    add("--window", type=whole(1, 1000), default=5,
        only=("with the contexts of that model", lambda args: not CONTEXTS.get(args.model)),
        help="how far a word sees; each up to this, at random")  # fmt: skip
    add("--negative", type=whole(1, 1000), default=5, only=sampled,
        help="noise words for each pair of words")  # fmt: skip
    add("--sample", type=share, default=1e-3,
        help="words with a larger share of the text are dropped at random; 0 for none")  # fmt: skip
    add("--min-count", type=whole(), default=5, help="rarer words are left out")
    add("--limit", type=whole(), help="so many words at most, the most frequent ones")
    add("--epochs", type=whole(1, 10**6), default=lambda args: EPOCHS.get(args.corpus, 5),
        help="passes over the text (20 for docs, else 5)")  # fmt: skip
    add("--lr", type=rate, help="learning rate at first, if not the model's own")
    add("--bias", action="store_true", only=sampled,
        help="learn an output bias for each word too")  # fmt: skip
    add("--workers", type=whole(1, 1000), default=lambda args: min(2, threads()),
        only=(f"{sampled[0]} on a CPU", lambda args: sampled[1](args) and args.device == "cpu"),
        help="threads (2, if there are two cores for this process); with one, a seed gives the same"
        " vectors")  # fmt: skip
    add("--text", action="store_true", help="write vectors.txt instead of vectors.bin")
    return parser
