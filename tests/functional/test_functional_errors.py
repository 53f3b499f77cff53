"""Arguments that are wrong, and arguments that PyTorch has and this engine has not."""

import math

import numpy as np
import pytest

import minigen
from minigen import Tensor


def t(*shape, dtype=np.float32):
    return Tensor(np.ones(shape, dtype))


UNSUPPORTED = [
    ("out", lambda x: minigen.exp(x, out=x)),
    ("out", lambda x: minigen.mul(x, x, out=x)),
    ("out", lambda x: minigen.sum(x, 0, out=x)),
    ("out", lambda x: minigen.mean(x, 0, out=x)),
    ("out", lambda x: minigen.cat([x], out=x)),
    ("out", lambda x: minigen.stack([x], out=x)),
    ("out", lambda x: minigen.matmul(x, x, out=x)),
    ("memory_format", lambda x: x.clone(memory_format="channels_last")),
    ("memory_format", lambda x: x.to(memory_format="channels_last")),
    ("sparse_grad", lambda x: x.gather(0, t(2, 2, dtype=int), sparse_grad=True)),
    ("accumulate", lambda x: minigen.index_put(x, 0, 1.0, accumulate=True)),
    ("mode", lambda x: minigen.pad(x, (1, 1), mode="symmetric")),
    ("weight", lambda x: minigen.mse_loss(x, x, weight=x)),
]


@pytest.mark.parametrize("number", range(len(UNSUPPORTED)))
def test_what_pytorch_has_and_this_has_not_is_named(number):
    argument, f = UNSUPPORTED[number]
    with pytest.raises(NotImplementedError, match=argument):
        f(t(2, 2))


