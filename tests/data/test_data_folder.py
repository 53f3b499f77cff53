"""A folder of pictures: any size and mode, classes by subfolder, unreadable files named."""

import numpy as np
import pytest
from PIL import Image

from minigen.data import DataError, folder, load


def save(path, array, **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array)).save(path, **how)


def flat(height, width, colour):
    return np.full((height, width, 3), colour, np.uint8)


def test_any_size_is_cropped_to_its_middle_and_resized(tmp_path):
    wide = flat(20, 60, (0, 0, 255))
    wide[:, 20:40] = (255, 0, 0)  # the square in the middle
    save(tmp_path / "a.png", wide)
    save(tmp_path / "b.jpg", flat(7, 5, (0, 255, 0)))
    images = folder(tmp_path, side=8)
    assert images.images.shape == (2, 3, 8, 8) and images.images.dtype == np.uint8
    assert images.images[0, 0].min() > 230 and images.images[0, 2].max() < 25  # but for its edge
    assert images.images[1, 1].min() > 250 and images.classes == ("",)
    assert images.scaled().shape == (2, 3, 8, 8) and images.name == str(tmp_path)


def test_grey_pictures_stay_grey_and_colour_decides_for_all(tmp_path):
    save(tmp_path / "a.png", np.full((9, 9), 100, np.uint8))
    assert folder(tmp_path, 4).images.shape == (1, 1, 4, 4)
    assert np.unique(folder(tmp_path, 4).images) == [100]
    assert folder(tmp_path, 4, grey=False).images.shape == (1, 3, 4, 4)
    save(tmp_path / "b.png", flat(9, 9, (200, 0, 0)))
    assert folder(tmp_path, 4).images.shape == (2, 3, 4, 4)
    grey = folder(tmp_path, 4, grey=True).images
    assert grey.shape == (2, 1, 4, 4) and np.unique(grey[1]) == [round(0.299 * 200)]


def test_sixteen_bits_transparency_palettes_and_turned_cameras(tmp_path):
    save(tmp_path / "a.png", np.array([[0, 65535], [0, 65535]], np.uint16))
    clear = np.zeros((4, 4, 4), np.uint8)
    save(tmp_path / "b.png", clear)  # wholly transparent: white
    Image.fromarray(flat(4, 4, (9, 9, 9))).convert("P").save(tmp_path / "c.gif")
    turned = flat(4, 4, 0)
    turned[:2] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # held upside down
    save(tmp_path / "d.png", turned, exif=exif)
    a, b, c, d = folder(tmp_path, 2).images[:, 0]
    assert a.tolist() == [[0, 255], [0, 255]] and b.min() == 255 and c.max() < 20
    assert d[0].max() < 60 and d[1].min() > 195


def test_subfolders_are_classes_and_a_tenth_is_to_test_with(tmp_path):
    for i in range(20):
        save(
            tmp_path / ("cats" if i < 12 else "dogs/big") / f"{i:02}.png", np.full((4, 4), i, "u1")
        )
    everything, train, test = (folder(tmp_path, 4, split=s) for s in (None, "train", "test"))
    assert everything.classes == train.classes == ("cats", "dogs")
    assert np.bincount(everything.labels).tolist() == [12, 8]
    assert test.images[:, 0, 0, 0].tolist() == [9, 19] and test.labels.tolist() == [0, 1]
    assert len(train) == 18 and not set(train.images.ravel()) & set(test.images.ravel())
    loaded = load(str(tmp_path), "test", side=4, size=1)
    assert np.array_equal(loaded.images, test.images[:1])
    assert len(load(str(tmp_path), "test", side=4, size=9)) == 2  # there are no more
    assert load(loaded.name, side=8).images.shape == (18, 1, 8, 8)


def test_unreadable_pictures_are_named_and_skipped(tmp_path, capsys):
    save(tmp_path / "good.png", np.zeros((4, 4), np.uint8))
    for i in range(7):
        (tmp_path / f"bad{i}.png").write_bytes(b"no picture")
    cut = (tmp_path / "good.png").read_bytes()[:40]
    (tmp_path / "cut.png").write_bytes(cut)
    (tmp_path / "notes.txt").write_text("no picture, and none by its name")
    assert len(folder(tmp_path, 4)) == 1
    said = capsys.readouterr().err
    assert "skipped 8 unreadable" in said and "bad0.png" in said and "3 more" in said
    assert "notes.txt" not in said and "good.png" not in said


def test_what_is_no_folder_of_pictures_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        folder(tmp_path / "nowhere")
    with pytest.raises(DataError, match="found none"):
        folder(tmp_path)
    save(tmp_path / "a.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(DataError, match="1 or more pictures to test with, got 0"):
        folder(tmp_path, split="test")
    with pytest.raises(ValueError, match="side"):
        folder(tmp_path, side=0)
    with pytest.raises(DataError, match="or a folder of pictures, got 'cats'"):
        load("cats")
