"""Calls that reach BLAS: are their bits the same, whoever holds its limit meanwhile?

`test_kernels_threads.py` runs it in a process of its own.
"""

import sys
import threading

import numpy as np

import minigen
from minigen import Tensor, backend, nn, optim
from minigen import functional as F
from minigen.data.vectors import Vectors
from minigen.kernels import pixels, skipgram
from minigen.kernels.threads import single_threaded_blas
from minigen.metrics import frechet_distance, prdc

rng = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape, np.float32)


a, b, c = normal(112, 93), normal(93, 71), normal(71, 573)
vectors = Vectors([str(i) for i in range(3000)], normal(3000, 50))
text = rng.integers(0, 500, 5 + 64 * 16 + 5)
tables = normal(500, 300), normal(500, 300)
noise, reach = rng.integers(0, 500, (64, 24)), np.full(64 * 16, 5)


def clipped() -> Tensor:
    parameter = nn.Parameter(np.zeros((300, 300), np.float32))
    parameter.grad = Tensor(normal_square.copy())
    return nn.utils.clip_grad_norm_([parameter], 1.0)


image, filters = Tensor(normal(3, 40, 9, 9)), Tensor(normal(50, 40, 3, 3))
wide, points = normal(400, 300), normal(400, 120).astype(np.float64)
CALLS = {
    "matmul": lambda: F.matmul(Tensor(a), Tensor(b)).numpy(),
    "matmul of more": lambda: F.matmul(Tensor(hidden), Tensor(c)).numpy(),
    "matrix and vector": lambda: F.matmul(Tensor(wide), Tensor(wide[0])).numpy(),
    "vector and matrix": lambda: F.matmul(Tensor(wide[:, 0]), Tensor(wide)).numpy(),
    "vectors": lambda: F.matmul(Tensor(wide.ravel()), Tensor(wide.ravel())).numpy(),
    "a matrix and itself": lambda: F.matmul(Tensor(wide), Tensor(wide).transpose(0, 1)).numpy(),
    "linear": lambda: F.linear(Tensor(a), Tensor(b.T), Tensor(normal_bias)).numpy(),
    "bilinear": lambda: F.einsum("ni,oij,nj->no", *map(Tensor, (a, cube, wide[:112, :30]))).numpy(),
    "conv2d": lambda: F.conv2d(image, filters).numpy(),
    "conv_transpose2d": lambda: F.conv_transpose2d(image, filters.transpose(0, 1)).numpy(),
    "sums of channels": lambda: pixels.sum_over(normal_image),
    "clip_grad_norm_": lambda: clipped().numpy(),
    "skipgram": lambda: (
        skipgram.skipgram(text, reach, noise, *tables, window=5, negative=5).w_in.values
    ),
    "frechet_distance": lambda: np.array(frechet_distance(points[:200], points[200:])),
    "prdc": lambda: np.array(prdc(points[:200], points[200:])),
    "most_similar": lambda: np.array([s for _, s in vectors.most_similar("7", count=20)]),
}
normal_bias, cube, normal_image = normal(71), normal(20, 93, 30), normal(4, 64, 40, 40)
normal_square, hidden, target = normal(300, 300), normal(112, 71), normal(112, 573)


def trained() -> np.ndarray:
    """The parameters after some steps."""
    minigen.manual_seed(0)
    model = nn.Sequential(nn.Linear(93, 71), nn.Tanh(), nn.Linear(71, 573))
    steps = optim.SGD(model.parameters(), lr=0.1)
    for _ in range(15):
        steps.zero_grad()
        F.mse_loss(model(Tensor(a)), Tensor(target)).backward()
        steps.step()
    return np.concatenate([p.numpy().ravel() for p in model.parameters()])


def main() -> None:
    backend.limit_threads(2)
    wrong = []
    for name, call in CALLS.items():
        alone = call()
        with single_threaded_blas():
            held = call()
        if alone.tobytes() != held.tobytes():
            wrong.append(name)
    done = threading.Event()

    def enter_and_leave() -> None:
        while not done.is_set():
            with single_threaded_blas():
                done.wait(1e-4)
            done.wait(1e-4)

    other = threading.Thread(target=enter_and_leave)
    other.start()
    results = {trained().tobytes() for _ in range(6)}
    done.set()
    other.join()
    if len(results) > 1:
        wrong.append(f"{len(results)} results of 6 equal trainings")
    print(*wrong, sep="\n")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
