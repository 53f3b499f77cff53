"""Optimisers over 50 steps and schedules over 100 beside PyTorch's, two groups each."""

import warnings

import numpy as np
import pytest

import minigen

torch = pytest.importorskip("torch")

OPTIMISERS = {
    "SGD": [{"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
            {"lr": 0.01, "momentum": 0.9, "dampening": 0.3, "maximize": True}],
    "Adam": [{"weight_decay": 0.1}, {"amsgrad": True, "weight_decay": 0.1}, {"maximize": True}],
    "AdamW": [{}, {"amsgrad": True, "maximize": True}],
    "Adamax": [{}, {"weight_decay": 0.1, "maximize": True}],
    "RAdam": [{}, {"weight_decay": 0.1, "betas": (0.9, 0.9)},
              {"weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}],
    "Adagrad": [{"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5}],
    "Adadelta": [{"rho": 0.5, "weight_decay": 0.1, "maximize": True}],
    "RMSprop": [{"momentum": 0.5, "centered": True, "weight_decay": 0.1, "maximize": True}],
}  # fmt: skip
SCHEDULES = {
    "StepLR": lambda s, o: s.StepLR(o, 7, 0.5),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [3, 10, 10, 40], 0.5),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.97),
    "LinearLR": lambda s, o: s.LinearLR(o, 0.1, 0.8, 20),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 13, 1e-4),
    "LambdaLR": lambda s, o: s.LambdaLR(o, lambda t: 1 / (1 + t)),
    "ConstantLR": lambda s, o: s.ConstantLR(o, 0.3, 5),
    "PolynomialLR": lambda s, o: s.PolynomialLR(o, 30, 2.0),
    "restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 5, 2, 1e-4),
    "equal restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 7),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, 0.1, total_steps=100),
    "three phases": lambda s, o: s.OneCycleLR(
        o, [0.1, 0.2], epochs=10, steps_per_epoch=11, three_phase=True, anneal_strategy="linear"
    ),
    "SequentialLR": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, 1.0, 5), s.CosineAnnealingLR(o, 40), s.ExponentialLR(o, 0.9)],
        [5, 45],
    ),
}  # fmt: skip


def course(library, name, options, steps, schedule=None):
    """Parameters, rates and momenta after each step."""
    rng, tensor = np.random.default_rng(0), library.tensor
    params = [tensor(rng.standard_normal(s)).requires_grad_() for s in ((3, 4), (5,))]
    groups = [{"params": params[:1]}, {"params": params[1:], "lr": 0.03}]
    optimiser = getattr(library.optim, name)(groups, **options)
    scheduler = schedule and schedule(library.optim.lr_scheduler, optimiser)
    for _ in range(steps):
        optimiser.zero_grad()
        slopes = [tensor(rng.standard_normal(tuple(p.shape))) for p in params]
        parts = ((p * g).sum() + (p * p).sum() * 0.1 for p, g in zip(params, slopes, strict=True))
        sum(parts).backward()
        optimiser.step()
        if scheduler:
            scheduler.step()
        rates = [[g["lr"], (*g.get("betas", ()), g.get("momentum", 0))[0]]
                 for g in optimiser.param_groups]  # fmt: skip
        yield np.concatenate([*(p.detach().numpy().ravel() for p in params), *rates])


def require_alike(*args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, of what it will change
        theirs = list(course(torch, *args))
    ours = list(course(minigen, *args))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    assert np.ptp(ours, axis=0)[:-4].min() > 0


@pytest.mark.parametrize("name, options", [(n, o) for n, all_ in OPTIMISERS.items() for o in all_])
def test_optimisers_are_pytorchs(name, options):
    require_alike(name, options, 50)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("optimiser", ["SGD", "Adam"])
def test_schedules_are_pytorchs(name, optimiser):
    options = {"lr": 0.1} | ({"momentum": 0.9} if optimiser == "SGD" else {})
    require_alike(optimiser, options, 100, SCHEDULES[name])
