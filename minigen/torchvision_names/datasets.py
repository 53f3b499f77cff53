"""Labelled pictures as PyTorch's programs read them: item by item, over `minigen.data`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from minigen import data
from minigen.backend import Generator
from minigen.data.folder import ENDINGS
from minigen.data.loader import Dataset
from minigen.missing import missing_from
from minigen.tensor import Tensor
from minigen.torchvision_names.transforms import ToPILImage

__path__: list[str] = []  # so that importing what is not here says so, see `names.Finder`
Transform = Callable[[Any], Any] | None


class VisionDataset(Dataset):
    """Pictures of which an item is one with its label, each as its transform makes it.

    Attributes:
        targets: all labels.
        classes, class_to_idx: their names.
    """

    targets: Any

    def __init__(
        self, root: Any, classes: Any, transform: Transform, target_transform: Transform
    ) -> None:
        self.root, self.classes = root, list(classes)
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}
        self.transform, self.target_transform = transform, target_transform

    def picture(self, index: int) -> Image.Image:
        """The picture alone, as it is."""
        raise NotImplementedError(f"{type(self).__name__} does not define picture()")

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image, label = self.picture(index), int(self.targets[index])
        if self.transform is not None:
            image = self.transform(image)
        return image, label if self.target_transform is None else self.target_transform(label)

    def __len__(self) -> int:
        return len(self.targets)


class MNIST(VisionDataset):
    """MNIST where `minigen.data.load` finds it, or with `download` gets it; `root` plays no part.
    All its pictures are in `data`, uint8 (N, 28, 28).

    Raises:
        DataError: the files are missing or damaged.
    """

    name = "mnist"

    def __init__(
        self,
        root: Any = None,
        train: bool = True,
        transform: Transform = None,
        target_transform: Transform = None,
        download: bool = False,
    ):
        found = data.load(self.name, "train" if train else "test", download=download)
        super().__init__(root, found.classes, transform, target_transform)
        self.train = train
        self._keep(found.images, found.labels)

    def _keep(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.data, self.targets = Tensor(images[:, 0]), Tensor(labels)

    def picture(self, index: int) -> Image.Image:
        return Image.fromarray(np.asarray(self.data[index]))


class FashionMNIST(MNIST):
    """Fashion-MNIST, likewise."""

    name = "fashion-mnist"


class CIFAR10(MNIST):
    """CIFAR-10, likewise, as far as its batches are there; `data` is an array (N, 32, 32, 3) and
    `targets` a list, as in torchvision."""

    name = "cifar-10"

    def _keep(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.data, self.targets = images.transpose(0, 2, 3, 1).copy(), labels.tolist()


class ImageFolder(VisionDataset):
    """The pictures in a folder's subfolders, each of which is a class, read when asked for;
    `samples` are their paths and labels.

    Raises:
        OSError: there is no such folder.
        DataError: it has no subfolders, or one of them no pictures.
    """

    def __init__(
        self,
        root: Any,
        transform: Transform = None,
        target_transform: Transform = None,
        loader: Callable[[str], Any] | None = None,
    ):
        names = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
        super().__init__(root, names, transform, target_transform)
        self.loader = loader or (lambda path: Image.open(path).convert("RGB"))
        self.samples = []
        for name, label in self.class_to_idx.items():
            files = sorted(path for path in Path(root, name).rglob("*") if path.is_file())
            found = [(str(p), label) for p in files if p.suffix.lower() in ENDINGS]
            self.samples += found
            if not found:
                raise data.DataError(f"{root}: expected pictures in the folder {name}, found none")
        if not names:
            raise data.DataError(f"{root}: expected a folder for each class, found none")
        self.imgs, self.targets = self.samples, [label for _, label in self.samples]

    def picture(self, index: int) -> Image.Image:
        return self.loader(self.samples[index][0])


class FakeData(VisionDataset):
    """Pictures of uniform noise, each a function of its index and `random_offset`."""

    def __init__(
        self,
        size: int = 1000,
        image_size: Sequence[int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Transform = None,
        target_transform: Transform = None,
        random_offset: int = 0,
    ):
        super().__init__(None, range(num_classes), transform, target_transform)
        self.image_size, self.random_offset = tuple(image_size), random_offset
        self.targets = (Generator(random_offset).uniform((size,)) * num_classes).astype(int)

    def picture(self, index: int) -> Image.Image:
        stream = Generator(index + self.random_offset)
        return ToPILImage()(Tensor(stream.uniform(self.image_size)))


__getattr__ = missing_from(globals(), "torchvision.datasets")
