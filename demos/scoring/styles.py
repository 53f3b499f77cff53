"""What styles do: how even ways between codes are, and which layer decides what, of
runs of demos/stylegan.py.

The path length (see minigen/metrics/paths.py) is taken in the features of the data set's own
classifier, and so compares between models of this data set alone. Factors of a picture are its
class, of coloured digits digit and colour, as the classifier reads them; and of digits slant and
thickness, as moments and distances measure them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.ndimage import distance_transform_edt

from minigen import Generator, Tensor, training
from minigen.data.variants import HUES
from minigen.metrics import path_length, slerp
from minigen.models.classifier import Classifier
from minigen.models.features import read
from minigen.models.networks import evaluating
from minigen.models.stylegan import StyleGAN

# How pictures are drawn, by what stands before the names of their scores.
DRAWS: dict[str, dict[str, float]] = {
    "": {},
    "psi 0.7: ": {"psi": 0.7},
    "psi 0.5: ": {"psi": 0.5},
    "2 codes: ": {"codes": 2},
    "3 codes: ": {"codes": 3},
}
EPSILONS = 1e-1, 1e-2, 1e-3  # the path length is given at the second
Keep = Callable[[Mapping[str, float]], None]


class Drawing:
    """A trained StyleGAN, and random numbers of its own to draw with.

    Args:
        gan: the model.
        labels: of the pictures, (N,), if it is told the class; they repeat where more are drawn.
        seed: of the random numbers.
    """

    def __init__(self, gan: StyleGAN, labels: Tensor | None, seed: int):
        self.gan, self.generator, self.stream = gan, gan.generator, Generator(seed)
        self.labels, self.device = labels, next(gan.generator.parameters()).device

    def codes(self, count: int, others: int = 0) -> Tensor:
        """Random w, (count, style); of the labels `others` places on."""
        return self.w(self.gan.sample_noise(count, self.stream), others)

    def w(self, z: Tensor, others: int = 0) -> Tensor:
        """Of z: (N, style)."""
        told = []
        if self.labels is not None:
            rows = np.resize(np.roll(self.labels.numpy(), -others), len(z))
            told = [Tensor(rows, device=self.device)]
        with evaluating(self.generator):
            return self.generator.mapping(z, *told)

    def of(self, w: np.ndarray) -> Tensor:
        """Styles of w (N, style), the same in all layers."""
        return self.generator.styles(Tensor(w, device=self.device))

    def styles(self, count: int, psi: float = 1.0, codes: int = 1) -> Tensor:
        """Styles of so many pictures, each of `codes` codes, which take turns at random layers."""
        parts = [self.generator.styles(self.codes(count), psi).numpy() for _ in range(codes)]
        layers = self.generator.styles_count
        rng = np.random.default_rng(0)
        places = np.argsort(rng.random((count, layers - 1)), axis=1)[:, : codes - 1] + 1
        which = (np.arange(layers) >= np.sort(places)[:, :, None]).sum(1)  # (count, layers)
        chosen = np.stack(parts)[which, np.arange(count)[:, None], np.arange(layers)]
        return Tensor(chosen, device=self.device)

    def pictures(self, styles: Tensor, noise: bool = False) -> np.ndarray:
        """Pictures (N, C, H, W), with the constant noise or with some of its own for each."""

        def some(rows: Tensor) -> Tensor:
            planes = self.generator.draw_noise(len(rows), self.stream) if noise else None
            return self.generator.synthesis(rows, planes)

        with evaluating(self.generator):
            return np.clip(training.by_parts(some, styles, 200), -1, 1)


def path_lengths(drawing: Drawing, model: Classifier, count: int) -> dict[str, float]:
    """Path lengths in z and in w, along whole ways ("full": from a random place on) and at their
    beginnings ("end"), and the mean squared distance of two random pictures."""

    def features(styles: Tensor) -> np.ndarray:
        return read(model, drawing.pictures(styles)).features

    gan, rng, found = drawing.gan, np.random.default_rng(0), {}
    a, b = (gan.sample_noise(count, drawing.stream) for _ in range(2))
    ends = [drawing.w(z).numpy() for z in (a, b)]
    first, second = (
        features(drawing.generator.styles(Tensor(w, device=drawing.device))) for w in ends
    )
    apart = float(np.square(first - second).sum(1).mean())
    found["squared distance of two random pictures"] = apart
    for space in "z", "w":
        for part in "full", "end":
            t = rng.random((count, 1)).astype(np.float32) * (part == "full")
            for epsilon in EPSILONS if (space, part) == ("w", "full") else EPSILONS[1:2]:
                seen = []
                for place in t, t + np.float32(epsilon):
                    if space == "z":
                        arc = slerp(a.numpy(), b.numpy(), place)
                        w = drawing.w(Tensor(arc, device=drawing.device)).numpy()
                    else:
                        w = ends[0] + place * (ends[1] - ends[0])
                    seen.append(features(drawing.of(w)))
                name = f"path length in {space}, {part}"
                length = path_length(*seen, epsilon)
                if epsilon == EPSILONS[1]:
                    found |= {name: length, f"{name}, of random pairs'": length / apart}
                else:
                    found[f"{name}, epsilon {epsilon:g}"] = length
    return found


def slant(images: np.ndarray) -> np.ndarray:
    """By how many columns a picture's ink moves to the left from row to row, (N,): the slope of
    the regression of x on y, as pixels (N, H, W) from 0 to 1 weigh them."""
    y, x = np.indices(images.shape[1:])
    mass = images.sum((1, 2)) + 1e-9
    x, y = (c - (images * c).sum((1, 2))[:, None, None] / mass[:, None, None] for c in (x, y))
    return -(images * x * y).sum((1, 2)) / ((images * y * y).sum((1, 2)) + 1e-9)


def thickness(images: np.ndarray) -> np.ndarray:
    """Of strokes, in pixels, (N,): 0 without ink, else 4·(d − ½), d being the mean distance of ink
    from the nearest pixel that is none: across a bar of width t these go from 1 to t / 2."""
    found = [distance_transform_edt(ink)[ink].mean() if ink.any() else 0.5 for ink in images > 0.5]
    return 4 * (np.array(found) - 0.5)


def factors(
    model: Classifier, images: np.ndarray, classes: Sequence[str]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What pictures (N, C, H, W) from −1 to 1 show: classes of each, and numbers of each, by their
    names; each (N,)."""
    labels = read(model, images.astype(np.float32)).labels
    if [name.partition(" ")[2] for name in classes[: len(HUES)]] == [*HUES]:
        kinds = {"digit": labels // len(HUES), "colour": labels % len(HUES)}
    else:
        kinds = {"class": labels}
    if not all(name[:1].isdigit() for name in classes):
        return kinds, {}
    ink = (images.max(1) + 1) / 2
    return kinds, {"slant": slant(ink), "thickness": thickness(ink)}


def attribution(
    drawing: Drawing, model: Classifier, classes: Sequence[str], count: int
) -> dict[str, float]:
    """How much of a factor a layer decides: styles of one layer are exchanged for those of another
    code, and those from one layer on.

    Of classes it is the share of pairs, that differ in it, which then show the other's; of numbers,
    how far they go from the one to the other: Σ (made − a)·(b − a) / Σ (b − a)². Where no pair
    differs nothing is known, and nothing said.
    """
    a, b = (drawing.generator.styles(drawing.codes(count, i)).numpy() for i in range(2))

    def seen(styles: np.ndarray) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        return factors(model, drawing.pictures(Tensor(styles, device=drawing.device)), classes)

    (kinds_a, numbers_a), (kinds_b, numbers_b) = seen(a), seen(b)
    layer, found = np.arange(a.shape[1])[None, :, None], {}
    for i in range(a.shape[1]):
        kinds, numbers = seen(np.where(layer == i, b, a))
        for name, made in kinds.items():
            differ = kinds_a[name] != kinds_b[name]
            if differ.any():
                found[f"layer {i} decides {name}"] = (made == kinds_b[name])[differ].mean()
        for name, made in numbers.items():
            way = numbers_b[name] - numbers_a[name]
            if way.any():
                gone = ((made - numbers_a[name]) * way).sum()
                found[f"layer {i} decides {name}"] = gone / (way**2).sum()
    for i in range(1, a.shape[1]):  # the mixing grid
        kinds, _ = seen(np.where(layer < i, a, b))
        for name, made in kinds.items():
            found[f"fine from layer {i} on: {name} of the coarse"] = (made == kinds_a[name]).mean()
            found[f"fine from layer {i} on: {name} of the fine"] = (made == kinds_b[name]).mean()
    return {name: float(value) for name, value in found.items()}


def of_styles(
    drawing: Drawing, model: Classifier, classes: Sequence[str], count: int, keep: Keep
) -> None:
    """All of it, of `count` pairs of pictures."""
    keep(path_lengths(drawing, model, count))
    if len(classes) > 1:
        keep(attribution(drawing, model, classes, min(count, 1000)))
