"""Every network of every model in ONNX against the engine, at the sizes that the demos train.

    PYTHONPATH=.:demos:tests:tests/export python tests/export/whole.py           in some minutes
    PYTHONPATH=.:demos:tests:tests/export python tests/export/whole.py gan vae   these models alone
    PYTHONPATH=.:demos:tests:tests/export python tests/export/whole.py runs/gan  trained ones, too

Each part is written by `export` with its card, compared on batches of 1, 3 and 16, and written as
.safetensors, too, which is read back. Weights of the models that are no runs are random. It ends
with status 1 if a difference is above 1e-5 of the largest output, or a file larger than the weights
and 5 %. Files of points in the plane have hardly any weights, and no bound.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import safetensors
from untrained import untrained

from minigen import training
from minigen.export import export, parts
from minigen.export.file import MOST, weights_size

SPARE = 1.05  # of the weights
GLYPHS = {"data": "glyphs"}
MODELS = {
    "gan": ("gan", {}),
    "gan, conditional": ("gan", {"conditional": True}),
    "gan, perceptrons": ("gan", {"network": "mlp"}),
    "dcgan": ("dcgan", {}),
    "dcgan, plain": ("dcgan", {"network": "plain"}),
    "wgan": ("wgan", {"penalty": 10.0}),
    "biggan": ("biggan", {}),
    "biggan, attention": ("biggan", {"attention": True}),
    "stylegan": ("stylegan", {}),
    "stylegan, conditional": ("stylegan", {"conditional": True}),
    "vae": ("vae", {}),
    "vae, convolutions": ("vae", {"network": "conv"}),
    "autoencoder": ("autoencoder", {}),
    "autoencoder, deep": ("autoencoder", {"network": "deep"}),
    "autoencoder, convolutions": ("autoencoder", {"network": "conv"}),
    "latents": ("latents", {}),
    "diffusion": ("diffusion", {}),
    "diffusion, conditional": ("diffusion", {"conditional": True, "patch": 2}),
    "phrases": ("phrases", {}),
    "pix2pix": ("pix2pix", GLYPHS),
    "pix2pix, inpaint": ("pix2pix", GLYPHS | {"task": "inpaint"}),
    "cyclegan": ("cyclegan", GLYPHS),
    "discogan": ("cyclegan", GLYPHS | {"model": "discogan"}),
    "stargan": ("stargan", {"data": "digits"}),
    "classifier": ("classifier", {}),
    "mixture_gan": ("mixture_gan", {}),
    "parabola_gan": ("parabola_gan", {}),
    "discogan_modes": ("discogan_modes", {}),
    "diffusion_2d": ("diffusion_2d", {}),
    "spiral": ("autoencoder", {"data": "spiral"}),
}


def chosen(names):
    """Models by their names, and runs by their folders."""
    for name in names or MODELS:
        if name in MODELS:
            demo, settings = MODELS[name]
            yield name, untrained(demo, quick=False, **settings)
        else:
            yield Path(name).name, training.load(name)


def read_back(path, network):
    """Whether a .safetensors file has the network's numbers, and settings in its header."""
    with safetensors.safe_open(path, "numpy") as file:
        assert json.loads(file.metadata()["settings"])["demo"]
        found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    np.testing.assert_equal(found, {n: w.numpy() for n, w in network.state_dict().items()})


def main():
    worst, sizes, count, wrong = 0.0, [], 0, []
    for name, model in chosen(sys.argv[1:]):
        for part in parts(model):
            with tempfile.TemporaryDirectory() as folder:
                done = export(model, Path(folder, "model.onnx"), part)
                assert done.card.read_text("utf-8").startswith("# model.onnx")
                read_back_to = Path(folder, "model.safetensors")
                export(model, read_back_to, part)
                read_back(read_back_to, done.part.network)
            off, size = max(done.differences.values()), done.size / weights_size(done.part)
            worst, count = max(worst, off), count + 1
            if model.image_shape:
                sizes.append(size)
            if not off <= MOST or (model.image_shape and size > SPARE):
                wrong.append(f"{name}, {part}")
            print(
                f"{name:26}{part:26}{done.size:>12,} bytes {size - 1:+8.1%} {off:9.1e}", flush=True
            )
    print(f"{count} networks: {worst:.1e} at most; files {min(sizes) - 1:+.1%} to"
          f" {max(sizes) - 1:+.1%} of the weights of those that make or read pictures")  # fmt: skip
    sys.exit(f"too far off or too large: {'; '.join(wrong)}" if wrong else 0)


if __name__ == "__main__":
    main()
