"""Loading a data set by name."""

from minigen.data.digits import digits
from minigen.data.download import find
from minigen.data.idx import read_pair
from minigen.data.images import DataError, Images

NAMES = ("mnist", "fashion-mnist", "digits", "auto")
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
    download: bool = True,
) -> Images:
    """Load the training or test images of "mnist", "fashion-mnist", "digits" or "auto".

    `size` takes the first so many images, by default all: 60,000 to train and 10,000 to test.
    "digits" are drawn here, in about three seconds for 60,000, the two splits of a `seed` from
    different random streams; the other sets ignore `seed`. See minigen.data.download for where
    files are looked for and kept; with `download` false a missing one is an error.

    "auto" is MNIST where both its splits can be had; otherwise it prints a line that says why not,
    and is the digits. The name of the result says which: load a second split by that name, as in
    `train = load("auto"); test = load(train.name, "test")`, so that both are of one set.

    Raises ValueError for arguments out of range, and DataError where files are missing, damaged or
    cannot be downloaded.
    """
    if name not in NAMES:
        raise DataError(f"load: expected a data set of {', '.join(NAMES)}, got {name!r}")
    if split not in SPLITS:
        raise ValueError(f"load: expected a split of {', '.join(SPLITS)}, got {split!r}")
    if size is not None and size < 1:
        raise ValueError(f"load: expected a size of 1 or more, got {size}")
    if name == "auto":
        name = _mnist_or_digits(download)
    if name == "digits":
        return digits(size or DIGITS_SIZE[split], 2 * seed + SPLITS.index(split))
    images, labels = read_pair(*find(name, split, download))
    if size is not None and size > len(images):
        raise ValueError(f"load: {name} has {len(images)} images to {split} with, got size {size}")
    return Images(name, images[:size], labels[:size], CLASSES[name])


def _mnist_or_digits(download: bool) -> str:
    try:
        for split in SPLITS:
            find("mnist", split, download)
    except DataError as error:
        print(f"Using the built-in digits instead of MNIST. {error}")
        return "digits"
    return "mnist"
