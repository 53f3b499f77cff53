"""Layers against PyTorch's: names, shapes, output, text; losses and attention against their
formulas; and what they refuse."""

import numpy as np
import pytest

import minigen as mg
from minigen import nn

IMAGES, SEQUENCES, VECTORS = (4, 6, 9, 8), (4, 6, 9), (4, 6)
LAYERS = [
    ("Linear", (6, 5), {}, VECTORS),
    ("Linear", (8, 5), {"bias": False}, IMAGES),
    ("Linear", (0, 5), {}, (4, 0)),
    ("Linear", (6, 0), {}, VECTORS),
    ("Conv2d", (6, 4, 3), {}, IMAGES),
    ("Conv2d", (6, 4, (3, 2), (2, 1), (1, 0), 2, 2, False), {}, IMAGES),
    ("ConvTranspose2d", (6, 4, 4, 2, 1), {}, IMAGES),
    ("ConvTranspose2d", (6, 4, (3, 2), 2, (1, 0), 1, 2, False, 2), {}, IMAGES),
    ("BatchNorm2d", (6,), {}, IMAGES),
    ("BatchNorm2d", (6, 1e-3, None), {}, IMAGES),
    ("BatchNorm2d", (6, 1e-3, 0.5, False), {}, IMAGES),
    ("BatchNorm2d", (6,), {"track_running_stats": False}, IMAGES),
    ("BatchNorm2d", (6,), {"bias": False}, IMAGES),
    ("Dropout", (0.0,), {}, VECTORS),
    ("LeakyReLU", (0.2,), {}, VECTORS),
    ("ReLU", (), {}, VECTORS),
    ("Tanh", (), {}, VECTORS),
    ("Sigmoid", (), {}, VECTORS),
    ("Softplus", (2.0, 1.0), {}, VECTORS),
    ("Flatten", (), {}, IMAGES),
    ("Flatten", (2, 3), {}, IMAGES),
    ("Unflatten", (1, (2, 3)), {}, IMAGES),
    ("MaxPool2d", (2,), {}, IMAGES),
    ("MaxPool2d", ((3, 2), 2, 1), {"ceil_mode": True}, IMAGES),
    ("ELU", (0.5,), {}, VECTORS),
    ("SELU", (), {}, VECTORS),
    ("SiLU", (), {}, VECTORS),
    ("GELU", (), {}, VECTORS),
    ("GELU", ("tanh",), {}, VECTORS),
    ("Hardtanh", (-0.5, 2.0), {}, VECTORS),
    ("LogSigmoid", (), {}, VECTORS),
    ("Softmax", (1,), {}, IMAGES),
    ("LogSoftmax", (-1,), {}, IMAGES),
    ("Conv1d", (6, 4, 3), {}, SEQUENCES),
    ("Conv1d", (6, 4, (3,), (2,), 1, 2, 2, False), {}, SEQUENCES),
    ("Conv1d", (6, 4, 4), {"padding": "same", "dilation": 2}, SEQUENCES),
    ("Conv2d", (6, 4, (3, 4)), {"padding": "same"}, IMAGES),
    ("Conv2d", (6, 4, 3, 2), {"padding": "valid"}, IMAGES),
    ("ConvTranspose1d", (6, 4, 3, 2, 1, 1, 2, False, 2), {}, SEQUENCES),
    ("Bilinear", (6, 8, 5), {}, (VECTORS, (4, 8))),
    ("Identity", (3,), {"unused": 1}, VECTORS),
    ("AvgPool2d", (2,), {}, IMAGES),
    ("AvgPool2d", ((3, 2), 2, 1, True, False), {}, IMAGES),
    ("AvgPool2d", (2, 1), {"divisor_override": 3}, IMAGES),
    ("AdaptiveAvgPool2d", ((None, 3),), {}, IMAGES),
    ("Upsample", (), {"scale_factor": 2}, IMAGES),
    ("Upsample", ((5, 20),), {"mode": "bilinear", "align_corners": True}, IMAGES),
    ("PixelShuffle", (2,), {}, (2, 8, 3, 4)),
    ("PixelUnshuffle", (2,), {}, (2, 3, 6, 4)),
    ("ZeroPad2d", (2,), {}, IMAGES),
    ("ReflectionPad2d", ((1, 2, 3, 0),), {}, IMAGES),
    ("ReplicationPad2d", (1,), {}, IMAGES),
    ("Unfold", ((2, 3), 1, 1, 2), {}, IMAGES),
    ("Fold", ((4, 5), 2), {}, (3, 8, 12)),
    ("BatchNorm1d", (6,), {}, VECTORS),
    ("BatchNorm1d", (6, 1e-3, None), {}, SEQUENCES),
    ("InstanceNorm2d", (6,), {}, IMAGES),
    ("InstanceNorm2d", (6, 1e-3), {"affine": True, "bias": False}, IMAGES[1:]),
    ("LayerNorm", (8,), {"bias": False}, IMAGES),
    ("LayerNorm", ([9, 8], 1e-3), {}, IMAGES),
    ("LayerNorm", (8,), {"elementwise_affine": False}, IMAGES),
    ("GroupNorm", (3, 6), {}, IMAGES),
    ("GroupNorm", (2, 6), {"affine": False}, VECTORS),
    ("Dropout2d", (0.0,), {}, IMAGES),
    ("InstanceNorm2d", (6,), {"affine": True, "track_running_stats": True}, IMAGES),
    ("InstanceNorm2d", (6, 1e-3, 0.5), {"track_running_stats": True}, IMAGES[1:]),
    ("InstanceNorm1d", (6, 1e-3, None, True, True), {}, SEQUENCES),
    ("InstanceNorm1d", (6,), {}, SEQUENCES[1:]),
    ("PReLU", (), {}, IMAGES),
    ("PReLU", (6, 0.1), {}, IMAGES),
    ("PReLU", (6,), {}, VECTORS),
    ("ReLU6", (), {}, VECTORS),
    ("Softmax2d", (), {}, IMAGES[1:]),
    ("UpsamplingNearest2d", (), {"scale_factor": 2}, IMAGES),
]
WEIGHTS = np.linspace(0.5, 2, 6)


