"""A model of handwritten digits that comes with the package: diffusion, told the class.

    model = digits.load()
    sevens = digits.draw(model, Tensor(np.full(64, 7)))  # (64, 1, 28, 28), from −1 to 1

Its weights, in half precision, are in digits.npz beside this file. They were fitted to the 60,000
training images of MNIST alone (LeCun and Cortes; CC BY-SA 3.0, as is commonly said), by

    python demos/diffusion.py --conditional --data mnist --patch 2 --steps 2200 --out runs/digits &&
        python demos/sample.py runs/digits --half minigen/models/digits.npz

but for their last bits: that run was begun with --steps 3000, and from step 1,992 on resumed with
--steps 2200.
"""

from __future__ import annotations

from pathlib import Path

import minigen
from minigen import Generator, Tensor
from minigen import functional as F
from minigen.models.denoiser import Denoiser
from minigen.models.diffusion import Diffusion, cosine, ddim

WEIGHTS = Path(__file__).with_suffix(".npz")
STEPS, GUIDANCE = 10, 1.0  # of DDIM's, which draw well and soon


def load(device: str = "cpu") -> Diffusion:
    """The model of that command, of ten classes."""
    before = minigen.default_generator.state_dict()
    network = Denoiser(1, None, 16, (1, 2), attention=(1,), classes=10, patch=2)
    minigen.default_generator.load_state_dict(before)  # as if no first weights had been drawn
    model = Diffusion(network, cosine(), predicts="velocity")
    weights = minigen.load(WEIGHTS)
    model.load_state_dict({name: weight.to("float32") for name, weight in weights.items()})
    return model.to(device)


def draw(model: Diffusion, labels: Tensor, generator: Generator | None = None) -> Tensor:
    """Pictures (N, 1, 28, 28), from −1, black, to 1, of classes (N,); `generator` is the stream of
    their noise, if not the common one."""
    noise = F.randn(len(labels), 1, 28, 28, generator=generator, device=labels.device)
    return ddim(model.respaced(STEPS), noise, labels, guidance=GUIDANCE)


def save(model: Diffusion, path: Path | str) -> None:
    """Write a model's weights in half precision.

    Raises:
        OSError: the file cannot be written.
    """
    minigen.save({n: w.to("float16") for n, w in model.state_dict().items()}, path)
