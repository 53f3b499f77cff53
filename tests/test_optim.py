"""Optimisers against their formulas and PyTorch's, their states, and what a step does to memory
and tape."""

import copy
import tempfile
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigen as mg
from minigen import backend, nn, optim
from minigen.kernels import limits

SHAPES = [(3, 4), (), (5,), (2, 3, 2, 2)]


def rates(*values):
    return st.sampled_from(values)


COMMON = {"lr": rates(0.01, 0.5), "weight_decay": rates(0, 0.1), "maximize": st.booleans()}
OPTIONS = {
    "SGD": st.fixed_dictionaries(
        {**COMMON, "momentum": rates(0, 0.9), "dampening": rates(0, 0.3), "nesterov": st.booleans()}
    ).filter(lambda o: not o["nesterov"] or (o["momentum"] and not o["dampening"])),
    "RMSprop": st.fixed_dictionaries(
        {
            **COMMON,
            "alpha": rates(0.5, 0.99),
            "eps": rates(1e-8, 0.1),
            "momentum": rates(0, 0.9),
            "centered": st.booleans(),
        }
    ),
    "Adam": st.fixed_dictionaries(
        {**COMMON, "betas": rates((0.9, 0.999), (0.5, 0.9), (0.0, 0.99)), "eps": rates(1e-8, 0.1)}
    ),
}
OPTIONS["AdamW"] = OPTIONS["Adamax"] = OPTIONS["RAdam"] = OPTIONS["Adam"]
OPTIONS["Adagrad"] = st.fixed_dictionaries(
    {
        **COMMON,
        "lr_decay": rates(0, 0.3),
        "initial_accumulator_value": rates(0, 0.2),
        "eps": rates(1e-10, 0.1),
    }
)
OPTIONS["Adadelta"] = st.fixed_dictionaries({**COMMON, "rho": rates(0.9, 0.5), "eps": rates(1e-6)})
CASES = st.sampled_from(sorted(OPTIONS)).flatmap(
    lambda name: st.tuples(st.just(name), OPTIONS[name], OPTIONS[name])
)


def parameters(rng, dtype=np.float64):
    return [nn.Parameter(rng.normal(size=shape).astype(dtype)) for shape in SHAPES]


def give_gradients(params, rng, scale=1.0):
    """Gradients in the parameter's memory order, and in another; the third is missing at times."""
    for i, p in enumerate(params):
        g = (scale * rng.normal(size=p.shape)).astype(p.dtype)
        if rng.random() < 0.5:
            g = np.asarray(g, order="F")
        p.grad = None if i == 2 and rng.random() < 0.3 else mg.Tensor(g)


def in_small_pieces(patch):
    """Three threads, and pieces of 7 numbers of parameters that are not updated as one."""
    patch.setattr(optim.optimizer, "BUFFER", 7)
    patch.setattr(limits, "now", limits.changed({"piece": 7, "alone": 0, "as_one": 1}))
    patch.setattr(backend, "threads", lambda: 3)


def whole(patch):
    """One piece, of everything: the way of a GPU."""
    patch.setattr(optim.optimizer, "namespace", lambda array: None)


def each_by_itself(patch):
    """No parameters are updated as one."""
    patch.setattr(limits, "now", limits.changed({"as_one": 1}))


@settings(max_examples=30, deadline=None)
@given(case=CASES, seed=st.integers(0, 1000), dtype=st.sampled_from([np.float16, np.float32]))
def test_threads_and_pieces_change_no_bit(case, seed, dtype):
    name, options, _ = case
    found = []
    for divide in (each_by_itself, lambda patch: None, in_small_pieces, whole):
        rng = np.random.default_rng(seed)
        params = parameters(rng, dtype)
        optimiser = getattr(optim, name)(params, **options)
        with pytest.MonkeyPatch.context() as patch:
            divide(patch)
            for _ in range(3):
                give_gradients(params, rng, scale=2.0**-12)  # whose squares are 0 in float16
                optimiser.step()
        found.append(np.concatenate([p.numpy().ravel() for p in params]))
    for others in found[1:]:
        np.testing.assert_array_equal(found[0], others)


