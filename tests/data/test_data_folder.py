"""A folder of pictures: any size and mode, classes by subfolder, unreadable files named."""

import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from minigen.data import DataError, folder, load
from minigen.data.folder import read as read_pictures


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


def test_links_are_followed_but_not_in_circles(tmp_path, capsys):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    save(root / "cats" / "a.png", np.full((4, 4), 1, np.uint8))
    save(elsewhere / "far" / "b.PNG", np.full((4, 4), 2, np.uint8))
    for name, there in {
        "dogs": elsewhere, "again": root / "cats", "circle": root, "cats/up": "..",
        "cats/all": elsewhere, "cats/once.more": elsewhere / "far",
    }.items():  # fmt: skip
        os.symlink(there, root / name)
    got = folder(root, 4)
    assert got.classes == ("again", "cats", "dogs")  # the circle has no pictures of its own
    assert got.images[:, 0, 0, 0].tolist() == [1, 2, 1, 2, 2] and not capsys.readouterr().err
    os.symlink("nowhere", root / "lost.png")
    os.symlink("self.png", root / "self.png")
    os.mkfifo(root / "pipe.png")  # would be waited for
    assert len(folder(root, 4)) == 5
    assert "skipped 3 unreadable" in (said := capsys.readouterr().err) and "lost.png" in said


def test_what_programs_keep_for_themselves_is_no_class(tmp_path, capsys):
    for name in (".ipynb_checkpoints/a", "__MACOSX/cats/._a", ".hidden", "cats/.a", "cats/.x/a",
                 "$RECYCLE.BIN/a", "@eaDir/a", "cats/a", "Dogs.png/a", "dogs/a"):  # fmt: skip
        save(tmp_path / f"{name}.png", np.zeros((4, 4), np.uint8))
    for name in ("Thumbs.db", "desktop.ini", "cats/.DS_Store"):
        (tmp_path / name).write_bytes(b"no picture")
    got = folder(tmp_path, 4)
    assert got.classes == ("Dogs.png", "cats", "dogs") and len(got) == 3
    assert not capsys.readouterr().err


