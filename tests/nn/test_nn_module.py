"""Module: what it finds in itself, saves, loads, freezes and moves."""

import copy
import re

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


def test_what_comes_late_is_found_last_but_where_a_place_was_kept():
    class Late(nn.Module):
        def __init__(self):
            super().__init__()
            self.late, self.kept = None, nn.Linear(1, 1, bias=False)
            self.register_parameter("place", None)
            self.last = nn.Parameter(mg.ones(1))

    net = Late()
    net.late = net.place = nn.Parameter(mg.ones(1))
    assert [n for n, _ in net.named_parameters(remove_duplicate=False)] == [
        "place", "last", "late", "kept.weight",
    ]  # fmt: skip
    layer = nn.Linear(1, 1, bias=False)  # which has a place for one, as in PyTorch
    layer.extra = layer.bias = net.last
    assert [n for n, _ in layer.named_parameters(remove_duplicate=False)] == [
        "weight", "bias", "extra",
    ]  # fmt: skip
    del layer.bias
    layer.bias = None
    layer.bias = net.last
    assert [n for n, _ in layer.named_parameters(remove_duplicate=False)] == [
        "weight", "extra", "bias",
    ]  # fmt: skip
    net.kept = None
    net.other = nn.Linear(1, 1)
    net.kept = nn.Linear(1, 1)
    assert [n for n, _ in net.named_children()] == ["kept", "other"]


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
    assert str(net.load_state_dict(before)) == "<All keys matched successfully>"
    assert str(left).startswith("IncompatibleKeys(missing_keys=['scale', 'factor'")


@pytest.mark.parametrize("given", ["net.pth", None, 3])
def test_what_is_no_state_is_named_by_all_that_load_one(given):
    net = nn.Linear(2, 1)
    optimiser = optim.SGD(net.parameters(), 0.1)
    for owner in (net, optimiser, optim.lr_scheduler.StepLR(optimiser, 1)):
        name = type(owner).__name__
        with pytest.raises(
            TypeError, match=rf"{name}.load_state_dict: .* got a {type(given).__name__}"
        ):
            owner.load_state_dict(given)


def test_what_programs_for_pytorch_ask_for_by_private_names_is_the_modules_own():
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    assert dict(net._modules) == dict(net.named_children())
    assert dict(net[0]._parameters) == dict(net[0].named_parameters())
    assert list(net[1]._buffers) == ["running_mean", "running_var", "num_batches_tracked"]
    # As a weight that is made of another one is hung in (Karras et al. 2018, spectral norm).
    layer, weight = net[0], net[0]._parameters["weight"]
    del layer._parameters["weight"]
    assert not hasattr(layer, "weight") and [*layer._parameters] == ["bias"]
    layer._parameters["weight_orig"], layer.weight = weight, weight * 2
    assert [n for n, _ in layer.named_parameters()] == ["bias", "weight_orig"]
    layer._buffers["scale"] = mg.ones(1)
    layer._parameters["bias"] = None
    assert [*layer.state_dict()] == ["weight_orig", "scale"]
    for name, module in net._modules.items():
        net._modules[name] = nn.Sequential(module)
    assert net[0][0] is layer and len(net._modules) == 2
    with pytest.raises(KeyError):
        del net._modules["2"]
    with pytest.raises(TypeError, match="'2' must be a Module"):
        net._modules["2"] = weight


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


def test_near_misses_are_answered():
    with pytest.raises(AttributeError, match="no nn.Conv3x"):
        nn.Conv3x  # noqa: B018
    for owner, name, right in [
        (nn, "LeakyRelu", "nn.LeakyReLU"),
        (nn.init, "xavier_uniform", "nn.init.xavier_uniform_"),
        (nn.utils, "clip_grad_norm", "nn.utils.clip_grad_norm_"),
        (optim, "Adamw", "optim.AdamW"),
        (optim.lr_scheduler, "StepLr", "optim.lr_scheduler.StepLR"),
        (Net(), "named_parameter", "'named_parameters'"),
        (Net(), "bodyy", "'body'"),
    ]:
        with pytest.raises(AttributeError, match=f"; did you mean {right}"):
            getattr(owner, name)
        assert not hasattr(owner, name)