def on_paper(name, t, p, g, s, *, lr, weight_decay, maximize, **o):
    """Step t of the formulas as their authors wrote them; `s` is what they remember."""
    g = -g if maximize else g
    if name == "AdamW":
        p = p - lr * weight_decay * p
    else:
        g = g + weight_decay * p
    if name == "SGD" and not o["momentum"]:
        return p - lr * g
    if name == "SGD":
        share = 1 if t == 1 else 1 - o["dampening"]
        s["b"] = o["momentum"] * s.get("b", 0) + share * g
        return p - lr * (g + o["momentum"] * s["b"] if o["nesterov"] else s["b"])
    if name == "Adagrad":
        s["v"] = s.get("v", o["initial_accumulator_value"]) + g**2
        return p - lr / (1 + (t - 1) * o["lr_decay"]) * g / (np.sqrt(s["v"]) + o["eps"])
    if name == "Adadelta":
        s["v"] = o["rho"] * s.get("v", 0) + (1 - o["rho"]) * g**2
        move = g * np.sqrt(s.get("u", 0) + o["eps"]) / np.sqrt(s["v"] + o["eps"])
        s["u"] = o["rho"] * s.get("u", 0) + (1 - o["rho"]) * move**2
        return p - lr * move
    if name == "RMSprop":
        s["v"] = o["alpha"] * s.get("v", 0) + (1 - o["alpha"]) * g**2
        s["m"] = o["alpha"] * s.get("m", 0) + (1 - o["alpha"]) * g
        move = g / (np.sqrt(s["v"] - s["m"] ** 2 if o["centered"] else s["v"]) + o["eps"])
        s["b"] = o["momentum"] * s.get("b", 0) + move
        return p - lr * s["b"]
    beta1, beta2 = o["betas"]
    s["m"] = beta1 * s.get("m", 0) + (1 - beta1) * g
    mean = s["m"] / (1 - beta1**t)
    if name == "Adamax":
        s["u"] = np.maximum(beta2 * s.get("u", 0), np.abs(g) + o["eps"])
        return p - lr * mean / s["u"]
    s["v"] = beta2 * s.get("v", 0) + (1 - beta2) * g**2
    square = s["v"] / (1 - beta2**t)
    if name == "RAdam":  # with eps beside the root of v, not of its correction, as in PyTorch
        most = 2 / (1 - beta2) - 1
        length = most - 2 * t * beta2**t / (1 - beta2**t)
        if length <= 5:
            return p - lr * mean
        mean *= np.sqrt((length - 4) / (most - 4) * (length - 2) / (most - 2) * most / length)
        return p - lr * mean * np.sqrt(1 - beta2**t) / (np.sqrt(s["v"]) + o["eps"])
    return p - lr * mean / (np.sqrt(square) + o["eps"])


@pytest.mark.parametrize("name", sorted(OPTIONS))
@settings(max_examples=10, deadline=None)
@given(data=st.data(), seed=st.integers(0, 1000))
def test_steps_are_those_on_paper(name, data, seed):
    options = data.draw(OPTIONS[name])
    rng = np.random.default_rng(seed)
    params = parameters(rng)
    optimiser = getattr(optim, name)(params, **options)
    expected, times, states = [p.numpy().copy() for p in params], [0] * 4, [{}, {}, {}, {}]
    for _ in range(7):  # RAdam divides by a root from the sixth on
        give_gradients(params, rng)
        for i, p in enumerate(params):
            if p.grad is not None:
                times[i] += 1
                known = expected[i], p.grad.numpy(), states[i]
                expected[i] = on_paper(name, times[i], *known, **options)
        optimiser.step()
    for p, value in zip(params, expected, strict=True):
        # Roundings of 2⁻⁵³; a variance of seven gradients and a 0 cancels some 100 of them.
        np.testing.assert_allclose(p.numpy(), value, rtol=1e-11, atol=1e-12)


