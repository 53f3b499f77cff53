"""Pictures to translate in the layouts that users have, and what is said of those that are not."""

import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from minigen.data import DataError, aligned, download, facades, folder, layouts, unaligned

SPLITS = ("train", "validation", "test")
A, B = 50, 200  # the grey of the pictures of each side


def save(path, left, right=None, *, size=(8, 8)):
    """One grey picture, or two side by side, of (width, height) each."""
    width, height = size
    pixels = np.full((height, width if right is None else 2 * width), left, np.uint8)
    if right is not None:
        pixels[:, width:] = right
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_two_pictures_side_by_side(tmp_path):
    for split, count in (("train", 3), ("val", 2), ("test", 1)):
        for i in range(count):
            save(tmp_path / split / f"{i}.png", A + i, B + i, size=(8 + 4 * i, 8 + 4 * i))
    pairs = aligned(tmp_path, "train", side=4)
    assert pairs.images.shape == (3, 2, 1, 4, 4) and pairs.domains == ("A", "B")
    assert (pairs.images[:, 0] == A + np.arange(3)[:, None, None, None]).all()  # A is on the left
    assert (pairs.images[:, 1] == B + np.arange(3)[:, None, None, None]).all()
    assert pairs.families.tolist() == [0, 1, 2] and pairs.name == str(tmp_path)
    assert len(aligned(tmp_path, "validation")) == 2 and len(aligned(tmp_path, "test")) == 1
    assert aligned(tmp_path, "test", 4, grey=False).images.shape == (1, 2, 3, 4, 4)


def test_halves_of_odd_widths_and_other_ratios_keep_their_middle(tmp_path):
    odd = np.zeros((6, 29), np.uint8)  # 14 of A, a column of neither, 14 of B
    odd[:, :14], odd[:, 15:] = A, B
    odd[:, :4] = odd[:, 10:19] = odd[:, -4:] = 255  # outside the squares in the middle
    Image.fromarray(odd).save(tmp_path / "a.png")
    for name in "bc":
        save(tmp_path / f"{name}.png", A, B, size=(40, 8))
    everything = [aligned(tmp_path, split, 6) for split in ("train", "validation", "test")]
    images = np.concatenate([one.images for one in everything])
    assert images.shape == (3, 2, 1, 6, 6)  # dealt, for there are no folders of splits
    assert (images[:, 0] == A).all() and (images[:, 1] == B).all()


@pytest.mark.parametrize("sides", ["{split}{side}", "{side}/{split}", "{split}/{side}"])
def test_partners_in_two_folders(tmp_path, capsys, sides):
    places = [tmp_path / sides.format(split="train", side=side) for side in "AB"]
    for i in range(3):
        save(places[0] / f"{i}.png", A + i, size=(21, 14))
        save(places[1] / f"{i}.bmp", B + i, size=(11, 7))  # half as large, and rounded
    save(places[0] / "0bad.png", A)
    (places[1] / "0bad.bmp").write_bytes(b"no picture")
    pairs = aligned(tmp_path, "train", 4)
    assert pairs.images[:, :, 0, 0, 0].tolist() == [[A + i, B + i] for i in range(3)]
    assert "skipped 1 unreadable" in (said := capsys.readouterr().err) and "0bad.bmp" in said
    (places[1] / "0bad.bmp").unlink()
    with pytest.raises(DataError, match="the same name in .*: 1, such as 0bad"):
        aligned(tmp_path, "train")
    alone = unaligned(tmp_path, "train", 4)  # needs no partners
    assert alone.images[:, 0, 0, 0].tolist() == [A, A, A + 1, A + 2, B, B + 1, B + 2]
    assert alone.labels.tolist() == [0, 0, 0, 0, 1, 1, 1] and alone.classes == ("A", "B")
    save(places[1] / "0bad.png", B, size=(14, 21))
    with pytest.raises(DataError, match="one aspect ratio, got 8 × 8 pixels in .* and 14 × 21"):
        aligned(tmp_path, "train")
    save(places[1] / "0bad.bmp", B)
    with pytest.raises(DataError, match="0bad is the name of two pictures"):
        aligned(tmp_path, "train")


def test_sides_without_splits_are_dealt(tmp_path):
    for i in range(20):
        save(tmp_path / "A" / f"{i:02}.png", i)
        save(tmp_path / "B" / f"{i:02}.png", 100 + i)
    for seed in (0, 1):
        sides = [
            aligned(tmp_path, split, 2, seed=seed) for split in ("train", "validation", "test")
        ]
        assert [len(side) for side in sides] == [16, 2, 2]
        contents = np.concatenate([side.images[:, :, 0, 0, 0] for side in sides])
        assert sorted(contents.tolist()) == [[i, 100 + i] for i in range(20)]
        parts = [unaligned(tmp_path, split, 2, seed=seed) for split in ("train", "test")]
        assert [np.bincount(part.labels).tolist() for part in parts] == [[16, 16], [2, 2]]
        assert not {*parts[0].images[:, 0, 0, 0]} & {*parts[1].images[:, 0, 0, 0]}


