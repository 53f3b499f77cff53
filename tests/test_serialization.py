"""Weights come back bit for bit, from our files and from PyTorch's; damaged files are refused."""

import json
import pickle
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minigen
from minigen import Tensor, nn
from minigen.serialization import load, save
from minigen.training import CheckpointError, load_checkpoint, save_checkpoint

dtypes = st.sampled_from(
    ["float16", "float32", "float64", "int32", "int64", "uint8", "bool", ">f4"]
)
laid_out = st.sampled_from(
    [
        lambda a: a,
        lambda a: np.asarray(a, order="F"),
        lambda a: np.moveaxis(np.moveaxis(a, 1, -1).copy(), -1, 1) if a.ndim == 4 else a,  # NHWC
        lambda a: a[..., ::-1] if a.ndim else a,
    ]
)


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


@pytest.fixture(params=[".npz", ".safetensors"])
def path(request, tmp_path):
    if request.param == ".safetensors":
        pytest.importorskip("safetensors")
    return tmp_path / f"weights{request.param}"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_was_saved_is_loaded_bit_for_bit(path, data):
    shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3)
    names = st.text("ab.c0 /é", min_size=1, max_size=4)
    arrays = data.draw(
        st.dictionaries(names, dtypes.flatmap(lambda d: hnp.arrays(np.dtype(d), shapes)))
    )
    arrays = {name: data.draw(laid_out)(a) for name, a in arrays.items()}
    save({"net": {name: Tensor(a) for name, a in arrays.items()}, "step": np.array(3)}, path)
    loaded = load(path)
    assert loaded.keys() == {"net", "step"} and loaded["net"].keys() == arrays.keys()
    assert loaded["step"].item() == 3 and loaded["step"].shape == ()
    for name, a in arrays.items():
        assert same(loaded["net"][name].numpy(), a.astype(a.dtype.newbyteorder("=")))


def network(nn):
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2)
    )


def test_weights_move_from_pytorch_and_back(path):
    torch = pytest.importorskip("torch")
    theirs, ours = network(torch.nn), network(nn)
    theirs(torch.randn(5, 3, 4, 4))  # so that batch norm's buffers are not what they begin with
    if path.suffix == ".npz":
        np.savez(path, **{name: t.numpy() for name, t in theirs.state_dict().items()})
    else:
        import safetensors.torch

        safetensors.torch.save_file(theirs.state_dict(), path)
    ours.load_state_dict(load(path))
    for name, t in theirs.state_dict().items():
        assert same(ours.state_dict()[name].numpy(), t.numpy()), name

    minigen.manual_seed(1)
    ours = network(nn)
    ours(minigen.randn(5, 3, 4, 4))
    save(ours.state_dict(), path)
    if path.suffix == ".npz":
        with np.load(path) as file:
            state = {name: torch.from_numpy(file[name]) for name in file.files}
    else:
        state = safetensors.torch.load_file(path)
    theirs.load_state_dict(state)
    for name, t in ours.state_dict().items():
        assert same(theirs.state_dict()[name].numpy(), t.numpy()), name


def test_bfloat16_is_read_as_float32(tmp_path):
    pytest.importorskip("safetensors")
    numbers = np.array([[1.0, -2.5, 384.0]], "<f4")  # of 8 bits, so that their upper halves say all
    content = numbers.view("<u2")[:, 1::2].tobytes() + numbers.tobytes()
    entries = {
        "half": {"dtype": "BF16", "shape": [1, 3], "data_offsets": [0, 6]},
        "whole": {"dtype": "F32", "shape": [1, 3], "data_offsets": [6, 18]},
    }
    path = tmp_path / "a.safetensors"

    def write(entries):
        head = json.dumps(entries).encode()
        path.write_bytes(len(head).to_bytes(8, "little") + head + content)

    write(entries | {"__metadata__": {"dtype": "BF16"}})  # as who saved it likes to note
    for t in load(path).values():
        assert same(t.numpy(), numbers)
    write(entries | {"half": {"dtype": "F8_E4M3", "shape": [1, 6], "data_offsets": [0, 6]}})
    with pytest.raises(ValueError, match="half holds F8_E4M3, which no tensor can: convert"):
        load(path)


