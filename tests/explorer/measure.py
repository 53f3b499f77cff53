"""How long the explorer takes from slider to picture, and what 10,000 malformed requests get.

    PYTHONPATH=.:tests python tests/explorer/measure.py            all of it, in two minutes
    PYTHONPATH=.:tests python tests/explorer/measure.py gan vae    these models

Models have their demos' default widths, for digits of 28 × 28, and weights that were never trained,
which draw as fast. Moves are single sliders': over HTTP, one connection, one after the other; and
in Chromium, where there is one, by keys and dragged by the pointer, from the event of the input to
that of the picture that is loaded.
"""

import http.client
import json
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import made_runs
import numpy as np
from browser import QUIET
from served import Grey, ask, serving, thrown, token_of
from test_explorer_door import requests_gone_wrong

from minigen import training
from minigen.explorer import view_of

MODELS = {
    "gan": ("gan", {"conditional": True}),
    "dcgan": ("dcgan", {}),
    "vae": ("vae", {}),
    "vae, convolutions": ("vae", {"network": "conv"}),
    "stylegan": ("stylegan", {"data": "coloured-digits", "conditional": True}),
    "biggan": ("biggan", {}),
    "diffusion": ("diffusion", {"conditional": True}),
    "flow in the plane": ("diffusion_2d", {}),
}
MOVES, ATTACKS = 200, 10_000


def moves(controls, count):
    """Values as one slider after the other is moved, each to a random place."""
    chance, values = np.random.default_rng(0), {}
    movable = [c for c in controls if hasattr(c, "least")]
    for _ in range(count):
        control = movable[chance.integers(len(movable))]
        place = chance.uniform(control.least, control.most)
        if isinstance(control.value, tuple):
            numbers = values.setdefault(control.name, list(control.value))
            numbers[chance.integers(len(numbers))] = place
        else:
            whole = getattr(control, "whole", False)
            values[control.name] = round(place) if whole else place
        yield values


def times(server, count):
    """Milliseconds to the first picture and to the last of each move."""
    connection = http.client.HTTPConnection(server.door.host)
    headers = {"Origin": server.door.origin, "X-Token": token_of(server)}
    first, last = [], []
    for values in moves(server.view.controls, count):
        began = time.perf_counter()
        connection.request("POST", "/draw", json.dumps(values), headers)
        answer = connection.getresponse()
        if b"picture" not in (line := answer.readline()) and b"points" not in line:
            raise SystemExit(f"{answer.status}: {line}")
        first.append(time.perf_counter() - began)
        answer.read()
        last.append(time.perf_counter() - began)
    return np.array(first) * 1000, np.array(last) * 1000


TIMED = """() => {
    const picture = document.getElementById("picture");
    let began = 0;
    window.times = [];
    addEventListener("input", () => { began = performance.now(); }, true);
    picture.addEventListener("load", () => { times.push(performance.now() - began); });
}"""


def times_in(page, count):
    """Milliseconds from a slider's input to the next picture that is there, in a browser."""
    page.wait_for_selector("#picture")
    page.wait_for_timeout(1000)
    sliders = page.locator("input[type=range]:visible").all()
    page.evaluate(TIMED)
    for i in range(count):
        slider, before = sliders[i % len(sliders)], page.evaluate("times.length")
        if i % 2:
            slider.press("ArrowLeft" if i // len(sliders) % 2 else "ArrowRight")
        else:
            slider.scroll_into_view_if_needed()
            box, share = slider.bounding_box(), 0.2 + 0.6 * (i * 0.618 % 1)
            page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            page.mouse.down()
            page.mouse.move(box["x"] + share * box["width"], box["y"] + box["height"] / 2)
            page.mouse.up()
        page.wait_for_timeout(100)
        for _ in range(200):  # at the end of a slider a key moves nothing
            if page.evaluate("times.length") > before:
                break
            page.wait_for_timeout(5)
    return np.array(page.evaluate("times"))


@contextmanager
def chromium():
    """A browser, or None where there is none."""
    path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if path is None or find_spec("playwright") is None:
        yield None
        return
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=list(QUIET), chromium_sandbox=False
        )
        yield browser
        browser.close()


def quantiles(times):
    return f"{np.median(times):.1f}, 99 % {np.percentile(times, 99):.1f}"


def main():
    with chromium() as browser:
        measure(browser)


def measure(browser):
    names = sys.argv[1:]
    for name, (demo, settings) in MODELS.items():
        if names and name not in names:
            continue
        made_runs.SMALL[name] = demo, settings
        with tempfile.TemporaryDirectory() as folder:
            shape = (3 if demo == "stylegan" else 1, 28, 28)
            run = made_runs.made_run(Path(folder), name, shape, [str(i) for i in range(10)])
            view = view_of(training.load(run))
        with serving(view) as server:
            times(server, 10)
            found = dict(zip(("first", "last"), times(server, MOVES), strict=True))
            if browser and view.shows == "picture":
                page = browser.new_page()
                page.goto(server.door.address)
                found["in Chromium"] = times_in(page, MOVES // 2)
                page.close()
            said = (f"{where} {quantiles(t)}" for where, t in found.items())
            print(f"{name:20} ms to the picture: {'; '.join(said)}", flush=True)
    if names:
        return
    got = {}
    with serving(Grey()) as server:
        for text in requests_gone_wrong(server, ATTACKS):
            status = thrown(server, text)
            got[status] = got.get(status, 0) + 1
        assert ask(server, "/about")[0] == 200
    print(f"{ATTACKS:,} malformed requests got: {got}")


if __name__ == "__main__":
    main()