def test_what_is_missing_is_named(tmp_path):
    for read in (aligned, unaligned):
        with pytest.raises(DataError, match="no such folder"):
            read(tmp_path / "nowhere")
        with pytest.raises(DataError, match="no such folder"):
            read("x" * 5000)
        with pytest.raises(ValueError, match="split of train, validation, test, got 'val'"):
            read(tmp_path, "val")
        with pytest.raises(ValueError, match="side of 1 pixel"):
            read(tmp_path, side=0)
    with pytest.raises(DataError, match="expected pictures .*found none"):
        aligned(tmp_path)
    with pytest.raises(DataError, match="expected folders of A and of B, found neither"):
        unaligned(tmp_path)
    save(tmp_path / "trainA" / "0.png", A)
    for read in (aligned, unaligned):
        with pytest.raises(DataError, match="folders of A and B, found .*trainA alone"):
            read(tmp_path)
    (tmp_path / "trainB").mkdir()
    with pytest.raises(DataError, match="trainB: expected pictures .*found none"):
        unaligned(tmp_path)
    with pytest.raises(DataError, match="trainA: .* same name in .*trainB: 1, such as 0"):
        aligned(tmp_path)
    (tmp_path / "trainA" / "0.png").unlink()
    with pytest.raises(DataError, match="trainA: expected pictures .*found none"):
        aligned(tmp_path)
    with pytest.raises(DataError, match="testA and testB, or a folder test, .* for train"):
        unaligned(tmp_path, "test")


def test_a_side_missing_of_another_split_does_no_harm(tmp_path):
    for name in ("trainA", "trainB", "testA"):
        save(tmp_path / name / "0.png", A)
    assert len(unaligned(tmp_path, "train")) == 2
    with pytest.raises(DataError, match="testA alone"):
        unaligned(tmp_path, "test")


@pytest.mark.parametrize("size", [(1, 8), (8, 8), (16, 9), (1, 1)])
def test_photographs_are_no_pairs_side_by_side(tmp_path, size):
    save(tmp_path / "train" / "a.png", A, size=size)
    save(tmp_path / "train" / "b.png", A, B)
    assert len(aligned(tmp_path, "train", 4)) == 2  # most are wide
    save(tmp_path / "train" / "c.png", A, size=size)
    with pytest.raises(DataError, match=f"2 of 3 are narrower, such as .*a.png with {size[0]} × "):
        aligned(tmp_path)


def test_a_folder_for_each_domain_is_a_folder_of_classes(tmp_path):
    for i, name in enumerate(("angry", "happy", "sad")):
        save(tmp_path / name / "0.png", 10 * i)
    assert (found := folder(tmp_path).classes) == ("angry", "happy", "sad")
    layouts.refuse_splits("mine", found)
    layouts.refuse_splits("mine", ("test", "tested"))
    with pytest.raises(DataError, match="each class, found the splits test and train: give one"):
        layouts.refuse_splits("mine", ("train", "test"))


@pytest.fixture
def archive(monkeypatch, tmp_path):
    """The bytes of a file of facades, 11 in train; no place has it yet."""
    monkeypatch.delenv("MINIGEN_DATA", raising=False)
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(layouts, "FACADES_COUNTS", {"train": 11, "validation": 1, "test": 1})
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        names = [f"facades/train/{i}.jpg" for i in range(1, 12)] + ["./facades/val/1.jpg"]
        for name in (*names, "../facades/train/12.jpg", "/facades/train/13.jpg", "facades/x.txt"):
            jpg = io.BytesIO()
            pixels = np.full(
                (16, 32, 3), 10 * int("".join(filter(str.isdigit, name)) or 0), np.uint8
            )
            pixels[:, 16:] = 200
            Image.fromarray(pixels).save(jpg, "JPEG", quality=100)
            entry = tarfile.TarInfo(name)
            entry.size = len(jpg.getvalue())
            tar.addfile(entry, io.BytesIO(jpg.getvalue()))
        link = tarfile.TarInfo("facades/train/14.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    monkeypatch.setattr(layouts, "FACADES_LENGTH", len(content.getvalue()))
    return content.getvalue()


def test_facades_are_downloaded_checked_and_kept(monkeypatch, tmp_path, archive):
    asked = []
    with pytest.raises(DataError, match="facades.tar.gz is missing"):
        facades(download=False)
    monkeypatch.setattr(download, "fetch", lambda url: asked.append(url) or archive[:-1])
    with pytest.raises(DataError, match=r"could not be downloaded .*expected [\d,]+ bytes, got"):
        facades()
    assert not [*(tmp_path).rglob("*.gz")]
    monkeypatch.setattr(download, "fetch", lambda url: asked.append(url) or archive)
    train = facades(side=4)
    assert facades("validation", 8).images.shape == (1, 2, 3, 8, 8)
    assert len(asked) == 2 and asked[0].startswith("http") and asked[0].endswith("facades.tar.gz")
    assert train.images.shape == (11, 2, 3, 4, 4) and train.domains == ("A", "B")
    greys = train.images[:, :, 0, 2, 2].astype(int)  # in the order of their numbers
    assert np.abs(greys[:, 0] - 10 * np.arange(1, 12)).max() < 6 and (greys[:, 1] > 190).all()
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["facades.tar.gz"]


def test_facades_that_are_damaged_or_others_are_refused(monkeypatch, tmp_path, archive):
    path = tmp_path / "cache" / "facades" / "facades.tar.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(archive)
    with pytest.raises(DataError, match="expected 1 pictures to test with, found 0"):
        facades("test")
    with pytest.raises(ValueError, match="got 'val'"):
        facades("val")
    path.write_bytes(archive[:200] + b"x" * 50 + archive[250:])
    with pytest.raises(DataError, match="cannot be read"):
        facades()
    path.write_bytes(archive + b"x")
    with pytest.raises(DataError, match="expected .* bytes, got .* Delete it"):
        facades()
