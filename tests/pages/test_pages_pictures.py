"""Pictures fit into their bytes, exactly where they can."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from minigen.training.figures import save_image
from minigen.training.pages.pictures import Pictures, frames_of, packed


def pixels_of(picture):
    with Image.open(io.BytesIO(base64.b64decode(picture.src.partition(",")[2]))) as image:
        return np.asarray(image)


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("shape, scale", [((128, 96), 1), ((70, 64, 3), 2), ((64, 66), 4)])
def test_a_small_picture_stays_as_it_is(tmp_path, shape, scale):
    """To the pixel; of one that was enlarged one pixel a square is kept, if that is less."""
    save_image(tmp_path / "a.png", noise(*shape), scale)
    whole = len((tmp_path / "a.png").read_bytes())
    for most in whole, whole - 1:
        found = packed(tmp_path / "a.png", most)
        assert (found.height, found.width) == (shape[0] * scale, shape[1] * scale)
        if found.squares or most == whole:
            times = shape[0] * scale // len(pixels_of(found))
            assert times == (scale if found.squares else 1)
            wide = pixels_of(found).repeat(times, 0).repeat(times, 1)
            with Image.open(tmp_path / "a.png") as image:
                assert (wide == np.asarray(image)).all()


@pytest.mark.parametrize("most", [36_000, 5000, 900])
def test_a_large_picture_becomes_one_that_fits(tmp_path, most):
    save_image(tmp_path / "a.png", noise(300, 300, 3))
    found = packed(tmp_path / "a.png", most)
    assert len(found.src) * 3 / 4 <= most + 50 and (found.width, found.height) == (300, 300)
    assert pixels_of(found).std() > 5  # there is something to see


def test_what_is_no_picture_is_passed_over(tmp_path):
    folder = tmp_path / "samples"
    folder.mkdir()
    save_image(folder / "0100.png", noise(300, 300, 3))
    save_image(folder / "99.png", noise(8, 8))
    content = (folder / "0100.png").read_bytes()
    (folder / "200.png").write_bytes(content[: len(content) // 2])
    (folder / "201.png").write_bytes(b"<svg onload='alert(1)'>")
    (folder / "202.png").mkdir()
    (folder / "note.png").write_bytes(content)
    assert [*frames_of(tmp_path)] == [99, 100, 200, 201, 202]
    found = Pictures().of(dict.fromkeys(frames_of(tmp_path).values(), 9000))
    assert [path.name for path in found] == ["99.png", "0100.png"]


def test_a_picture_is_read_again_when_it_has_changed_and_then_only(tmp_path, monkeypatch):
    known, path, asked = Pictures(), tmp_path / "a.png", []
    monkeypatch.setattr(
        "minigen.training.pages.pictures.packed", lambda p, m: asked.append(p) or packed(p, m)
    )
    for side in 8, 8, 9:
        if not asked or side != 8:
            save_image(path, noise(side, side))
        assert known.of({path: 9000})[path].width == side
    assert len(asked) == 2
