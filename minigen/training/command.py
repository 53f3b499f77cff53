"""The flags that every training script has, and the run folder that they lead to."""

from __future__ import annotations

import argparse
import functools
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from minigen.backend import DeviceError, require_device
from minigen.data import DataError
from minigen.display import forgiving_streams
from minigen.training import loop
from minigen.training.checkpoint import CheckpointError
from minigen.training.loop import DivergedError
from minigen.training.run import Run, RunError, free_folder

FOR_THE_USER = (CheckpointError, DataError, DeviceError, DivergedError, RunError)


class Parser(argparse.ArgumentParser):
    """A command line with the flags that training scripts share: --seed, --device, --out,
    --resume and --quick.

    Args:
        description: the script's docstring.
        name: of the run: its folder is runs/NAME, or runs/NAME-2, … where that is taken.
        quick: what flags that are not given become with --quick.
    """

    def __init__(self, description: str, *, name: str, quick: dict[str, object]):
        super().__init__(
            description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        self.name, self.quick = name, quick
        add = self.add_argument
        add("--seed", type=int, default=0, help="of weights, noise and the order of the data")
        add("--device", default="cpu", help="cpu, or cuda for an NVIDIA card (needs CuPy)")
        add("--out", metavar="FOLDER", help=f"run folder, if not runs/{name} or the next free one")
        add("--resume", metavar="FOLDER", help="go on with the run in this folder")
        add("--quick", action="store_true", help="a small run of seconds: does it all work?")

    def open_run(self, argv: Sequence[str] | None = None) -> tuple[argparse.Namespace, Run]:
        """Parse the command line, and make the run folder or open the one to be resumed, whose
        settings then hold wherever the command line does not say otherwise.

        Raises:
            RunError: the folder cannot be used.
            DeviceError: nor the device; there is no folder then.
        """
        args = self.parse_args(argv)
        if args.resume:
            run = Run.resume(args.resume)
            self.set_defaults(**run.config)
            args = self.parse_args(argv)
            self._require_device(args.device)
            return args, run
        if args.quick:
            self.set_defaults(**self.quick)
            args = self.parse_args(argv)
        self._require_device(args.device)
        flags = {k: v for k, v in vars(args).items() if k not in ("out", "resume", "quick")}
        flags = {"demo": self.name, **flags}  # so that `demos/evaluate.py` knows what it is
        return args, Run.create(args.out or free_folder("runs", self.name), flags)

    def _require_device(self, device: str) -> None:
        """Refuse a device before there is a run folder."""
        try:
            require_device(device)
        except ValueError as error:
            self.error(f"argument --device: {error}")


def script(main: Callable[[], Any]) -> Callable[[], Any]:
    """Decorate a script's main function: what the user can mend is said in one line, without a
    traceback, and ends the program with status 1."""

    @functools.wraps(main)
    def wrapper() -> Any:
        loop.ended_by = None
        try:
            with forgiving_streams():
                result = main()
        except FOR_THE_USER as error:
            sys.exit(f"{Path(sys.argv[0]).name}: {error}")
        if loop.ended_by in (None, signal.SIGINT):
            return result
        sys.exit(128 + loop.ended_by)  # a shell's convention for SIGTERM and its like

    return wrapper


def resume_command(run: Run) -> str:
    """What to type in order to go on with a run."""
    return f"python {shlex.quote(sys.argv[0])} --resume {shlex.quote(str(run.folder))}"
