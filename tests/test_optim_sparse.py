"""Row-sparse gradients: who takes them, against PyTorch."""

import copy

import numpy as np
import pytest

import minigen as mg
from minigen import nn, optim
from minigen.sparse import SparseRows


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize(
    ("name", "options"), [("SGD", {"lr": 0.1}), ("SparseAdam", {"betas": (0.5, 0.9), "eps": 0.01})]
)
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
