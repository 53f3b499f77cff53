"""The CPU runner of CUDA kernels: mistakes planted in the kernels of minigen are caught, and so are
wrong calls of a kernel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import checked
import numpy as np
import pytest
import runner

from minigen.kernels.cuda import convolution, launch, normalization, optim, random
from minigen.kernels.problem import Problem

pytestmark = checked.needs_compiler

# ---- work in which a mistake has to show ---------------------------------------------------------


def image(cupy, *shape, seed=0):
    return cupy.asarray(np.random.default_rng(seed).standard_normal(shape, np.float32))


def same(x, w, padding):
    size = (5 + 2 * padding,) * 2
    return Problem.of(x.shape, w.shape, size, (1, 1), (padding, padding), (1, 1), 1)


def gather(tile, c=12, k=20, padding=1, bias=True):
    """A convolution by one kernel: several tiles, and edges in all of them."""

    def work(cupy, patch):
        patch.setattr(convolution, "gather_tile", lambda *_: tile)
        x, w = image(cupy, 3, c, 7, 7), image(cupy, k, c, 3, 3)
        problem = same(x, w, padding)
        convolution.conv2d(x, w, image(cupy, k) if bias else None, problem)

    return work


def correlation(tile, piece=50):
    def work(cupy, patch):
        plan = lambda c, k, depth, pixels, *_: (tile, -(-pixels // piece), piece)
        patch.setattr(convolution, "weight_plan", plan)
        x, g = image(cupy, 3, 12, 7, 7), image(cupy, 3, 20, 7, 7)
        convolution.conv2d_weight(x, g, same(x, image(cupy, 20, 12, 3, 3), 1))

    return work


def batch_norm(cupy, patch):
    x, g = image(cupy, 6, 40, 5, 5), image(cupy, 6, 40, 5, 5)
    mean, var = normalization.moments(x)
    normalization.batch_norm_gradients(g, x, mean, var, None)


def masked(cupy, patch):
    random.dropout(image(cupy, 3, 7), 0.5, 2.0, 0, 0)


def adam(cupy, patch):
    optim.adam(*[image(cupy, 5, 7) for _ in range(4)], 0.1, (0.9, 0.99), 1e-8)


def rows(cupy, patch):
    chosen = cupy.asarray(np.array([8, 0, 4]))
    optim.sgd_rows(image(cupy, 9, 5), chosen, image(cupy, 3, 5), -0.1)


def repeated(cupy, patch):
    optim.sum_rows(image(cupy, 4, 3), cupy.asarray(np.array([1, 0, 1, 1])), 2)


BIG, _, SMALL, _ = convolution.GATHER
STEP_2, WEIGHT = checked.STEP_2, convolution.WEIGHT[1]
TENSOR = convolution.GATHER_TF32[1]
TENSOR_WEIGHT = convolution.WEIGHT_TF32[1]
FEW_OUTPUTS = convolution.Tile("conv2d_few.cu", "conv2d_few_outputs<3, 8, 1>", 64, 3, 256, 1, 1.0)
FEW_INPUTS = convolution.Tile(
    "conv2d_few.cu", "conv2d_few_inputs<4>", 64, 64, 256, 1, 1.0, 27 * 64 * 4
)
SIMPLE = convolution.Tile("conv2d_simple.cu", "conv2d_simple<float>", 1, 1, 256, 1, 1.0)


@dataclass(frozen=True)
class Mistake:
    """`wrong` in place of `right` in a file, and what the runner says of it."""

    what: str
    file: str
    right: str
    wrong: str
    says: str
    work: Callable
    names: tuple[str, ...]

    def source(self) -> str:
        """The file with the mistake."""
        text = launch.source(self.file)
        assert text.count(self.right) >= 1, f"{self.what}: {self.right!r} is not in {self.file}"
        return text.replace(self.right, self.wrong)


def mistakes(work, file, names, *planted):
    names = (names,) if isinstance(names, str) else tuple(names)
    return [Mistake(w, file, r, x, says, work, names) for w, r, x, says in planted]


EARLY = "before its cp.async was waited for"
OUT = "out of bounds"
MISTAKES = [
    *mistakes(
        gather(BIG), BIG.file, BIG.name,
        ("missing barrier", "__syncthreads();                       // this one is there", "",
         "race|uninitialised"),
        ("one buffer for both", "now = BUFFERS - 1 - now", "now = 0", "race"),
        ("a pixel too many is read and written", "return m >= end;", "return m > end;",
         f"{OUT}|race|read-only array"),
        ("padding forgotten", "(unsigned)at.row >= (unsigned)p.rows.in ||", "", OUT),
        ("a row too many", "(unsigned)at.row >= (unsigned)p.rows.in",
         "(unsigned)at.row > (unsigned)p.rows.in", OUT),
        ("weights past the end", "b_walk.done(part) ? 0 : p.K", "p.K", OUT),
        ("channels past the end are read", "n0 + B::m(i) < columns ?", "columns ?", OUT),
        ("channels past the end are written", "if (n < K) *(float4*)", "*(float4*)",
         f"{OUT}|race"),
        ("a part of the tile is not stored", "to_b[B::k()]", "if (j) to_b[B::k()]",
         "uninitialised"),
        ("a row past the tile", "to_a[A::k() + (GATHER ? j : 0)]", "to_a[A::k() + j + 1]", OUT),
        ("slices copied along the other side", "Product::THREADS, VEC, GATHER>",
         "Product::THREADS, VEC, !GATHER>", f"{OUT}|misaligned|race|uninitialised"),
        ("part read before it is there", "part = part_of(p, z);\n  __syncthreads();",
         "part = part_of(p, z);", "race|uninitialised"),
        ("write to an input", "nullptr : y + pixel", "nullptr : (float*)x + pixel",
         "read-only array|out of bounds"),
        ("barrier for some", "__syncthreads();                       // this one is there",
         "if (threadIdx.x >= 32) __syncthreads();", "divergent barrier|race|uninitialised"),
    ),
    *mistakes(
        gather(STEP_2), STEP_2.file, STEP_2.name,
        ("one barrier for one buffer", "__syncthreads();                     // the slice before",
         "//", "race"),
        ("no second barrier", "__syncthreads();                       // this one is there", "",
         "race|uninitialised"),
    ),
    *mistakes(
        gather(SMALL, 10, 10), SMALL.file, SMALL.name,
        ("float4 where channels are no multiple of 4", "part.depth", "part.depth", "misaligned"),
    ),
    *mistakes(
        gather(SIMPLE), SIMPLE.file, SIMPLE.name,
        ("bound off by one", "if (m >= part.pixels) return;", "if (m > part.pixels) return;", OUT),
    ),
    *mistakes(
        gather(FEW_OUTPUTS, 20, 3), FEW_OUTPUTS.file, FEW_OUTPUTS.name,
        ("lanes leave before a shuffle", "if (m0 >= part.pixels) return; ",
         "if (m0 + lane >= part.pixels) return; ", "divergent barrier"),
        ("a lane too many writes", "!at.done(part) && k < p.K", "k < p.K", OUT),
    ),
    *mistakes(
        gather(FEW_INPUTS, 3, 20), FEW_INPUTS.file, FEW_INPUTS.name,
        ("missing barrier", "pixel + tap.offset(p, part)));\n  __syncthreads();",
         "pixel + tap.offset(p, part)));", "race|uninitialised"),
        ("more depth than shared memory", "k < part.depth; k += 4", "k < part.depth + 4; k += 4",
         OUT),
    ),
    *mistakes(
        gather(TENSOR), TENSOR.file, TENSOR.name,
        ("missing wait", "copies_wait<STAGES - 2>();             //", "//", EARLY),
        ("a wait too short", "copies_wait<STAGES - 2>();", "copies_wait<STAGES - 1>();", EARLY),
        ("missing barrier", "__syncthreads();                       // everybody's", "//",
         f"race|{EARLY}|uninitialised"),
        ("barrier before the wait", "copies_wait<STAGES - 2>();             // my copies of "
         "slice i are here\n      __syncthreads();  ", "__syncthreads();\n"
         "      copies_wait<STAGES - 2>();", f"race|{EARLY}"),
        ("a stage too early", "stage = slice % STAGES", "stage = (slice + 1) % STAGES",
         f"race|{EARLY}|uninitialised"),
        ("no empty group", "\n      copies_commit();", "\n if (slice < slices) copies_commit();",
         f"{EARLY}|uninitialised"),
    ),
    *mistakes(
        correlation(WEIGHT), WEIGHT.file, (WEIGHT.name, "conv2d_weight_sum"),
        ("pieces overlap", "dw += (size_t)blockIdx.z * part.depth * p.K;", "", "race"),
        ("the last piece is too long", "last = min(first + piece, part.pixels)",
         "last = first + piece", OUT),
        ("a number too many", "if (i >= size) return;", "if (i > size) return;", OUT),
        ("weights past the end", "return m0 + m < part.depth ?", "return true ?", f"{OUT}|race"),
    ),
    *mistakes(
        correlation(TENSOR_WEIGHT), TENSOR_WEIGHT.file, TENSOR_WEIGHT.name,
        ("missing wait", "copies_wait<STAGES - 2>();             //", "//", EARLY),
        ("missing barrier", "__syncthreads();                       // everybody's", "//",
         f"race|{EARLY}|uninitialised"),
    ),
    *mistakes(
        batch_norm, normalization.FILE, [f"{name}<float>" for name in normalization.NAMES],
        ("missing barrier", "[threadIdx.x] = own;\n  __syncthreads();", "[threadIdx.x] = own;",
         "race|uninitialised"),
        ("all threads write one result", "if (threadIdx.y || col >= width) return;",
         "if (col >= width) return;", "race"),
        ("a column too many", "if (col >= width) return;", "if (col > width) return;",
         f"{OUT}|race"),
        ("threads return before a barrier", "__syncthreads();\n  if (threadIdx.y || col >= width)",
         "if (threadIdx.y) return;\n  __syncthreads();\n  if (col >= width)",
         "divergent barrier: a thread has returned"),
        ("pieces overlap", "first + piece, rows", "first + piece + 1, rows + 1", OUT),
    ),
    *mistakes(
        masked, random.FILE, "dropout<float>",
        ("eight at once, whatever the size", "if (block * 8 + j < size) {", "{", OUT),
    ),
    *mistakes(
        adam, optim.FILE, "adam<float>",
        ("bound off by one", "i < size; i += step", "i <= size; i += step", OUT),
        ("threads step too short", "blockDim.x + threadIdx.x; i < size",
         "blockDim.x + threadIdx.x / 2; i < size", "race"),
    ),
    *mistakes(
        rows, optim.FILE, "sgd_rows<float>",
        ("rows and columns mixed up", "rows[i / dim] * dim + i % dim", "rows[i % dim] * dim",
         f"{OUT}|race"),
    ),
    *mistakes(
        repeated, optim.FILE, "sum_rows<float>",
        ("past the last slot", "low < n && slots[low]", "slots[low]", OUT),
    ),
]  # fmt: skip


def jobs():
    for m in MISTAKES:
        yield m.source(), m.names, launch.OPTIONS, True
        yield launch.source(m.file), m.names, launch.OPTIONS, True


@pytest.fixture(scope="module")
def compiled():
    runner.compile_all(dict.fromkeys(jobs()))


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("m", MISTAKES, ids=lambda m: f"{m.names[0]}: {m.what}")
def test_a_planted_mistake_is_caught(m, monkeypatch):
    monkeypatch.setitem(launch.KERNELS, m.file, m.names)
    if m.right != m.wrong:
        with checked.device() as cupy:
            m.work(cupy, monkeypatch)  # nothing to complain about
    wrong = m.source()
    monkeypatch.setattr(launch, "source", lambda file: wrong)
    with checked.device() as cupy, pytest.raises(runner.CudaError, match=m.says) as caught:
        m.work(cupy, monkeypatch)
    assert "index" in str(caught.value) or "thread" in str(caught.value)


# ---- small kernels for the rest ------------------------------------------------------------------

SMALL_KERNELS = """
template <class T> __global__ void twice(const T* x, T* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = 2 * x[i];
}
__global__ void total(const int* x, int* sum, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) atomicAdd(sum, x[i]);
}
__global__ void not_atomic(const int* x, int* sum, int n) {
  *sum += x[threadIdx.x];
}
__global__ void reversed(float* x) {
  extern __shared__ float shared[];
  shared[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  x[threadIdx.x] = shared[blockDim.x - 1 - threadIdx.x];
}
__global__ void warp_sum(int* x) {
  int v = x[threadIdx.x];
  for (int apart = 16; apart; apart /= 2) v += __shfl_xor_sync(0xffffffffu, v, apart);
  x[threadIdx.x] = v;
}
__global__ void in_a_warp(int* x) {
  __shared__ int shared[32];
  shared[threadIdx.x] = x[threadIdx.x];
  __syncwarp();
  x[threadIdx.x] = shared[31 - threadIdx.x];
}
struct Two { int a; float b; };
__global__ void by_value(Two two, float* y) { y[threadIdx.x] = two.a + two.b; }
"""
NAMES = (
    "twice<float>", "twice<double>", "total", "not_atomic", "reversed", "warp_sum", "in_a_warp",
    "by_value",
)  # fmt: skip


@pytest.fixture(scope="module", params=[True, False], ids=["checked", "plain"])
def small(request):
    code = SMALL_KERNELS
    return runner.RawModule(code=code, name_expressions=NAMES, check=request.param)


def test_threads_and_blocks(small):
    x = np.arange(1000, dtype=np.float32)
    y = np.zeros_like(x)
    small.get_function("twice<float>")((4,), (256,), (x, y, np.int32(1000)))
    np.testing.assert_array_equal(y, 2 * x)


def test_atomics_of_all_blocks(small):
    x, total = np.arange(300, dtype=np.int32), np.zeros(1, np.int32)
    small.get_function("total")((5,), (64,), (x, total, np.int32(300)))
    assert total[0] == x.sum()


def test_dynamic_shared_memory(small):
    x = np.arange(96, dtype=np.float32)
    small.get_function("reversed")((1,), (96,), (x,), shared_mem=4 * 96)
    np.testing.assert_array_equal(x, np.arange(96)[::-1])


def test_shuffles_and_barriers_of_a_warp(small):
    x = np.arange(64, dtype=np.int32)
    small.get_function("warp_sum")((1,), (64,), (x,))
    np.testing.assert_array_equal(x, [496] * 32 + [1520] * 32)
    x = np.arange(32, dtype=np.int32)
    small.get_function("in_a_warp")((1,), (32,), (x,))
    np.testing.assert_array_equal(x, np.arange(32)[::-1])


def test_structs_by_value(small):
    two = np.array((3, 0.25), [("a", "i4"), ("b", "f4")])
    y = np.zeros(4, np.float32)
    small.get_function("by_value")((1,), (4,), (two, y))
    np.testing.assert_array_equal(y, [3.25] * 4)


@pytest.fixture(scope="module")
def watched():
    return runner.RawModule(code=SMALL_KERNELS, name_expressions=NAMES, check=True)


def test_a_race_names_the_line(watched):
    x, total = np.arange(32, dtype=np.int32), np.zeros(1, np.int32)
    with pytest.raises(runner.CudaError, match=r"race: array 1 .* at kernel.cu:11"):
        watched.get_function("not_atomic")((1,), (32,), (x, total, np.int32(32)))
    # After an error the same module goes on.
    watched.get_function("total")((1,), (32,), (x, total * 0, np.int32(32)))


@pytest.mark.parametrize(
    ("name", "args", "says"),
    [
        ("twice<float>", lambda x: (x, x.copy(), 5), "i8 .* the kernel wants i4"),
        ("twice<float>", lambda x: (x, x.copy(), np.float32(5)), "f4 .* the kernel wants i4"),
        ("twice<float>", lambda x: (x.astype("d"), x, np.int32(5)), "holds float64"),
        ("twice<float>", lambda x: (x[::2], x.copy(), np.int32(2)), "not contiguous"),
        ("twice<float>", lambda x: (x, x.copy()), "2 arguments"),
        ("twice<float>", lambda x: (np.int64(5), x, np.int32(5)), r"the kernel wants c\*f4"),
    ],
)
def test_wrong_arguments(watched, name, args, says):
    with pytest.raises(TypeError, match=says):
        watched.get_function(name)((1,), (8,), args(np.zeros(8, np.float32)))


def test_wrong_launches(watched):
    x = np.zeros(8, np.float32)
    with pytest.raises(runner.CudaError, match="2000 threads"):
        watched.get_function("reversed")((1,), (2000,), (x,), shared_mem=64)
    with pytest.raises(runner.CudaError, match="a grid of 0"):
        watched.get_function("reversed")((0,), (8,), (x,), shared_mem=64)
    with pytest.raises(runner.CudaError, match="asked for"):
        watched.get_function("reversed")((1,), (8,), (x,), shared_mem=49 << 10)
    with pytest.raises(runner.CudaError, match="out of bounds"):
        watched.get_function("reversed")((1,), (8,), (x,), shared_mem=28)


def test_what_does_not_compile():
    with pytest.raises(runner.CudaError, match="nonsense"):
        runner.RawModule(code="__global__ void f() { nonsense(); }", name_expressions=["f"])
