"""Differentiable augmentation (Zhao et al. 2020, arXiv:2006.10738), for GANs of few pictures.

A discriminator learns few pictures by heart, and then has nothing more to say to the generator. It
cannot if it never sees the same one twice. Were the real pictures alone changed by a random T, G
would learn to draw changed ones, cut and discoloured. So T stands wherever D looks, and the slope
reaches G through it:

    L_D = E_x f_D(−D(T(x))) + E_z f_D(D(T(G(z))))                                   (section 3.2)
    L_G = E_z f_G(−D(T(G(z))))

with other random numbers for each picture and each look. T here is what the paper names Color +
Translation + Cutout, each a function of pictures (N, C, H, W) from −1 to 1 that keeps their shape
and can be differentiated; 0, which is grey, takes the place of what is lost.

    POLICIES            these, by name
    Augmentation        some of them, one after the other
"""

from __future__ import annotations

from minigen import Generator, Tensor
from minigen import functional as F


def colour(images: Tensor, generator: Generator | None = None) -> Tensor:
    """Brightness moved by b ~ U(−½, ½), saturation multiplied by s ~ U(0, 2), contrast by
    c ~ U(½, 1½): distances from the mean of the pixel, and from that of the picture."""
    n = len(images)
    how = {"generator": generator, "dtype": images.dtype, "device": images.device}
    brightness, saturation, contrast = F.rand(3, n, 1, 1, 1, **how)
    x = images + (brightness - 0.5)
    if x.shape[1] > 1:  # grey has no saturation
        grey = x.mean(1, keepdim=True)
        x = grey + (x - grey) * (2 * saturation)
    level = x.mean((1, 2, 3), keepdim=True)
    return level + (x - level) * (contrast + 0.5)


def translation(images: Tensor, generator: Generator | None = None, ratio: float = 0.125) -> Tensor:
    """Each picture moved down and to the right by whole pixels, from −`ratio` of its sides to
    `ratio` of them."""
    n, _, height, width = images.shape
    most, device = [part(side, ratio) for side in (height, width)], images.device

    def places(side: int, most: int) -> Tensor:
        """Where in the padded picture its pixels come from, (N, side)."""
        start = F.randint(0, 2 * most + 1, (n, 1), generator=generator, device=device)
        return start + F.arange(side, device=device)

    rows, columns = places(height, most[0])[:, :, None], places(width, most[1])[:, None, :]
    padded = F.pad(images, (most[1], most[1], most[0], most[0])).permute(0, 2, 3, 1)
    moved = padded[F.arange(n, device=device)[:, None, None], rows, columns]  # (N, H, W, C)
    return moved.permute(0, 3, 1, 2)


def cutout(images: Tensor, generator: Generator | None = None, ratio: float = 0.5) -> Tensor:
    """A rectangle of `ratio` of the sides, with its centre anywhere in the picture, becomes 0
    (DeVries and Taylor 2017, arXiv:1708.04552)."""
    n, device = len(images), images.device

    def cut(side: int) -> Tensor:
        """Which places of an axis it covers, (N, side)."""
        length = part(side, ratio)
        # The middle of an even length lies between pixels, and so in `side` + 1 places.
        last = side - length % 2
        centre = F.randint(0, last + 1, (n, 1), generator=generator, device=device)
        beyond = F.arange(side, device=device) - (centre - length // 2)
        return (beyond >= 0) & (beyond < length)

    height, width = images.shape[2:]
    hidden = cut(height)[:, None, :, None] & cut(width)[:, None, None, :]
    return F.where(hidden, 0.0, images)


def part(side: int, ratio: float) -> int:
    """So much of a side in whole pixels, half a one rounded up."""
    return int(side * ratio + 0.5)


POLICIES = {"colour": colour, "translation": translation, "cutout": cutout}


class Augmentation:
    """T, with which a GAN shows its discriminator every picture: (N, C, H, W) -> the same.

    Args:
        policies: keys of POLICIES, in the order in which they are applied; none for T(x) = x.
        generator: the random stream, if not the common one.

    Raises:
        ValueError: another policy.
    """

    def __init__(self, *policies: str, generator: Generator | None = None):
        if unknown := [name for name in policies if name not in POLICIES]:
            raise ValueError(f"a policy must be one of {', '.join(POLICIES)}, not {unknown[0]!r}")
        self.policies, self.generator = policies, generator

    def __call__(self, images: Tensor) -> Tensor:
        for name in self.policies:
            images = POLICIES[name](images, self.generator)
        return images
