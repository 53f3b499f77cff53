"""The flags that every training script has, and the run folder that they lead to."""

from __future__ import annotations

import argparse
import functools
import os
import shlex
import signal
import sys
import textwrap
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from minigen.backend import DeviceError, require_device
from minigen.data import DataError, resolved
from minigen.display import Screen, forgiving_streams
from minigen.distributed.group import the_group
from minigen.training import loop as loops
from minigen.training import ranks
from minigen.training.checkpoint import CheckpointError
from minigen.training.common import short
from minigen.training.events import Events, require_tensorboard
from minigen.training.flags import (
    Flags,
    Settings,
    data_set,
    decay,
    device,
    is_folder,
    path,
    rate,
    seed,
    share,
    units,
    whole,
)
from minigen.training.loop import DivergedError, Loop
from minigen.training.pages import RunPage
from minigen.training.run import CHECKPOINT, Run, RunError, free_folder

FOR_THE_USER = (CheckpointError, DataError, DeviceError, DivergedError, RunError)
# What flags say that is no setting of the run.
OF_THIS_CALL = ("out", "resume", "quick", "quick_batches", "tensorboard")
DATA = ("data", "corpus")  # settings that name files


class Parser(Flags):
    """A command line with the flags that training scripts share: --seed, --device, --out,
    --resume, --quick and --tensorboard.

    Args:
        description: the script's docstring.
        name: of the run: its folder is runs/NAME, or runs/NAME-2, … where that is taken.
        quick: what flags that are not given become with --quick.
        may_change: settings that may be other ones when the run is resumed, besides the device:
            those that say how long it is, or what is shown, and that no step depends on.
        dealt_by_model: whether the model deals its data out to several processes by itself; else
            it is batches that are dealt out.
    """

    def __init__(
        self,
        description: str,
        *,
        name: str,
        quick: dict[str, object],
        may_change: Sequence[str] = ("steps", "epochs"),
        dealt_by_model: bool = False,
    ):
        super().__init__(description)
        self.dealt_by_model = dealt_by_model
        self.name, self.quick = name, quick
        self.may_change = ("device", *may_change)
        add = self.add_argument
        add("--seed", type=seed, default=0, help="of weights, noise and the order of the data")
        add("--device", type=device, default="cpu", help="cpu, or cuda for an NVIDIA card, by CuPy")
        add("--out", type=path, metavar="FOLDER",
            help=f"run folder, if not runs/{name} or the next free one")  # fmt: skip
        add("--resume", type=path, metavar="FOLDER", help="go on with the run in this folder")
        add("--quick", action="store_true", help="a small run of seconds: does it all work?")
        add(
            "--tensorboard", action="store_true", help="log for TensorBoard, too, in the run folder"
        )

    def add_images(self, **options: Any) -> None:
        """Add the flags of images to train with: --data, --size, --limit and --batch-size.

        Args:
            options: as for `add_argument`, by the name of the setting, `batch_size={"default":
                32}`; None leaves a flag out.
        """
        for name, kind, default, help in (
            ("data", data_set(), "auto", "mnist, fashion-mnist, digits (drawn on the spot),"
             " coloured-mnist, coloured-digits, binarized-mnist, cifar-10, quickdraw, emoji-noto,"
             " emoji-twemoji, emoji-faces, a folder of pictures, or auto: mnist if at hand"),
            ("size", whole(4, 4096), 32, "side of the pictures of a folder, in pixels"),
            ("limit", whole(2, 10**7), None, "train and test with the first so many images only"),
            ("batch-size", units, 64, "real images a step"),
        ):  # fmt: skip
            keywords: dict[str, Any] = {"type": kind, "default": default, "help": help}
            if name == "size":
                keywords["only"] = ("without a folder of pictures", is_folder)
            if (other := options.get(name.replace("-", "_"), {})) is not None:
                self.add_argument(f"--{name}", **keywords | other)

    def add_epochs(
        self, epochs: int, lr: float, help: str = "learning rate of Adam; falls to 0 in a line"
    ) -> None:
        """Add the flags of a model that is shown its data over and over: --epochs and --lr, with
        these defaults, and `help` for the rate."""
        self.add_argument("--epochs", type=whole(1, 10**6), default=epochs,
            help="how often each training example is shown")  # fmt: skip
        self.add_argument("--lr", type=rate, default=lr, help=help)

    def add_course(
        self, steps: int, lr: float, fall: float = 0.5, of_average: float = 0.995
    ) -> None:
        """Add the flags of a model that Adam trains and that is drawn with averaged weights:
        --steps, --lr, --fall and --decay, with these defaults."""
        add = self.add_argument
        add("--steps", type=whole(), default=steps, help="training steps in all")
        add("--lr", type=rate, default=lr, help="learning rate of Adam")
        add("--fall", type=share, default=fall, help="share of the steps in which --lr falls to 0")
        add("--decay", type=decay, default=of_average,
            help="of the weights' average that is drawn with")  # fmt: skip

    def open_run(self, argv: Sequence[str] | None = None) -> tuple[Settings, Run]:
        """Parse the command line, and make the run folder or open the one to be resumed, whose
        settings then hold. All flags are checked before there is a folder.

        The run's config has every setting as it was resolved: "auto" is a data set, a width that
        depends on the network a number. It is written anew when a loop begins (see `Loop`).

        Raises:
            RunError: the folder cannot be used, or its run is another demo's or never began.
            DataError: the data set cannot be had.
            DeviceError: nor the device.
        """
        return ranks.opened(lambda: self._open_run(argv), argv)

    def _config(self, args: Settings) -> dict[str, Any]:
        """What a run's config says from its beginning."""
        return {"demo": self.name, **{k: v for k, v in vars(args).items() if k not in OF_THIS_CALL}}

    def _open_run(self, argv: Sequence[str] | None) -> tuple[Settings, Run]:
        given = self.given(argv)
        if given.get("tensorboard"):
            require_tensorboard()
        if given.get("resume"):
            run = Run.resume(given["resume"])
            args = self._resumed(run, given, argv)
            self._refuse_undealt(args)
        else:
            args = self.settings(argv, self.quick if given.get("quick") else {})
            args.quick_batches = args.quick and "batch_size" not in given
            require_device(args.device)
            self._refuse_undealt(args)
            if getattr(args, "data", None) == "auto":
                args.data = resolved("auto")
            run = Run.create(args.out or free_folder("runs", self.name), self._config(args))
        run.config = {**run.config, **self._config(args)}
        run.at_save.append(RunPage(run.folder, self, args.device))
        if args.tensorboard:
            run.at_log.append(Events())
        return args, run

    def _refuse_undealt(self, args: Settings) -> None:
        if reason := ranks.undealt(args, self.dealt_by_model):
            self.error(reason)

    def settings_of(self, run: Run, without_data: bool = False) -> Settings:
        """The settings of a run, from its config.json, checked as the flags are. What a run of an
        older version does not say is assumed, with a line that says what.

        Args:
            without_data: its folder of pictures, or file of text, may be gone: what is to be drawn
                needs none.

        Raises:
            RunError: it is a run of another demo, or a setting is damaged.
        """
        config, assumed = run.config, {}
        if config.get("demo", self.name) != self.name:
            raise RunError(f"{run.folder} is a run of {short(config['demo'])}, not of {self.name}")
        found = {name: flag.default for name, flag in self.flags.items()} | self.before
        for name in found.keys() - OF_THIS_CALL:
            if name not in config:
                assumed[name] = found[name]
                continue
            if without_data and name in DATA and is_gone(config[name]):
                found[name] = config[name]
                continue
            try:
                found[name] = self.checked(name, config[name])
            except argparse.ArgumentTypeError as error:
                raise RunError(f"{run.folder}/config.json: {name}: {error}") from error
        if found.get("data") == "auto":
            found["data"] = assumed["data"] = resolved("auto")
        settings = Settings(**found)
        if wrong := self.refusal(settings):
            raise RunError(f"{run.folder}/config.json: {wrong}")
        settings = self.completed(settings)
        said = ", ".join(
            f"{k} {v}"
            for k, v in assumed.items()
            if v not in (None, False) and self.has_effect(k, settings)
        )
        if said:
            print(f"{run.folder}/config.json does not say, so it is assumed: {said}")
        return settings

    def _resumed(self, run: Run, given: dict[str, Any], argv: Sequence[str] | None) -> Settings:
        """The settings of a run that goes on, with those changes that leave it the same run."""
        before = self.settings_of(run)
        if not (run.folder / CHECKPOINT).exists():
            raise RunError(
                f"{run.folder} holds no checkpoint, for its run never began: start it without"
                " --resume"
            )
        for name in given:
            flag, earlier = self._called(name), getattr(before, name)
            if name in ("out", "quick"):
                self.error(f"{flag} has no effect with --resume: leave it out")
            if name != "resume" and name not in self.may_change and given[name] != earlier:
                shown = " ".join(map(str, earlier)) if isinstance(earlier, list) else earlier
                was = f"was begun with {flag} {shown}" if shown else f"was begun without {flag}"
                self.error(f"{flag} cannot change: the run {was}; leave it out")
        args = self.settings(argv, vars(before))
        require_device(args.device)
        return args


