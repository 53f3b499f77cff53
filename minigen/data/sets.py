"""Loading a data set by name."""

import os

from minigen.data.digits import digits
from minigen.data.download import find
from minigen.data.emoji import emoji
from minigen.data.folder import folder
from minigen.data.idx import read_pair
from minigen.data.images import DataError, Images
from minigen.data.local import binarized_mnist, cifar10, quickdraw
from minigen.data.variants import coloured

LOCAL = {
    "binarized-mnist": binarized_mnist,
    "cifar-10": cifar10,
    "quickdraw": quickdraw,
    "emoji-noto": lambda split: emoji(split, hands=("noto",)).pictures(),
    "emoji-twemoji": lambda split: emoji(split, hands=("twemoji",)).pictures(),
    "emoji-faces": lambda split: emoji(split, "faces", hands=("noto",)).pictures(),
}
DRAWN = ("digits", "coloured-digits")
COLOURED = {f"coloured-{name}": name for name in ("mnist", "digits")}
NAMES = ("mnist", "fashion-mnist", "digits", "auto", *COLOURED, *LOCAL)
SPLITS = ("train", "test")
DIGITS_SIZE = {"train": 60_000, "test": 10_000}  # as MNIST's
CLASSES = {
    "mnist": tuple("0123456789"),
    "fashion-mnist": (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
}


def load(
    name: str,
    split: str = "train",
    *,
    size: int | None = None,
    seed: int = 0,
    side: int = 32,
    download: bool = True,
) -> Images:
    """Load the training or test images of "mnist", "fashion-mnist", "digits" or "auto", or of the
    user's own folder of pictures by its path (see `folder`), every tenth of which is a test image;
    or of what is read where it is at hand: "binarized-mnist", "cifar-10", "quickdraw", and the
    families of `emoji` in one hand, "emoji-noto" or "emoji-twemoji", and "emoji-faces", of Noto.
    "coloured-mnist" and "coloured-digits" are `coloured`.

    `size` takes the first so many images, by default all: 60,000 to train and 10,000 to test, or
    what the folder has, which may be fewer. Pictures of a folder become `side` × `side` pixels.
    "digits" are drawn here, in about three seconds for 60,000, the two splits of a `seed` from
    different random streams; the other sets ignore `seed`. See minigen.data.download for where
    files are looked for and kept; with `download` false a missing one is an error.

    "auto" is MNIST where both its splits can be had; otherwise it prints a line that says why not,
    and is the digits. The name of the result says which: load a second split by that name, as in
    `train = load("auto"); test = load(train.name, "test")`, so that both are of one set.

    Raises ValueError for arguments out of range, and DataError where files are missing, damaged or
    cannot be downloaded.
    """
    own = name not in NAMES and os.path.isdir(name)
    if os.path.isabs(name) and not own:
        raise DataError(f"there is no folder {name}")
    if name not in NAMES and not own:
        raise DataError(f"load: expected {', '.join(NAMES)} or a folder of pictures, got {name!r}")
    if split not in SPLITS:
        raise ValueError(f"load: expected a split of {', '.join(SPLITS)}, got {split!r}")
    if size is not None and size < 1:
        raise ValueError(f"load: expected a size of 1 or more, got {size}")
    if own:
        return folder(name, side, split=split, size=size)
    if name == "auto":
        name = resolved(name, download)
    if name in COLOURED:
        grey = load(COLOURED[name], split, size=size, seed=seed, download=download)
        return coloured(grey, 2 * seed + SPLITS.index(split))
    if name == "digits":
        return digits(size or DIGITS_SIZE[split], 2 * seed + SPLITS.index(split))
    if name in LOCAL:
        found = LOCAL[name](split)
    else:
        found = Images(name, *read_pair(*find(name, split, download)), CLASSES[name])
    if size is not None and size > len(found):
        raise ValueError(f"load: {name} has {len(found)} images to {split} with, got size {size}")
    return Images(name, found.images[:size], found.labels[:size], found.classes)


def resolved(name: str, download: bool = True) -> str:
    """The name of the set that a name stands for: of "auto" see `load`, else itself."""
    if name != "auto":
        return name
    try:
        for split in SPLITS:
            find("mnist", split, download)
    except DataError as error:
        print(f"Using the built-in digits instead of MNIST. {error}")
        return "digits"
    return "mnist"