def test_methods_of_pytorchs_module():
    net = Net()
    assert net.get_submodule("body.0") is net.body[0] and net.get_submodule("") is net
    assert net.get_parameter("body.0.weight") is net.body[0].weight
    assert net.get_buffer("count") is net.count
    for get, name in ((net.get_submodule, "scale"), (net.get_parameter, "body.0.wait")):
        with pytest.raises(AttributeError):
            get(name)
    net.add_module("extra", nn.Tanh())
    net.add_module("extra", nn.ReLU())  # a module may be replaced
    assert [type(m).__name__ for _, m in net.named_children()][-1] == "ReLU"
    with pytest.raises(KeyError, match="already has an attribute 'forward'"):
        net.add_module("forward", nn.ReLU())
    dtypes = [f().scale.dtype for f in (net.double, net.half, net.float)]
    assert dtypes == [np.float64, np.float16, np.float32]
    assert net.type(np.float64).scale.dtype == np.float64 and net.cpu() is net
    assert net.state_dict(prefix="net.", keep_vars=True)["net.scale"] is net.scale
    net(mg.randn(2, 3, dtype=np.float64)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert not any(p.grad.numpy().any() for p in net.parameters())


def test_data_of_another_shape_is_heard():
    net = nn.Linear(3, 2)
    with pytest.warns(UserWarning, match=r"parameter of \(2,\) becomes one of \(1,\)"):
        net.bias.data = mg.zeros(1)
    net.weight.data = net.weight.data * 2  # says nothing
    assert net.bias.shape == (1,)


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


def test_lists_and_dicts_of_modules_and_parameters_agree_with_pytorch():
    torch = pytest.importorskip("torch")

    def changed(nn, ones):
        holder = nn.Module()
        holder.list = nn.ModuleList([nn.Linear(1, 2), nn.Tanh()])
        holder.list.insert(1, nn.Linear(2, 3))
        holder.list.extend([nn.ReLU(), nn.Linear(1, 4)])
        del holder.list[0]
        holder.list[0] = nn.Linear(1, 5)
        holder.chain = nn.Sequential(nn.Linear(1, 1), nn.ReLU())
        holder.chain.insert(0, nn.Linear(1, 6))
        holder.named = nn.ModuleDict({"b": nn.Linear(1, 7), "a": nn.ReLU()})
        holder.named["c"], holder.named["b"] = nn.Linear(1, 8), nn.Linear(1, 9)
        assert holder.named.pop("a") is not None and "a" not in holder.named
        holder.vectors = nn.ParameterList([nn.Parameter(ones(2, 3)), ones(4)])
        holder.vectors.append(ones(5))
        holder.table = nn.ParameterDict({"y": ones(1), "x": nn.Parameter(ones(2))})
        holder.table["a"] = ones(3)
        assert len(holder.table) == 3 and list(holder.named) == ["b", "c"]
        assert [len(p) for p in holder.vectors] == [2, 4, 5] and len(holder.vectors[1:]) == 2
        assert all(isinstance(p, nn.Parameter) for p in holder.parameters())
        return holder

    ours, theirs = changed(nn, mg.ones), changed(torch.nn, torch.ones)
    names = [(n, tuple(p.shape)) for n, p in theirs.named_parameters()]
    assert [(n, p.shape) for n, p in ours.named_parameters()] == names
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert repr(ours) == re.sub(r"torch\.(float32|FloatTensor)", "float32", repr(theirs))
    with pytest.raises(KeyError, match="'keys'"):
        nn.ModuleDict({"keys": nn.ReLU()})
    with pytest.raises(TypeError, match="holds parameters; 0 is int"):
        nn.ParameterList([3])


@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
@pytest.mark.parametrize("graph", [False, True])
def test_backward_hooks_agree_with_pytorch(graph):
    torch = pytest.importorskip("torch")

    def run(nn, tensor, grad):
        class Two(nn.Module):
            def forward(self, a, number, b):
                return a * b * number, a + b

        seen, two = [], Two()
        values = [np.linspace(-1, 2, 6).reshape(2, 3), np.linspace(2, 1, 3)]
        a, b = (tensor(v).requires_grad_() for v in values)

        def note(name, grads):
            for g in grads:
                seen.append((name, None if g is None else g.detach().numpy().copy()))

        def before(module, grad_output):
            note("before", grad_output)
            return grad_output[0] * 2, grad_output[1]

        def after(module, grad_input, grad_output):
            note("inputs", grad_input), note("outputs", grad_output)
            return grad_input[0] * 3, None, grad_input[2]

        handles = [
            two.register_full_backward_pre_hook(before), two.register_full_backward_hook(after)
        ]  # fmt: skip
        y, z = two(a * 1, 5.0, b)
        loss = (y * y + z + a).sum()
        found = list(grad(loss, [a, b], create_graph=graph))
        if graph:
            found += grad((found[0] * found[0]).sum() + found[1].sum(), [a, b])
        net = nn.Linear(3, 1).double() if hasattr(nn.Linear, "double") else nn.Linear(3, 1)
        net.register_full_backward_hook(lambda m, i, o: note("linear", (*i, *o)))
        net(tensor(values[0])).sum().backward()  # no gradient goes to its input
        for handle in handles:
            handle.remove()
        two(a, 5.0, b)[0].sum().backward()
        return seen, [g.detach().numpy() for g in (*found, a.grad)]

    ours = run(nn, mg.Tensor, mg.grad)
    theirs = run(torch.nn, torch.tensor, torch.autograd.grad)
    assert [name for name, _ in ours[0]] == [name for name, _ in theirs[0]]
    pairs = zip(ours[0], theirs[0], strict=True)
    for mine, other in [(a[1], b[1]) for a, b in pairs] + [*zip(ours[1], theirs[1], strict=True)]:
        assert (mine is None) == (other is None)
        if mine is not None:
            np.testing.assert_allclose(mine, other, rtol=1e-13)


def test_backward_hooks_change_no_bit_and_refuse_what_they_cannot_see():
    x = mg.randn(2, 3, 8, 8, requires_grad=True)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3))
    plain = mg.grad((net(x) ** 2).sum(), [x, *net.parameters()])
    for module in net.modules():
        module.register_full_backward_hook(lambda module, inputs, outputs: None)
    for g, h in zip(plain, mg.grad((net(x) ** 2).sum(), [x, *net.parameters()]), strict=True):
        np.testing.assert_array_equal(g.numpy(), h.numpy())
    with mg.no_grad():
        assert not net(x).requires_grad
    tanh = nn.Tanh()
    tanh.register_full_backward_hook(lambda module, inputs, outputs: (*inputs, *inputs))
    with pytest.raises(ValueError, match="hook of Tanh must return 1 gradients or None, not 2"):
        tanh(x).sum().backward()

    class Dict(nn.Module):
        def forward(self, x):
            return {"y": x}

    module = Dict()
    module.register_full_backward_hook(lambda *_: None)
    with pytest.raises(TypeError, match="Dict has a backward hook.* not a dict"):
        module(x)


def test_layers_of_nothing_can_be_made_and_give_their_bias():
    assert nn.Linear(3, 0)(mg.ones(2, 3)).shape == (2, 0)
    linear, convolution = nn.Linear(0, 3), nn.Conv2d(0, 3, 2)
    y, z = linear(mg.ones(2, 0)), convolution(mg.ones(2, 0, 4, 4))
    np.testing.assert_array_equal(y.numpy(), np.tile(linear.bias.numpy(), (2, 1)))
    bias = convolution.bias.numpy()[:, None, None]
    np.testing.assert_array_equal(z.numpy(), np.broadcast_to(bias, (2, 3, 3, 3)))


def test_what_a_backward_hook_returns_is_taken():
    layer, x = nn.Linear(2, 1, bias=False), mg.ones(1, 2, requires_grad=True)
    layer.register_full_backward_hook(lambda module, given, got: (given[0] * 2,))
    layer.register_full_backward_pre_hook(lambda module, got: (got[0] * 3,))
    layer(x).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), 6 * layer.weight.detach().numpy())
    np.testing.assert_array_equal(layer.weight.grad.numpy(), [[3, 3]])