def is_gone(place: Any) -> bool:
    """Whether a value from a file is the path of a folder or file that is not there."""
    return (
        isinstance(place, str)
        and os.path.isabs(place)
        and len(place) < 4096
        and "\0" not in place
        and not os.path.exists(place)
    )


def script(main: Callable[[], Any]) -> Callable[[], Any]:
    """Decorate a script's main function: what the user can mend is said in one line, without a
    traceback, and ends the program with status 1; Ctrl-C ends it with status 130, in one line if
    not in order (see `Loop`)."""

    @functools.wraps(main)
    def wrapper() -> Any:
        name = Path(sys.argv[0]).name
        loops.ended_by = None
        try:
            with forgiving_streams():
                result = main()
        except FOR_THE_USER as error:
            ranks.end(f"{name}: {error}")
        except OSError as error:
            if error.filename is None:  # of no file that the user could see to
                raise
            reason = error.strerror or error
            ranks.end(f"{name}: cannot read or write {error.filename}: {reason}")
        except MemoryError as error:
            reason = f": {error}" if str(error) else ""
            ranks.end(f"{name}: out of memory{reason}; take smaller networks, batches or images")
        except KeyboardInterrupt:
            with suppress(ValueError):  # in another thread than the main one
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # the end itself is not interrupted
            if not ranks.several():
                print(f"\n{name}: stopped", file=Screen(sys.stderr))
                sys.exit(130)
            ranks.end(f"{name}: stopped", 130)
        if loops.ended_by is None:
            return result
        sys.exit(128 + loops.ended_by)  # a shell's convention for signals

    return wrapper


