"""Runs as training leaves them, without the training."""

import json
import math
import re
import types

import numpy as np
from PIL import Image

from minigen import training
from minigen.training.pages import RunPage

PANEL = ("loss_d", "loss_g", "d_real", "d_fake")


def flags(name="made"):
    """A demo's command line."""
    parser = training.Parser("A demo for tests.\n\nMore of it.", name=name, quick={})
    parser.add_images()
    parser.add_argument("--lr", type=float, default=1e-3, help="learning rate of Adam")
    return parser


def begun(folder, **config):
    """A run folder whose run has logged nothing, and what writes its page."""
    run = training.Run.create(folder, {"demo": "made", "data": "emoji-noto", "lr": 1e-3} | config)
    return run, RunPage(run.folder, flags())


def at(step, steps=10_000):
    """A loop at that step."""
    return types.SimpleNamespace(step=step, steps=steps, seconds=step / 9, interrupted=False)


def metrics(step):
    """What a GAN logs, roughly: it falls, and shakes."""
    noise = math.sin(step * 12.9898) * 43758.5453 % 1 - 0.5
    fall = math.exp(-step / 2000)
    losses = fall + 0.2 * noise + 0.2, 1 - fall / 2 + noise / 3
    outputs = 0.5 + 0.3 * fall, 0.5 - 0.3 * fall
    return dict(zip(PANEL, losses + outputs, strict=True))


def log(run, steps):
    """Log these steps, all at once."""
    lines = "".join(json.dumps({"step": s, **metrics(s)}) + "\n" for s in steps)
    with open(run.folder / "metrics.jsonl", "a", encoding="utf-8") as file:
        file.write(lines)


def draw(run, steps, side=32, seed=0):
    """A grid of 64 coloured pictures at each of these steps, as hard to pack as photographs: noise
    of all frequencies, whose power falls with their square."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    falling = 1 / np.maximum(frequency, 1 / side)
    for step in steps:
        waves = np.fft.fft2(rng.standard_normal((64, 3, side, side))) * falling
        images = np.fft.ifft2(waves).real
        images = (images / images.std() / 2).astype(np.float32)
        grid = training.image_grid(images, columns=8)
        wide = np.repeat(np.repeat(grid, 2, axis=0), 2, axis=1)
        path = run.path("samples", f"{step:06d}.png")
        Image.fromarray(wide).save(path, compress_level=1)  # larger than a run's, and sooner done


def text_of(page):
    """A page as text."""
    return page.read_text("utf-8")


def data_of(content):
    """What a page gives its script."""
    return json.loads(re.search(r'id="data">(.*?)</script>', content, re.DOTALL)[1])