def log_softmax(x):
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def bernoulli(p, t, w=1.0):
    """−log of the probability of t, whose first term has the weight w."""
    return -w * t * np.log(p) - (1 - t) * np.log(1 - p)


def smoothed_classes(x, t):
    target = 0.9 * np.eye(6)[t] + 0.1 / 6
    return -(target * WEIGHTS * log_softmax(x)).sum() / WEIGHTS[t].sum()


def picked(x, t):
    counts = WEIGHTS[t] * (t != 2)
    return -(counts * x[np.arange(len(x)), t]).sum() / counts.sum()


SCORES, SHARES, CLASSES = "scores", "shares", "classes"
LOSSES = [  # names, options, formulas, and what they are given
    ("MSELoss", {}, lambda x, t: ((x - t) ** 2).mean(), SCORES, SCORES),
    ("L1Loss", {"reduction": "sum"}, lambda x, t: np.abs(x - t).sum(), SCORES, SCORES),
    (
        "SmoothL1Loss", {"beta": 0.5},
        lambda x, t: np.where(np.abs(x - t) < 0.5, (x - t) ** 2, np.abs(x - t) - 0.25).mean(),
        SCORES, SCORES,
    ),
    (
        "BCELoss", {"weight": WEIGHTS},
        lambda p, t: (WEIGHTS * bernoulli(p, t)).mean(), SHARES, SHARES,
    ),
    (
        "BCEWithLogitsLoss", {"pos_weight": WEIGHTS**2, "weight": WEIGHTS},
        lambda x, t: (WEIGHTS * bernoulli(1 / (1 + np.exp(-x)), t, WEIGHTS**2)).mean(),
        SCORES, SHARES,
    ),
    (
        "CrossEntropyLoss", {"weight": WEIGHTS, "label_smoothing": 0.1},
        smoothed_classes, SCORES, CLASSES,
    ),
    (
        "CrossEntropyLoss", {"reduction": "none"},
        lambda x, t: -(t * log_softmax(x)).sum(-1), SCORES, SHARES,
    ),
    (
        "CrossEntropyLoss", {"weight": WEIGHTS, "label_smoothing": 0.1},
        lambda x, t: -((0.9 * t + 0.1 / 6) * WEIGHTS * log_softmax(x)).sum(-1).mean(),
        SCORES, SHARES,
    ),
    ("NLLLoss", {"weight": WEIGHTS, "ignore_index": 2}, picked, SCORES, CLASSES),
    (
        "KLDivLoss", {"reduction": "batchmean"},
        lambda x, t: (t * (np.log(t) - x)).sum() / 4, SCORES, SHARES,
    ),
    (
        "KLDivLoss", {"reduction": "sum", "log_target": True},
        lambda x, t: (np.exp(t) * (t - x)).sum(), SCORES, SCORES,
    ),
    (
        "GaussianNLLLoss", {"full": True, "eps": 0.2},
        lambda x, t, v: (np.log(2 * np.pi * np.maximum(v, 0.2)) / 2
                         + (x - t) ** 2 / np.maximum(v, 0.2) / 2).mean(),
        SCORES, SCORES, SHARES,
    ),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize(("name", "args", "kwargs", "shape"), LAYERS)
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
def test_layers_agree_with_pytorch(name, args, kwargs, shape):
    torch = pytest.importorskip("torch")
    ours = getattr(nn, name)(*args, **kwargs)
    theirs = getattr(torch.nn, name)(*args, **kwargs)
    described = {n: (tuple(t.shape), str(t.dtype)) for n, t in ours.state_dict().items()}
    expected = {n: (tuple(t.shape), str(t.dtype)[6:]) for n, t in theirs.state_dict().items()}
    assert list(described.items()) == list(expected.items())
    ours.to(np.float64), theirs.double()
    for p in theirs.parameters():  # those of normalisations are 1 and 0, which would hide much
        torch.nn.init.uniform_(p, -1, 1)
    ours.load_state_dict({n: t.numpy() for n, t in theirs.state_dict().items()})
    rng = np.random.default_rng(0)
    shapes = shape if isinstance(shape[0], tuple) else (shape,)
    for training in (True, True, False):
        inputs = [rng.normal(1, 2, shape) for shape in shapes]
        y = ours.train(training)(*map(mg.Tensor, inputs))
        z = theirs.train(training)(*map(torch.from_numpy, inputs))
        np.testing.assert_allclose(y.array, z.detach().numpy(), rtol=1e-9, atol=1e-9)
    for n, t in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[n].array, t.numpy(), rtol=1e-9)
    assert repr(nn.Sequential(ours, nn.Sequential())) == repr(
        torch.nn.Sequential(theirs, torch.nn.Sequential())
    )


