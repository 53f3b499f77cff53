"""Grey images in colours, inverted and turned: translations whose right answer is known; and images
of two factors, each in a colour of its own."""

import numpy as np

from minigen.data.domains import Domains
from minigen.data.images import Images

COLOURS = {"white": (1, 1, 1), "red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1)}
VARIANTS = (*COLOURS, "inverted", "turned")
HUES = {
    "red": (1, 0, 0), "yellow": (1, 1, 0), "green": (0, 1, 0),
    "cyan": (0, 1, 1), "blue": (0, 0, 1), "magenta": (1, 0, 1),
}  # fmt: skip


def variants(images: Images, domains: tuple[str, ...] = VARIANTS) -> Domains:
    """Return grey images (N, 1, H, W) in several domains: "white" on black as they are, "red",
    "green" and "blue", "inverted", and "turned" by a right angle against the clock.

    The images are uint8 (N, D, 3, H, W), or (N, D, 1, H, W) where no domain is coloured. Each image
    is a family of its own; content i has the class of image i, `images.labels[i]`.

    Raises:
        ValueError: images of several channels, another domain, or turned images that are not
            square.
    """
    grey = images.images
    if grey.shape[1] != 1:
        raise ValueError(f"variants: expected grey images (N, 1, H, W), got {grey.shape}")
    if not domains or set(domains) - {*VARIANTS}:
        raise ValueError(f"variants: expected domains of {', '.join(VARIANTS)}, got {domains!r}")
    if "turned" in domains and grey.shape[2] != grey.shape[3]:
        raise ValueError(f"variants: expected square images to turn, got {grey.shape}")
    channels = 3 if {*domains} & {"red", "green", "blue"} else 1
    drawn = np.empty((len(grey), len(domains), channels, *grey.shape[2:]), np.uint8)
    for d, domain in enumerate(domains):
        if domain == "inverted":
            drawn[:, d] = 255 - grey
        elif domain == "turned":
            drawn[:, d] = np.rot90(grey, axes=(2, 3))
        else:
            colour = np.array(COLOURS[domain][:channels], np.uint8)
            drawn[:, d] = grey * colour[:, None, None]
    return Domains(images.name, drawn, tuple(domains), np.arange(len(grey)))


def coloured(images: Images, seed: int = 0) -> Images:
    """Return grey images (N, 1, H, W) each in one of six HUES on black, (N, 3, H, W): two factors
    that have nothing to do with each other.

    A class is one of the image and a hue: label = 6 * label of the image + hue. The hue of image i
    depends on `seed` and i alone.

    Raises:
        ValueError: images of several channels.
    """
    if images.images.shape[1] != 1:
        raise ValueError(f"coloured: expected grey images (N, 1, H, W), got {images.images.shape}")
    hue = np.random.default_rng(seed).integers(len(HUES), size=len(images))
    ink = np.array([*HUES.values()], np.uint8)[hue]  # (N, 3)
    classes = tuple(f"{name} {colour}" for name in images.classes for colour in HUES)
    labels = len(HUES) * images.labels + hue
    return Images(f"coloured-{images.name}", images.images * ink[:, :, None, None], labels, classes)
