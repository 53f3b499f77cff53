"""demos/export.py: files that other programs run, with a card, and a line for what goes wrong."""

import json
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from in_process import run
from PIL import Image
from untrained import untrained

from minigen import Tensor, training
from minigen.export import ExportError, export, parts
from minigen.models.diffusion import ddim
from minigen.training.loading import DEMOS

needs_onnx = pytest.mark.skipif(
    not all(map(find_spec, ("onnx", "onnxruntime"))),
    reason="ONNX files need the packages onnx and onnxruntime",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of a few steps on a folder of pictures; its paths say whose it is."""
    home = tmp_path_factory.mktemp("home") / "jane-doe"
    for i in range(16):
        folder = home / "pictures" / ("bright", "dark")[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 12 * i).save(folder / f"{i}.png")
    run("gan.py", "--quick", "--steps", 3, "--data", home / "pictures", "--size", 8, "--batch-size",
        4, "--conditional", "--out", home / "gan")  # fmt: skip
    (home / "gan" / "scores.json").write_text('{"precision": 0.5}')
    return home / "gan"


def program(card):
    """The Python in a card."""
    return card.read_text().split("```python\n")[1].split("```")[0]


@needs_onnx
def test_a_run_is_written_with_its_card(trained, tmp_path):
    onnx = pytest.importorskip("onnx")
    said = run("export.py", trained, tmp_path / "model.onnx")
    assert "the generator" in said and "batches of 1, 3, 16" in said
    card = (tmp_path / "model.md").read_text()
    assert "conditional true" in card and "precision | 0.5" in card and "files of one's own" in card
    assert len(card.split()) < 500  # a page
    made = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert made.keys() == {"model.onnx", "model.md"}
    assert not any(b"jane" in content or b"/home" in content for content in made.values())
    model = onnx.load(tmp_path / "model.onnx")
    assert [x.version for x in model.opset_import] == [17]
    settings = json.loads({x.key: x.value for x in model.metadata_props}["settings"])
    assert settings["demo"] == "gan" and settings["steps done"] == 3


def test_weights_are_written_with_the_settings(trained, tmp_path):
    safetensors = pytest.importorskip("safetensors", reason="it needs the package safetensors")
    run("export.py", trained, tmp_path / "model.safetensors")
    network = training.load(trained).model.generator
    with safetensors.safe_open(tmp_path / "model.safetensors", "numpy") as file:
        assert json.loads(file.metadata()["settings"])["steps done"] == 3
        found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    np.testing.assert_equal(found, {n: w.numpy() for n, w in network.state_dict().items()})
    assert "gan" in (tmp_path / "model.md").read_text()


def run_program(model, folder, monkeypatch):
    """What is exported of a model, and the variables of its card's program, which was run."""
    monkeypatch.chdir(folder)
    done, names = export(model, "model.onnx"), {}
    exec(program(done.card), names)
    return done, names


@needs_onnx
@pytest.mark.parametrize(
    ("demo", "settings"),
    [
        # Wide enough that a group of channels has two, or its norm would take the class out again.
        ("diffusion", {"conditional": True, "guidance": 1.0, "width": 16, "patch": 2}),
        ("diffusion", {"variance": "learnt", "predicts": "noise", "schedule": "linear"}),
        ("phrases", {}),
        ("diffusion_2d", {"model": "flow"}),
    ],
)
def test_the_cards_program_goes_all_the_way_from_noise(demo, settings, tmp_path, monkeypatch):
    model = untrained(demo, **settings)
    _, names = run_program(model, tmp_path, monkeypatch)
    x = Tensor(np.random.default_rng(0).standard_normal(names["x"].shape, np.float32))
    if demo == "diffusion_2d":
        drawn = model.model.sample(x, steps=20)
    else:
        told = Tensor(names["labels"]) if "labels" in names else None
        chain = model.model.respaced(names["steps"])
        drawn = ddim(chain, x, told, guidance=names.get("w", 0.0))
    # Of the noise x_0 is (x - s * noise) / a, and 1 / a is 160 at the last step.
    np.testing.assert_allclose(names["x"], drawn.numpy(), atol=2e-3)


@needs_onnx
@pytest.mark.parametrize("demo", ["stylegan", "pix2pix", "vae"])
def test_the_cards_program_gives_all_inputs(demo, tmp_path, monkeypatch):
    how = {"data": "glyphs", "dropout": 0.1} if demo == "pix2pix" else {}
    done, names = run_program(untrained(demo, **how), tmp_path, monkeypatch)
    given = [Tensor(names["inputs"][x.name]) for x in done.part.inputs]
    if demo == "pix2pix":  # whose dropout is the engine's own here
        assert names["outputs"][0].shape == (16, 3, 32, 32)
        assert names["inputs"]["mask_0"].mean() > 0.5
    else:
        own = done.part.function(*given).numpy()
        np.testing.assert_allclose(names["outputs"][0], own, atol=1e-5 * np.abs(own).max())


@needs_onnx
@pytest.mark.parametrize(
    ("file", "more", "why"),
    [
        ("model.onnx", ["--part", "judge"], "has the parts generator, not judge"),
        ("README.onnx", [], "README.md, where the card belongs, is there"),
        ("model.pt", [], "expected a file that ends in .onnx or .safetensors, not"),
        ("none/model.onnx", [], "a file in a folder that is there"),
    ],
)
def test_what_cannot_be_written_is_said_in_a_line(trained, tmp_path, file, more, why):
    (tmp_path / "README.md").write_text("# Mine\n")
    status = 1 if "onnx" in file and "/" not in file else 2
    said = run("export.py", trained, tmp_path / file, *more, status=status)
    *before, last = said.splitlines()
    assert why in last and len(before) == (status == 1)  # flags are refused before it begins
    assert [p.name for p in tmp_path.iterdir()] == ["README.md"]


def test_a_missing_package_is_named(trained, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    said = run("export.py", trained, tmp_path / "model.onnx", status=1)
    _, last = said.splitlines()  # that it writes, and why not
    assert "pip install onnx" in last


@needs_onnx
def test_a_file_that_differs_is_not_written(tmp_path, monkeypatch):
    from minigen.export import table

    monkeypatch.setitem(table.TABLE, "tanh", table.TABLE["sigmoid"])
    with pytest.raises(ExportError, match="onnxruntime makes something else of the file"):
        export(untrained("gan"), tmp_path / "model.onnx")
    assert not [*tmp_path.iterdir()]


def test_what_has_no_network_is_refused():
    builder, kind = DEMOS["word2vec"]
    words = kind(name="", run=None, demo="word2vec", settings=None, builder=builder, device="cpu")
    with pytest.raises(ExportError, match="knows words: none of its networks is written"):
        parts(words)
