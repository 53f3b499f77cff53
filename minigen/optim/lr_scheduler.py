"""Learning rates that change from step to step, as PyTorch's schedulers have them.

Each is a formula of the step's number and of the rate that the optimiser started with, which its
group keeps as `"initial_lr"`. So a run resumes exactly. Where something else changed the rate, a
second scheduler or a hand, the formula's change from step to step multiplies what it finds, as in
PyTorch; `CosineAnnealingWarmRestarts`, `LambdaLR` and `OneCycleLR` set their rates whatever they
find, as there.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from minigen.backend import class_name
from minigen.functional.arguments import refuse, require_state
from minigen.missing import missing_from
from minigen.optim.optimizer import Optimizer, require_alike


def _groups(scheduler: Any, optimizer: Any) -> list[dict[str, Any]]:
    try:
        return optimizer.param_groups
    except AttributeError:
        raise TypeError(
            f"{type(scheduler).__name__}: expected an optimizer, got a {class_name(optimizer)}"
        ) from None


class LRScheduler:
    """What all schedulers share; a subclass says in `multiplier` what the first rates are
    multiplied by, or in `get_lr` what the rates are.

    A group that is added to the optimiser later joins in, from the rate that it has at the next
    step, where all rates have one multiplier; otherwise it keeps its rate.

    Args:
        optimizer: whose groups get another `"lr"`, the first now and one with every `step()`.
        last_epoch: how many steps were made before, −1 for none; better resume with
            `load_state_dict`.

    Attributes:
        base_lrs: the rate that each group started with, or would have.
        last_epoch: how often `step()` was called.

    Raises:
        KeyError: `last_epoch` is given, and a group has no `"initial_lr"`.
    """

    eta_min = 0.0  # what of a rate is not multiplied
    chains = True  # whether a multiplier also acts on a rate that something else has set

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        self.optimizer, self.last_epoch = optimizer, last_epoch
        for i, group in enumerate(_groups(self, optimizer)):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{type(self).__name__}: last_epoch={last_epoch}, but group {i} has no "
                    "'initial_lr'; load the optimiser's state first"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch += 1
        self._follow(self.base_lrs if last_epoch == -1 else [])

    def multiplier(self) -> float | None:
        """What the first rates are multiplied by after `last_epoch` steps; None if it is not one
        number."""
        return None

    def get_lr(self) -> list[float]:
        """The rate of each group after `last_epoch` steps: eta_min + (lr − eta_min)·multiplier"""
        return [self.eta_min + (base - self.eta_min) * self.multiplier() for base in self.base_lrs]

    def step(self, epoch: None = None) -> None:
        """Go on to the next rates; call it after the optimiser's step (or after each epoch)."""
        refuse(f"{type(self).__name__}.step", epoch=epoch)
        before = []
        if (share := self.multiplier()) is not None:
            new = [group["lr"] for group in self.optimizer.param_groups[len(self.base_lrs) :]]
            self.base_lrs += [self.eta_min + (lr - self.eta_min) / (share or 1) for lr in new]
            before = self.get_lr()
        self.last_epoch += 1
        self._follow(before)

    def _follow(self, before: Sequence[float]) -> None:
        """Set the formula's rates. One that is not what the formula gave before was changed by
        something else, and is multiplied as the formula's is."""
        low, rates = self.eta_min, self.get_lr()
        if self.chains and self.multiplier() is not None:
            pairs = zip(self.optimizer.param_groups, before, strict=False)
            for i, (group, own) in enumerate(pairs):
                if group["lr"] != own != low:
                    rates[i] = low + (group["lr"] - low) * (rates[i] - low) / (own - low)
        self._set(rates)

    def _set(self, rates: Sequence[float]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=False):
            group["lr"] = rate
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def get_last_lr(self) -> list[float]:
        """The rate of each group that was set last."""
        return self._last_lr

    def state_dict(self) -> dict[str, Any]:
        """Options and progress, numbers and lists of them; functions are not among them."""
        known, functions = vars(self).items(), ("optimizer", "lr_lambdas", "schedulers")
        plain = {name: value for name, value in known if name not in functions}
        return {n: list(v) if isinstance(v, list) else v for n, v in plain.items()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on where `state_dict()` was taken; the optimiser gets the rates of that time.

        Raises:
            ValueError: it is the state of another kind of scheduler, or of other groups.
        """
        require_state(type(self).__name__, state_dict)
        expected, groups = set(self.state_dict()), len(self.optimizer.param_groups)
        sizes = groups, len(self.base_lrs)  # less where a group was added
        if set(state_dict) != expected or len(state_dict["base_lrs"]) not in sizes:
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

    def multiplier(self) -> float:
        """gamma^⌊t / step_size⌋"""
        return self.gamma ** (self.last_epoch // self.step_size)


class MultiStepLR(LRScheduler):
    """The rate times `gamma` after each of these numbers of steps."""

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Sequence[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ):
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def multiplier(self) -> float:
        """gamma, to the power of how many milestones are reached"""
        return self.gamma ** bisect_right(self.milestones, self.last_epoch)


class ExponentialLR(LRScheduler):
    """The rate times `gamma` after every step."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def multiplier(self) -> float:
        """gammaᵗ"""
        return self.gamma**self.last_epoch


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

    def multiplier(self) -> float:
        """start + (end − start)·min(t / total_iters, 1)"""
        share = min(self.last_epoch / self.total_iters, 1) if self.total_iters else 1
        return self.start_factor + (self.end_factor - self.start_factor) * share


class ConstantLR(LRScheduler):
    """The rate times `factor` for the first `total_iters` steps."""

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ):
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def multiplier(self) -> float:
        """factor, and then 1"""
        return self.factor if self.last_epoch < self.total_iters else 1.0


