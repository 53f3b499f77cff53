"""Tensors, modules and optimisers on a GPU: the same results, in the same memory layout."""

import importlib.util
import types

import numpy as np
import pytest
import standin
from operations import (
    OPERATIONS,
    TRUTH,
    channels_last,
    derivatives,
    draws,
    is_channels_last,
    numbers,
)

import minigen
from minigen import DeviceError, OutOfMemoryError, Tensor, backend, nn, optim, training
from minigen.sparse import SparseRows

every = pytest.mark.parametrize("entry", OPERATIONS + TRUTH, ids=lambda entry: entry.name)


def on(device, call, f):
    """Outputs, and derivatives of first and second order."""
    leaves = [Tensor(a, device=device, requires_grad=True) for a in call.leaves()]
    constants = []
    call.map(lambda a, leaf: leaf or constants.append(Tensor(a, device=device)))
    remaining = iter(constants)
    standin.transfers.clear()
    minigen.manual_seed(0)
    outputs = call.of_leaves(f, lambda a: next(remaining))(*leaves)
    sent = len(standin.transfers.to_host)
    rng = np.random.default_rng(0)
    u = [Tensor(a, device=device, requires_grad=True) for a in numbers(rng, outputs)]
    v = [Tensor(a, device=device) for a in numbers(rng, leaves)]
    standin.transfers.clear()
    found = [*outputs, *derivatives(minigen.grad, outputs, leaves, u, v)]
    return found, sent + len(standin.transfers.to_host)


# A mask must be counted before the size of what it picks is known.
WAITS = {"index", "masked_select"}


@every
def test_every_operation_is_the_same_on_a_gpu(entry, cupy):
    f = entry.on(minigen, Tensor)
    for call in draws(entry, 4):
        expected, _ = on("cpu", call, f)
        found, sent = on("cuda", call, f)
        assert not sent or entry.name in WAITS
        for a, b in zip(expected, found, strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                assert b.device == "cuda:0" and (a.shape, a.dtype) == (b.shape, b.dtype)
                np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "entry", [e for e in OPERATIONS + TRUTH if e.each or e.image], ids=lambda e: e.name
)
def test_images_stay_channels_last_on_a_gpu(entry, cupy):
    """Values and gradients alike, where CuPy by itself would return them in row-major order."""
    for call in draws(entry, 4):
        if entry.each:  # any shape will do: take an image of the same numbers
            call = call.map(lambda a, _: channels_last(np.resize(a, (2, 3, 4, 5))))
        elif call.args[0].ndim != 4:
            continue
        else:
            call = call.map(lambda a, _: channels_last(a) if a.ndim == 4 else a)
        on_gpu = lambda a: Tensor(a, device="cuda")
        leaves = [Tensor(a, device="cuda", requires_grad=True) for a in call.leaves()]
        assert is_channels_last(leaves[0])
        (y,) = call.of_leaves(entry.on(minigen, Tensor), on_gpu)(*leaves)
        assert is_channels_last(y)
        if y.requires_grad:
            count = len(leaves) if entry.each else 1
            g = minigen.grad(y, leaves[:count], on_gpu(channels_last(np.ones(y.shape))))
            assert all(is_channels_last(x) for x in g)


def test_joined_images_stay_channels_last(cupy):
    a, b = (channels_last(np.random.default_rng(i).random((2, 3, 4, 5))) for i in range(2))
    for dim in range(4):
        y = minigen.cat([Tensor(a, device="cuda"), Tensor(b, device="cuda")], dim)
        assert is_channels_last(y)
        np.testing.assert_array_equal(y.numpy(), np.concatenate([a, b], dim))


# Making and moving


