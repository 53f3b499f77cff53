"""What is done to a picture before it is an item: to Pillow's images, and to tensors (…, H, W)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from minigen.functional import pad, rand, stack, tensor
from minigen.functional.arguments import refuse
from minigen.missing import missing_from
from minigen.tensor import Tensor

__path__: list[str] = []  # so that importing what is not here says so, see `names.Finder`
Size = int | Sequence[int]
InterpolationMode = Image.Resampling


def _pair(size: Size) -> tuple[int, int]:
    """Height and width."""
    return (size, size) if isinstance(size, int) else (size[0], size[-1])


def _size(image: Any) -> tuple[int, int]:
    """Height and width of an image."""
    return image.shape[-2:] if isinstance(image, Tensor) else image.size[::-1]


def _cut(image: Any, top: int, left: int, height: int, width: int) -> Any:
    """A part of an image, black where that lies outside."""
    if not isinstance(image, Tensor):
        return image.crop((left, top, left + width, top + height))
    h, w = _size(image)
    beyond = [max(n, 0) for n in (-left, left + width - w, -top, top + height - h)]
    if any(beyond):
        image, top, left = pad(image, tuple(beyond)), max(top, 0), max(left, 0)
    return image[..., top : top + height, left : left + width]


@dataclass
class Lambda:
    """Any function of an image."""

    lambd: Callable[[Any], Any]

    def __call__(self, image: Any) -> Any:
        return self.lambd(image)


@dataclass
class Compose:
    """One transform after the other."""

    transforms: Sequence[Callable[[Any], Any]]

    def __call__(self, image: Any) -> Any:
        for transform in self.transforms:
            image = transform(image)
        return image


class ToTensor:
    """A picture, or an array (H, W) or (H, W, C), as a tensor (C, H, W); bytes become float32 from
    0 to 1."""

    def __call__(self, pic: Any) -> Tensor:
        levels = np.asarray(pic)
        if not isinstance(pic, np.ndarray | Image.Image) or levels.ndim not in (2, 3):
            raise TypeError(
                f"ToTensor: expected a picture or an array (H, W) or (H, W, C), got a "
                f"{type(pic).__name__} {levels.shape}"
            )
        levels = levels.reshape(*levels.shape[:2], -1).transpose(2, 0, 1)
        if levels.dtype == np.uint8:
            return Tensor(levels.astype(np.float32) / np.float32(255))
        return Tensor(levels.astype(np.float32) if levels.dtype == bool else levels.copy())


@dataclass
class ToPILImage:
    """A tensor (C, H, W) of floats from 0 to 1 or of bytes, or an array (H, W, C), as a picture."""

    mode: str | None = None

    def __call__(self, pic: Any) -> Image.Image:
        levels = pic
        if isinstance(pic, Tensor):
            levels = np.moveaxis(pic.detach().numpy(), 0, -1) if pic.ndim == 3 else pic.numpy()
            if levels.dtype.kind == "f" and self.mode != "F":
                levels = (levels * 255).astype(np.uint8)
        levels = levels[..., 0] if levels.shape[2:] == (1,) else levels
        image = Image.fromarray(np.ascontiguousarray(levels))
        return image if self.mode is None else image.convert(self.mode)


@dataclass
class Normalize:
    """(x − mean) / std, by channels.

    Raises:
        TypeError: the image is no tensor of floats.
        ValueError: a std of 0, or another number of channels.
    """

    mean: Sequence[float]
    std: Sequence[float]
    inplace: bool = False

    def __call__(self, image: Tensor) -> Tensor:
        if not isinstance(image, Tensor) or image.dtype.kind != "f":
            raise TypeError("Normalize: expected a tensor of floats; put ToTensor() before it")
        mean, std = (np.ravel(values) for values in (self.mean, self.std))
        channels = image.shape[-3]
        if not {len(mean), len(std)} <= {1, channels} or not std.all():
            raise ValueError(
                f"Normalize: mean {self.mean} and std {self.std} for an image of {channels} "
                "channels: expected a number for each channel, and no std of 0"
            )
        like = {"dtype": image.dtype, "device": image.device}
        return (image - tensor(mean[:, None, None], **like)) / tensor(std[:, None, None], **like)


@dataclass
class Resize:
    """Scaled to (height, width), or with one number so that the shorter side has so many pixels."""

    size: Size
    interpolation: Any = Image.Resampling.BILINEAR
    max_size: None = None
    antialias: bool = True

    def __call__(self, image: Any) -> Any:
        refuse("Resize", max_size=self.max_size)
        height, width = wanted = _size(image)
        if isinstance(self.size, int) or len(self.size) == 1:
            short, (side, _) = min(wanted), _pair(self.size)
            wanted = tuple(side if n == short else int(side * n / short) for n in wanted)
        else:
            wanted = _pair(self.size)
        if wanted == (height, width):
            return image
        if not isinstance(image, Tensor):
            return image.resize(wanted[::-1], Image.Resampling(self.interpolation))
        planes = image.detach().numpy().astype(np.float32).reshape(-1, height, width)
        scaled = np.stack([np.asarray(self(Image.fromarray(plane))) for plane in planes])
        return Tensor(scaled.reshape(*image.shape[:-2], *wanted)).to(image.dtype)


@dataclass
class Pad:
    """`padding` pixels of one value on each side, (left and right, above and below), or four."""

    padding: Size
    fill: float = 0

    def __call__(self, image: Any) -> Any:
        sides = (self.padding,) if isinstance(self.padding, int) else tuple(self.padding)
        left, top, right, bottom = sides * (4 // len(sides))
        if isinstance(image, Tensor):
            return pad(image, (left, right, top, bottom), value=self.fill)
        return ImageOps.expand(image, (left, top, right, bottom), self.fill)


@dataclass
class CenterCrop:
    """The middle of that size, black around it where the image is smaller."""

    size: Size

    def __call__(self, image: Any) -> Any:
        rooms = [n - m for n, m in zip(_size(image), _pair(self.size), strict=True)]
        starts = [round(room / 2) if room > 0 else -(-room // 2) for room in rooms]
        return _cut(image, *starts, *_pair(self.size))


@dataclass
class RandomCrop:
    """A part of that size, after `padding` black pixels were added on each side.

    Raises:
        ValueError: the image is smaller.
    """

    size: Size
    padding: int | None = None

    def __call__(self, image: Any) -> Any:
        border, starts = self.padding or 0, []
        for n, m in zip(_size(image), _pair(self.size), strict=True):
            room = n + 2 * border - m
            if room < 0:
                raise ValueError(
                    f"RandomCrop: {_pair(self.size)} is more than the image's "
                    f"{tuple(_size(image))}; give padding, or resize it first"
                )
            starts.append(int(rand(1, dtype=np.float64).item() * (room + 1)) - border)
        return _cut(image, *starts, *_pair(self.size))


@dataclass
class RandomHorizontalFlip:
    """Left and right exchanged with probability p."""

    p: float = 0.5
    _flips = -1, ImageOps.mirror

    def __call__(self, image: Any) -> Any:
        axis, mirror = self._flips
        if rand(1).item() >= self.p:
            return image
        return image.flip(axis) if isinstance(image, Tensor) else mirror(image)


class RandomVerticalFlip(RandomHorizontalFlip):
    """Top and bottom exchanged with probability p."""

    _flips = -2, ImageOps.flip


@dataclass
class Grayscale:
    """Grey, as one channel or three equal ones (ITU-R BT.601)."""

    num_output_channels: int = 1

    def __call__(self, image: Any) -> Any:
        if isinstance(image, Tensor):
            red, green, blue = (image[..., i, :, :] for i in range(3))
            grey = 0.2989 * red + 0.587 * green + 0.114 * blue
            return stack([grey] * self.num_output_channels, -3)
        grey = image.convert("L")
        return grey if self.num_output_channels == 1 else Image.merge("RGB", [grey] * 3)


__getattr__ = missing_from(globals(), "torchvision.transforms")