def finish(
    loop: Loop,
    look_at: str = "",
    found: str = "",
    reading: str = "",
    then: str | Sequence[str] = "evaluate.py",
) -> None:
    """Say how long a loop took, where its pictures are, and how to read its numbers; or how to go
    on if it was interrupted.

    Args:
        loop: that has ended.
        look_at: a file in the run folder.
        found: what came of it.
        reading: what the numbers are, and which are good.
        then: the script beside this one that is to be run next on the folder, or with these flags.
    """
    loop.show()
    line = f"{loop.step} steps in {loop.seconds:.0f} s" + (f": {found}" if found else "")
    print(line + (f"; look at {loop.run.folder}/{look_at}" if look_at else ""))
    if loop.interrupted:
        print(f"to go on: {resume_command(loop.run)}")
        return
    say_what_next(reading, (then, str(loop.run.folder)) if isinstance(then, str) else then)


def say_what_next(reading: str, then: Sequence[str]) -> None:
    """Print the last lines of a script: how to read its numbers, and the script beside it that is
    to be run next, with these flags."""
    print(textwrap.fill(reading, 100))
    print(f"next: {command_line(*then)}")


def command_line(script: str, *words: str) -> str:
    """What to type in this folder in order to run a script beside this one by the Python that runs
    now."""
    python = sys.executable or "python"
    here = os.path.join(os.getcwd(), "")
    beside = os.path.join(os.path.dirname(sys.argv[0]), script)
    return shlex.join([python.removeprefix(here), beside, *words])


def resume_command(run: Run) -> str:
    """What to type in this folder in order to go on with a run, in as many processes."""
    command = command_line(os.path.basename(sys.argv[0]), "--resume", str(run.folder))
    return f"mpiexec -n {the_group().size} {command}" if ranks.several() else command
