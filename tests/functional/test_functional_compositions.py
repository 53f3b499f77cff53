"""What PyTorch has a name for and other operations say in a line: values, other names, refusals."""

import inspect

import numpy as np
import pytest
from scipy.spatial.distance import cdist

import minigen as mg
from minigen import Tensor
from minigen import functional as F
from minigen.functional.compositions import ALIASES

MATRIX = np.array([[1.5, -2.0, 0.25], [4.0, 0.5, -1.0]])


def test_other_names_are_the_functions_and_methods_themselves():
    for other, name in ALIASES.items():
        assert getattr(mg, other) is getattr(F, name)
        if other not in ("concat", "concatenate", "upsample"):
            assert inspect.unwrap(getattr(Tensor, other)) is inspect.unwrap(getattr(F, name))


@pytest.mark.parametrize("value", [[1.0, 2.0], None, "x"])
def test_what_is_no_tensor_is_refused_by_the_argument_s_name(value):
    """By every function, if it does not first find fault with the numbers for its other ones."""
    asked = 0
    for f in map(F.__dict__.get, F.__all__):
        first, *rest = inspect.signature(f).parameters.values()
        if first.annotation == "Tensor" and first.kind is not first.VAR_POSITIONAL:
            rest = [p for p in rest if p.default is p.empty and p.kind is not p.VAR_POSITIONAL]
            rest = [mg.ones(3) if "Tensor" in p.annotation else 1 for p in rest]
            with pytest.raises((TypeError, ValueError, IndexError), match=r"^\w+(\(.*\))?: ") as e:
                f(value, *rest)
            asked += f"{first.name} must be a Tensor, not {type(value).__name__}" in str(e.value)
    assert asked > 150

    x = mg.ones(2)
    for call in (lambda: F.linear(x, value), lambda: F.cross_entropy(x, target=value)):
        with pytest.raises(TypeError, match=f"must be a Tensor, not {type(value).__name__}"):
            call()
    for call in (lambda: F.stack([x, value]), lambda: F.hstack(value), lambda: F.meshgrid(value)):
        with pytest.raises(TypeError, match="tensors must be (a list or tuple of )?tensors, not"):
            call()
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'weight'"):
        F.linear(x)


class Foreign:
    """What another library's tensor looks like."""

    dtype, shape, ndim = "theirs", (2,), 1


@pytest.mark.parametrize("value", [[1.0, 2.0], None, "x", Foreign()])
def test_methods_and_operators_refuse_what_is_no_tensor_too(value):
    x, first, kind = mg.ones(2), mg.tensor([0]), type(value).__name__
    for name, ask in {
        "dot": lambda: x.dot(value), "isclose": lambda: x.isclose(value),
        "linear": lambda: F.linear(value, mg.ones(3, 2)), "take": lambda: x.take(value),
        "index_select": lambda: x.index_select(0, value),
        "index_fill": lambda: x.index_fill_(0, value, 1.0),
        "scatter": lambda: x.scatter_(0, value, 1.0),
        "masked_select": lambda: x.masked_select(value),
    }.items():  # fmt: skip
        with pytest.raises(TypeError, match=f"^{name}: [a-z]+ must be a Tensor, not {kind}"):
            ask()
    for ask in (lambda: x.add(value, alpha=2), lambda: F.sub(x, value, alpha=2)):
        with pytest.raises(TypeError, match=f": other is a {kind}, not a Tensor or a number"):
            ask()
    assert None not in x
    with pytest.raises(TypeError, match="source must be a Tensor, not NoneType"):
        x.index_copy(0, first, None)
    with pytest.raises(TypeError, match="made of a NoneType"):
        x.index_put((first,), None)
    for ask in (x.expand_as, x.view_as):
        if kind != "Foreign":  # of which only the shape is asked for
            with pytest.raises(TypeError, match=f"_as: other must be a Tensor, not {kind}"):
                ask(value)


def test_places_counts_and_order():
    x = mg.tensor([[3, 0, 1], [1, 3, 0]])
    assert mg.where(x > 0)[1].tolist() == [0, 2, 0, 1] and mg.argwhere(x).shape == (4, 2)
    assert mg.count_nonzero(x).item() == 4 and mg.count_nonzero(x, 0).tolist() == [2, 1, 1]
    assert x.count_nonzero(0, 1).tolist() == 4 and x[None, None].squeeze(0, 1).shape == x.shape
    values, inverse, counts = x.unique(return_inverse=True, return_counts=True)
    assert values.tolist() == [0, 1, 3] and counts.tolist() == [2, 2, 2]
    assert values[inverse].tolist() == x.tolist()
    assert x.unique(dim=0).tolist() == [[1, 3, 0], [3, 0, 1]]
    assert len(mg.tensor([np.nan, 1.0, np.nan]).unique()) == 3  # no NaN equals another
    assert x.reshape(-1).bincount().tolist() == [2, 2, 0, 2]
    assert mg.tensor([1, 1]).bincount(mg.tensor([0.5, 2.0]), 3).tolist() == [0, 2.5, 0]
    assert mg.tensor([0.0, 1, 2, 9]).histc(2, 0, 4).tolist() == [2, 1]
    edges = mg.tensor([1.0, 3.0, 3.0])
    assert mg.searchsorted(edges, mg.tensor([3.0, 0.0])).tolist() == [1, 0]
    assert mg.bucketize(mg.tensor([3.0]), edges, right=True).tolist() == [3]
    rows = mg.tensor([[1, 2], [5, 6]])
    assert mg.searchsorted(rows, mg.tensor([[2], [7]])).tolist() == [[1], [2]]
    assert mg.isin(x, mg.tensor([3])).tolist() == [[True, False, False], [False, True, False]]
    assert mg.tril_indices(2, 3).tolist() == [[0, 1, 1], [0, 0, 1]]
    assert mg.triu_indices(2, 3, 1).tolist() == [[0, 0, 1], [1, 2, 2]]
    np.testing.assert_allclose(mg.logspace(0, 2, 3).numpy(), [1, 10, 100], rtol=1e-6)
    assert mg.is_floating_point(edges) and not x.is_floating_point()