IMAGE, WEIGHT = (2, 4, 5, 5), (6, 4, 3, 3)
WRONG = [
    (lambda: minigen.binary_cross_entropy(t(2) * 2, t(2)), ValueError, "probabilities, not 2.0 to"),
    (lambda: minigen.binary_cross_entropy(-t(2), t(2)), ValueError, "probabilities, not -1.0 to"),
    (lambda: minigen.binary_cross_entropy(t(2) * math.nan, t(2)), ValueError, "not nan to nan"),
    (lambda: t(3)[1.5], TypeError, "index: 1.5 is none; expected integers, slices"),
    (lambda: t(3)[..., "a"], TypeError, "index: 'a' is none; expected"),
    (lambda: t(3) > 0 and 1, ValueError, r"a tensor \(3,\) is neither true nor false; .* any"),
    (lambda: t(2, 6).reshape(-3, 6), ValueError, r"reshape: .* negative length: \(-3, 6\)"),
    (lambda: t(2, 6).repeat(-1, 1), ValueError, r"repeat: .* negative length: \(-1, 1\)"),
    (lambda: minigen.split(t(3), [-1, 4]), ValueError, r"split: \[-1, 4\] are not lengths"),
    (lambda: minigen.conv2d(t(5, 5), t(*WEIGHT)), ValueError, r"expected input \(N, C, H, W\)"),
    (lambda: minigen.conv2d(t(2, 3, 5, 5), t(*WEIGHT)), ValueError, "takes 4 channels.* has 3"),
    (lambda: minigen.conv2d(t(*IMAGE), t(*WEIGHT), groups=2), ValueError, "groups=2 takes 8"),
    (lambda: minigen.conv2d(t(*IMAGE), t(3, 2, 3, 3), groups=2), ValueError, "groups must divide"),
    (lambda: minigen.conv2d(t(*IMAGE), t(*WEIGHT), groups=0), ValueError, "groups must be a whole"),
    (lambda: minigen.conv2d(t(*IMAGE), t(*WEIGHT), t(4)), ValueError, r"bias \(6,\), got \(4,\)"),
    (lambda: minigen.conv2d(t(*IMAGE), t(6, 4, 7, 7)), ValueError, "larger than the input"),
    (lambda: minigen.conv2d(t(*IMAGE), t(*WEIGHT), stride=0), ValueError, "stride must be"),
    (lambda: minigen.conv2d(t(*IMAGE), t(*WEIGHT), padding=-1), ValueError, "padding must be"),
    (lambda: minigen.conv2d(t(*IMAGE), t(*WEIGHT), dilation=(1, 2, 3)), ValueError, "dilation"),
    (lambda: minigen.conv2d(t(*IMAGE), t(*WEIGHT), stride=1.5), TypeError, "stride must be an int"),
    (lambda: minigen.conv2d(t(*IMAGE), t(*WEIGHT, dtype=float)), TypeError, "float32.*float64"),
    (lambda: minigen.conv_transpose2d(t(*IMAGE), t(*WEIGHT)), ValueError, "takes 6 channels"),
    (
        lambda: minigen.conv_transpose2d(t(2, 6, 5, 5), t(*WEIGHT), output_padding=1),
        ValueError,
        "output_padding .* smaller than stride",
    ),
    (
        lambda: minigen.conv_transpose2d(t(2, 6, 1, 1), t(6, 4, 2, 2), padding=1),
        ValueError,
        "leaves nothing",
    ),
    (lambda: minigen.max_pool2d(t(5, 5), 2), ValueError, r"expected input \(N, C, H, W\)"),
    (lambda: minigen.max_pool2d(t(*IMAGE), 2, padding=2), ValueError, "more than half"),
    (lambda: minigen.max_pool2d(t(*IMAGE), 6), ValueError, "larger than the input"),
    (lambda: minigen.unfold(t(*IMAGE), 9), ValueError, r"unfold: the window \(9, 9\) is larger"),
    (lambda: minigen.unfold(t(*IMAGE), 2, stride=None), TypeError, "unfold: stride must be"),
    (
        lambda: minigen.max_pool2d(t(1, 1, 2, 2), 2, 1, 1, dilation=3),
        ValueError,
        "nothing but padding",
    ),
    (lambda: minigen.batch_norm(t(4), None, None), ValueError, r"expected input \(N, C"),
    (lambda: minigen.batch_norm(t(2, 3), None, None), ValueError, "running_mean and running_var"),
    (lambda: minigen.batch_norm(t(1, 3), None, None, training=True), ValueError, "more than one"),
    (
        lambda: minigen.batch_norm(t(2, 3), None, None, t(2), None, True),
        ValueError,
        r"expected weight \(3,\), got \(2,\)",
    ),
    (
        lambda: minigen.batch_norm(t(2, 3), None, None, t(3, dtype=float), None, True),
        TypeError,
        "input is float32 and weight is float64",
    ),
    (lambda: minigen.linear(t(2, 3), t(4, 5)), ValueError, r"got \(2, 3\) and \(4, 5\)"),
    (lambda: minigen.linear(t(2, 3), t(4, 3), t(3)), ValueError, r"bias \(4,\), got \(3,\)"),
    (lambda: minigen.linear(t(2, 3), t(4, 3, dtype=float)), TypeError, "convert one with to"),
    (lambda: minigen.matmul(t(2, 3), t(2, 3)), ValueError, r"\(2, 3\) @ \(2, 3\)"),
    (lambda: minigen.matmul(t(), t(2)), ValueError, "an operand has no axis"),
    (lambda: t(2, 3).reshape(4), ValueError, "reshape"),
    (lambda: t(2, 3).reshape(2.0, 3), TypeError, "reshape: sizes must be integers"),
    (lambda: t(2, 3).permute(0, 0), ValueError, "permute: dims .* once"),
    (lambda: t(2, 3).permute(0), ValueError, "permute"),
    (lambda: t(2, 3).transpose(0, 2), IndexError, "transpose: dim 2 is out of range"),
    (lambda: t(2, 3).expand(3, 3), ValueError, "expand"),
    (lambda: t(2, 3).sum_to_size(3, 3), ValueError, r"\(2, 3\) cannot be summed to \(3, 3\)"),
    (lambda: t(2, 3).sum(2), IndexError, "sum: dim 2 is out of range for a tensor of 2 axes"),
    (lambda: t(2, 3).sum((0, -2)), ValueError, "sum: an axis is named twice"),
    (lambda: t(2, 3).sum("0"), TypeError, "sum: dim must be an integer"),
    (lambda: t(2, dtype=int).mean(), TypeError, "mean: needs floating-point numbers, not int64"),
    (lambda: minigen.flatten(t(2, 3), 1, 0), ValueError, "start_dim 1 comes after"),
    (lambda: minigen.unflatten(t(2, 6), 1, (4, 2)), ValueError, "unflatten: .* axis 1"),
    (lambda: minigen.cat([]), ValueError, "at least one tensor"),
    (lambda: minigen.cat([t(2, 3), t(2, 4)]), ValueError, "cat"),
    (lambda: minigen.cat([t(2, 3), t(2)], 1), ValueError, "do not all have an axis 1"),
    (lambda: minigen.stack([]), ValueError, "at least one tensor"),
    (lambda: minigen.stack([t(2), t(3)]), ValueError, "stack"),
    (lambda: t(2, 3)[2], IndexError, "out of bounds"),
    (lambda: t(2, 3)[0, 0, 0], IndexError, "too many indices"),
    (lambda: t(2, 3)[[5]], IndexError, "out of bounds"),
    (lambda: t(2, 3)["a"], TypeError, "integer"),
    (lambda: t(2, 3).gather(0, t(2, 3)), TypeError, "index must hold integers, not float32"),
    (lambda: t(2, 3).gather(0, t(2, 4, dtype=int)), ValueError, "the lengths of the input"),
    (lambda: t(2, 3).gather(0, Tensor([[0, 1, 2]])), IndexError, "out of bounds"),
    (lambda: minigen.where(t(2), t(2), t(2)), TypeError, "condition must be .* truth values"),
    (lambda: minigen.where(True, t(2), t(2)), TypeError, "condition must be .* truth values"),
    (lambda: minigen.dropout(t(2), 1.5), ValueError, "p must be a probability"),
    (lambda: minigen.dropout(t(2, dtype=int)), TypeError, "dropout: needs floating-point"),
    (lambda: minigen.softmax(t(2, dtype=int), 0), TypeError, "softmax: needs floating-point"),
    (lambda: minigen.mse_loss(t(2), t(2), reduction="men"), ValueError, "'mean', 'sum' or 'none'"),
    (lambda: minigen.cross_entropy(t(2, 3), t(2)), ValueError, "expected classes, of integers"),
    (lambda: minigen.embedding(Tensor([0, 5]), t(3, 2)), IndexError, "rows from 0 to 2, got 5"),
    (lambda: minigen.embedding(Tensor([-1, 0]), t(3, 2)), IndexError, "rows from 0 to 2, got -1"),
    (lambda: minigen.cross_entropy(t(2, 3), Tensor([0, 3])), IndexError, "classes from 0 to 2"),
    (lambda: minigen.cross_entropy(t(2, 3), Tensor([0])), ValueError, r"integers \(2,\), got"),
    (lambda: minigen.cross_entropy(t(2, 3), Tensor([0, 1]), t(2)), ValueError, r"weight \(C,\)"),
    (lambda: minigen.cross_entropy(t(2, 3), Tensor([0, 1]), reduction=None), ValueError, "'mean'"),
    (
        lambda: minigen.binary_cross_entropy_with_logits(t(2), t(3)),
        ValueError,
        r"input \(2,\) and target \(3,\)",
    ),
    (lambda: t(2, 3).copy_(t(4, 2, 3)), ValueError, r"\(4, 2, 3\) does not broadcast"),
    (lambda: t(2, dtype=int).add_(0.5), TypeError, "add_: int64 cannot hold the"),
    (lambda: t(2).to("nonsense"), TypeError, "nonsense"),
    (lambda: minigen.add(t(2, dtype=int), 1, alpha=0.5), TypeError, "add: alpha=0.5 is no whole"),
    (lambda: t(2, dtype=int).add_(t(2), alpha=2), TypeError, "add_: int64 cannot hold"),
    (lambda: minigen.div(t(2), t(2), rounding_mode="up"), ValueError, "div: rounding_mode must"),
    (
        lambda: minigen.div(t(2, dtype=int), 0, rounding_mode="floor"),
        ZeroDivisionError,
        "div: an integer divided by 0",
    ),
    (lambda: minigen.cat([t(2), None]), TypeError, "cat: tensors must be tensors, not NoneType"),
    (lambda: minigen.cat([t(), t()]), ValueError, "cat: a tensor without axes"),
    (lambda: t(0).argmax(), IndexError, "argmax: there is no element"),
    (lambda: t(2, 0).max(1), IndexError, "max: there is no element"),
    (lambda: t(3).max(2), IndexError, "max: dim 2 is out of range"),
    (lambda: minigen.max(2, 3), TypeError, "max: input must be a Tensor, not int"),
    (lambda: minigen.zeros(2, -1), ValueError, "zeros: an axis cannot have a negative length"),
    (
        lambda: minigen.multinomial(t(2) - 2, 1),
        ValueError,
        "multinomial: a probability is negative",
    ),
    (lambda: minigen.randn(-1), ValueError, "randn: an axis cannot have a negative length"),
    (lambda: minigen.eye(-1), ValueError, "eye: an axis cannot have a negative length"),
    (lambda: minigen.arange(math.inf), ValueError, "arange: from 0 to inf"),
    (lambda: minigen.hardtanh(t(2), 1, -1), ValueError, "hardtanh: min_val 1 is more than"),
    (lambda: minigen.avg_pool2d(t(1, 1, 2, 2, dtype=int), 2), TypeError, "avg_pool2d: needs"),
    (
        lambda: minigen.interpolate(t(1, 1, 2, 2, dtype=np.uint8), 4, mode="bilinear"),
        TypeError,
        "interpolate: needs floating-point",
    ),
    (lambda: minigen.adaptive_avg_pool2d(t(1, 1, 2, 2), ()), ValueError, "must be an integer or a"),
    (lambda: minigen.pad(t(1, 3), (4, 0), "circular"), ValueError, "pad: circular by 4 and 0"),
    (
        lambda: minigen.instance_norm(t(2, 3, 4), use_input_stats=False),
        ValueError,
        "instance_norm: without use_input_stats, running_mean and",
    ),
    (
        lambda: minigen.instance_norm(t(2, 3, 4), t(2), t(2)),
        ValueError,
        r"instance_norm: expected running_mean \(3,\), got \(2,\)",
    ),
    (lambda: t(2, 3).sum(0, 1), TypeError, r"sum: keepdim must be True .* not 1; .* dim=\(0, 1\)"),
    (lambda: t(2, 3).amax(0, 1), TypeError, "amax: keepdim must be True or False, not 1"),
    (lambda: t(2, 3).sum(0, np.int64(1)), TypeError, "sum: keepdim must be True or False, not 1"),
    (lambda: t(2, 3).norm(2, 0, 1), TypeError, "norm: keepdim must be True or False, not 1"),
    (lambda: t(2, 3).std(0, 1), TypeError, "std: unbiased must be True or False, not 1"),
    (lambda: minigen.binary_cross_entropy(t(2), t(2) * 2), ValueError, "targets must be .* not 2"),
    (
        lambda: minigen.cross_entropy(t(2, 3), t(2, dtype=int), label_smoothing=2),
        ValueError,
        "label_smoothing must be from 0 to 1, not 2",
    ),
    (lambda: minigen.margin_ranking_loss(t(4), t(4), t(4, 1)), ValueError, r"as many .* \(4, 1\)"),
    (lambda: minigen.triplet_margin_loss(t(2, 3), t(2, 3), t(3)), ValueError, "as many axes"),
    (lambda: minigen.cosine_embedding_loss(t(4, 2), t(4, 2), t(4, 1)), ValueError, "as many axes"),
    (lambda: minigen.soft_margin_loss(t(4), t(4, 1)), ValueError, r"input \(4,\), but target"),
    (lambda: t(2, 3).diagonal(0, 1, -1), ValueError, "diagonal: dim1 .* two axes, not 1 and -1"),
    (lambda: t(2).bernoulli_("½"), TypeError, "a tensor holds real numbers"),
    (lambda: t(2).uniform_(0, math.inf), ValueError, "low ≤ high, both finite, not 0 and inf"),
    (lambda: t(2).uniform_(math.nan, 1), ValueError, "both finite, not nan and 1"),
    (lambda: t(2).exponential_(math.nan), ValueError, "lambd must be positive, not nan"),
    (lambda: t(2).normal_(0, math.nan), ValueError, "std must not be negative, not nan"),
    (lambda: t(2).bernoulli_(2.0), ValueError, "bernoulli: probabilities are from 0 to 1"),
    (
        lambda: t(2).uniform_(1, 0),
        ValueError,
        "low ≤ high, both finite, not 1 and 0",
    ),
    (lambda: t(2).exponential_(-1), ValueError, "exponential_: lambd must be positive, not -1"),
]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_wrong_arguments_raise_the_documented_error(number):
    f, error, match = WRONG[number]
    with pytest.raises(error, match=match) as caught:
        f()
    assert not isinstance(caught.value, NotImplementedError)
