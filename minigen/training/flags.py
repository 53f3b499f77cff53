"""A command line whose flags are checked by their kind, and spoken of in one line."""

from __future__ import annotations

import argparse
import difflib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from minigen.data.sets import NAMES as DATA_SETS

Kind = Callable[[str], Any]
Settings = argparse.Namespace
Condition = tuple[str, Callable[[Settings], bool]]

SHOWN = 24  # characters of what came instead


def _kind(expected: str, read: Callable[[str], Any], fits: Callable[[Any], object]) -> Kind:
    def kind(text: str) -> Any:
        with suppress(ValueError, OverflowError):
            if fits(value := read(text)):
                return value
        raise _refused(expected, text)

    return kind


def _refused(expected: str, text: str, names: Iterable[str] = ()) -> argparse.ArgumentTypeError:
    if meant := did_you_mean(text, names):
        return argparse.ArgumentTypeError(f"unknown {cut(text)}: {meant}")
    return argparse.ArgumentTypeError(f"expected {expected}, got {cut(text)}")


def cut(text: str) -> str:
    """What came instead, not at full length."""
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}…")


def did_you_mean(text: str, names: Iterable[str]) -> str:
    """The name that the text resembles, as a question; "" if there is none."""
    close = difflib.get_close_matches(text.lower(), names, n=1)
    return f"did you mean {close[0]}?" if close else ""


def whole(least: int = 1, most: int = 10**9) -> Kind:
    """Whole numbers from `least` to `most`."""
    return _kind(f"a whole number from {least:,} to {most:,}", int, lambda n: least <= n <= most)


