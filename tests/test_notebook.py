"""A notebook shows numbers, and pictures of what may be images; it is asked as IPython asks."""

import base64
import html
import io
import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import minigen
from minigen import Tensor, nn


def shown(tensor):
    """The pixels of the picture in a tensor's display, None if there is none."""
    text = tensor._repr_html_()
    assert html.unescape(re.search("<pre>(.*)</pre>", text, re.S)[1]) == repr(tensor)
    found = re.search(r'src="data:image/png;base64,(.*?)"', text)
    return found and np.asarray(Image.open(io.BytesIO(base64.b64decode(found[1]))))


def test_images_are_shown_from_their_least_to_their_largest_value():
    image = np.linspace(-3, 5, 8 * 10, dtype=np.float32).reshape(1, 8, 10)
    pixels = shown(Tensor(image, requires_grad=True))
    inside = pixels[1:-1, 1:-1]
    assert inside.shape == (8, 10) and (inside.min(), inside.max()) == (0, 255)
    assert (np.diff(inside.ravel().astype(int)) > 0).all()
    three = shown(Tensor(np.arange(3.0)[:, None, None, None] * np.ones((1, 1, 8, 8))))
    assert [three[5, 5], three[5, 15], three[15, 5], three[15, 15]] == [0, 128, 255, 255]
    assert shown(Tensor(np.zeros((100, 3, 8, 8), np.float32))).shape == (80, 80, 3)  # 64 of them


@pytest.mark.parametrize(
    "shape", [(), (3,), (8, 8), (2, 8, 8), (1, 7, 8), (0, 3, 8, 8), (4, 16, 8, 8)]
)
def test_what_is_no_image_is_numbers_alone(shape):
    assert shown(minigen.ones(shape)) is None


def test_numbers_that_no_picture_has_are_numbers_alone():
    assert shown(Tensor(np.full((1, 8, 8), np.nan, np.float32))) is None
    assert shown(Tensor(np.ones((1, 8, 8), np.int64))) is None


def test_graphs_and_profiles_are_shown():
    model = nn.Linear(3, 1)
    with minigen.profile() as profile:
        loss = model(minigen.ones(2, 3)).sum()
    drawn = minigen.draw_graph(loss, names=dict(model.named_parameters()))
    assert Image.open(io.BytesIO(drawn._repr_png_())).format == "PNG"
    assert "&lt;" in (loss * 1)._repr_html_()  # of grad_fn=<mul>
    assert html.unescape(profile._repr_html_()) == f"<pre>{profile.table()}</pre>"


def test_modules_are_shown_as_a_table():
    shown = nn.Sequential(nn.Linear(3, 2), nn.ReLU(inplace=True))._repr_html_()
    assert "<td>0</td><td>Linear(in_features=3, out_features=2, bias=True)</td><td>8</td>" in shown
    assert "ReLU(inplace=True)" in shown and "<td>all</td><td>8</td>" in shown


def test_bars_are_widgets_in_a_notebook_alone(monkeypatch):
    from minigen import display

    class Shell:
        config = {"IPKernelApp": {}}

    class Widget:
        def __init__(self, iterable, **options):
            self.made = iterable, options

    assert isinstance(display.Bar(disable=True), display.Bar)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=Shell))
    monkeypatch.setitem(sys.modules, "tqdm.notebook", SimpleNamespace(tqdm=Widget))
    for there in (None, object()):
        monkeypatch.setattr("importlib.util.find_spec", lambda name, there=there: there)
        bar = display.Bar([1], unit=" steps", disable=True) if not there else display.Bar([1])
        assert isinstance(bar, Widget) == bool(there)
