"""Put runs side by side on one page: python demos/compare.py runs/gan runs/gan-2 [MORE RUNS]

Curves are laid over one another, settings that differ are marked, samples of the same step and
scores stand side by side. The page is one file, which a browser opens without a server and without
network. Of one run it makes the page that the run has, also of a run of an older version; runs that
are trained meanwhile are shown as far as they are.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

from minigen import training
from minigen.training.flags import new_file, path
from minigen.training.pages import write_comparison


def flags() -> training.Flags:
    """The command line."""
    parser = training.Flags(__doc__)
    add = parser.add_argument
    add("runs", type=path, nargs="+", metavar="RUN", help="run folders")
    add("--out", type=new_file, metavar="FILE", default="comparison.html", help="the page")
    return parser


@training.script
def main() -> None:
    args = flags().parse_args()
    write_comparison(args.runs, args.out)
    print(f"{len(args.runs)} runs side by side: open {args.out} in a browser")


if __name__ == "__main__":
    main()
