"""Modules beside PyTorch's: their lines, the names of their state, values and gradients."""

import numpy as np
import pytest

import minigen

torch = pytest.importorskip("torch")

SIGNS = np.sign(np.random.default_rng(1).standard_normal(5)).astype(np.float32)
LAYERS = [
    (lambda n: n.CELU(0.5), (3, 4)),
    (lambda n: n.Mish(), (3, 4)),
    (lambda n: n.Hardswish(), (3, 4)),
    (lambda n: n.Threshold(0.1, 0.2), (3, 4)),
    (lambda n: n.Softsign(), (3, 4)),
    (lambda n: n.Tanhshrink(), (3, 4)),
    (lambda n: n.Softshrink(), (3, 4)),
    (lambda n: n.Hardshrink(0.3), (3, 4)),
    (lambda n: n.Softmin(dim=1), (3, 4)),
    (lambda n: n.GLU(), (3, 4)),
    (lambda n: n.ReLU6(), (3, 4)),
    (lambda n: n.HuberLoss(delta=0.5), (3, 4), (3, 4)),
    (lambda n: n.SoftMarginLoss(), (5,), SIGNS),
    (lambda n: n.MarginRankingLoss(0.1), (5,), (5,), SIGNS),
    (lambda n: n.CosineEmbeddingLoss(0.1, reduction="sum"), (5, 3), (5, 3), SIGNS),
    (lambda n: n.HingeEmbeddingLoss(), (5,), SIGNS),
    (lambda n: n.TripletMarginLoss(swap=True), (5, 3), (5, 3), (5, 3)),
    (lambda n: n.PoissonNLLLoss(), (5,), (5,)),
    (lambda n: n.CosineSimilarity(), (5, 3), (5, 3)),
    (lambda n: n.PairwiseDistance(), (5, 3), (5, 3)),
    (lambda n: n.ConstantPad2d(1, 2.0), (1, 2, 3, 4)),
    (lambda n: n.ConstantPad1d((1, 2), 2.0), (1, 2, 3)),
    (lambda n: n.ZeroPad1d(2), (1, 2, 3)),
    (lambda n: n.ReflectionPad1d(2), (1, 2, 3)),
    (lambda n: n.ReplicationPad1d(2), (1, 2, 3)),
    (lambda n: n.CircularPad2d(1), (1, 2, 3, 3)),
    (lambda n: n.MaxPool1d(2), (1, 2, 6)),
    (lambda n: n.AvgPool1d(2), (1, 2, 6)),
    (lambda n: n.AdaptiveAvgPool1d(2), (1, 2, 6)),
    (lambda n: n.UpsamplingBilinear2d(scale_factor=2), (1, 2, 3, 3)),
    (lambda n: n.RMSNorm(4), (3, 4)),
    (lambda n: n.RMSNorm((3, 4), eps=1e-5), (2, 3, 4)),
    (lambda n: n.MultiheadAttention(8, 2), (3, 2, 8), (5, 2, 8), (5, 2, 8)),
    (lambda n: n.MultiheadAttention(8, 2, batch_first=True), (2, 3, 8), (2, 5, 8), (2, 5, 8)),
    (lambda n: n.MultiheadAttention(8, 4, bias=False), (3, 8), (5, 8), (5, 8)),
    (lambda n: n.Conv2d(2, 3, (3, 2), padding=1, padding_mode="reflect"), (1, 2, 5, 4)),
    (lambda n: n.Conv2d(2, 3, 4, padding="same", padding_mode="circular"), (1, 2, 5, 5)),
    (lambda n: n.Conv1d(2, 3, 3, 2, (1,), bias=False, padding_mode="replicate"), (1, 2, 5)),
    (lambda n: n.utils.weight_norm(n.Conv2d(2, 3, 3)), (1, 2, 5, 4)),
    (lambda n: n.utils.weight_norm(n.ConvTranspose2d(2, 3, 3), dim=1), (1, 2, 3, 3)),
    (lambda n: n.utils.weight_norm(n.Linear(4, 3), dim=None), (2, 4)),
    (lambda n: n.PReLU(3), (2, 3)),
    (
        lambda n: n.InstanceNorm2d(3, affine=True, track_running_stats=True),
        (2, 3, 4, 4),
    ),
    (lambda n: n.BatchNorm1d(3, 0.8), (4, 3)),
    (lambda n: n.ModuleList([n.ModuleDict({"a": n.Linear(3, 4)})])[0]["a"], (5, 3)),
    (lambda n: n.Sequential(n.Linear(3, 4), n.Mish(inplace=True)), (5, 3)),
]