def drawn(kinds):
    rng = np.random.default_rng(0)
    draw = {
        SCORES: lambda: rng.normal(0, 2, (4, 6)),
        SHARES: lambda: rng.uniform(0.05, 0.95, (4, 6)),
        CLASSES: lambda: rng.permutation(6)[:4],
    }
    return [draw[kind]() for kind in kinds]


def made(module, name, kwargs, tensor):
    arrays = {k: tensor(v) if isinstance(v, np.ndarray) else v for k, v in kwargs.items()}
    return getattr(module, name)(**arrays)


@pytest.mark.parametrize(("name", "kwargs", "formula", "kinds"), [(*x[:3], x[3:]) for x in LOSSES])
def test_losses_are_their_formulas(name, kwargs, formula, kinds):
    inputs = drawn(kinds)
    y = made(nn, name, kwargs, mg.Tensor)(*map(mg.Tensor, inputs))
    np.testing.assert_allclose(y.array, formula(*inputs), rtol=1e-12)


@pytest.mark.parametrize(("name", "kwargs", "kinds"), [(*x[:2], x[3:]) for x in LOSSES])
def test_losses_agree_with_pytorch(name, kwargs, kinds):
    torch = pytest.importorskip("torch")
    inputs = drawn(kinds)
    ours, theirs = made(nn, name, kwargs, mg.Tensor), made(torch.nn, name, kwargs, torch.from_numpy)
    y, z = ours(*map(mg.Tensor, inputs)), theirs(*map(torch.from_numpy, inputs))
    np.testing.assert_allclose(y.array, z.numpy(), rtol=1e-9, atol=1e-12)
    assert list(ours.state_dict()) == list(theirs.state_dict()) and repr(ours) == repr(theirs)


@pytest.mark.parametrize("sparse", [False, True])
def test_a_padding_row_counted_from_the_end_is_0_and_has_no_gradient(sparse):
    table = nn.Embedding(4, 2, padding_idx=-2, sparse=sparse)
    assert table.padding_idx == 2
    assert table.weight.numpy().any(1).tolist() == [True, True, False, True]
    table(mg.tensor([[0, 2, 2, 3]])).sum().backward()
    grad = table.weight.grad
    found = grad.to_dense() if sparse else grad.numpy()
    assert found.tolist() == [[1, 1], [0, 0], [0, 0], [1, 1]]