def test_an_error_that_says_nothing_is_named_by_its_kind(tmp_path, capsys):
    def seen(_):
        raise EOFError

    save(tmp_path / "a.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(DataError):
        read_pictures(tmp_path, seen)
    assert "a.png (EOFError)" in capsys.readouterr().err


def test_names_in_no_encoding_are_shown_with_escapes(tmp_path, capsys):
    place = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(place)
    save(tmp_path / "a.png", np.zeros((4, 4), np.uint8))
    os.rename(tmp_path / "a.png", place + b"/a\xe9.png")
    with open(place + b"/b\xe9.png", "wb"):
        pass
    assert folder(tmp_path, 4).classes == (r"caf\udce9",)
    assert r"b\udce9.png" in capsys.readouterr().err.encode().decode()
    os.rename(place, tmp_path / "two\nlines")  # which no row of pictures can be called
    assert folder(tmp_path, 4).classes == (r"two\nlines",)


DEEP = np.arange(16).reshape(4, 4)
FLOATS = DEEP.astype(np.float32)


@pytest.mark.parametrize("name, levels, expected", [
    ("a.png", 257 * DEEP.astype("<u2"), DEEP), ("a.png", 20 * DEEP.astype("<u2"), DEEP / 12.85),
    ("a.tif", 257 * DEEP.astype("<u2"), DEEP),
    ("a.tif", 257 * DEEP.astype(">u2"), DEEP),
    ("a.tif", FLOATS / 255, DEEP), ("a.tif", FLOATS + 200, DEEP + 200),
    ("a.tif", 257 * FLOATS + 4000, DEEP + 4000 / 257), ("a.tif", 1e20 * FLOATS, 17 * DEEP),
    ("a.tif", -FLOATS, 0 * DEEP), ("a.tif", 2570 * DEEP.astype("i4"), 10 * DEEP),
    ("a.tif", np.where(DEEP == 5, np.nan, FLOATS / 15), np.where(DEEP == 5, 0, 17 * DEEP)),
    ("a.tif", np.where(DEEP == 5, np.inf, FLOATS / 15), np.where(DEEP == 5, 255, 17 * DEEP)),
    ("a.tif", np.nan * FLOATS, 0 * DEEP),
])  # fmt: skip
def test_white_is_the_types_and_not_the_pictures(tmp_path, name, levels, expected):
    save(tmp_path / name, levels)
    got = folder(tmp_path, 4).images[0, 0]
    np.testing.assert_array_equal(got, np.rint(expected).astype(np.uint8))


def test_white_of_a_portable_graymap(tmp_path):
    levels = (257 * DEEP).astype(">u2")
    (tmp_path / "a.ppm").write_bytes(b"P5 4 4 65535\n" + levels.tobytes())
    np.testing.assert_array_equal(folder(tmp_path, 4).images[0, 0], DEEP)


def test_tags_of_a_wrong_type_are_named_and_skipped(tmp_path, capsys):
    save(tmp_path / "bad.tif", np.zeros((4, 4), np.uint8))
    offsets, doubles = (struct.pack("<2H", 273, kind) for kind in (4, 12))
    content = (tmp_path / "bad.tif").read_bytes()
    assert content.count(offsets) == 1  # where its pixels lie
    (tmp_path / "bad.tif").write_bytes(content.replace(offsets, doubles))
    save(tmp_path / "good.png", np.ones((4, 4), np.uint8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert folder(tmp_path, 4).images[:, 0, 0, 0].tolist() == [1]
    assert "bad.tif (" in capsys.readouterr().err


def png(width, height, bits, content=b""):
    header = struct.pack(">2I5B", width, height, bits, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", content), (b"IEND", b""))
    )


def test_huge_and_empty_pictures_are_named_and_skipped(tmp_path, capsys, monkeypatch):
    save(tmp_path / "good.png", np.ones((4, 4), np.uint8))
    (tmp_path / "huge.png").write_bytes(png(13_000, 13_000, 16))
    (tmp_path / "bomb.png").write_bytes(png(10**6, 10**6, 16))
    (tmp_path / "none.png").write_bytes(png(0, 4, 8, zlib.compress(b"")))
    (tmp_path / "empty.png").write_bytes(b"")
    # Pillow would give it to Ghostscript, which runs it as a program.
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"
    (tmp_path / "script.png").write_bytes(script)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(folder(tmp_path, 4)) == 1
    said = capsys.readouterr().err
    assert "skipped 5" in said and "huge.png (13000 × 13000 pixels, more than 89,478,485)" in said
    assert "script.png (cannot identify" in said
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 15)
    with pytest.raises(DataError, match="none that can be read"):
        folder(tmp_path, 4)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "I", "F"])
def test_every_mode_is_read(tmp_path, mode):
    white = Image.new("L", (6, 6), "white").convert("LA" if mode == "PA" else "RGB")
    white.convert(mode).save(tmp_path / "a.tif")
    assert folder(tmp_path, 4).images.min() == 255


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


def test_arguments_out_of_range_and_names_too_long_are_refused(tmp_path):
    save(tmp_path / "a.png", flat(8, 8, (0, 0, 0)))
    with pytest.raises(ValueError, match="train or test"):
        folder(tmp_path, split="val")
    for read in folder, load:
        with pytest.raises(DataError):
            read("x" * 5000)


def test_names_that_a_terminal_would_obey_are_shown_with_escapes(tmp_path, capsys):
    save(tmp_path / "a.png", flat(8, 8, (0, 0, 0)))
    (tmp_path / "b\nskipped 3\x1b[31m.png").write_bytes(b"none")
    folder(tmp_path)
    said = capsys.readouterr().err
    assert said.count("\n") == 2 and "b\\nskipped 3\\x1b[31m.png" in said