def test_damaged_missing_and_foreign_files_are_refused_in_words(path):
    with pytest.raises(FileNotFoundError, match="give a file that save has written.*weights"):
        load(path)
    save({"w": np.arange(100.0), "b": np.ones(3)}, path)
    whole = path.read_bytes()
    for part in (whole[:-20], whole[:30], b"", b"GIF89a" * 50):
        path.write_bytes(part)
        with pytest.raises(ValueError, match=f"weights{path.suffix} is damaged, cut short or no"):
            load(path)
    with pytest.raises(ValueError, match="ends in .npz or .safetensors"):
        save({"w": np.ones(1)}, path.with_suffix(".pt"))


def test_a_runs_checkpoint_is_told_from_a_file_of_ones_own(tmp_path):
    path = tmp_path / "step.npz"
    save_checkpoint(path, {"model": {"w": np.ones(2)}})
    with pytest.raises(ValueError, match="step.npz: this is a run's checkpoint: read it by"):
        load(path)
    save({"model": {"w": np.ones(2)}}, path)
    with pytest.raises(CheckpointError, match="damaged|lacks format"):
        load_checkpoint(path)


def test_loading_never_runs_code(tmp_path):
    class Trap:
        def __reduce__(self):
            return sys.exit, (1,)

    np.savez(tmp_path / "trap.npz", w=np.array([Trap()], dtype=object))
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        load(tmp_path / "trap.npz")


def test_what_cannot_be_saved_is_named_and_the_older_file_stays(path):
    save({"w": np.ones(2)}, path)
    for state, error in [
        ({"a": {"b": np.ones(1)}, "a.b": np.ones(1)}, ValueError("two arrays .* 'a.b'")),
        ({"a": {"b": object()}}, TypeError("a.b is a object; expected tensors")),
        ({"a": [nn.ReLU()]}, TypeError("a.0 is a ReLU; .* give its state_dict")),
        ({"z": np.ones(1, complex)}, TypeError("z is a complex128")),
        ({"a": {"": np.ones(1)}}, TypeError("keys are str")),
        ({"a": {0.5: 1}}, TypeError("keys are str")),
    ]:
        with pytest.raises(type(error), match=str(error)):
            save(state, path)
    assert load(path)["w"].numpy().tolist() == [1, 1]
    assert [p.name for p in path.parent.iterdir()] == [path.name]


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=3)
    | hnp.arrays(np.float32, (2,)).map(Tensor)
)
names = st.text("abé ", min_size=1, max_size=3) | st.integers(-1, 3)
nested = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(names, inner, max_size=3)
    ),
    max_leaves=8,
)


