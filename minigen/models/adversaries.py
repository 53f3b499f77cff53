"""What every kind of GAN here has: a generator, the noise that it starts from, and what its judge
is shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from minigen import Generator, Tensor, nn, optim
from minigen import functional as F
from minigen.data import DataError
from minigen.models.networks import evaluating

Batch = Tensor | tuple[Tensor, Tensor]  # images (N, C, H, W), or these and labels (N,)

PRIORS = {
    "normal": F.randn,  # z ~ N(0, 1)
    "uniform": lambda *size, **keywords: F.rand(*size, **keywords) * 2 - 1,  # z ~ U(−1, 1)
}


class Parts:
    """What a model is made of: attributes that are networks, optimisers, pools of pictures."""

    def networks(self) -> list[nn.Module]:
        """The networks, in the order in which they were set."""
        return [part for part in vars(self).values() if isinstance(part, nn.Module)]

    def optimisers(self) -> list[optim.Optimizer]:
        """Theirs."""
        return [part for part in vars(self).values() if isinstance(part, optim.Optimizer)]

    def state_dict(self) -> dict[str, Any]:
        """All that has a state, by the names of the attributes."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the state of a model of the same sizes."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        return {name: part for name, part in vars(self).items() if hasattr(part, "state_dict")}


class Adversaries(Parts):
    """A generator, to which subclasses add the network that judges it and an optimiser for each.

    With batches of (images, labels) both are told the class: G(z|y) and D(x|y), the generated
    images being of the classes of the real ones; see `Conditional`.

    Args:
        generator: (N, noise) -> images; or noise and labels -> images.
        noise: how many numbers make z.
        prior: a key of PRIORS: z from N(0, 1) ("normal") or U(−1, 1) ("uniform").
        packing: how many images the judge sees at a time; see `packed`.

    Raises:
        ValueError: another prior, or a packing of less than 1.
    """

    def __init__(
        self, generator: nn.Module, *, noise: int = 100, prior: str = "normal", packing: int = 1
    ):
        if prior not in PRIORS:
            raise ValueError(f"prior must be one of {', '.join(PRIORS)}, not {prior!r}")
        if packing < 1:
            raise ValueError(f"packing must be 1 or more images, not {packing}")
        self.generator, self.noise, self.prior, self.packing = generator, noise, prior, packing

    def sample_noise(self, count: int, generator: Generator | None = None) -> Tensor:
        """z, (count, noise), on the device of G; `generator` is the random stream that it is drawn
        from, if not the common one."""
        like = next(iter(self.generator.parameters()))
        keywords = {"generator": generator, "dtype": like.dtype, "device": like.device}
        return PRIORS[self.prior](count, self.noise, **keywords)

    def draw(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """G(z), or G(z|y), to look at; see `evaluating`."""
        with evaluating(self.generator):
            return self.generator(z) if labels is None else self.generator(z, labels)

    def batches(self, real: tuple[Batch, ...]) -> Iterator[tuple[Tensor, ...]]:
        """What a training step is given, as the judge is shown it: (x,), or (x, y) with labels.

        Raises:
            ValueError: there is no batch.
        """
        if not real:
            raise ValueError("step: expected at least one batch of real images, got none")
        for batch in real:
            images, *labels = batch if isinstance(batch, tuple) else (batch,)
            yield packed(images, self.packing), *labels

    def generated(self, count: int, *labels: Tensor) -> Tensor:
        """G(z), or G(z|y), as the judge is shown it: `count` images, or packs of them."""
        z = self.sample_noise(count * self.packing)
        return packed(self.generator(z, *labels), self.packing)


def packed(images: Tensor, count: int) -> Tensor:
    """Each `count` images in a row as one with `count` times the channels (PacGAN, Lin et al. 2018,
    arXiv:1712.04086): (N, C, …) -> (N / count, count·C, …). A discriminator that sees several
    images at a time notices when generated ones are all alike, so it does not pay to be so.

    Raises:
        DataError: N is not a multiple of `count`.
    """
    if len(images) % count:
        raise DataError(
            f"packed: {len(images)} images do not make packs of {count}: take a batch size that is "
            f"a multiple of {count}"
        )
    if count == 1:
        return images
    return images.reshape(len(images) // count, count * images.shape[1], *images.shape[2:])


def descend(optimiser: optim.Optimizer, loss: Tensor) -> None:
    """One step down the loss. No other network's weights collect a gradient, through which the
    slope may pass on its way: the judge is fixed while G learns."""
    optimiser.zero_grad()
    weights = [p for group in optimiser.param_groups for p in group["params"]]
    loss.backward(inputs=[p for p in weights if p.requires_grad])
    optimiser.step()