def test_axes_are_moved_as_numpys_are():
    x = np.arange(120.0).reshape(2, 3, 4, 5)
    for source, destination in ((2, 0), (0, 2), ((0, 1), (-1, 0)), ((3, 0), (1, 2))):
        moved = mg.tensor(x).movedim(source, destination).numpy()
        np.testing.assert_array_equal(moved, np.moveaxis(x, source, destination))


def test_medians_and_quantiles():
    x = Tensor(MATRIX)
    assert x.median().item() == 0.25 and x.median(0).values.tolist() == [1.5, -2, -1]
    holes = mg.tensor([1.0, np.nan, 3.0, np.nan])
    assert np.isnan(holes.median().item()) and holes.median(0).indices.item() == 1
    assert np.isnan(mg.zeros(0).median().item())
    ties = mg.tensor([2.0, 2.0, 1.0, 5.0]).requires_grad_()
    ties.median().backward()
    assert ties.grad.tolist() == [0.5, 0.5, 0, 0]
    holes.requires_grad_().quantile(0.5).backward()
    assert holes.grad.tolist() == [0, 0, 0, 1]
    for how in ("linear", "lower", "higher", "nearest", "midpoint"):
        q = mg.tensor([0.3, 1.0], dtype=np.float64)
        found = x.quantile(q, 1, interpolation=how)
        expected = np.quantile(MATRIX, [0.3, 1.0], 1, method=how)
        np.testing.assert_allclose(found.numpy(), expected)
    assert x.quantile(0.5, keepdim=True).shape == (1, 1)
    for q in (1.5, [[0.5]]):
        with pytest.raises(ValueError, match="quantile: q must be shares"):
            x.quantile(mg.tensor(q).double())


def test_pieces_may_overlap_or_be_empty():
    x = mg.arange(7)
    assert [p.tolist() for p in x.tensor_split((5, 2))] == [[0, 1, 2, 3, 4], [], [2, 3, 4, 5, 6]]
    assert [len(p) for p in x.tensor_split(mg.tensor([1, 20]))] == [1, 6, 0]


def test_what_is_added_to_a_product_does_not_enlarge_it():
    with pytest.raises(ValueError, match=r"addmm: \(2, 1, 1\) does not broadcast to"):
        mg.addmm(mg.ones(2, 1, 1), mg.ones(2, 3), mg.ones(3, 4))


def test_distances_are_scipys():
    a, b = MATRIX, MATRIX[:1] + 0.5
    for p, name in ((1, "cityblock"), (2, "euclidean"), (3, "minkowski")):
        expected = cdist(a, b, name, **({"p": 3} if p == 3 else {}))
        np.testing.assert_allclose(mg.cdist(Tensor(a), Tensor(b), p).numpy(), expected)
    assert mg.isclose(Tensor(a), Tensor(a + 1e-9)).all()
    x = mg.tensor([np.inf, 0.0, -2.0, np.nan]).requires_grad_()
    count = x.norm(0)
    count.backward()
    assert count.item() == 3 and x.grad.tolist() == [0, 0, 0, 0]


def test_what_is_not_finite_is_replaced():
    x = mg.tensor([np.nan, np.inf, -np.inf, 1.0])
    largest = float(np.finfo(np.float32).max)
    assert x.nan_to_num().tolist() == [0, largest, -largest, 1]
    assert x.nan_to_num(1, 2, 3).tolist() == [1, 2, 3, 1]
    assert (
        mg.tensor([1.0, np.nan]).nansum().item() == mg.tensor([1.0, np.nan]).nanmean().item() == 1
    )


