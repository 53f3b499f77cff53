"""How long the explorer takes from slider to picture, and what 10,000 malformed requests get.

    PYTHONPATH=.:tests python tests/explorer/measure.py            all of it, in two minutes
    PYTHONPATH=.:tests python tests/explorer/measure.py gan vae    these models

Models have their demos' default widths, for digits of 28 × 28, and weights that were never trained,
which draw as fast. Moves are single sliders' over HTTP, one connection, one after the other.
"""

import http.client
import json
import sys
import tempfile
import time
from pathlib import Path

import made_runs
import numpy as np
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


def main():
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
            found = zip(("first", "last"), times(server, MOVES), strict=True)
            said = (f"{w} {np.median(t):.1f}, 99 % {np.percentile(t, 99):.1f}" for w, t in found)
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
