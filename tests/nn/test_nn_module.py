"""Module: what it finds in itself, saves, loads, freezes and moves."""

import copy

import numpy as np
import pytest

import minigen as mg
from minigen import nn, optim


class Net(nn.Module):
    """Nested modules, a shared module and parameter, and buffers of both kinds."""

    def __init__(self):
        super().__init__()
        self.scale = self.factor = nn.Parameter(np.ones(3, np.float32))
        self.body = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 3))
        self.again = self.body[0]
        self.register_buffer("count", mg.tensor(7))
        self.register_buffer("cache", mg.zeros(2), persistent=False)
        self.register_parameter("nothing", None)

    def forward(self, x):
        return self.body(x) * self.scale


def test_everything_is_found_once_and_saved_under_each_name():
    net = Net()
    names = ["scale", "body.0.weight", "body.0.bias", "body.2.weight", "body.2.bias"]
    assert [name for name, _ in net.named_parameters()] == names
    assert [name for name, _ in net.named_parameters("net", recurse=False)] == ["net.scale"]
    assert len(list(net.parameters())) == 5
    assert [name for name, _ in net.named_buffers()] == ["count", "cache"]
    assert [name for name, _ in net.named_modules()] == ["", "body", "body.0", "body.1", "body.2"]
    assert list(net.children()) == [net.body, net.again]
    saved = net.state_dict()
    assert list(saved) == ["scale", "factor", "count", *names[1:], "again.weight", "again.bias"]
    assert all(type(t) is mg.Tensor and not t.requires_grad for t in saved.values())
    assert np.shares_memory(saved["body.0.weight"].array, net.again.weight.array)


def test_a_state_moves_to_another_network_in_place():
    one, other = Net(), Net()
    arrays = {name: t.array for name, t in other.state_dict().items()}
    assert other.load_state_dict({n: t.numpy().copy() for n, t in one.state_dict().items()}) == (
        [],
        [],
    )
    x = mg.randn(5, 3)
    np.testing.assert_array_equal(one(x).array, other(x).array)
    assert all(t.array is arrays[name] for name, t in other.state_dict().items())


def test_a_state_that_does_not_fit_is_reported_whole_and_loads_nothing():
    net, before = Net(), copy.deepcopy(Net().state_dict())
    net.load_state_dict(before)
    state = {name: t.numpy() + 1 for name, t in before.items()}
    state["body.2.weight"] = np.zeros((3, 5), np.float32)
    state["extra"] = state.pop("scale")
    del state["factor"]
    with pytest.raises(ValueError) as caught:
        net.load_state_dict(state)
    for part in (
        "missing: scale (3,)",
        "unexpected: extra",
        "body.2.weight: wanted (3, 4), given (3, 5)",
    ):
        assert part in str(caught.value)
    for name, t in net.state_dict().items():
        np.testing.assert_array_equal(t.array, before[name].array)
    del state["body.2.weight"]
    left = net.load_state_dict(state, strict=False)
    assert left == (["scale", "factor", "body.2.weight"], ["extra"])
    np.testing.assert_array_equal(net.body[2].bias.array, before["body.2.bias"].array + 1)


def test_evaluation_does_not_switch_gradients_off_and_freezing_does():
    net = Net().eval()
    assert not any(m.training for m in net.modules()) and net(mg.randn(2, 3)).requires_grad
    net.train().body.requires_grad_(False)
    assert all(m.training for m in net.modules())
    net(mg.randn(2, 3)).sum().backward()
    assert net.scale.grad is not None and net.body[0].weight.grad is None
    net.zero_grad()
    assert net.scale.grad is None


def test_a_deep_copy_is_independent_and_keeps_what_is_shared():
    net = Net()
    twin = copy.deepcopy(net)
    assert twin.again is twin.body[0] and isinstance(twin.scale, nn.Parameter)
    with mg.no_grad():
        for p in twin.parameters():
            p.add_(1)
    for p, q in zip(net.parameters(), twin.parameters(), strict=True):
        np.testing.assert_array_equal(p.array + 1, q.array)
    twin(mg.randn(2, 3)).sum().backward()
    assert net.scale.grad is None and twin.scale.requires_grad


def test_conversion_keeps_parameter_objects_counters_and_optimisers():
    net = Net()
    optimiser = optim.Adam(net.parameters())
    net(mg.randn(2, 3)).sum().backward()
    optimiser.step()
    before = list(net.parameters())
    assert net.to(np.float64) is net
    assert all(p is q for p, q in zip(before, net.parameters(), strict=True))
    assert {p.dtype for p in before} == {p.grad.dtype for p in before} == {np.dtype("float64")}
    assert net.cache.dtype == np.float64 and net.count.dtype == np.int64
    net(mg.randn(2, 3, dtype=np.float64)).sum().backward()
    values = net.scale.array.copy()
    optimiser.step()
    assert (net.scale.array != values).all()
    assert optimiser.state[net.scale]["exp_avg"].dtype == np.float64
    with pytest.raises(TypeError, match="int64"):
        net.to(np.int64)


def test_attributes_are_checked():
    net = Net()
    with pytest.raises(AttributeError, match="Net has no attribute 'haed'"):
        net.haed  # noqa: B018
    with pytest.raises(TypeError, match="scale is a Parameter, so it cannot become a Tensor"):
        net.scale = net.scale * 2
    with pytest.raises(TypeError, match="count is a Tensor"):
        net.count = 3
    with pytest.raises(KeyError, match="already"):
        net.register_buffer("forward", mg.zeros(1))
    with pytest.raises(KeyError, match="dot"):
        net.register_buffer("a.b", mg.zeros(1))
    del net.count
    net.count = mg.zeros(1)  # a plain attribute now
    assert "count" not in net.state_dict()

    class Forgetful(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"super\(\).__init__\(\)"):
        Forgetful()


def test_apply_visits_children_first():
    seen = []
    relu = nn.ReLU()
    net = nn.Sequential(relu, nn.Sequential(nn.Tanh()), relu)
    net.apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["ReLU", "Tanh", "Sequential", "Sequential"]


def test_containers():
    double = nn.Linear(2, 2)
    chain = nn.Sequential(double, nn.ReLU(), double)
    assert len(chain) == 3 and list(chain) == [double, chain[1], double] and chain[-1] is double
    x = mg.randn(1, 2)
    np.testing.assert_array_equal(chain(x).array, double(double(x).relu()).array)
    tail = chain[1:]
    assert isinstance(tail, nn.Sequential) and list(tail.state_dict()) == ["2.weight", "2.bias"]
    assert nn.Sequential({"a": double})[0] is double and len(list(chain.parameters())) == 2
    layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(2)).append(double)
    assert len(layers) == 3 and layers[1:][1] is double and len(list(layers.parameters())) == 6
    with pytest.raises(IndexError, match="holds 3 modules"):
        layers[3]
    with pytest.raises(TypeError, match="0 is ReLU, a class: call it"):
        nn.Sequential(nn.ReLU)


def test_layers_of_nothing_can_be_made_and_give_their_bias():
    assert nn.Linear(3, 0)(mg.ones(2, 3)).shape == (2, 0)
    linear, convolution = nn.Linear(0, 3), nn.Conv2d(0, 3, 2)
    y, z = linear(mg.ones(2, 0)), convolution(mg.ones(2, 0, 4, 4))
    np.testing.assert_array_equal(y.numpy(), np.tile(linear.bias.numpy(), (2, 1)))
    bias = convolution.bias.numpy()[:, None, None]
    np.testing.assert_array_equal(z.numpy(), np.broadcast_to(bias, (2, 3, 3, 3)))
