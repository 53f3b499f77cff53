"""Learning rates that change from step to step, as PyTorch's schedulers have them.

Each is a formula of the step's number and of the rate that the optimiser started with, which its
group keeps as `"initial_lr"`. So a run resumes exactly; but a rate that is set by hand lasts only
until the next step, and two schedulers on one optimiser do not multiply.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from minigen.functional.arguments import refuse
from minigen.optim.optimizer import Optimizer, require_alike


class LRScheduler:
    """What all schedulers share; a subclass says in `get_lr` what the rates are.

    Args:
        optimizer: whose groups get another `"lr"`, the first now and one with every `step()`.
        last_epoch: how many steps were made before, −1 for none; better resume with
            `load_state_dict`.

    Attributes:
        base_lrs: the rate that each group started with.
        last_epoch: how often `step()` was called.

    Raises:
        KeyError: `last_epoch` is given, and a group has no `"initial_lr"`.
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        self.optimizer, self.last_epoch = optimizer, last_epoch
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{type(self).__name__}: last_epoch={last_epoch}, but group {i} has no "
                    "'initial_lr'; load the optimiser's state first"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.step()

    def get_lr(self) -> list[float]:
        """The rate of each group after `last_epoch` steps."""
        raise NotImplementedError

    def step(self, epoch: None = None) -> None:
        """Go on to the next rates; call it after the optimiser's step (or after each epoch)."""
        refuse(f"{type(self).__name__}.step", epoch=epoch)
        self.last_epoch += 1
        self._set(self.get_lr())

    def _set(self, rates: Sequence[float]) -> None:
        self._last_lr = list(rates)
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate

    def get_last_lr(self) -> list[float]:
        """The rate of each group that was set last."""
        return self._last_lr

    def state_dict(self) -> dict[str, Any]:
        """Options and progress, numbers and lists of them; functions are not among them."""
        known = vars(self).items()
        plain = {name: value for name, value in known if name not in ("optimizer", "lr_lambdas")}
        return {n: list(v) if isinstance(v, list) else v for n, v in plain.items()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where `state_dict()` was taken; the optimiser gets the rates of that time.

        Raises:
            ValueError: it is the state of another kind of scheduler, or of other groups.
        """
        expected, groups = set(self.state_dict()), len(self.optimizer.param_groups)
        if set(state_dict) != expected or len(state_dict["base_lrs"]) != groups:
            raise ValueError(
                f"this state does not fit {type(self).__name__} of {groups} groups: expected "
                f"{sorted(expected)}, got {dict(state_dict)}"
            )
        for name, own in self.state_dict().items():
            require_alike(f"{type(self).__name__}: {name}", state_dict[name], own)
        vars(self).update(state_dict)
        self.base_lrs = list(self.base_lrs)
        self._set(self._last_lr)


class StepLR(LRScheduler):
    """The rate times `gamma` after every `step_size` steps."""

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ):
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """lr·gamma^⌊t / step_size⌋"""
        return [base * self.gamma ** (self.last_epoch // self.step_size) for base in self.base_lrs]


class LinearLR(LRScheduler):
    """The rate times a factor that goes from `start_factor` to `end_factor` in `total_iters`
    steps, and stays there: a warm-up, with the defaults.

    Raises:
        ValueError: a factor is not from 0 to 1, or the first one is 0.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ):
        if not (0 < start_factor <= 1 and 0 <= end_factor <= 1):
            raise ValueError(
                "LinearLR: expected 0 < start_factor ≤ 1 and 0 ≤ end_factor ≤ 1, got "
                f"{start_factor} and {end_factor}"
            )
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """lr·(start + (end − start)·min(t / total_iters, 1))"""
        share = min(self.last_epoch / self.total_iters, 1) if self.total_iters else 1
        factor = self.start_factor + (self.end_factor - self.start_factor) * share
        return [base * factor for base in self.base_lrs]


class CosineAnnealingLR(LRScheduler):
    """The rate down to `eta_min` in `T_max` steps, up again in as many, and so on, along a cosine
    (Loshchilov and Hutter 2017, without their restarts)."""

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ):
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """eta_min + ½·(lr − eta_min)·(1 + cos(π·t / T_max))"""
        share = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return [self.eta_min + (base - self.eta_min) * share for base in self.base_lrs]


class LambdaLR(LRScheduler):
    """The rate times a function of the number of steps.

    Args:
        lr_lambda: the function, or a list with one for each group.

    Raises:
        ValueError: not as many functions as groups.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ):
        groups = len(optimizer.param_groups)
        several = isinstance(lr_lambda, Sequence)
        self.lr_lambdas = list(lr_lambda) if several else [lr_lambda] * groups
        if len(self.lr_lambdas) != groups:
            raise ValueError(f"LambdaLR: {len(self.lr_lambdas)} functions for {groups} groups")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """lr·f(t)"""
        pairs = zip(self.base_lrs, self.lr_lambdas, strict=True)
        return [base * function(self.last_epoch) for base, function in pairs]