@settings(max_examples=40, deadline=None)
@given(case=CASES, seed=st.integers(0, 1000), divide=st.sampled_from([in_small_pieces, whole]))
def test_steps_agree_with_pytorch(case, seed, divide):
    torch = pytest.importorskip("torch")
    name, options, others = case
    if name == "Adagrad":  # PyTorch overlooks what a group wants of it
        others = {**others, "initial_accumulator_value": options["initial_accumulator_value"]}
    rng = np.random.default_rng(seed)
    ours = parameters(rng)
    theirs = [torch.nn.Parameter(torch.tensor(p.array)) for p in ours]
    with pytest.MonkeyPatch.context() as patch:
        divide(patch)
        groups = ours[:2], ours[2:]
        mine = getattr(optim, name)(
            [{"params": groups[0]}, {"params": groups[1], **others}], **options
        )
        groups = theirs[:2], theirs[2:]
        other = getattr(torch.optim, name)(
            [{"params": groups[0]}, {"params": groups[1], **others}], **options
        )
        for _ in range(5):
            give_gradients(ours, rng)
            for p, q in zip(ours, theirs, strict=True):
                q.grad = None if p.grad is None else torch.tensor(p.grad.array.copy("C"))
            mine.step()
            other.step()
            for p, q in zip(ours, theirs, strict=True):
                np.testing.assert_allclose(p.array, q.detach().numpy(), rtol=1e-9, atol=1e-12)
    for i, entry in other.state_dict()["state"].items():
        for key, value in entry.items():
            if value is not None and str(i) in mine.state_dict()["state"]:  # else never updated
                np.testing.assert_allclose(
                    mine.state_dict()["state"][str(i)][key], value.numpy(), rtol=1e-9, atol=1e-15
                )


def test_centered_rmsprop_survives_a_constant_gradient():
    p = nn.Parameter(np.ones(1, np.float32))  # PyTorch's becomes NaN
    optimiser = optim.RMSprop([p], alpha=0.5, centered=True)
    for _ in range(500):
        p.grad = mg.tensor([0.3])
        optimiser.step()
    assert np.isfinite(p.item())


@pytest.mark.parametrize("dtype", [np.float16, np.float32])  # remembered in float32, both
@settings(max_examples=12, deadline=None)
@given(case=CASES, seed=st.integers(0, 1000))
def test_a_run_resumed_from_its_state_is_bit_for_bit_the_same(dtype, case, seed):
    name, options, others = case
    rng = np.random.default_rng(seed)
    params = parameters(rng, dtype)
    optimiser = getattr(optim, name)(params, **options)
    for _ in range(3):
        give_gradients(params, rng)
        optimiser.step()
    twins = copy.deepcopy(params)
    resumed = getattr(optim, name)(twins, **others)
    resumed.load_state_dict(optimiser.state_dict())
    assert str(resumed) == str(optimiser)
    for _ in range(3):
        give_gradients(params, rng)
        for p, q in zip(params, twins, strict=True):
            q.grad = p.grad
        optimiser.step()
        resumed.step()
    for p, q in zip(params, twins, strict=True):
        np.testing.assert_array_equal(p.array, q.array)


class Momentum(optim.Optimizer):
    """As it is written for PyTorch: with a `step` and a state of its own."""

    def __init__(self, params, lr=0.5):
        super().__init__(params, {"lr": lr})

    @mg.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state |= {"count": 0, "mean": mg.zeros_like(p), "note": None}
                state["count"] += 1
                state["mean"].mul_(0.9).add_(p.grad)
                p.sub_(state["mean"], alpha=group["lr"] / state["count"])


@given(st.integers(0, 3), st.integers(1, 3), st.booleans())
@settings(max_examples=10, deadline=None)
def test_an_optimiser_of_ones_own_keeps_what_it_likes_and_is_resumed(before, after, file):
    def steps(params, optimiser, first, count):
        for i in range(first, first + count):
            give_gradients(params, np.random.default_rng(i))
            for p in params:
                p.grad = mg.ones_like(p) if p.grad is None else p.grad
            optimiser.step()

    params = parameters(np.random.default_rng(0))
    optimiser = Momentum(params)
    steps(params, optimiser, 0, before)
    state = optimiser.state_dict()
    if file:
        with tempfile.TemporaryDirectory() as folder:
            mg.save(state, f"{folder}/state.npz")
            state = mg.load(f"{folder}/state.npz")
    twins = [nn.Parameter(p.numpy().copy()) for p in params]
    resumed = Momentum(twins, lr=7.0)
    resumed.load_state_dict(state)
    steps(params, optimiser, before, after)
    steps(twins, resumed, before, after)
    for p, q in zip(params, twins, strict=True):
        np.testing.assert_array_equal(p.array, q.array)
        assert resumed.state[q]["count"] == before + after
        assert isinstance(resumed.state[q]["mean"], mg.Tensor) and resumed.state[q]["note"] is None


