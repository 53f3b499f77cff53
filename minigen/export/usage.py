"""Python that runs an exported file, with NumPy and onnxruntime alone."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from minigen.export.file import Part
from minigen.export.recording import Input

ONCE = """\
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession({file!r})
random, n = np.random.default_rng(0), 16
inputs = {{
{inputs}
}}
outputs = session.run(None, inputs)  # {outputs}
"""
# DDIM (Song et al. 2021, equation 12 with η = 0), as in minigen/models/diffusion.py.
DIFFUSION = """\
import base64, numpy as np, onnxruntime
session = onnxruntime.InferenceSession({file!r})
table = session.get_modelmeta().custom_metadata_map["beta"]
alpha_bar = np.cumprod(1 - np.frombuffer(base64.b64decode(table), "<f4").astype(float))
random, n, steps = np.random.default_rng(0), 16, {steps}
x = random.standard_normal((n, {shape}), np.float32)
{labels}
def said(x, t{told}):
    inputs = {{"x": x, "time": np.full(n, t * 1000 / len(alpha_bar), np.float32){given}}}
    return session.run(None, inputs)[0][:, :{channels}]

chain = np.linspace(len(alpha_bar) - 1, 0, steps).round().astype(int)
for t, now, then in zip(chain, alpha_bar[chain], [*alpha_bar[chain[1:]], 1.0]):
    a, s = now**0.5, (1 - now) ** 0.5
    y = {said}
    data = {data}
    noise = (x - a * data) / s
    x = np.float32(then**0.5 * data + (1 - then) ** 0.5 * noise)
"""
LABELS = """\
labels, w = random.integers(0, {none}, {shape}), {guidance:g}  # what is drawn; the guidance
none = np.full_like(labels, {none})
"""
# Heun's method, as in minigen/models/ode.py.
FLOW = """\
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession({file!r})
random, n, steps = np.random.default_rng(0), 16, 20
x = random.standard_normal((n, {shape}), np.float32)

def velocity(x, t):
    return session.run(None, {{"x": x, "time": np.full(n, 1000 * t, np.float32)}})[0]

for i in range(steps):
    first = velocity(x, i / steps)
    then = velocity(x + first / np.float32(steps), (i + 1) / steps)
    x = x + (first + then) / np.float32(2 * steps)
"""
DATA = {"noise": "(x - s * y) / a", "data": "y", "velocity": "a * x - s * y"}


def usage(part: Part, inputs: Sequence[Input], file: str) -> str:
    """A program that runs a part; of a denoiser, all the way from noise to data.

    Args:
        inputs: the part's, and masks of dropout after them.
        file: its name.
    """
    if "beta" in part.metadata:
        return _diffusion(part, inputs, file)
    if part.outputs.keys() == {"velocity"}:
        return FLOW.format(file=file, shape=_lengths(inputs[0]))
    return ONCE.format(file=file, inputs="\n".join(_given(inputs)), outputs=", ".join(part.outputs))


def _diffusion(part: Part, inputs: Sequence[Input], file: str) -> str:
    x, _, *labels = inputs
    meta, told = part.metadata, bool(labels)
    data = DATA[meta["predicts"]]
    some = ", ".join(["n", *map(str, labels[0].shape)]) if told else ""
    return DIFFUSION.format(
        file=file,
        steps=meta["steps"],
        shape=_lengths(x),
        channels=x.shape[0],
        labels=LABELS.format(none=meta["none"], shape=f"({some},)" if some == "n" else f"({some})",
                             guidance=float(meta["guidance"])) if told else "",
        told=", labels" if told else "",
        given=', "labels": labels' if told else "",
        said="(1 + w) * said(x, t, labels) - w * said(x, t, none)" if told else "said(x, t)",
        data=f"np.clip({data}, -1, 1)" if meta["clip"] == "1" else data,
    )  # fmt: skip


def _lengths(x: Input) -> str:
    return ", ".join(map(str, x.shape))


def _given(inputs: Sequence[Input]) -> list[str]:
    """Lines for the inputs; what is there several times, as planes of noise are, in one."""
    lines = []
    for name, group in itertools.groupby(inputs, lambda x: x.name.rstrip("0123456789")):
        first, *others = several = list(group)
        if not others:
            shape = ("n", *first.shape) if first.batched else ()
            lines.append(f'    "{first.name}": {_drawn(first, _tuple(shape))},')
            continue
        shapes = ", ".join(_tuple(x.shape) for x in several)
        each = _drawn(first, "(n, *shape)")
        lines.append(f'    **{{f"{name}{{i}}": {each} for i, shape in enumerate([{shapes}])}},')
    return lines


def _tuple(lengths: Sequence[object]) -> str:
    return f"({', '.join(map(str, lengths))}{',' if len(lengths) == 1 else ''})"


def _drawn(x: Input, shape: str) -> str:
    """Python for some numbers of an input."""
    return {
        "normal": f"random.standard_normal({shape}, np.float32)",
        "uniform": f"np.asarray(random.uniform({x.low:g}, {x.high:g}, {shape}), np.float32)",
        "whole": f"random.integers(0, {x.high:.0f}, {shape})",
        "mask": f"random.random({shape}) < {x.high:g}",
    }[x.kind]
