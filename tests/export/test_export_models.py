"""Each model that makes, reads or draws something, in ONNX, does what the engine does."""

import pytest
from untrained import untrained

from minigen import training
from minigen.export import as_onnx, parts
from minigen.export.file import MOST, differences, weights_size

pytest.importorskip("onnx", reason="ONNX files need the package onnx")
pytest.importorskip("onnxruntime", reason="to run ONNX files needs the package onnxruntime")

COPIES = {"task": "inpaint", "data": "glyphs", "dropout": 0.5}
MODELS = [
    ("gan", {}),
    ("gan", {"network": "mlp", "conditional": True}),
    ("dcgan", {}),
    ("dcgan", {"network": "conv"}),
    ("wgan", {"conditional": True}),
    ("biggan", {"attention": True, "truncation": 0.5}),
    ("stylegan", {}),
    ("stylegan", {"conditional": True}),
    ("vae", {}),
    ("vae", {"network": "conv", "likelihood": "gaussian"}),
    ("autoencoder", {"network": "conv"}),
    ("autoencoder", {"network": "deep"}),
    ("autoencoder", {"data": "spiral"}),
    ("diffusion", {"conditional": True, "patch": 2}),
    ("diffusion", {"variance": "learnt", "predicts": "data", "patch": 1}),
    ("diffusion_2d", {"model": "diffusion"}),
    ("diffusion_2d", {"model": "flow"}),
    ("phrases", {}),
    *[("pix2pix", {**COPIES, "norm": norm}) for norm in ("batch", "running", "instance")],
    ("pix2pix", {"task": "colour", "data": "glyphs", "quiet": True}),
    ("cyclegan", {"data": "glyphs"}),
    ("cyclegan", {"data": "glyphs", "start": "placed", "symmetric": True}),
    ("cyclegan", {"data": "glyphs", "model": "discogan"}),
    *[("stargan", {"data": "digits", "generator": k}) for k in ("colours", "added", "plain")],
    ("classifier", {}),
    ("mixture_gan", {}),
    ("parabola_gan", {}),
    ("discogan_modes", {}),
    ("latents", {}),
]


@pytest.mark.parametrize(
    ("demo", "settings"), MODELS, ids=[f"{d} {' '.join(map(str, s.values()))}" for d, s in MODELS]
)
def test_every_part_of_every_model(demo, settings):
    for name, part in parts(untrained(demo, **settings)).items():
        written = as_onnx(part)
        found = differences(part, written.model.SerializeToString())
        assert max(found.values()) <= MOST, (name, found)
        graph = written.model.graph
        stored = {x.name: len(x.raw_data) for x in graph.initializer}
        assert sum(stored.values()) <= 1.01 * weights_size(part) + 6000, name
        assert len(stored) == len(graph.initializer), name
        used = {x for node in graph.node for x in node.input}
        assert stored.keys() <= used, name  # nothing idle is passed on


def test_the_digits_that_ship():
    (part,) = parts(training.load("digits")).values()
    content = as_onnx(part).model.SerializeToString()
    assert max(differences(part, content).values()) <= MOST
    assert len(content) <= 1.05 * weights_size(part)