@pytest.mark.parametrize("kwargs", [{}, {"padding_idx": -2}, {"padding_idx": 1, "sparse": True}])
def test_embedding_agrees_with_pytorch(kwargs):
    torch = pytest.importorskip("torch")
    ours = nn.Embedding(7, 3, **kwargs, dtype=np.float64)
    theirs = torch.nn.Embedding(7, 3, **kwargs, dtype=torch.float64)
    for table in (ours.weight.array, theirs.weight.detach().numpy()):
        zero = [] if ours.padding_idx is None else [ours.padding_idx]
        assert np.flatnonzero(~table.any(1)).tolist() == zero
    ours.load_state_dict({n: t.numpy() for n, t in theirs.state_dict().items()})
    rows = np.array([[0, 5, 1], [5, 5, 1]])
    y, z = ours(mg.Tensor(rows)), theirs(torch.from_numpy(rows))
    np.testing.assert_array_equal(y.array, z.detach().numpy())
    (y * y).sum().backward(), (z * z).sum().backward()
    grad, expected = ours.weight.grad, theirs.weight.grad.to_dense().numpy()
    np.testing.assert_allclose(grad.to_dense() if "sparse" in kwargs else grad.array, expected)
    assert repr(ours) == repr(theirs)


def test_dropout2d_drops_whole_channels():
    y = nn.Dropout2d(0.25)(mg.ones(50, 40, 3, 2)).array
    assert (y == y[:, :, :1, :1]).all() and abs((y == 0).mean() - 0.25) < 0.05


def test_dropout_drops_only_when_training():
    layer, x = nn.Dropout(0.25), mg.ones(10000)
    y = layer(x).array
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)} and abs(y.mean() - 1) < 0.05
    assert layer.eval()(x) is x


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: nn.ConvTranspose2d(2, 2, 3, padding="same"), "padding='same'"),
        (lambda: nn.Embedding(2, 2, max_norm=1.0), "max_norm=1.0"),
    ],
)
def test_what_is_not_supported_is_named(make, part):
    with pytest.raises(NotImplementedError, match=part):
        make()


@pytest.mark.parametrize(
    "name",
    ["ReLU", "LeakyReLU", "ELU", "SELU", "SiLU", "Hardtanh", "ReLU6", "Dropout"],
)
def test_a_layer_in_place_gives_back_its_input(name):
    layer, leaf = getattr(nn, name)(inplace=True), mg.randn(4, 5, requires_grad=True)
    x, same = leaf * 1, getattr(nn, name)()
    mg.manual_seed(0)
    assert layer(x) is x and str(layer).endswith("inplace=True)")
    mg.manual_seed(0)
    np.testing.assert_array_equal(x.detach().numpy(), same(leaf * 1).detach().numpy())


def test_no_layer_is_a_kind_of_another_that_it_is_not_in_pytorch():
    torch = pytest.importorskip("torch")  # programs ask isinstance(layer, nn.Conv2d)
    layers = {n: c for n, c in vars(nn).items() if isinstance(c, type) and n != "Module"}
    for name, layer in layers.items():
        for other, base in layers.items():
            expected = issubclass(getattr(torch.nn, name), getattr(torch.nn, other))
            assert issubclass(layer, base) == expected, (name, other)


def test_a_layer_given_an_array_says_what_it_wants():
    array = np.ones((2, 3), np.float32)
    for layer in (nn.Linear(3, 2), nn.Tanh(), nn.Flatten(), nn.Dropout(), nn.MSELoss()):
        for net in (layer, nn.Sequential(nn.Identity(), layer)):
            if layer is net or not isinstance(layer, nn.MSELoss):
                arrays = [array] * (2 if isinstance(layer, nn.MSELoss) else 1)
                name = type(layer).__name__
                with pytest.raises(TypeError, match=rf"{name}: .*got a ndarray float32 \(2, 3\)"):
                    net(*arrays)

    class Converting(nn.Module):
        def forward(self, x):
            return mg.Tensor(x) * 2

    assert Converting()(array).shape == (2, 3)


