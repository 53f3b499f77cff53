"""A network becomes a list of operations, or it is said why not."""

import numpy as np
import pytest

import minigen
from minigen import Tensor, nn
from minigen import functional as F
from minigen.export.file import Part, as_onnx
from minigen.export.recording import ExportError, Input
from minigen.export.trace import Constant, Many, trace
from minigen.models.stylegan_networks import deviations

X = [Input("x", (3, 4, 4), "")]


def turns(x):
    """What it computes depends on how many there are."""
    return x + 1 if len(x) > 4 else x * 2


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda x: x * float(x.sum()), "a number in it is not the same for other inputs"),
        (lambda x: x + Tensor(x.numpy() * 2), "numbers of shape .* are others for other inputs"),
        (lambda x: x + F.randn(*x.shape), "drawn inside, or read off an array"),
        (lambda x: x + F.randn(4), "drawn inside, or read off an array"),
        (lambda x: x[:, len(x) % 3], "its key is"),
        (lambda x: F.cat([x, F.zeros(1, 3, 4, 4)]).sum(1), "is 5 for a batch of 4 and 7 for 6"),
        (turns, "computes other things for other inputs or another batch size"),
        (lambda x: deviations(x, 4), "for a batch of 4 and"),
        (lambda x: x.sum() / len(x), "div: a number in it grows with the batch"),
        (nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU(inplace=True)), "the output: .* in place"),
        (lambda x: F.exp((x + 1).add_(1)), "exp: a tensor .* was changed in place"),
    ],
)  # fmt: skip
def test_what_is_no_list_of_operations_is_refused(function, why):
    with pytest.raises(ExportError, match=why):
        network = trace(function, X, {})
        for step in network.steps:
            for name in step.operation.options:
                step.option(name)


def test_lengths_that_grow_with_the_batch_are_said_to():
    network = trace(lambda x: x.reshape(len(x) * 3, 16) + F.zeros(3 * len(x), 1), X, {})
    assert network.outputs[0].shape == (Many(3), 16)
    assert [step.operation.name for step in network.steps] == ["reshape", "add"]


def test_only_what_leads_to_the_outputs_is_kept():
    def idle(x):
        F.exp(x)
        return -x

    assert [step.operation.name for step in trace(idle, X, {}).steps] == ["neg"]


def test_constants_have_the_names_of_the_state_dict():
    layer = nn.Linear(4, 2)
    (step,) = trace(layer, X, layer.state_dict()).steps
    weight, bias = step.inputs[1:]
    assert isinstance(weight, Constant)
    assert (weight.name, bias.name) == ("weight", "bias")


def test_a_parameter_may_be_called_as_an_input_an_output_or_a_step():
    layer = nn.Module()
    for name in ("x", "y", "v0", "n0"):
        setattr(layer, name, nn.Parameter(F.randn(4)))
    given = [Input("x", (4,), "")]
    arrays, _ = stored(layer, lambda x: (x * 2 + layer.x) * layer.y + layer.v0 - layer.n0, given)
    assert {"x_1", "y_1", "v0_1", "n0_1"} < arrays.keys()


def stored(network, function, inputs):
    """The numbers in a file, by name, and the kinds of its nodes."""
    onnx = pytest.importorskip("onnx", reason="ONNX files need the package onnx")
    graph = as_onnx(Part("part", network, function, inputs, {"y": ""})).model.graph
    arrays = {x.name: onnx.numpy_helper.to_array(x) for x in graph.initializer}
    return arrays, [node.op_type for node in graph.node]


def test_what_is_made_of_weights_alone_is_done_beforehand():
    layer = nn.utils.spectral_norm(nn.Conv2d(3, 5, 3, bias=False)).eval()
    arrays, kinds = stored(layer, layer, X)
    assert kinds == ["Conv", "Identity"]
    (name,) = arrays
    assert name == "weight_orig"
    layer(minigen.zeros(1, 3, 4, 4))
    np.testing.assert_array_equal(arrays[name], layer.weight.numpy())


def test_no_weight_is_stored_twice():
    layer = nn.Linear(16, 16)

    def used_twice(x):
        weight = layer.weight * 2
        return F.linear(F.linear(x, weight), weight.square())

    arrays, kinds = stored(layer, used_twice, [Input("x", (16,), "")])
    assert kinds.count("Mul") == 0
    assert sum(a.size for a in arrays.values()) < 2 * layer.weight.numel()


def test_an_operation_that_the_table_lacks_is_named():
    with pytest.raises(ExportError, match="'cumsum', which minigen/export/table.py"):
        stored(nn.Module(), lambda x: x.cumsum(1), X)