@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_tensors_are_made_on_the_gpu(device, cupy):
    made = [
        Tensor([1.0, 2.0], device=device),
        Tensor(np.ones(2), device=device),
        Tensor(cupy.ones(2)),
        minigen.tensor([1, 2], device=device),
        minigen.zeros(2, 3, device=device),
        minigen.ones(2, dtype=np.int64, device=device),
        minigen.full((2,), 3.0, device=device),
        minigen.arange(3, device=device),
        minigen.eye(2, device=device),
        minigen.randn(2, device=device),
        minigen.rand(2, device=device),
        minigen.zeros_like(Tensor(cupy.ones(2))),
        Tensor([1.0]).to(device),
        Tensor([1.0]).to(device=device, dtype="float64"),
    ]
    for x in made:
        assert x.device == "cuda:0" and isinstance(x.array, cupy.ndarray)
        np.testing.assert_array_equal(x.numpy(), x.to("cpu").array)
        assert x.to(device) is x and type(x.numpy()) is np.ndarray
    assert "device='cuda:0'" in repr(made[0])
    assert made[0].tolist() == [1, 2] if hasattr(Tensor, "tolist") else True
    assert float(made[-1]) == 1 and made[0].sum().item() == 3 and bool(made[0].sum() == 3)
    assert made[0].sum().array.shape == () and len(made[0]) == 2


def test_random_numbers_are_those_of_the_cpu(cupy):
    found = []
    for device in ("cpu", "cuda"):
        minigen.manual_seed(3)
        x = minigen.ones(2, 3, 4, 5, device=device)
        found.append([minigen.randn(4, device=device), minigen.rand(4, device=device),
                      minigen.dropout(x, 0.4), minigen.dropout2d(x, 0.4)])  # fmt: skip
        found[-1].append(minigen.zeros(3, device=device).normal_().uniform_(1, 2))
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_moving_keeps_the_memory_layout_and_carries_gradients(cupy):
    image = channels_last(np.random.default_rng(0).standard_normal((2, 3, 4, 5)))
    x = Tensor(image, requires_grad=True)
    y = x.to("cuda")
    assert is_channels_last(y) and is_channels_last(Tensor(y.numpy()))
    np.testing.assert_array_equal(y.numpy(), image)
    (y * y).sum().backward()
    assert x.grad.device == "cpu"
    np.testing.assert_allclose(x.grad.array, 2 * image)


def test_indices_are_those_of_numpy(cupy):
    host = np.arange(24.0).reshape(2, 3, 4)
    x, rows = Tensor(host, device="cuda"), Tensor([1, 0, 1], device="cuda")
    one = Tensor(1, device="cuda")
    assert (x[1, :, 2].numpy() == host[1, :, 2]).all() and (x[one].numpy() == host[1]).all()
    assert (x[[1, 0]].numpy() == host[[1, 0]]).all() and (x[rows].numpy() == host[[1, 0, 1]]).all()
    assert (x[x > 5].numpy() == host[host > 5]).all() and x[0, 0, 0].array.shape == ()
    x[0, 0] = 7.0
    x[rows[:1]] = Tensor(host[:1], device="cuda")
    host[0, 0] = 7
    host[1] = Tensor(np.arange(24.0).reshape(2, 3, 4)).numpy()[0]
    np.testing.assert_array_equal(x.numpy()[0], host[0])
    with pytest.raises(DeviceError, match=r"index: input is on cuda:0 and key on cpu"):
        x[Tensor([1, 0])]


def test_mixing_devices_names_both_operands(cupy):
    here, there = Tensor([1.0, 2.0]), Tensor([1.0, 2.0], device="cuda")
    for f in (minigen.add, minigen.mul, minigen.maximum, minigen.gt):
        with pytest.raises(DeviceError, match=r"input is on cpu and other on cuda:0; .*to\('cuda"):
            f(here, there)
        with pytest.raises(DeviceError, match=r"input is on cuda:0 and other on cpu; .*to\('cpu'"):
            f(there, here)
    table, rows = minigen.zeros(3, 2, device="cuda"), Tensor([1, 2])
    with pytest.raises(DeviceError, match="embedding: weight is on cuda:0 and rows on cpu"):
        minigen.embedding(rows, table)
    with pytest.raises(DeviceError, match="gather: input is on cuda:0 and index on cpu"):
        minigen.gather(there, 0, Tensor([0]))
    image, weight = minigen.zeros(1, 1, 3, 3), minigen.zeros(1, 1, 2, 2, device="cuda")
    with pytest.raises(DeviceError, match="conv2d: input is on cpu and weight on cuda:0"):
        minigen.conv2d(image, weight)
    with pytest.raises(DeviceError, match="matmul: input is on cpu and other on cuda:0"):
        minigen.eye(2) @ minigen.eye(2, device="cuda")


