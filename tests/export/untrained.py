"""Models of the demos at their --quick sizes, or at those of their defaults, as `training.load`
would give them, but untrained."""

import numpy as np

import minigen
from minigen.training.loading import DEMOS
from minigen.training.trained_kinds import PlaneAutoencoder

NAMES = tuple("0123456789")
TRANSLATORS = ("pix2pix", "cyclegan", "stargan")


def untrained(demo, quick=True, **settings):
    """One of a demo, of these settings; weights that begin as 0 are not."""
    builder, kind = DEMOS[demo]
    flags = builder.flags()
    args = flags.settings([], {**(flags.quick if quick else {}), "seed": 0, **settings})
    if demo == "autoencoder" and args.data == "spiral":
        kind = PlaneAutoencoder
    minigen.manual_seed(0)
    found = kind(name="runs/one", run=None, demo=demo, settings=args, builder=builder, device="cpu")
    if kind.has_images:
        found.image_shape = (3, 32, 32) if demo in TRANSLATORS else (1, 28, 28)
        found.class_names = NAMES
    found.model = found.built()
    random = np.random.default_rng(0)
    parts = found.model.values() if isinstance(found.model, dict) else [found.model]
    for part in parts:
        networks = [part] if hasattr(part, "parameters") else part.networks()
        for weight in [p for network in networks for p in network.parameters()]:
            if not weight.array.any():
                weight.array[...] = random.normal(0, 0.1, weight.shape)
    return found
