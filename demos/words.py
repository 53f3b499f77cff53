"""Ask word vectors: the neighbours of words, analogies, and how alike two words are.

    python demos/words.py RUN eigenvalues           nearest neighbours
    python demos/words.py RUN king - man + woman    words nearest to a sum: an analogy
    python demos/words.py RUN --similarity cup mug  the cosine of two words

Without words it reads such lines from the terminal. RUN is the folder of a run of
demos/word2vec.py, or a file in word2vec's text or binary format.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import sys
from collections.abc import Sequence

from minigen import training
from minigen.data import DataError
from minigen.data.vectors import Vectors, answering, signed
from minigen.training.builders.word2vec import vectors_of
from minigen.training.flags import path, whole


def flags() -> training.Flags:
    """The command line, but for the sum of words: argparse would take its minus signs for flags."""
    parser = training.Flags(__doc__)
    add = parser.add_argument
    near = "with --similarity", lambda args: not args.similarity
    add("vectors", type=path, metavar="RUN")
    add("--similarity", nargs=2, metavar="WORD", help="the cosine of two words")
    add("--count", type=whole(1, 10**6), default=10, only=near, help="how many words to show")
    add("--restrict", type=whole(), only=near, metavar="N",
        help="look among the N most frequent words only")  # fmt: skip
    return parser


@training.script
def main() -> None:
    parser = flags()
    words: list[str] = []
    args = parser.settings(others=words)
    if words and args.similarity:
        parser.error(f"{' '.join(words)} has no effect with --similarity: leave it out")
    vectors = vectors_of(args.vectors)
    if args.similarity:
        with answering():
            print(f"{vectors.similarity(*args.similarity):.3f}")
    elif words:
        answer(vectors, words, args.count, args.restrict)
    else:
        for line in sys.stdin:
            if line.split():
                try:
                    answer(vectors, line.split(), args.count, args.restrict)
                except DataError as error:
                    print(error)


def answer(vectors: Vectors, words: Sequence[str], count: int, restrict: int | None) -> None:
    """Print the words nearest to a sum such as ["king", "-", "man", "+", "woman"].

    Raises:
        DataError: a word is unknown, or none is left.
    """
    plus, minus = signed(words)
    with answering():
        near = vectors.most_similar(plus, minus, count, restrict)
    for word, cosine in near:
        print(f"{cosine:.3f}  {word}")


if __name__ == "__main__":
    main()