def test_the_older_names_of_a_reduction_are_understood_and_warned_of():
    x, y = mg.ones(3), mg.zeros(3)
    for options, value in (({"size_average": False}, 3.0), ({"size_average": True}, 1.0)):
        with pytest.warns(UserWarning, match="write reduction="):
            assert nn.MSELoss(**options)(x, y).item() == value
    with pytest.warns(UserWarning, match="reduction='none'"):
        assert nn.L1Loss(reduce=False)(x, y).shape == (3,)


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match=r"expected input \(N, 3, H, W\), got \(2, 3\)"):
        nn.BatchNorm2d(3)(mg.zeros(2, 3))
    with pytest.raises(ValueError, match="groups=2"):
        nn.Conv2d(3, 4, 3, groups=2)
    with pytest.raises(ValueError, match=r"\(N, 3\) or \(N, 3, L\), got \(2, 4\)"):
        nn.BatchNorm1d(3)(mg.zeros(2, 4))
    with pytest.raises(ValueError, match=r"padding='same' needs stride 1"):
        nn.Conv1d(3, 4, 3, 2, padding="same")
    with pytest.raises(ValueError, match=r"Conv1d: stride must be one number, not \(1, 2\)"):
        nn.Conv1d(3, 4, 3, (1, 2))
    with pytest.raises(ValueError, match="probability"):
        nn.Dropout(1.5)
    with pytest.raises(ValueError, match=r"weight of one number or \(6,\), got \(3,\)"):
        nn.PReLU(3)(mg.zeros(4, 6))
    with pytest.raises(ValueError, match="Softmax2d: expected"):
        nn.Softmax2d()(mg.zeros(4, 3))


def test_attention_drops_shares_only_when_training():
    attention, x = nn.MultiheadAttention(8, 2, dropout=0.5), mg.randn(5, 3, 8)
    dropped, again = attention(x, x, x)[0], attention(x, x, x)[0]
    assert (dropped != again).any()
    attention.eval()
    assert (attention(x, x, x)[0] == attention(x, x, x)[0]).all()


def test_a_cosine_is_along_its_own_axis():
    x, y = mg.ones(2, 3), mg.tensor([[1.0, 1.0, 1.0], [0.0, 1.0, -1.0]])
    found = nn.CosineSimilarity(dim=0)(x, y)
    np.testing.assert_allclose(found.numpy(), [0.5**0.5, 1.0, 0.0], atol=1e-6)


def test_attention_is_its_formula_whatever_masks_it_has():
    rng = np.random.default_rng(0)
    net = nn.MultiheadAttention(8, 2, batch_first=True, dtype=np.float64)
    state = {n: rng.normal(size=t.shape) for n, t in net.state_dict().items()}
    net.load_state_dict(state)
    x, z, w = (rng.normal(size=shape) for shape in [(3, 4, 8), (3, 5, 8), (3, 5, 8)])
    hidden = np.arange(5) >= np.array([[5], [3], [4]])  # (N, S)
    added = rng.normal(size=(6, 4, 5))  # (N · heads, L, S)
    given = [state["in_proj_weight"].reshape(3, 2, 4, 8), state["in_proj_bias"].reshape(3, 2, 4)]
    for mask in (added, added > 1):
        whole, shares = np.zeros((3, 4, 8)), np.zeros((3, 2, 4, 5))
        for n, head in np.ndindex(3, 2):
            q, k, v = (
                part[n] @ weight[head].T + bias[head]
                for part, weight, bias in zip((x, z, w), *given, strict=True)
            )
            own = mask[2 * n + head]
            scores = q @ k.T / 2 + (np.where(own, -np.inf, 0) if own.dtype == bool else own)
            scores = np.exp(np.where(hidden[n], -np.inf, scores))
            shares[n, head] = scores / scores.sum(-1, keepdims=True)
            whole[n, :, 4 * head : 4 * head + 4] = shares[n, head] @ v
        masks = {"attn_mask": mg.Tensor(mask), "key_padding_mask": mg.Tensor(hidden)}
        y, found = net(*map(mg.Tensor, (x, z, w)), **masks, average_attn_weights=False)
        np.testing.assert_allclose(found.detach().numpy(), shares, rtol=1e-9)
        whole = whole @ state["out_proj.weight"].T + state["out_proj.bias"]
        np.testing.assert_allclose(y.detach().numpy(), whole, rtol=1e-9)


def test_a_ramp_resized_between_its_corners_stays_one():
    ramp = lambda h, w: np.linspace(0, 6, h)[:, None] + np.linspace(1, 9, w)
    for layer in (nn.UpsamplingBilinear2d((7, 9)), nn.UpsamplingBilinear2d(scale_factor=3)):
        y = layer(mg.Tensor(ramp(3, 5)[None, None])).numpy()[0, 0]
        np.testing.assert_allclose(y, ramp(*y.shape), rtol=1e-12)