class PolynomialLR(LRScheduler):
    """The rate down to 0 in `total_iters` steps, along a polynomial."""

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
    ):
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def multiplier(self) -> float:
        """(1 − t / total_iters)^power"""
        return (1 - min(self.last_epoch, self.total_iters) / self.total_iters) ** self.power


class CosineAnnealingWarmRestarts(LRScheduler):
    """The rate down to `eta_min` along a cosine, in `T_0` steps and then, anew each time, in
    `T_mult` times as many as before (Loshchilov and Hutter 2017)."""

    chains = False

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ):
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        super().__init__(optimizer, last_epoch)

    def multiplier(self) -> float:
        """½·(1 + cos(π·t / T)) for t steps of a round of T"""
        t, length = self.last_epoch, self.T_0
        if self.T_mult == 1:
            t %= length
        while t >= length:
            t, length = t - length, length * self.T_mult
        return (1 + math.cos(math.pi * t / length)) / 2

    def step(self, epoch: float | None = None) -> None:
        """Go on to the next rates, or to those after so many steps, of which there may be parts:
        `step(epoch + batch / batches)`."""
        if epoch is None:
            super().step()
        else:
            self.last_epoch = epoch
            self._set(self.get_lr())


class OneCycleLR(LRScheduler):
    """The rate from `max_lr / div_factor` up to `max_lr` in the share `pct_start` of all steps, and
    down to the first rate divided by `final_div_factor` in the others; momentum, or β₁, the
    opposite way (Smith and Topin 2019).

    Args:
        max_lr: or a list with one for each group.
        total_steps: or give `epochs` and `steps_per_epoch`.
        anneal_strategy: along a cosine ("cos") or a line ("linear").
        three_phase: come down to the first rate as fast as up, and then further.

    Raises:
        ValueError: no number of steps, or another strategy; more steps than those.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ):
        self.total_steps = total_steps or (epochs or 0) * (steps_per_epoch or 0)
        if self.total_steps < 1 or anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                "OneCycleLR: give total_steps, or epochs and steps_per_epoch, and 'cos' or "
                f"'linear'; got {self.total_steps} and {anneal_strategy!r}"
            )
        groups = len(_groups(self, optimizer))
        self.max_lrs = list(max_lr) if isinstance(max_lr, Sequence) else [max_lr] * groups
        up = pct_start * self.total_steps - 1
        down = [2 * up] * three_phase
        self.ends = [0.0, up, *down, self.total_steps - 1]
        low, least = 1 / div_factor, 1 / div_factor / final_div_factor
        self.rates = [low, 1.0, *([low] if three_phase else []), least]
        fast = [max_momentum, base_momentum, max_momentum, max_momentum]
        self.momenta = fast[: len(self.rates)] if cycle_momentum else []
        self.anneal_strategy = anneal_strategy
        if last_epoch == -1:
            for group, top in zip(optimizer.param_groups, self.max_lrs, strict=True):
                group["initial_lr"] = top / div_factor
        super().__init__(optimizer, last_epoch)

    def _between(self, values: Sequence[float]) -> float:
        """Where the present step lies between two of the values."""
        # The step after the last one goes on in the last phase: loops make it, for no use.
        later = (i for i, end in enumerate(self.ends[1:]) if self.last_epoch <= end)
        phase = next(later, len(self.ends) - 2)
        start, end = self.ends[phase : phase + 2]
        share = (self.last_epoch - start) / (end - start)
        if self.anneal_strategy == "cos":
            share = (1 - math.cos(math.pi * share)) / 2
        return values[phase] + (values[phase + 1] - values[phase]) * share

    def get_lr(self) -> list[float]:
        """The rate of each group; their momenta are set, too."""
        if self.last_epoch > self.total_steps:
            raise ValueError(f"OneCycleLR: step {self.last_epoch} of {self.total_steps}")
        if self.momenta:
            momentum = self._between(self.momenta)
            for group in self.optimizer.param_groups:
                if "betas" in group:
                    group["betas"] = (momentum, *group["betas"][1:])
                else:
                    group["momentum"] = momentum
        return [top * self._between(self.rates) for top in self.max_lrs]


class SequentialLR(LRScheduler):
    """Several schedulers one after the other: each begins anew when its milestone is reached.

    Raises:
        ValueError: not one milestone less than schedulers.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ):
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: {len(milestones)} milestones for {len(schedulers)} schedulers"
            )
        self.schedulers, self.milestones = list(schedulers), list(milestones)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """The rates of the scheduler whose turn it is."""
        turn = bisect_right(self.milestones, self.last_epoch)
        scheduler = self.schedulers[turn]
        scheduler.last_epoch = self.last_epoch - (self.milestones[turn - 1] if turn else 0)
        return scheduler.get_lr()