def number(
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> Kind:
    """Numbers between a lower bound and an upper one; `least` and `most` belong to them."""
    low = f"from {least:g}" if above is None else f"above {above:g}"
    to = " to" if above is None else ", at most"
    high = f"{to} {most:g}" if below is None else f", below {below:g}"

    def inside(x: float) -> bool:
        # NaN is not within, nor is what a float cannot hold.
        enough = x >= least if above is None else x > above
        return enough and (x <= most if below is None else x < below)

    return _kind(f"a number {low}{high}", float, inside)


units = whole(1, 10**6)  # of a layer, channels, pixels, images at a time
seed = whole(0, 2**63 - 1)
rate = number(above=0, most=100)
weight = number(least=0, most=1e6)  # of a term in a loss
share = number(least=0, most=1)
decay = number(least=0, below=1)  # of a moving average
device = _kind("cpu, cuda or cuda:1", str, re.compile(r"cpu|cuda(:\d{1,3})?").fullmatch)
path = _kind("a path", str, lambda text: text and "\0" not in text)
folder = _kind("a folder that is there", str, os.path.isdir)
new_file = _kind(
    "a file in a folder that is there", str,
    lambda text: text and not os.path.isdir(text) and os.path.isdir(os.path.dirname(text) or "."),
)  # fmt: skip


def one_of(*names: str, expected: str = "") -> Kind:
    """One of these words; `expected` says so where they are many."""

    def kind(text: str) -> str:
        if text not in names:
            raise _refused(expected or listed(names), text, names)
        return text

    return kind


def data_set(*others: str) -> Kind:
    """A data set by its name, or a folder of pictures, which becomes an absolute path."""
    names = (*DATA_SETS, *others)

    def kind(text: str) -> str:
        if text in names:
            return text
        if os.path.isdir(text):
            return os.path.abspath(text)
        if os.path.isabs(text) and len(text) < 4096:  # of a run whose folder is gone: not cut
            raise argparse.ArgumentTypeError(f"there is no folder {text}")
        raise _refused("a data set that --help names, or a folder of pictures", text, names)

    return kind


def is_folder(settings: Settings) -> bool:
    """Whether --data names a folder of pictures; it is None where its default is not known yet."""
    return settings.data is not None and os.path.isabs(settings.data)


def listed(names: Sequence[str]) -> str:
    """Words as an enumeration."""
    return " or ".join([", ".join(names[:-1]), names[-1]]) if names[1:] else names[0]


class Flags(argparse.ArgumentParser):
    """A command line. What is wrong with it is said in one line; the program ends with status 2.

    Args:
        description: the script's docstring, shown by --help as it stands.
    """

    def __init__(self, description: str):
        self.flags: dict[str, argparse.Action] = {}  # by the name of the setting
        self.before: dict[str, Any] = {}  # what they were before there were such flags
        self._only: dict[str, Condition] = {}
        self._refusals: list[tuple[Callable[[Settings], bool], str]] = []
        self._from_others: dict[str, Callable[[Settings], Any]] = {}
        super().__init__(
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def add_argument(
        self, *names: str, only: Condition | None = None, before: Any = None, **options: Any
    ) -> argparse.Action:
        """Add a flag, as argparse does.

        Args:
            only: where the flag has no effect, in words ("without --damage"), and a function of
                all settings that says whether it has one. Where it has none, it is refused.
            before: what it was when there was no such flag, if not the default: what it is for runs
                that do not say.
            options: as for argparse. `default` may be a function of the other settings, which the
                help then has to explain; other defaults are added to the help.
        """
        default = options.get("default")
        if choices := options.pop("choices", None):
            options |= {"type": one_of(*choices), "metavar": "{" + ",".join(choices) + "}"}
        if callable(default):
            options["default"] = None
        elif default is not None and default is not False and default != argparse.SUPPRESS:
            shown = " ".join(map(str, default)) if isinstance(default, list) else default
            options["help"] = f"{options.get('help', '')} ({shown})".strip()
        action = super().add_argument(*names, **options)
        if action.default is not argparse.SUPPRESS:  # --help
            self.flags[action.dest] = action
        if only:
            self._only[action.dest] = only
        if before is not None:
            self.before[action.dest] = before
        if callable(default):
            self._from_others[action.dest] = default
        return action

    def refuse(self, when: Callable[[Settings], bool], message: str) -> None:
        """Refuse settings that do not go together.

        Args:
            when: whether these do not.
            message: what to say then; {name} becomes the setting of that name.
        """
        self._refusals.append((when, message))

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """The settings of a command line; there is no return from one that is wrong."""
        return self.settings(args)

    def settings(
        self,
        argv: Sequence[str] | None = None,
        instead: Mapping[str, Any] | None = None,
        others: list[str] | None = None,
    ) -> Settings:
        """The settings of a command line.

        Args:
            argv: its words, by default those of this process.
            instead: what takes the place of the defaults.
            others: gets the words that belong to no flag; without it they are refused.
        """
        given = self.given(argv, others)
        settings = Settings(**{name: flag.default for name, flag in self.flags.items()})
        vars(settings).update(instead or {})
        vars(settings).update(given)
        wrong = self.refusal(settings)
        with suppress(*[Exception] if wrong else ()):  # what follows from them may be nothing then
            completed = self.completed(Settings(**vars(settings)))
            for name in given:
                if not self.has_effect(name, completed):
                    words, _ = self._only[name]
                    self.error(f"{self._called(name)} has no effect {words}: leave it out")
        if wrong:
            self.error(wrong)
        return completed

    def has_effect(self, name: str, settings: Settings) -> bool:
        """Whether a setting has one, beside these others."""
        return name not in self._only or self._only[name][1](settings)

    def refusal(self, settings: Settings) -> str:
        """What is wrong with settings that do not go together; "" if nothing is."""
        wrong = (message for when, message in self._refusals if when(settings))
        return next(wrong, "").format(**vars(settings))

    def completed(self, settings: Settings) -> Settings:
        """Settings with those that follow from others, where they are not given."""
        for name, value in self._from_others.items():
            if getattr(settings, name) is None:
                setattr(settings, name, value(settings))
        return settings

    def given(
        self, argv: Sequence[str] | None = None, others: list[str] | None = None
    ) -> dict[str, Any]:
        """What a command line says itself; see `settings`."""
        absent = object()
        found, rest = self.parse_known_args(argv, Settings(**dict.fromkeys(self.flags, absent)))
        if others is not None:
            others += [word for word in rest if not word.startswith("--")]
            rest = [word for word in rest if word.startswith("--")]
        if rest:
            known = [name for flag in self.flags.values() for name in flag.option_strings]
            meant = did_you_mean(rest[0].split("=")[0], [*known, "--help"]) or "see --help"
            self.error(f"unknown {cut(rest[0])}: {meant}")
        return {name: value for name, value in vars(found).items() if value is not absent}

    def checked(self, name: str, value: Any) -> Any:
        """A setting from a file, checked as the flag of that name is.

        Raises:
            argparse.ArgumentTypeError: it is not of the flag's kind.
        """
        flag = self.flags[name]
        if value is None and flag.default is None:
            return None
        if isinstance(flag.default, bool):
            if not isinstance(value, bool):
                raise _refused("true or false", str(value))
            return value
        if flag.nargs in ("+", "*"):
            if not isinstance(value, list) or not value:
                raise _refused("a list", str(value))
            return [flag.type(str(item)) for item in value]
        return flag.type(str(value))

    def error(self, message: str) -> Any:
        """Say in one line what is wrong, and end the program."""
        self.exit(2, f"{self.prog}: {message.removeprefix('argument ')}\n")

    def _called(self, name: str) -> str:
        return "/".join(self.flags[name].option_strings)


def refuse_odd_sides(parser: Flags) -> None:
    """Refuse pictures of a --size that convolutions, the only networks if there is no --network,
    cannot halve twice."""
    parser.refuse(
        lambda args: (
            getattr(args, "network", "conv") == "conv" and is_folder(args) and args.size % 4 > 0
        ),
        "--size: convolutions take multiples of 4, not {size}",
    )


def refuse_small_sides(parser: Flags) -> None:
    """Refuse pictures of a --size that residual blocks cannot halve to a side of 4 or more."""
    parser.refuse(
        lambda args: is_folder(args) and (args.size % 2 > 0 or args.size < 8),
        "--size: expected an even number, 8 or more, not {size}",
    )


def add_binarise(parser: Flags) -> None:
    """Add the flag --binarise, which has no effect on black and white images."""
    parser.add_argument(
        "--binarise", action="store_true", help="draw black and white pixels anew for each step"
    )
    parser.refuse(
        lambda args: args.binarise and args.data == "binarized-mnist",
        "--binarise has no effect with binarized-mnist, which is black and white: leave it out",
    )
