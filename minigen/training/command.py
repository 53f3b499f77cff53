"""The flags that every training script has, and the run folder that they lead to."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from minigen.training.run import Run, RunError, free_folder


class Parser(argparse.ArgumentParser):
    """A command line with the flags that every training script shares.

    Its help is the script's docstring; it adds --steps, --seed, --device, --out, --resume, --quick.

    Args:
        description: the script's docstring.
        name: of the run: its folder is runs/NAME, or runs/NAME-2, … where that is taken.
        steps: default of --steps.
        quick: the values that flags take with --quick, where they are not given.
    """

    def __init__(self, description: str, *, name: str, steps: int, quick: dict[str, object]):
        super().__init__(
            description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        self.name, self.quick = name, quick
        add = self.add_argument
        add("--steps", type=int, default=steps, help="training steps in all")
        add("--seed", type=int, default=0, help="of weights, noise and the order of the data")
        add("--device", default="cpu", help="cpu, or cuda for an NVIDIA card (needs CuPy)")
        add("--out", default=None, help=f"run folder; runs/{name} or the next free one if left out")
        add("--resume", metavar="FOLDER", default=None, help="go on with the run in this folder")
        add("--quick", action="store_true", help="seconds instead of minutes: does it all work?")

    def open_run(self, argv: Sequence[str] | None = None) -> tuple[argparse.Namespace, Run]:
        """Parse the command line and make the run folder, or open the one to be resumed, whose
        settings then hold where the command line does not say otherwise.

        Ends the program with one line where a flag is wrong or the folder cannot be used.
        """
        args = self.parse_args(argv)
        try:
            if args.resume:
                run = Run.resume(args.resume)
                self.set_defaults(**run.config)
                args = self.parse_args(argv)
            else:
                if args.quick:
                    self.set_defaults(**self.quick)
                    args = self.parse_args(argv)
                folder = args.out or free_folder("runs", self.name)
                left_out = ("out", "resume", "quick")
                config = {k: v for k, v in vars(args).items() if k not in left_out}
                run = Run.create(folder, config)
        except RunError as error:
            self.exit(1, f"{self.prog}: {error}\n")
        return args, run


def resume_command(run: Run) -> str:
    """What to type in order to go on with a run."""
    script = Path(sys.argv[0])
    return f"python {shlex.quote(str(script))} --resume {shlex.quote(str(run.folder))}"
