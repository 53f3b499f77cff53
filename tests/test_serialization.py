"""Weights come back bit for bit, from our files and from PyTorch's; damaged files are refused."""

import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minigen
from minigen import Tensor, nn
from minigen.serialization import load, save

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
    assert loaded.keys() == {"step", *(f"net.{name}" for name in arrays)}
    assert loaded["step"].item() == 3 and loaded["step"].shape == ()
    for name, a in arrays.items():
        assert same(loaded[f"net.{name}"].array, a.astype(a.dtype.newbyteorder("=")))


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
        load(path.with_suffix(".pt"))


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
        ({"a": {"b": "text"}}, TypeError("a.b is a str")),
        ({"z": np.ones(1, complex)}, TypeError("z is a complex128")),
        ({1: np.ones(1)}, TypeError("names are str")),
        (np.ones(1), TypeError("obj is a float64")),
    ]:
        with pytest.raises(type(error), match=str(error)):
            save(state, path)
    assert load(path)["w"].numpy().tolist() == [1, 1]
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_without_the_package_one_sentence_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ImportError, match="pip install safetensors, or use .npz"):
        save({"w": np.ones(1)}, tmp_path / "w.safetensors")