def test_a_hard_choice_has_the_gradient_of_the_soft_one():
    logits = mg.tensor([[2.0, 0.0, -1.0]], requires_grad=True)
    y = mg.gumbel_softmax(logits.expand(4000, 3), hard=True)
    assert set(y.detach().reshape(-1).tolist()) == {0.0, 1.0} and (y.sum(1) == 1).all()
    share = np.exp([2.0, 0, -1]) / np.exp([2.0, 0, -1]).sum()
    assert np.abs(y.detach().mean(0).numpy() - share).max() < 5 * 0.5 / 4000**0.5
    (y * mg.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert logits.grad.abs().min().item() > 0


def test_a_mask_of_attention_says_what_is_attended_to():
    q, k, v = (mg.randn(2, 4) for _ in range(3))
    seen = mg.tensor([[True, False], [True, True]])
    masked, causal = (
        mg.scaled_dot_product_attention(q, k, v, attn_mask=m, is_causal=c)
        for m, c in ((seen, False), (None, True))
    )
    np.testing.assert_array_equal(masked.numpy(), causal.numpy())
    np.testing.assert_allclose(masked[0].numpy(), v[0].numpy(), rtol=1e-6)
    with pytest.raises(ValueError, match="a mask or is_causal"):
        mg.scaled_dot_product_attention(q, k, v, seen, is_causal=True)


def test_what_may_attend_to_nothing_gets_0():
    q, k, v = (mg.randn(2, 4).requires_grad_() for _ in range(3))
    seen = mg.tensor([[False, False], [True, False]])
    for mask in (seen, mg.where(seen, 0.0, -np.inf)):
        y = mg.scaled_dot_product_attention(q, k, v, mask)
        assert y[0].tolist() == [0, 0, 0, 0] and np.isfinite(y[1].detach().numpy()).all()
        assert all(np.isfinite(g.numpy()).all() for g in mg.grad(y.sum(), [q, k, v]))


def test_windows_of_pooling_that_differ_are_not_there():
    with pytest.raises(NotImplementedError, match="adaptive_max_pool2d"):
        mg.functional.adaptive_max_pool2d(mg.zeros(1, 1, 5, 4), 2)


def test_what_is_written_into_a_diagonal_changes_the_matrix():
    for x in (mg.zeros(3, 4), mg.zeros(4, 3).t()):
        for offset in (-1, 0, 2):
            x.diagonal(offset).fill_(offset + 3)
        assert x.tolist() == [[3, 0, 5, 0], [2, 3, 0, 5], [0, 2, 3, 0]]
    y = mg.ones(2, 2, requires_grad=True) * 1
    with pytest.raises(RuntimeError, match="could not follow"):
        y.diagonal().zero_()


def test_changes_of_the_tensor_itself():
    x = mg.zeros(2, 3)
    assert x.fill_diagonal_(2) is x and x.tolist() == [[2, 0, 0], [0, 2, 0]]
    assert x.unsqueeze_(0) is x and x.shape == (1, 2, 3) and x.squeeze_().t_().shape == (3, 2)
    assert x.transpose_(0, 1).shape == (2, 3) and x.clip_(max=1).max().item() == 1
    for given in (mg.zeros(2, 3)[0], mg.ones(2, requires_grad=True) * 1):
        with pytest.raises(RuntimeError, match=r"write x = x\.unsqueeze"):
            given.unsqueeze_(0)
    y = x = mg.tensor([-4.0, 1.0])
    assert F.hardswish(x, inplace=True) is y and F.threshold(x, 0.5, 9.0, True) is y
    assert y.tolist()[0] == 9


def test_tensors_say_how_they_lie_in_memory():
    x = mg.zeros(2, 3)
    assert x.stride() == (3, 1) and x.T.stride() == (1, 3)
    assert (x.itemsize, x.nbytes, x.ndimension(), x.get_device()) == (4, 24, 2, -1)
    assert x.data_ptr() == x.view(-1).data_ptr() and not x.is_complex() and not x.is_pinned()
    assert mg.arange(5).unfold(0, 3, 2).tolist() == [[0, 1, 2], [2, 3, 4]]


REFUSED = [
    (lambda x: x[None].diag(), "diag: expected a vector or a"),
    (lambda x: x[0].trace(), "trace: expected a matrix"),
    (lambda x: mg.glu(x, 1), "glu: axis 1 of .* has no two halves"),
    (lambda x: x.movedim((0, 1), (1, 1)), "movedim"),
    (lambda x: x.unfold(1, 4, 1), "unfold: no windows of 4"),
    (lambda x: mg.rms_norm(x, [2]), "rms_norm"),
    (lambda x: x.T.cross(x.T), "cross: expected an axis -1 of length 3"),
    (lambda x: mg.softshrink(x, -1), "softshrink: lambd"),
    (lambda x: mg.huber_loss(x, x, delta=0), "huber_loss: delta"),
    (lambda x: x.isclose(x, rtol=-1), "isclose"),
    (lambda x: x.rot90(1, (0, 0)), "rot90"),
    (lambda x: x[None].fill_diagonal_(1), "fill_diagonal_: expected a matrix"),
]


@pytest.mark.parametrize("call, said", REFUSED, ids=[said for _, said in REFUSED])
def test_what_does_not_fit_is_refused_by_name(call, said):
    with pytest.raises(ValueError, match=said):
        call(Tensor(MATRIX))