def test_what_cannot_be_looked_at_without_waiting_becomes_nan(cupy):
    logits = minigen.zeros(2, 3, device="cuda")
    assert np.isnan(minigen.cross_entropy(logits, Tensor([0, 3], device="cuda")).item())
    assert not np.isnan(minigen.cross_entropy(logits, Tensor([0, -100], device="cuda")).item())
    rows = minigen.embedding(Tensor([0, 5, -1], device="cuda"), minigen.ones(5, 2, device="cuda"))
    assert np.isnan(rows.numpy()).tolist() == [[False] * 2, [True] * 2, [True] * 2]
    for p in (-0.5, 1.5):
        p = Tensor([p, 0.5], device="cuda")
        assert np.isnan(minigen.binary_cross_entropy(p, Tensor([1.0, 0.0], device="cuda")).item())
    one = minigen.ones(1, device="cuda")
    assert np.isnan(minigen.gaussian_nll_loss(one, one, -one).item())


# Modules, optimisers, files


def small():
    minigen.manual_seed(0)
    return nn.Sequential(
        # A bias before batch norm has gradient 0 but for rounding, which Adam would make large.
        nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.LeakyReLU(0.2),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 3),
    )  # fmt: skip


OPTIMISERS = {
    "sgd": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01),
    "adam": lambda p: optim.Adam(p, lr=0.01, weight_decay=0.01),
    "adamw": lambda p: optim.AdamW(p, lr=0.01),
    "rmsprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
}


def train(model, optimiser, steps, device):
    rng = np.random.default_rng(steps)
    for _ in range(steps):
        images = Tensor(rng.standard_normal((5, 1, 4, 4)).astype("f"), device=device)
        labels = Tensor(rng.integers(0, 3, 5), device=device)
        optimiser.zero_grad()
        minigen.cross_entropy(model(images), labels).backward()
        optimiser.step()


def close(a, b, rtol=1e-4):
    for name, value in a.state_dict().items():
        np.testing.assert_allclose(
            b.state_dict()[name].numpy(), value.numpy(), rtol=rtol, atol=1e-5, err_msg=name
        )


@pytest.mark.parametrize("name", OPTIMISERS)
def test_a_module_moves_there_and_back_and_its_optimiser_follows(name, cupy):
    """Two steps, two on the other device, two more; the same as six where it was."""
    stays, moves = small(), small()
    optimisers = [OPTIMISERS[name](m.parameters()) for m in (stays, moves)]
    parameters = list(moves.parameters())
    for device in ("cpu", "cuda", "cpu"):
        assert moves.to(device) is moves
        assert all(p is q for p, q in zip(parameters, moves.parameters(), strict=True))
        train(stays, optimisers[0], 2, "cpu")
        train(moves, optimisers[1], 2, device)
        wanted = "cpu" if device == "cpu" else "cuda:0"
        assert {t.device for t in (*moves.parameters(), *moves.buffers())} == {wanted}
        assert {p.grad.device for p in moves.parameters()} == {wanted}
        close(stays, moves)


