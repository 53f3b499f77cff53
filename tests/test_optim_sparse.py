"""Row-sparse gradients: who takes them, against formulas and PyTorch."""

import copy

import numpy as np
import pytest

import minigen as mg
from minigen import nn, optim
from minigen.sparse import SparseRows

BOTH = [("SGD", {"lr": 0.1}), ("SparseAdam", {"lr": 0.1, "betas": (0.5, 0.9), "eps": 0.01})]


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize(("name", "options"), BOTH)
def test_steps_are_those_on_paper_of_the_rows_that_were_used(name, options, maximize):
    table = nn.Embedding(9, 3, sparse=True, dtype=np.float64)
    optimiser = getattr(optim, name)(table.parameters(), **options, maximize=maximize)
    p, m, v = table.weight.array.copy(), np.zeros((9, 3)), np.zeros((9, 3))
    for t, rows in enumerate(([1, 4, 4], [4, 8], [1, 1]), 1):
        optimiser.zero_grad()
        (table(mg.tensor(rows)) ** 2).sum().backward()
        used, times = np.unique(rows, return_counts=True)
        g = (-2 if maximize else 2) * times[:, None] * p[used]
        if name == "SGD":
            p[used] -= 0.1 * g
        else:
            m[used] = 0.5 * m[used] + 0.5 * g
            v[used] = 0.9 * v[used] + 0.1 * g**2
            rate = 0.1 * np.sqrt(1 - 0.9**t) / (1 - 0.5**t)
            p[used] -= rate * m[used] / (np.sqrt(v[used]) + 0.01)
        optimiser.step()
        np.testing.assert_allclose(table.weight.array, p, rtol=1e-12)
        # The gradient is read; the rows, and what is remembered of them, are read and written.
        arrays = {"SGD": 1, "SparseAdam": 3}[name]
        assert optimiser.work() == (g.size, g.nbytes * (1 + 2 * arrays))


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize(("name", "options"), BOTH)
def test_steps_agree_with_pytorch_and_move_no_other_row(name, options, maximize):
    torch = pytest.importorskip("torch")
    ours = nn.Embedding(9, 3, sparse=True, dtype=np.float64)
    theirs = torch.nn.Embedding(9, 3, sparse=True, dtype=torch.float64)
    ours.load_state_dict({n: t.numpy() for n, t in theirs.state_dict().items()})
    before = ours.weight.array.copy()
    mine = getattr(optim, name)(ours.parameters(), **options, maximize=maximize)
    other = getattr(torch.optim, name)(theirs.parameters(), **options, maximize=maximize)
    for rows in ([1, 4, 4], [4, 8], [1, 1]):
        mine.zero_grad(set_to_none=False), other.zero_grad()
        (ours(mg.tensor(rows)) ** 2).sum().backward()
        (theirs(torch.tensor(rows)) ** 2).sum().backward()
        mine.step(), other.step()
        np.testing.assert_allclose(ours.weight.array, theirs.weight.detach().numpy(), rtol=1e-12)
    untouched = [0, 2, 3, 5, 6, 7]
    np.testing.assert_array_equal(ours.weight.array[untouched], before[untouched])
    twin = copy.deepcopy(ours)
    resumed = getattr(optim, name)(twin.parameters())
    resumed.load_state_dict(mine.state_dict())
    twin.weight.grad = ours.weight.grad
    mine.step(), resumed.step()
    np.testing.assert_array_equal(ours.weight.array, twin.weight.array)


def test_the_others_refuse():
    table = nn.Parameter(np.zeros((4, 2)))
    table.grad = SparseRows(np.array([1]), np.ones((1, 2)), (4, 2))
    for kind in (optim.Adam, optim.AdamW, optim.RMSprop):
        with pytest.raises(TypeError, match=r"\(4, 2\) is row-sparse; use SparseAdam"):
            kind([table]).step()
    for options in ({"momentum": 0.9}, {"weight_decay": 0.1}):
        with pytest.raises(NotImplementedError, match=f"row-sparse gradient: {[*options][0]}="):
            optim.SGD([table], **options).step()
    with pytest.raises(ValueError, match="gradient float32"):
        table.grad = SparseRows(np.array([1]), np.ones((1, 2), np.float32), (4, 2))
    table.grad = mg.Tensor(np.ones((4, 2)))
    with pytest.raises(TypeError, match=r"SparseAdam: .* is dense; use Adam"):
        optim.SparseAdam([table]).step()
    assert not table.array.any()
