"""Score word vectors against people's judgements: what `demos/evaluate.py` does with a run of
`demos/word2vec.py`. By itself it takes any file of vectors in word2vec's formats.

Files to compare with are given, or looked for in $MINIGEN_DATA/word-eval and in the cache's
word-eval: pairs of words with a number (WordSim-353, RG-65), and Google's questions-words.txt.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

from scoring.words import evaluate

from minigen import training
from minigen.data.vectors import FREQUENT
from minigen.training.builders.word2vec import vectors_of
from minigen.training.flags import path as a_path
from minigen.training.flags import whole


def flags() -> training.Flags:
    """The command line."""
    parser = training.Flags(__doc__)
    add = parser.add_argument
    add("vectors", type=a_path, help="a run folder, or a file in word2vec's formats")
    add("files", type=a_path, nargs="*", help="to compare with; by default those at hand")
    add("--restrict", type=whole(), default=FREQUENT, metavar="N",
        help="answer analogies with the N most frequent words, and then with all")  # fmt: skip
    return parser


@training.script
def main() -> None:
    args = flags().parse_args()
    evaluate(vectors_of(args.vectors), args.files, args.restrict)


if __name__ == "__main__":
    main()