def test_an_optimiser_without_a_step_says_so():
    (p, *_), kind = parameters(np.random.default_rng(0)), type("Empty", (optim.Optimizer,), {})
    p.grad = mg.ones_like(p)
    with pytest.raises(NotImplementedError, match="Empty defines neither step"):
        kind([p], {}).step()


def test_a_state_is_made_of_plain_values_with_str_keys():
    params = parameters(np.random.default_rng(0))
    optimiser = optim.Adam(params)
    give_gradients(params[:1], np.random.default_rng(0))
    optimiser.step()
    state = optimiser.state_dict()
    assert list(state["state"]) == ["0"] and type(state["state"]["0"]["exp_avg"]) is np.ndarray
    assert state["state"]["0"]["step"] == 1
    assert state["param_groups"] == [
        {"lr": 0.001, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0, "amsgrad": False,
         "maximize": False, "params": [0, 1, 2, 3]}
    ]  # fmt: skip


def test_a_state_of_another_model_is_refused_and_loads_nothing():
    def trained(kind, *shapes, **options):
        params = [nn.Parameter(np.ones(shape)) for shape in shapes]
        optimiser = kind(params, **options)
        for p in params:
            p.grad = mg.Tensor(np.ones(p.shape))
        optimiser.step()
        return optimiser

    adam = trained(optim.Adam, (2,), (3,))
    before = copy.deepcopy(adam.state_dict())
    broken = copy.deepcopy(before)
    broken["param_groups"][0]["lr"] = 7.0
    broken["state"]["0"]["exp_avg"] += 1
    del broken["state"]["1"]["exp_avg_sq"]
    broken["state"]["5"] = {}
    outside = copy.deepcopy(before)
    outside["param_groups"][0]["betas"] = [0.5, 1.0]
    endless = copy.deepcopy(before)
    endless["state"]["0"]["step"] = np.inf
    for state, parts in [
        (trained(optim.Adam, (2,)).state_dict(), [r"\[1\] parameters, those of this one \[2\]"]),
        (trained(optim.Adam, (3,), (2,)).state_dict(), [r"0 \(2,\) has 'exp_avg' of shape \(3,\)"]),
        (trained(optim.SGD, (2,), (3,)).state_dict(), ["no option 'betas'"]),
        (broken, [r"1 \(3,\) has no 'exp_avg_sq'", "parameter 5, which is in no group"]),
        (endless, [r"parameter 0 \(2,\) has done inf steps"]),
        (outside, [r"betas must be two numbers in \[0, 1\), not \(0.5, 1.0\)"]),
        ({"model": 1}, ["'model'"]),
    ]:
        for part in parts:
            with pytest.raises(ValueError, match=part):
                adam.load_state_dict(state)
    np.testing.assert_equal(adam.state_dict(), before)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, momentum=0.9, nesterov=True, weight_decay=0.1),
        lambda p: optim.RMSprop(p, momentum=0.9, centered=True, weight_decay=0.1),
        lambda p: optim.Adam(p, weight_decay=0.1, maximize=True),
        lambda p: optim.AdamW(p),
        lambda p: optim.Adagrad(p),
        lambda p: optim.Adadelta(p),
    ],
)
def test_a_warm_step_allocates_nothing_of_a_parameters_size(make, order, limits_set):
    limits_set(piece=1 << 14)
    p = nn.Parameter(np.ones((1400, 900), np.float32))
    p.grad = mg.Tensor(np.asarray(np.ones(p.shape, np.float32), order=order))
    optimiser = make([p])
    array = p.array
    optimiser.step()
    tracemalloc.start()
    try:
        optimiser.step()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert p.array is array and peak < p.array.nbytes / 4, peak


@pytest.mark.engine
def test_the_tape_notices_a_step():
    w = nn.Parameter(np.ones(3, np.float32))
    optimiser = optim.SGD([w], lr=0.1)
    loss = (w * w).sum()
    w.grad = mg.ones(3)
    optimiser.step()
    with pytest.raises(RuntimeError, match="mul: .* was changed in place"):
        loss.backward()