class CosineAnnealingLR(LRScheduler):
    """The rate down to `eta_min` in `T_max` steps, up again in as many, and so on, along a cosine
    (Loshchilov and Hutter 2017, without their restarts)."""

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ):
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def multiplier(self) -> float:
        """½·(1 + cos(π·t / T_max))"""
        return (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2


class LambdaLR(LRScheduler):
    """The rate times a function of the number of steps.

    Args:
        lr_lambda: the function, or a list with one for each group.

    Raises:
        ValueError: not as many functions as groups.
    """

    chains = False

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ):
        groups = len(_groups(self, optimizer))
        several = isinstance(lr_lambda, Sequence)
        self.lr_lambdas = list(lr_lambda) if several else [lr_lambda] * groups
        if len(self.lr_lambdas) != groups:
            raise ValueError(f"LambdaLR: {len(self.lr_lambdas)} functions for {groups} groups")
        super().__init__(optimizer, last_epoch)

    def multiplier(self) -> float | None:
        """f(t), if all groups have one function"""
        first, *others = self.lr_lambdas
        return None if any(f is not first for f in others) else first(self.last_epoch)

    def get_lr(self) -> list[float]:
        """lr·f(t)"""
        functions = self.lr_lambdas + self.lr_lambdas[:1] * len(self.base_lrs)
        pairs = zip(self.base_lrs, functions, strict=False)
        return [base * function(self.last_epoch) for base, function in pairs]


class ReduceLROnPlateau(LRScheduler):
    """The rate times `factor` whenever a figure has got no better for more than `patience` steps.

    Args:
        optimizer: whose groups get another `"lr"`.
        mode: `"min"` if less is better, `"max"` if more.
        factor: less than 1.
        patience: after how many steps without a better figure the next one lowers the rate.
        threshold: by how much a figure must be better than the best.
        threshold_mode: `"rel"`, by that share of the best, or `"abs"`.
        cooldown: how many steps after a change are not counted.
        min_lr: the least rate, or a list with one for each group.
        eps: smaller changes are not made.

    Raises:
        ValueError: an option is out of range, or there are not as many least rates as groups.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ):
        name, groups = type(self).__name__, len(_groups(self, optimizer))
        if factor >= 1:
            raise ValueError(f"{name}: factor must be less than 1, not {factor}")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(
                f"{name}: mode must be 'min' or 'max' and threshold_mode 'rel' or 'abs', not "
                f"{mode!r} and {threshold_mode!r}"
            )
        self.min_lrs = list(min_lr) if isinstance(min_lr, Sequence) else [min_lr] * groups
        if len(self.min_lrs) != groups:
            raise ValueError(f"{name}: {len(self.min_lrs)} least rates for {groups} groups")
        self.mode, self.factor, self.patience, self.eps = mode, factor, patience, eps
        self.threshold, self.threshold_mode, self.cooldown = threshold, threshold_mode, cooldown
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = 0
        super().__init__(optimizer)

    def get_lr(self) -> list[float]:
        """The present rates."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def step(self, metrics: Any, epoch: None = None) -> None:
        """Take note of the figure, a number or a tensor of one, after each epoch."""
        refuse(f"{type(self).__name__}.step", epoch=epoch)
        self.last_epoch += 1
        figure, up = float(metrics), self.mode == "max"
        margin = self.threshold if up else -self.threshold
        least = self.best * (1 + margin) if self.threshold_mode == "rel" else self.best + margin
        if figure > least if up else figure < least:
            self.best, self.num_bad_epochs = figure, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown_counter - 1, 0
        rates = self.get_lr()
        if self.num_bad_epochs > self.patience:
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
            least = self.min_lrs + [self.min_lrs[-1]] * (len(rates) - len(self.min_lrs))
            lowered = [max(r * self.factor, low) for r, low in zip(rates, least, strict=True)]
            rates = [b if a - b > self.eps else a for a, b in zip(rates, lowered, strict=True)]
        self._set(rates)


__getattr__ = missing_from(globals(), "optim.lr_scheduler")
