"""The idea alone: without minigen/engine its tests pass, and no bit is another.

All tests of what stands on the idea, which takes minutes: MINIGEN_ENGINE=0 python -m pytest
-m "not engine" tests/functional tests/nn tests/test_optim*.py tests/test_tensor.py
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minigen as mg
from minigen import Tensor, backend, nn, optim
from minigen import functional as F

TESTS = Path(__file__).parent
ALONE = {**os.environ, "MINIGEN_ENGINE": "0"}
pytestmark = pytest.mark.engine  # which is out in the processes that these tests start


def test_without_the_engine_the_tests_of_the_idea_pass():
    files = ["operation", "ownership", "optim_sparse", "optim_average", "copies", "tensor"]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not engine", "-p", "no:cacheprovider"]
    command += [str(TESTS / f"test_{name}.py") for name in files]
    done = subprocess.run(command, env=ALONE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_four_files_import_no_engine():
    for name in ("tape", "operation", "tensor", "differentiation"):
        text = (TESTS.parent / "minigen" / f"{name}.py").read_text()
        imported = [line for line in text.splitlines() if line.startswith(("import", "from"))]
        assert not any("engine" in line for line in imported)
    tape = (TESTS.parent / "minigen" / "tape.py").read_text()
    assert "minigen import" not in tape and "from minigen" not in tape


def digest():
    """Of trainings and second derivatives in which everything happens that the engine does."""
    backend.limit_threads(3)
    mg.manual_seed(0)
    found = []

    def train(net, x, loss, optimiser):
        for _ in range(3):
            optimiser.zero_grad()
            loss(net(x)).backward()
            optimiser.step()
        found.extend(t.numpy() for t in net.state_dict().values())

    net = nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8), nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(8, 4, 4, 2, 1), nn.Tanh(), nn.Flatten(), nn.Dropout(0.1),
        nn.Linear(4 * 16 * 16, 64), nn.ReLU(), nn.Linear(64, 5),
    )  # fmt: skip
    target = Tensor(np.arange(32) % 5)
    adam = optim.Adam(net.parameters(), lr=1e-2)
    train(net, mg.randn(32, 2, 8, 8), lambda y: F.cross_entropy(y, target), adam)
    table = nn.Embedding(50, 4, sparse=True)
    rows = Tensor(np.arange(40).reshape(8, 5) % 13)
    train(table, rows, lambda y: (y.sum(1) ** 2).mean(), optim.SparseAdam(table.parameters()))
    shared = nn.Linear(256, 256)

    def thrice(y):
        return (shared(shared(y).tanh()) ** 2).mean() + (shared.weight * shared.bias).sum()

    train(shared, mg.randn(128, 256), thrice, optim.SGD(shared.parameters(), lr=0.1, momentum=0.9))
    x = mg.randn(16, 2, 8, 8, requires_grad=True)
    (slope,) = mg.grad(net(x).sum(), x, create_graph=True)
    (slope.flatten(1).norm(dim=1) - 1).pow(2).mean().backward()
    found += [x.grad.numpy(), *[p.grad.numpy() for p in net.parameters() if p.grad is not None]]
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in found)).hexdigest()


def test_every_bit_is_the_same_with_the_engine_and_without(limit_restored):
    code = "import conftest, test_idea; print(test_idea.digest())"
    command, options = [sys.executable, "-c", code], {"capture_output": True, "text": True}
    done = subprocess.run(command, env=ALONE, cwd=TESTS, check=False, **options)
    assert done.stdout.strip() == digest(), done.stderr[-3000:]
