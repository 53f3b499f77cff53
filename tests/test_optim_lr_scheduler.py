"""Schedules against their formulas and PyTorch's, and resumed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen import nn, optim
from minigen.optim import lr_scheduler

CASES = [
    ("StepLR", (4, 0.5)),
    ("StepLR", (1,)),
    ("LinearLR", ()),
    ("LinearLR", (0.5, 0.1, 9)),
    ("CosineAnnealingLR", (7,)),
    ("CosineAnnealingLR", (10, 0.02)),
    ("MultiStepLR", ([9, 3, 3, 12], 0.5)),
    ("ExponentialLR", (0.9,)),
    ("LambdaLR", (lambda t: 1 / (1 + t),)),
    ("LambdaLR", ([lambda t: 0.9**t, lambda t: min(t, 3)],)),
]


def optimiser(rates=(0.5, 0.05)):
    params = [nn.Parameter(np.ones(1)) for _ in rates]
    return optim.SGD([{"params": [p], "lr": lr} for p, lr in zip(params, rates, strict=True)])


@pytest.mark.parametrize(("name", "args"), CASES)
def test_rates_agree_with_pytorch_and_a_resumed_schedule_goes_on(name, args):
    torch = pytest.importorskip("torch")
    groups = [{"params": [torch.nn.Parameter(torch.ones(1))], "lr": lr} for lr in (0.5, 0.05)]
    other = torch.optim.SGD(groups)
    theirs = getattr(torch.optim.lr_scheduler, name)(other, *args)
    mine = optimiser()
    ours = getattr(lr_scheduler, name)(mine, *args)
    for t in range(40):
        np.testing.assert_allclose(ours.get_last_lr(), theirs.get_last_lr(), rtol=1e-9, atol=1e-12)
        assert [g["lr"] for g in mine.param_groups] == ours.get_last_lr()
        other.step(), theirs.step()
        mine.step(), ours.step()
        if t in (
            3,
            20,
        ):  # resume; the scheduler may be made before the optimiser is loaded, or after
            saved, state, last = mine.state_dict(), ours.state_dict(), ours.get_last_lr()
            mine = optimiser((1.0, 1.0))
            if t == 3:
                mine.load_state_dict(saved)
            ours = getattr(lr_scheduler, name)(mine, *args)
            if t == 20:
                mine.load_state_dict(saved)
            ours.load_state_dict(state)
            assert ours.get_last_lr() == last == [g["lr"] for g in mine.param_groups]


def test_last_epoch_goes_on_too_and_misfits_are_refused():
    mine = optimiser()
    ours = lr_scheduler.StepLR(mine, 2)
    ours.step()
    rates = lr_scheduler.StepLR(mine, 2, last_epoch=1).get_last_lr()
    assert rates == pytest.approx([0.05, 0.005])
    assert lr_scheduler.StepLR(mine, 2).base_lrs == [0.5, 0.05]  # not those of the moment
    with pytest.raises(KeyError, match="initial_lr"):
        lr_scheduler.StepLR(optimiser(), 2, last_epoch=1)
    for state in (lr_scheduler.LinearLR(mine).state_dict(), {}):
        with pytest.raises(ValueError, match="does not fit StepLR"):
            ours.load_state_dict(state)
    with pytest.raises(ValueError, match="of 1 groups"):
        lr_scheduler.StepLR(optimiser((1.0,)), 2).load_state_dict(ours.state_dict())
    with pytest.raises(ValueError, match="1 functions for 2 groups"):
        lr_scheduler.LambdaLR(mine, [abs])
    with pytest.raises(ValueError, match="1 least rates for 2 groups"):
        lr_scheduler.ReduceLROnPlateau(mine, min_lr=[0.1])
    for options in ({"factor": 1.0}, {"mode": "least"}, {"threshold_mode": "share"}):
        with pytest.raises(ValueError, match=next(iter(options))):
            lr_scheduler.ReduceLROnPlateau(mine, **options)
    net = nn.Linear(2, 1)
    for make in (lambda: lr_scheduler.StepLR(net, 2), lambda: lr_scheduler.OneCycleLR(net, 1.0, 3)):
        with pytest.raises(TypeError, match="LR: expected an optimizer, got a Linear"):
            make()
    with pytest.raises(ValueError, match="start_factor"):
        lr_scheduler.LinearLR(mine, 0.0)
    with pytest.raises(NotImplementedError, match="epoch=3"):
        ours.step(3)


@pytest.mark.parametrize(("name", "args"), [c for c in CASES if c[0] != "LambdaLR"])
def test_a_group_added_later_goes_on_as_in_pytorch(name, args):
    torch = pytest.importorskip("torch")

    def rates(params, sgd, schedulers):
        optimiser = sgd([params(3)], lr=0.5)
        scheduler, found = getattr(schedulers, name)(optimiser, *args), []
        for t in range(7):
            if t == 4:  # PyTorch's cosine fails where T_max steps are done
                optimiser.add_param_group({"params": [params(2)], "lr": 0.3})
            optimiser.step(), scheduler.step()
            found.append([group["lr"] for group in optimiser.param_groups])
            assert scheduler.get_last_lr() == found[-1]
        return found

    ours = rates(lambda n: nn.Parameter(np.ones(n)), optim.SGD, lr_scheduler)
    theirs = rates(
        lambda n: torch.nn.Parameter(torch.ones(n)), torch.optim.SGD, torch.optim.lr_scheduler
    )
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-12)


def test_a_group_added_later_takes_a_common_function_or_keeps_its_rate():
    for functions, expected in [(lambda t: 0.5**t, 0.15), ([lambda t: 1.0, lambda t: t], 0.3)]:
        mine = optimiser()
        schedule = lr_scheduler.LambdaLR(mine, functions)
        schedule.step()
        mine.add_param_group({"params": [nn.Parameter(np.ones(1))], "lr": 0.3})
        schedule.step()
        assert schedule.get_last_lr()[2] == mine.param_groups[2]["lr"] == pytest.approx(expected)
        again = optimiser()
        resumed = lr_scheduler.LambdaLR(again, functions)
        again.add_param_group({"params": [nn.Parameter(np.ones(1))]})
        again.load_state_dict(mine.state_dict())
        resumed.load_state_dict(schedule.state_dict())
        schedule.step(), resumed.step()
        assert resumed.get_last_lr() == schedule.get_last_lr()


@settings(max_examples=40, deadline=None)
@given(
    figures=st.lists(st.floats(-2, 2).map(lambda x: round(x, 1)), min_size=20, max_size=40),
    options=st.fixed_dictionaries(
        {
            "mode": st.sampled_from(["min", "max"]),
            "threshold_mode": st.sampled_from(["rel", "abs"]),
            "threshold": st.sampled_from([1e-4, 0.25]),
            "factor": st.sampled_from([0.5, 0.1]),
            "patience": st.integers(0, 3),
            "cooldown": st.integers(0, 2),
            "min_lr": st.sampled_from([0, 0.01, [0.2, 0.001]]),
            "eps": st.sampled_from([1e-8, 0.004]),
        }
    ),
)
def test_plateaus_agree_with_pytorch_and_a_resumed_schedule_goes_on(figures, options):
    torch = pytest.importorskip("torch")
    groups = [{"params": [torch.nn.Parameter(torch.ones(1))], "lr": lr} for lr in (0.5, 0.05)]
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(torch.optim.SGD(groups), **options)
    ours = lr_scheduler.ReduceLROnPlateau(optimiser(), **options)
    for t, figure in enumerate(figures):
        ours.step(figure), theirs.step(figure)
        np.testing.assert_allclose(ours.get_last_lr(), theirs.get_last_lr(), rtol=1e-12)
        if t == 9:
            state = ours.state_dict()
            ours = lr_scheduler.ReduceLROnPlateau(optimiser((1.0, 1.0)), **options)
            ours.load_state_dict(state)


def cosine(share):
    """From 1 down to 0, as a share of the way goes from 0 to 1."""
    return (1 + np.cos(np.pi * share)) / 2


L = lr_scheduler
FORMULAS = {  # what the first rate is multiplied by after t steps
    "StepLR": (lambda o: L.StepLR(o, 3, 0.5), lambda t: 0.5 ** (t // 3)),
    "MultiStepLR": (
        lambda o: L.MultiStepLR(o, [9, 3, 3], 0.5),
        lambda t: 1 if t < 3 else 0.25 if t < 9 else 0.125,
    ),
    "ExponentialLR": (lambda o: L.ExponentialLR(o, 0.9), lambda t: 0.9**t),
    "LinearLR": (lambda o: L.LinearLR(o, 0.2, 0.8, 6), lambda t: np.interp(t, [0, 6], [0.2, 0.8])),
    "ConstantLR": (lambda o: L.ConstantLR(o, 0.3, 5), lambda t: 0.3 if t < 5 else 1),
    "PolynomialLR": (lambda o: L.PolynomialLR(o, 8, 2.0), lambda t: max(1 - t / 8, 0) ** 2),
    "CosineAnnealingLR": (
        lambda o: L.CosineAnnealingLR(o, 7, 0.1), lambda t: 0.2 + 0.8 * cosine(t / 7),
    ),
    "restarts": (
        lambda o: L.CosineAnnealingWarmRestarts(o, 2, 2),
        lambda t: cosine(t / 2 if t < 2 else (t - 2) / 4 if t < 6 else (t - 6) / 8),
    ),
    "LambdaLR": (lambda o: L.LambdaLR(o, lambda t: 1 / (1 + t)), lambda t: 1 / (1 + t)),
    "SequentialLR": (
        lambda o: L.SequentialLR(
            o, [L.LinearLR(o, 0.1, 1, 5), L.CosineAnnealingLR(o, 9), L.ExponentialLR(o, 0.9)],
            [4, 10],
        ),
        lambda t: 0.1 + 0.18 * t if t < 4 else cosine((t - 4) / 9) if t < 10 else 0.9 ** (t - 10),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
def test_rates_on_paper(name):
    make, formula = FORMULAS[name]
    mine = optimiser((0.5,))
    schedule = make(mine)
    for t in range(14):
        assert mine.param_groups[0]["lr"] == pytest.approx(0.5 * formula(t), abs=1e-15)
        mine.step(), schedule.step()


@pytest.mark.parametrize("three", [False, True])
def test_a_cycle_on_paper(three):
    """Of 15 steps the first 0.3, 4.5 of them counted from 1, go up."""
    ends = [0, 3.5, 7, 14] if three else [0, 3.5, 14]
    rates = [0.5, 1, 0.5, 0.125] if three else [0.5, 1, 0.125]
    momenta = [0.95, 0.85, 0.95, 0.95] if three else [0.95, 0.85, 0.95]
    adam = optim.Adam([nn.Parameter(np.ones(1))], betas=(0.5, 0.75))
    strategy = "linear" if three else "cos"
    schedule = lr_scheduler.OneCycleLR(
        adam, 1.0, 15, anneal_strategy=strategy, div_factor=2, final_div_factor=4, three_phase=three
    )
    for t in range(15):
        phase = max(i for i, end in enumerate(ends) if end < t or i == 0)
        share = (t - ends[phase]) / (ends[phase + 1] - ends[phase])
        left = 1 - share if three else cosine(share)
        rate, momentum = (left * y[phase] + (1 - left) * y[phase + 1] for y in (rates, momenta))
        group = adam.param_groups[0]
        assert group["lr"] == pytest.approx(rate, rel=1e-12)
        assert group["betas"] == (pytest.approx(momentum, rel=1e-12), 0.75)
        adam.step(), schedule.step()


def test_plateaus_on_paper():
    flat = [1.0] * 7
    for options, figures, expected in (
        # The third figure is the second that is no better; two more steps are not counted.
        ({"cooldown": 2}, flat, [1, 1, 0.5, 0.5, 0.5, 0.5, 0.25]),
        ({"min_lr": 0.3}, flat, [1, 1, 0.5, 0.5, 0.3, 0.3, 0.3]),
        ({"eps": 0.3}, flat, [1, 1, 0.5, 0.5, 0.5, 0.5, 0.5]),  # 0.25 would be less
        ({"threshold": 0.2}, [4.0, 3.5, 3.1, 2.9, 2.9], [1, 1, 1, 1, 0.5]),
        (
            {"threshold": 0.4, "threshold_mode": "abs", "mode": "max"},
            [1.0, 1.3, 1.5, 1.8, 1.8], [1, 1, 1, 1, 0.5],
        ),
    ):  # fmt: skip
        mine = optimiser((1.0,))
        schedule = lr_scheduler.ReduceLROnPlateau(mine, factor=0.5, patience=1, **options)
        found = []
        for figure in figures:
            schedule.step(figure)
            found += schedule.get_last_lr()
        assert found == expected, options


def test_two_schedulers_and_a_hand_multiply():
    optimizer = optim.SGD([nn.Parameter(np.zeros(1, "f"))], lr=0.1)
    group = optimizer.param_groups[0]
    constant = lr_scheduler.ConstantLR(optimizer, factor=0.1, total_iters=3)
    cosine = lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    for t in range(8):
        share = (0.1 if t < 3 else 1.0) * (1 + np.cos(np.pi * t / 10)) / 2
        assert group["lr"] == pytest.approx(0.1 * share * (0.5 if t > 5 else 1.0))
        if t == 5:
            group["lr"] /= 2
        constant.step()
        cosine.step()


def test_some_schedulers_set_their_rates_whatever_they_find():
    for make in (
        lambda o: lr_scheduler.LambdaLR(o, lambda t: 1 / (1 + t)),
        lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 4),
    ):
        rates = []
        for spoilt in (False, True):
            optimizer = optim.SGD([nn.Parameter(np.zeros(1, "f"))], lr=0.1)
            scheduler = make(optimizer)
            optimizer.param_groups[0]["lr"] *= 3 if spoilt else 1
            scheduler.step()
            rates.append(scheduler.get_last_lr())
        assert rates[0] == rates[1]


def test_what_cannot_be_scheduled_is_refused():
    mine, of = optimiser(), lr_scheduler
    with pytest.raises(ValueError, match="OneCycleLR: give total_steps"):
        of.OneCycleLR(mine, 0.1)
    with pytest.raises(ValueError, match="SequentialLR: 2 milestones for 1"):
        of.SequentialLR(mine, [of.ConstantLR(mine)], [1, 2])
    short = of.OneCycleLR(mine, 0.1, total_steps=2, cycle_momentum=False)
    short.step()
    short.step()  # as a loop does after its last step
    with pytest.raises(ValueError, match="OneCycleLR: step 3 of 2"):
        short.step()