def in_both(make, *given, **options):
    """Outputs and gradients of both, from one state."""
    rng, found, state = np.random.default_rng(0), [], {}
    inputs = [rng.standard_normal(x) if isinstance(x, tuple) else x for x in given]
    for library in (torch, minigen):
        layer = make(library.nn).double()
        for name, value in layer.state_dict().items():
            number = value.numpy()
            state.setdefault(name, rng.random(number.shape) if number.dtype.kind == "f" else number)
        assert list(layer.state_dict()) == list(state)
        layer.load_state_dict({k: library.tensor(v) for k, v in state.items()})
        tensors = [library.tensor(x) for x in inputs]
        leaves = [t.requires_grad_() for t, x in zip(tensors, given, strict=True)
                  if isinstance(x, tuple)]  # fmt: skip
        y = layer(*tensors, **{k: library.tensor(v) for k, v in options.items()})
        outputs = [x for x in y if x is not None] if isinstance(y, tuple) else [y]
        sum((y * y).sum() for y in outputs).backward()
        grads = [t.grad for t in (*leaves, *layer.parameters())]
        found.append([t.detach().numpy() for t in (*outputs, *grads)])
    return zip(*found, strict=True)


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
@pytest.mark.parametrize("case", LAYERS, ids=lambda case: repr(case[0](minigen.nn)).split("\n")[0])
def test_layers_are_pytorchs(case):
    make, *given = case
    shown = repr(make(torch.nn)).replace("NonDynamicallyQuantizable", "")
    assert repr(make(minigen.nn)) == shown
    for theirs, ours in in_both(make, *given):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


def test_masks_of_attention_say_what_is_not_attended_to():
    masks = {"attn_mask": np.triu(np.ones((3, 5), bool), 2),
             "key_padding_mask": np.array([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]], bool)}  # fmt: skip
    make = lambda n: n.MultiheadAttention(8, 2, batch_first=True)
    given = (2, 3, 8), (2, 5, 8), (2, 5, 8)
    alone = {"key_padding_mask": np.array([[1, 1, 1, 1, 1], [0, 0, 0, 0, 0]], bool)}
    for options in (masks, alone | {"need_weights": False}):
        for theirs, ours in in_both(make, *given, **options):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


def test_a_table_of_vectors_that_are_known():
    vectors = minigen.tensor([[1.0, 2.0], [3.0, 4.0]])
    table = minigen.nn.Embedding.from_pretrained(vectors)
    assert table(minigen.tensor([1])).tolist() == [[3, 4]] and not table.weight.requires_grad
    assert minigen.nn.Embedding.from_pretrained(vectors, freeze=False).weight.requires_grad
    with pytest.raises(ValueError, match="from_pretrained: expected a matrix"):
        minigen.nn.Embedding.from_pretrained(vectors[0])


def test_instance_norm_without_parameters_takes_any_channels_with_a_warning():
    for library in (torch, minigen):
        layer, x = library.nn.InstanceNorm2d(64), library.ones(1, 16, 4, 4)
        with pytest.warns(UserWarning, match="num_features"):
            assert tuple(layer(x).shape) == (1, 16, 4, 4)
        with pytest.raises(ValueError):
            library.nn.InstanceNorm2d(64, affine=True)(x)


def test_other_borders_of_convolutions_are_refused():
    nn = minigen.nn
    for make in (lambda: nn.Conv2d(1, 1, 3, padding_mode="nope"),
                 lambda: nn.ConvTranspose2d(1, 1, 3, padding_mode="reflect")):  # fmt: skip
        with pytest.raises(ValueError, match="padding_mode"):
            make()
