"""Data sets as arrays, and batches of them."""

from minigen.data.batches import Batches
from minigen.data.digits import digits
from minigen.data.domains import Domains, dealt
from minigen.data.emoji import emoji
from minigen.data.folder import folder
from minigen.data.glyphs import glyphs
from minigen.data.images import DataError, Images
from minigen.data.layouts import aligned, facades, unaligned
from minigen.data.loader import DataLoader, Dataset, Subset, TensorDataset, random_split
from minigen.data.mixtures import Checkerboard, Mixture, Parabola, grid, moons, ring, swiss_roll
from minigen.data.phrases import PhrasePictures
from minigen.data.sets import load, resolved
from minigen.data.variants import coloured, variants

__all__ = [
    "Batches",
    "Checkerboard",
    "DataError",
    "DataLoader",
    "Dataset",
    "Domains",
    "Images",
    "Mixture",
    "Parabola",
    "PhrasePictures",
    "Subset",
    "TensorDataset",
    "aligned",
    "coloured",
    "dealt",
    "digits",
    "emoji",
    "facades",
    "folder",
    "glyphs",
    "grid",
    "load",
    "moons",
    "random_split",
    "resolved",
    "ring",
    "swiss_roll",
    "unaligned",
    "variants",
]
