"""Pictures, transforms and grids, with torchvision's values."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import minigen
import minigen.torchvision_names
from minigen import Tensor
from minigen.torchvision_names import datasets, utils
from minigen.torchvision_names import transforms as T

SHAPES = [(5, 3, 4, 6), (1, 1, 4, 4), (9, 1, 5, 5), (3, 4, 4), (1, 4, 4), (4, 4)]
OPTIONS = [
    {},
    {"normalize": True},
    {"normalize": True, "value_range": (-1, 1), "nrow": 5},
    {"normalize": True, "scale_each": True, "nrow": 3, "padding": 1, "pad_value": 0.7},
]


def grid_of_torchvision(images, nrow=8, padding=2, normalize=False, value_range=None,
                        scale_each=False, pad_value=0.0):  # fmt: skip
    """torchvision.utils.make_grid, as it is published, in NumPy."""
    images = images.reshape((1,) * (4 - images.ndim) + images.shape).copy()
    images = np.concatenate([images] * 3, 1) if images.shape[1] == 1 else images
    for part in () if not normalize else images if scale_each else [images]:
        low, high = value_range or (float(part.min()), float(part.max()))
        part[...] = (part.clip(low, high) - low) / max(high - low, 1e-5)
    if len(images) == 1:
        return images[0]
    columns = min(nrow, len(images))
    height, width = images.shape[2] + padding, images.shape[3] + padding
    size = (height * math.ceil(len(images) / columns) + padding, width * columns + padding)
    grid = np.full((images.shape[1], *size), pad_value, np.float32)
    for k, image in enumerate(images):
        y, x = divmod(k, columns)
        place = grid[:, y * height + padding :, x * width + padding :]
        place[:, : height - padding, : width - padding] = image
    return grid


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_grids_and_their_files_are_torchvisions(shape, options, tmp_path):
    images = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    expected, before = grid_of_torchvision(images, **options), images.copy()
    grid = utils.make_grid(minigen.tensor(images), **options).numpy()
    assert grid.dtype == np.float32 and np.array_equal(grid, expected)
    assert np.array_equal(images, before)
    utils.save_image(minigen.tensor(images, requires_grad=True), tmp_path / "x.png", **options)
    levels = (expected * 255 + np.float32(0.5)).clip(0, 255).astype(np.uint8)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "x.png")), levels.transpose(1, 2, 0))


def test_grids_of_lists_and_by_older_names():
    images = [minigen.ones(1, 2, 2) * i for i in range(3)]
    grid = utils.make_grid(images, padding=0, normalize=True, range=(0, 2)).numpy()
    assert grid.shape == (3, 2, 6) and grid[0, 0].tolist() == [0, 0, 0.5, 0.5, 1, 1]
    with pytest.raises(ValueError, match=r"\(N, C, H, W\), got \(3,\)"):
        utils.make_grid(minigen.ones(3))


@pytest.fixture
def picture():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 41, 3), dtype=np.uint8))


def test_tensors_of_pictures_and_back(picture):
    x = T.ToTensor()(picture)
    assert x.shape == (3, 30, 41) and x.dtype == np.float32
    assert np.array_equal(x.numpy() * 255, np.asarray(picture).transpose(2, 0, 1))
    assert np.array_equal(np.asarray(T.ToPILImage()(x)), np.asarray(picture))
    grey = T.Grayscale()(picture)
    assert np.array_equal(np.asarray(T.ToPILImage("L")(T.ToTensor()(grey))), np.asarray(grey))
    assert T.ToTensor()(np.ones((4, 5))).numpy().tolist() == np.ones((1, 4, 5)).tolist()
    y = T.Normalize((0.5, 0.25, 0.0), (2.0, 1.0, 0.5))(x).numpy()
    assert np.array_equal(y[1], x.numpy()[1] - np.float32(0.25))
    assert np.array_equal(T.Normalize((0.5,), (1.0))(x).numpy(), x.numpy() - np.float32(0.5))
    for wrong, error in [
        (lambda: T.Normalize((0.5, 0.5), (1, 1))(x), ValueError("image of 3 channels")),
        (lambda: T.Normalize([0.5], [0])(x), ValueError("no std of 0")),
        (lambda: T.Normalize([0.5], [1])(picture), TypeError("put ToTensor")),
        (lambda: T.ToTensor()(x), TypeError("expected a picture or an array")),
    ]:
        with pytest.raises(type(error), match=str(error)):
            wrong()


@pytest.mark.parametrize(
    "transform, size, levels",
    [
        (T.Resize(20), (20, 27), 1.1),  # int(20 · 41 / 30), as torchvision cuts it
        (T.Resize((10, 12), Image.BICUBIC), (10, 12), 1.3),
        (T.CenterCrop(11), (11, 11), 0),
        (T.CenterCrop((35, 50)), (35, 50), 0),
        (T.RandomCrop(20, padding=4), (20, 20), 0),
        (T.RandomHorizontalFlip(1.0), (30, 41), 0),
        (T.RandomVerticalFlip(1.0), (30, 41), 0),
        (T.Grayscale(3), (30, 41), 0.6),
    ],
)
def test_pictures_and_tensors_are_transformed_alike(picture, transform, size, levels):
    """A picture's levels are rounded: once after each of two passes of scaling, the first error
    times the second pass's weights, of magnitudes 1 (bilinear) to 1.4 (bicubic) in sum; once by
    greying, whose weights differ by 1e-4."""
    minigen.manual_seed(0)
    of_picture = T.ToTensor()(transform(picture)).numpy()
    minigen.manual_seed(0)
    of_tensor = transform(T.ToTensor()(picture)).numpy()
    assert of_picture.shape == of_tensor.shape == (3, *size)
    assert np.abs(of_picture - of_tensor.clip(0, 1)).max() * 255 <= levels


def test_crops_and_flips_take_the_right_pixels():
    x = Tensor(np.arange(20.0, dtype=np.float32).reshape(1, 4, 5))
    assert T.CenterCrop(2)(x).numpy().tolist() == [[[7, 8], [12, 13]]]  # from 1 and round(1.5)
    padded = T.CenterCrop((7, 5))(x).numpy()[0]  # an odd row goes below
    assert padded[0].max() == 0 and padded[1].tolist() == [0, 1, 2, 3, 4] and not padded[5:].any()
    assert T.RandomHorizontalFlip(1)(x).numpy()[0, 0].tolist() == [4, 3, 2, 1, 0]
    assert T.RandomVerticalFlip(1)(x).numpy()[0, :, 0].tolist() == [15, 10, 5, 0]
    assert T.RandomHorizontalFlip(0)(x) is x
    minigen.manual_seed(0)
    corners = {T.RandomCrop(3)(x).numpy()[0, 0, 0].item() for _ in range(200)}
    assert corners == {0, 1, 2, 5, 6, 7}  # (2 · 3 places; one is missed with (5/6)^200)
    with pytest.raises(ValueError, match=r"RandomCrop: \(5, 5\) is more than the image's \(4, 5\)"):
        T.RandomCrop(5)(x)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_one_number_is_the_shorter_side(height, width, side):
    small = T.Resize(side)(Image.new("L", (width, height)))
    long = int(side * max(height, width) / min(height, width))
    assert small.size == ((side, long) if width <= height else (long, side))


def folder(path, names=("a/1.png", "b/c/2.png", "b/1.png", "b/note.txt")):
    for level, name in enumerate(names):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("png"):
            Image.new("L", (4, 3), level).save(path / name)
        else:
            (path / name).write_text("")
    return path


def test_folders_of_classes(tmp_path):
    found = datasets.ImageFolder(folder(tmp_path), T.ToTensor(), target_transform=str)
    assert (found.classes, found.class_to_idx) == (["a", "b"], {"a": 0, "b": 1})
    assert [label for _, label in found.samples] == [0, 1, 1] == found.targets
    x, label = found[2]
    assert x.shape == (3, 3, 4) and label == "1" and len(found) == 3
    assert [float(found[i][0].numpy().max() * 255) for i in range(3)] == [0, 2, 1]
    (tmp_path / "empty").mkdir()
    with pytest.raises(minigen.data.DataError, match="pictures in the folder empty"):
        datasets.ImageFolder(tmp_path)
    with pytest.raises(minigen.data.DataError, match="a folder for each class"):
        datasets.ImageFolder(tmp_path / "empty")
    with pytest.raises(FileNotFoundError):
        datasets.ImageFolder(tmp_path / "nowhere")


@pytest.mark.parametrize("channels", [1, 3])
def test_sets_are_those_of_minigen_data(monkeypatch, channels):
    images = np.random.default_rng(0).integers(0, 256, (4, channels, 28, 28), dtype=np.uint8)
    asked = []

    def load(name, split, download):
        asked.append((name, split, download))
        return minigen.data.Images(name, images, np.arange(4), tuple("abcd"))

    monkeypatch.setattr(minigen.data, "load", load)
    kinds = [datasets.MNIST, datasets.FashionMNIST] if channels == 1 else [datasets.CIFAR10]
    for kind in kinds:
        found = kind("anywhere", train=False, transform=T.ToTensor(), download=True)
        x, label = found[2]
        assert np.array_equal(x.numpy() * 255, images[2]) and label == 2 and len(found) == 4
        assert found.class_to_idx == {"a": 0, "b": 1, "c": 2, "d": 3} and len(found.data) == 4
        batch, labels = next(iter(minigen.data.DataLoader(found, 3)))
        assert batch.shape == (3, channels, 28, 28) and labels.numpy().tolist() == [0, 1, 2]
    names = ["mnist", "fashion-mnist"] if channels == 1 else ["cifar-10"]
    assert asked == [(name, "test", True) for name in names]


def test_noise_is_a_function_of_its_index():
    found = datasets.FakeData(5, (3, 4, 6), 2, T.ToTensor())
    images = [found[i][0].numpy() for i in range(5)]
    assert images[0].shape == (3, 4, 6) and len({x.tobytes() for x in images}) == 5
    assert np.array_equal(found[3][0].numpy(), images[3]) and set(found.targets) <= {0, 1}
    assert len(list(minigen.data.DataLoader(found, 2))) == 3
    with pytest.raises(IndexError):
        found[5]


def test_models_are_missing_when_they_are_made():
    from minigen.torchvision_names.models import vgg19

    with pytest.raises(NotImplementedError, match="minigen has no models.vgg19"):
        vgg19(pretrained=True)
    for name in ("ops", "transforms.ColorJitter", "datasets.CelebA", "utils.draw_keypoints"):
        with pytest.raises(AttributeError, match=f"minigen has no torchvision.{name}"):
            eval(f"minigen.torchvision_names.{name}")
        with pytest.raises(ImportError, match=f"minigen has no torchvision.{name}"):
            exec(f"import minigen.torchvision_names.{name}")


@pytest.mark.parametrize("padding", [1, (1, 2), (1, 2, 3, 0)])
def test_borders_are_added_to_pictures_and_tensors(padding):
    levels = np.arange(1, 7, dtype=np.uint8).reshape(2, 3)
    left, top, right, bottom = {1: [1] * 4, (1, 2): [1, 2, 1, 2]}.get(padding, padding)
    expected = np.pad(levels, [(top, bottom), (left, right)], constant_values=9)
    pad = T.Pad(padding, fill=9)
    assert np.array_equal(np.asarray(pad(Image.fromarray(levels))), expected)
    assert np.array_equal(pad(Tensor(levels[None].astype(np.float32))).numpy()[0], expected)