def equal(a, b) -> bool:
    """Of one kind, of one order, of equal values."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return same(a.numpy(), b.numpy()) if isinstance(a, Tensor) else a == b


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(state=st.dictionaries(names.filter(lambda n: n != -1), nested, max_size=3))
def test_a_checkpoint_of_nested_values_comes_back_as_it_was(path, state):
    """In all but the arrays of an .npz that is flat, whose dict is the file."""
    try:
        save(state, path)
    except ValueError as error:  # 1 and "1" are one name in the file, ("a.b",) and ("a", "b") too
        assert "two arrays would be named" in str(error)  # noqa: PT017
        return
    loaded = load(path)
    if path.suffix == ".safetensors" and all(isinstance(x, Tensor) for x in state.values()):
        loaded = {name: loaded[name] for name in state}  # it keeps no order
    assert equal(loaded, state)


def test_models_optimisers_and_numbers_resume_from_one_file(path):
    def trained(steps, state=None):
        minigen.manual_seed(0)
        model = network(nn)
        optimiser = minigen.optim.Adam(model.parameters(), lr=0.01)
        if state is not None:
            model.load_state_dict(state["model"])
            optimiser.load_state_dict(state["optimiser"])
        x = Tensor(np.random.default_rng(0).normal(size=(5, 3, 4, 4)).astype(np.float32))
        for _ in range(steps):
            optimiser.zero_grad()
            (model(x) ** 2).mean().backward()
            optimiser.step()
        return {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "epoch": steps}

    save(trained(2), path)
    resumed = trained(2, load(path))
    for name, t in trained(4)["model"].items():
        assert same(resumed["model"][name].numpy(), t.numpy()), name
    assert load(path)["epoch"] == 2


def test_names_in_the_file_are_those_that_numpy_and_pytorch_read(path):
    save({"critic": {"weight": np.ones(2)}, "epoch": 3}, path)
    if path.suffix == ".npz":
        with np.load(path) as file:
            assert file["critic.weight"].tolist() == [1, 1]
    else:
        from safetensors.numpy import load_file

        assert load_file(path).keys() == {"critic.weight"}


def test_pytorchs_files_are_read_without_pytorch(tmp_path):
    torch = pytest.importorskip("torch")
    theirs = network(torch.nn).to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(theirs.parameters())
    theirs(torch.randn(5, 3, 4, 4)).sum().backward()
    optimiser.step()
    state = {
        "model": theirs.state_dict(),
        "optimiser": optimiser.state_dict(),
        "epoch": 3,
        "parts": [torch.arange(12).reshape(3, 4).t()[1:], (0.5, None, "é", True, 2**70)],
        "half": torch.randn(3).half(),
        "bfloat16": torch.randn(5).bfloat16(),
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(3.0),
        "mask": torch.tensor([True, False]),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "shape": torch.ones(2, 3).shape,
    }
    torch.save(state, tmp_path / "state.pt")

    def agree(a, b):
        if isinstance(b, torch.Tensor):
            b = b.detach()
            b = b.float() if b.dtype == torch.bfloat16 else b
            assert same(a.numpy(), b.numpy())
        elif isinstance(b, dict):
            assert list(a) == list(b)
            for key in b:
                agree(a[key], b[key])
        elif isinstance(b, list | tuple):
            assert len(a) == len(b)
            for x, y in zip(a, b, strict=True):
                agree(x, y)
        else:
            assert a == b

    loaded = load(tmp_path / "state.pt")
    agree(loaded, state)
    ours = network(nn)
    ours.load_state_dict(loaded["model"])


def pytorchs(path, pickled: bytes, numbers: bytes = b"\0" * 16) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/data/0", numbers)
    return path


def test_what_pytorchs_files_ask_for_beyond_tensors_is_refused(tmp_path):
    path = tmp_path / "model.pt"

    class Trap:
        def __init__(self, *call):
            self.call = call

        def __reduce__(self):
            return self.call

    for trap in (Trap(sys.exit, (1,)), Trap(eval, ("1",)), Trap(getattr, ("", "join")), nn.ReLU()):
        for protocol in (2, 4):
            with pytest.raises(ValueError, match="it asks for .*; in PyTorch .* save the tensors"):
                load(pytorchs(path, pickle.dumps({"w": trap}, protocol)))
    with pytest.raises(ValueError, match="PyTorch's older format; in PyTorch .* save"):
        path.write_bytes(pickle.dumps({"w": 1}, 2))
        load(path)

    def tensor(size, steps, offset=0):  # four float32, of which a tensor takes these
        rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n"
        storage = b"((Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nI4\ntQ"
        numbers = "".join(f"I{n}\n" for n in size), "".join(f"I{n}\n" for n in steps)
        size, steps = (b"(" + n.encode() + b"t" for n in numbers)
        offset = f"I{offset}\n".encode()
        return rebuild + storage + offset + size + steps + b"I00\n)tR."

    content = np.arange(4, dtype="<f4").tobytes()
    loaded = load(pytorchs(path, tensor((3, 1), (1, 3), 1), content))
    assert loaded.numpy().tolist() == [[1], [2], [3]] and loaded.dtype == np.float32
    assert load(pytorchs(path, tensor((2, 2), (1, 2)), content)).numpy().tolist() == [
        [0, 2],
        [1, 3],
    ]
    for size, steps, offset in [
        ((5,), (1,), 0), ((2, 2), (2, 2), 0), ((4,), (1,), 1), ((2,), (-1,), 0), ((2,), (1,), -1),
        ((-1,), (1,), 0), ((1 << 40,), (0,), 0), ((1,), (1,), 4),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match="not all of it is in the file"):
            load(pytorchs(path, tensor(size, steps, offset)))
    for broken in (b"", b"garbage", tensor((2,), (1,))[:-9]):
        with pytest.raises(ValueError, match="model.pt is damaged"):
            load(pytorchs(path, broken))


def test_without_the_package_one_sentence_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match="pip install safetensors, or use .npz"):
        save({"w": np.ones(1)}, tmp_path / "w.safetensors")


@pytest.mark.parametrize("kind", [list, dict])
def test_what_holds_itself_is_refused(tmp_path, kind):
    endless = [minigen.ones(2)] if kind is list else {"weight": minigen.ones(2)}
    endless.append(endless) if kind is list else endless.update(itself=endless)
    with pytest.raises(ValueError, match="holds itself"):
        save(endless, tmp_path / "x.npz")
    assert not [*tmp_path.iterdir()]