@pytest.mark.parametrize("bound", [0.5, 1e3, 0.0])
def test_gradients_are_clipped_without_waiting(bound, cupy):
    found = []
    for device in ("cpu", "cuda"):
        parameters = [minigen.ones(3, device=device), minigen.ones(2, 2, device=device)]
        for i, p in enumerate(parameters):
            p.grad = minigen.full(p.shape, 1.0 + i, device=device)
        standin.transfers.clear()
        norm = nn.utils.clip_grad_norm_(parameters, bound)
        nn.utils.clip_grad_value_(parameters, 0.9)
        assert standin.transfers.to_host == [] and norm.device == p.grad.device
        found.append([norm.numpy(), *[p.grad.numpy() for p in parameters]])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_sparse_gradients_on_a_gpu(cupy):
    found = []
    for device in ("cpu", "cuda"):
        table = nn.Embedding(6, 2, sparse=True)
        table.weight.array[...] = np.arange(12.0).reshape(6, 2)
        table.to(device)
        for optimiser in (optim.SGD(table.parameters(), 0.5), optim.SparseAdam(table.parameters())):
            optimiser.zero_grad()
            y = table(Tensor([[1, 4], [1, 0]], device=device))
            (y * y).sum().backward()
            optimiser.step()
        assert isinstance(table.weight.grad, SparseRows)
        table.to("cpu")
        assert type(table.weight.grad.values) is type(table.weight.grad.rows) is np.ndarray
        found.append((table.weight.array, table.weight.grad.to_dense()))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_state_crosses_devices_through_files(cupy, tmp_path):
    """What was saved on a GPU is loaded on the CPU, and the other way; training goes on alike."""
    for source, target in (("cuda", "cpu"), ("cpu", "cuda")):
        first = small().to(source)
        optimiser = optim.Adam(first.parameters())
        average = optim.ExponentialMovingAverage(first, 0.9)
        train(first, optimiser, 2, source)
        average.update()
        parts = {"model": first, "optimiser": optimiser, "average": average}
        training.save_checkpoint(
            tmp_path / "c.npz", {name: part.state_dict() for name, part in parts.items()}
        )
        minigen.save(first.state_dict(), tmp_path / "weights.npz")

        second = small().to(target)
        loaded = training.load_checkpoint(tmp_path / "c.npz")
        second.load_state_dict(loaded["model"])
        follower = optim.Adam(second.parameters())
        follower.load_state_dict(loaded["optimiser"])
        averaged = optim.ExponentialMovingAverage(second, 0.9)
        averaged.load_state_dict(loaded["average"])
        close(first, second, rtol=0)
        train(first, optimiser, 2, source)
        train(second, follower, 2, target)
        average.update(), averaged.update()
        close(first, second)
        average.copy_to(), averaged.copy_to()
        close(first, second)
        third = small().to(target)
        third.load_state_dict(minigen.load(tmp_path / "weights.npz"))
        assert {t.device for t in third.parameters()} == {next(second.parameters()).device}


# Memory, and what is not there


def test_too_little_memory_says_what_and_how_much(cards):
    cupy = cards(1)
    x = minigen.ones(256, 256, device="cuda", requires_grad=True)
    y = x * 2
    cupy.get_default_memory_pool().set_limit(1_000_000)
    expected = (
        r"mul\(input float32 \(256, 256\)\): Out of memory allocating 262,144 bytes .* The card "
        r"has 1,024 MiB of 2,048 MiB free .*; take smaller batches"
    )
    with pytest.raises(OutOfMemoryError, match=expected):
        z = y * 2
        z = [z, z * 2]
    with pytest.raises(MemoryError, match=r"moving an array float32 \(512, 512\) to cuda:0: Out"):
        Tensor(np.ones((512, 512), "f"), device="cuda")
    with pytest.raises(OutOfMemoryError, match=r"making an array float32 \(512, 512\): Out of"):
        minigen.zeros(512, 512, device="cuda")
    x.grad = Tensor(x.array)
    with pytest.raises(
        OutOfMemoryError, match=r"Adam: exp_avg of a parameter float32 \(256, 256\)"
    ):
        optim.Adam([x]).step()
    x.grad = None
    cupy.get_default_memory_pool().set_limit(None)
    (y * 2).sum().backward()  # all is well again


def test_a_kernel_says_what_it_cannot_take(cupy):
    image, weight = (minigen.ones(1, 1, 4, 4, dtype="int64", device="cuda") for _ in range(2))
    with pytest.raises(TypeError, match=r"conv2d\(input int64 \(1, 1, 4, 4\), .*not int64"):
        minigen.conv2d(image, weight)
    halves = minigen.ones(1, 1, 4, 4, dtype="float16", device="cuda")
    y = minigen.conv2d(halves, halves)  # computed in float32
    assert y.dtype == np.float16 and y.item() == 16


def test_a_process_works_on_one_card(cards):
    cards(2)
    x = Tensor([1.0], device="cuda:1")
    assert x.device == "cuda:1" and minigen.zeros(2, device="cuda").device == "cuda:1"
    assert (x + x).device == "cuda:1" and x.to("cuda") is x
    with pytest.raises(DeviceError, match="works on cuda:1, and on one card only"):
        minigen.zeros(2, device="cuda:0")
    with pytest.raises(DeviceError, match="this machine has 2 card"):
        minigen.zeros(2, device="cuda:2")
    with standin.Device(0):
        other = Tensor(sys_cupy().ones(1))
    with pytest.raises(DeviceError, match="add: input is on cuda:1 and other on cuda:0"):
        x + other


