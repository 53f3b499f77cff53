"""Contents drawn in several domains, so that the right answer of every translation is known.

What is unpaired needs no class of its own: it is `Images` whose classes are the domains.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from minigen.data.images import DataError, Images

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Domains:
    """A named set of N contents, each in all D domains.

    `images` is uint8 (N, D, C, H, W), and `domains[d]` names a domain. `families` is int64 (N,):
    contents of one family look so alike that they must not be on two sides of a split.

    Raises ValueError where these do not fit one another.
    """

    name: str
    images: np.ndarray
    domains: tuple[str, ...]
    families: np.ndarray

    def __post_init__(self) -> None:
        expected = (len(self.families), len(self.domains))
        if self.images.ndim != 5 or self.images.shape[:2] != expected:
            raise ValueError(
                f"Domains: expected images of shape ({expected[0]}, {expected[1]}, C, H, W), for"
                f" that many families and domains, got {self.images.shape}"
            )

    def __len__(self) -> int:
        return len(self.families)

    def scaled(self, low: float = -1.0, high: float = 1.0) -> np.ndarray:
        """Return the images as float32 (N, D, C, H, W), with 0..255 mapped linearly to low..high:
        four times as large, so of a large set scale the batches."""
        return np.linspace(low, high, 256, dtype=np.float32)[self.images]

    def taken(self, rows: np.ndarray | slice) -> Domains:
        """Return some of the contents: `rows` are their places, or True where one is taken."""
        return replace(self, images=self.images[rows], families=self.families[rows])

    def split(self, split: str, seed: int = 0) -> Domains:
        """Return the contents to "train", "validation" or "test" with, whole families of them; see
        `dealt`."""
        return self.taken(dealt(self.families, split, seed, of=self.name))

    def pictures(self, *domains: str) -> Images:
        """Return the pictures of these domains, by default of all, one domain after the other; the
        classes are the domains.

        Raises:
            DataError: no such domain.
        """
        domains = domains or self.domains
        if unknown := [name for name in domains if name not in self.domains]:
            raise DataError(f"{self.name}: expected of {self.domains}, got {unknown[0]!r}")
        chosen = self.images[:, [self.domains.index(name) for name in domains]].swapaxes(0, 1)
        labels = np.repeat(np.arange(len(domains)), len(self))
        return Images(self.name, chosen.reshape(-1, *chosen.shape[2:]), labels, domains)

    def unpaired(self, seed: int = 0) -> Images:
        """Return each content in one domain alone, its family's; the classes are the domains.

        The families are dealt to the domains in turn, in an order that `seed` shuffles, so no two
        domains have a content in common, nor even a sibling of it: as DiscoGAN's code takes halves
        of pairs.

        Raises:
            DataError: fewer families than domains.
        """
        families, which = np.unique(self.families, return_inverse=True)
        if len(families) < len(self.domains):
            raise DataError(
                f"{self.name}: {len(families)} families cannot be dealt to {len(self.domains)}"
                " domains"
            )
        dealt_to = np.random.default_rng(seed).permutation(len(families)) % len(self.domains)
        labels = dealt_to[which].astype(np.int64)
        return Images(self.name, self.images[np.arange(len(self)), labels], labels, self.domains)

    def family_mean(self, values: np.ndarray) -> float:
        """Return the mean over families of the means of `values` (N,) within them, so that a large
        family counts no more than a small one."""
        return float(self.by_family(values).mean())

    def by_family(self, values: np.ndarray) -> np.ndarray:
        """Return the mean of `values` (N,) within each family, in the order of the families."""
        _, which, sizes = np.unique(self.families, return_inverse=True, return_counts=True)
        return np.bincount(which, values) / sizes


def dealt(
    families: np.ndarray, split: str, seed: int = 0, *, parts: int = 10, of: str = "dealt"
) -> np.ndarray:
    """Return which contents are of a split, bool (N,), where `families` (N,) says what belongs
    together.

    The families in their order are shuffled by `seed` and dealt into `parts` parts, 3 or more:
    the first is to "test" with, the second for "validation", the others to "train" with. `of`
    names the contents where there are too few.

    Raises:
        DataError: fewer than three families.
        ValueError: another split.
    """
    if split not in SPLITS:
        raise ValueError(f"expected a split of {', '.join(SPLITS)}, got {split!r}")
    names, which = np.unique(families, return_inverse=True)
    if len(names) < len(SPLITS):
        wanted = f"{len(SPLITS)} pictures or more, to train, validate and test with"
        raise DataError(f"{of}: expected {wanted}, got {len(names)}")  # a family counts once
    part = max(len(names) // parts, 1)
    place = np.argsort(np.random.default_rng(seed).permutation(len(names)))[which]
    first = {"test": 0, "validation": part, "train": 2 * part}[split]
    return (first <= place) & ((place < first + part) | (split == "train"))
