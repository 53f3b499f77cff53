"""Schedules against PyTorch's, and resumed."""

import numpy as np
import pytest

from minigen import nn, optim
from minigen.optim import lr_scheduler

CASES = [
    ("StepLR", (4, 0.5)),
    ("StepLR", (1,)),
    ("LinearLR", ()),
    ("LinearLR", (0.5, 0.1, 9)),
    ("CosineAnnealingLR", (7,)),
    ("CosineAnnealingLR", (10, 0.02)),
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
    with pytest.raises(ValueError, match="start_factor"):
        lr_scheduler.LinearLR(mine, 0.0)
    with pytest.raises(NotImplementedError, match="epoch=3"):
        ours.step(3)