def sys_cupy():
    import cupy

    return cupy


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"driver": 0}, "there is no NVIDIA driver: install one"),
        ({"driver": 12040}, r"knows CUDA up to 12, this CuPy is built for 13: .*minigen\[cuda12\]"),
        ({"cards": 0}, "there is a driver, but no NVIDIA card"),
        ({"capability": "61"}, "compute capability 6.1, but the kernels need 7.5"),
        ({"nvrtc": RuntimeError("no libnvrtc\nmore")}, r"NVRTC.*\(no libnvrtc\): pip install 'cup"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_is_missing_is_said_in_one_sentence(broken, message, cards, monkeypatch):
    cupy = cards(broken.get("cards", 1))
    if "driver" in broken:
        cupy.cuda.is_available = lambda: False
        cupy.cuda.runtime.driverGetVersion = lambda: broken["driver"]
    if "capability" in broken:
        monkeypatch.setattr(standin.Device, "compute_capability", broken["capability"])
    if "nvrtc" in broken:
        monkeypatch.setattr(cupy.cuda, "nvrtc", types.SimpleNamespace(getVersion=failing(broken)))
    with pytest.raises(DeviceError, match=message) as caught:
        Tensor([1.0], device="cuda")
    assert "\n" not in str(caught.value)
    with pytest.raises(DeviceError, match=message):
        nn.Linear(2, 2).to("cuda")


def failing(broken):
    def f():
        raise broken["nvrtc"]

    return f


def test_tf32_is_off_until_allowed():
    assert backend.tf32_allowed() is False
    minigen.allow_tf32(True)
    assert backend.tf32_allowed() is True
    minigen.allow_tf32(False)
    assert backend.tf32_allowed() is False
    with pytest.raises(TypeError, match="expected True or False, not 1"):
        minigen.allow_tf32(1)


# The stand-in itself


def test_the_stand_in_has_cupys_manners(cards):
    cupy = cards(1)
    x = cupy.asarray(np.arange(6.0).reshape(2, 3))
    assert standin.transfers.to_device == [48]
    for f in (lambda: x + np.ones(3), lambda: np.ones(3) + x, lambda: np.add(np.ones(3), x),
              lambda: cupy.concatenate([x, np.ones((1, 3))])):  # fmt: skip
        with pytest.raises(TypeError, match="Unsupported type <class 'numpy.ndarray'>"):
            f()
    with pytest.raises(TypeError, match="Implicit conversion to a NumPy array is not allowed"):
        np.asarray(x)
    with pytest.raises(TypeError, match="unexpected argument"):
        x.max(initial=0)
    with pytest.raises(TypeError):
        range(3)[x[0, 0].astype(int)]
    assert not hasattr(cupy, "nditer") and np.add(x, x).shape == (2, 3)
    assert x.T.flags.f_contiguous and np.exp(x.T).flags.c_contiguous
    assert x.T.copy("K").flags.f_contiguous and np.empty_like(x.T).flags.f_contiguous
    assert isinstance(x.sum(), cupy.ndarray) and x.sum().shape == () and x[0, 0].base is x
    assert x[cupy.asarray([2, 3])].shape == (2, 3)  # indices wrap around
    standin.transfers.clear()
    assert float(x.sum()) == 15 and len(standin.transfers.to_host) == 1
    assert np.isnan(cupy.empty(3)[0].item())


@pytest.mark.skipif(importlib.util.find_spec("cupy") is None, reason="CuPy is not installed")
def test_the_stand_ins_table_is_cupys():
    import cupy
    import cupyx.scipy.special

    have = set(standin.table())
    told = standin.described(cupy, cupyx.scipy.special).splitlines()
    missing = have - {line.split()[0] for line in told}
    assert not missing  # in this version of CuPy


def test_info_compiles_and_runs_a_kernel(cupy):
    from minigen import info

    found = dict(info.report())
    assert found["kernel"] == "compiled and ran"
    assert "compute capability" in found["cuda:0"] and "GiB free" in found["cuda:0"]