def test_parameters_are_checked():
    w = nn.Parameter(np.ones(3, np.float32))
    used_up = iter(())
    for params, error, part in [
        ([], ValueError, "no parameters"),
        (used_up, ValueError, "no parameters"),
        ([{"params": [w]}, {"params": w}], ValueError, "given twice, in two groups"),
        ([w * 2], ValueError, "no leaf: mul made it"),
        ([w.array], TypeError, "parameter 0 is a ndarray"),
        (w, TypeError, "not a Parameter"),
        (nn.Linear(1, 1), TypeError, "module.parameters"),
    ]:
        with pytest.raises(error, match=part):
            optim.Adam(params)
    for kind, wrong in [
        (optim.Adam, {"lr": -1}), (optim.Adam, {"betas": (0.9, 1.0)}),
        (optim.SGD, {"nesterov": True}), (optim.Adadelta, {"rho": 1.5}),
        (optim.Adagrad, {"lr_decay": -1}), (optim.RMSprop, {"eps": float("nan")}),
    ]:  # fmt: skip
        for params, options in ([w], wrong), ([{"params": w, **wrong}], {}):
            with pytest.raises(ValueError, match=f"{kind.__name__}: {next(iter(wrong))}"):
                kind(params, **options)
    with pytest.warns(UserWarning, match="becomes one of"):
        w.grad, w.data = mg.ones(3), np.ones(1, np.float32)
    with pytest.raises(ValueError, match=r"gradient float32 \(3,\) .* parameter float32 \(1,\)"):
        optim.Adam([w]).step()


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adagrad"])
def test_a_parameter_given_twice_is_updated_twice_as_in_pytorch(name):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    start, other = rng.normal(size=(400, 50)), rng.normal(size=7)
    found = []
    for module, tensor, kinds in ((nn, mg.Tensor, optim), (torch.nn, torch.tensor, torch.optim)):
        shared, own = (module.Parameter(tensor(a.copy())) for a in (start, other))
        with pytest.warns(UserWarning) as seen:
            optimiser = getattr(kinds, name)([shared, own, shared], lr=0.1, weight_decay=0.1)
        assert module is not nn or seen[0].filename == __file__
        for t in range(3):
            for p in (shared, own):
                p.grad = tensor(np.cos(t + p.detach().numpy()))
            optimiser.step()
        state = optimiser.state_dict()
        with pytest.warns(UserWarning):
            getattr(kinds, name)([shared, own, shared]).load_state_dict(state)
        found.append((shared.detach().numpy(), own.detach().numpy(), state))
    for mine, theirs in zip(found[0][:2], found[1][:2], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-10, atol=1e-12)
    groups = [state["param_groups"][0]["params"] for *_, state in found]
    assert groups[0] == groups[1] == [2, 1, 2]


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_a_closure_makes_the_gradients_and_its_loss_is_returned(name):
    w = nn.Parameter(np.ones(3))
    optimiser = getattr(optim, name)([w], lr=0.1)

    def closure():
        optimiser.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with mg.no_grad():
        assert optimiser.step(closure).item() == 3.0
    assert (w.numpy() < 1).all() and optimiser.step() is None


def test_zero_grad():
    params = parameters(np.random.default_rng(0))
    give_gradients(params, np.random.default_rng(0))
    params[1].grad = None
    optimiser = optim.SGD(params)
    optimiser.zero_grad(set_to_none=False)
    assert params[1].grad is None and (params[0].grad.array == 0).all()
    optimiser.zero_grad()
    assert all(p.grad is None for p in params)


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD(p, lr=0.05, momentum=0.9),
        lambda p: optim.RMSprop(p, lr=0.02),
        lambda p: optim.Adam(p, lr=0.05),
    ],
)
def test_a_network_learns_xor(make):
    mg.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
    optimiser = make(net.parameters())
    x = mg.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = mg.tensor([[0.0], [1.0], [1.0], [0.0]])
    for _ in range(500):
        loss = mg.mse_loss(net(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.01


def test_amsgrad_divides_by_the_largest_mean_square_so_far():
    moved = []
    for amsgrad in (False, True):
        w = mg.zeros(1, requires_grad=True)
        adam = optim.Adam([w], lr=1.0, betas=(0.0, 0.5), amsgrad=amsgrad)
        for gradient in (10.0, 1.0):
            before, w.grad = w.item(), mg.tensor([gradient])
            adam.step()
        moved.append(before - w.item())
    # After both, v is 1/2·(1/2·100) + 1/2·1 = 25.5, and was 50; each is divided by 1 − 1/4.
    np.testing.assert_allclose(moved, [(25.5 / 0.75) ** -0.5, (50 / 0.75) ** -0.5], rtol=1e-6)
