"""Runs of all demos that were never trained: folders as a demo leaves them, in milliseconds."""

import json

import numpy as np

import minigen
from minigen import optim, training
from minigen.data.phrases import SIDE
from minigen.data.vectors import Vectors
from minigen.training.loading import DEMOS
from minigen.training.trained_kinds import PlaneAutoencoder

# Small networks of each demo, by a name: the demo, and its settings.
SMALL = {
    "autoencoder": ("autoencoder", {"hidden": [5], "latent": 3}),
    "spiral": ("autoencoder", {"data": "spiral", "latent": 2}),
    "biggan": ("biggan", {"width": 2, "piece": 2}),
    "classifier": ("classifier", {"width": 2}),
    "cyclegan": ("cyclegan", {"width": 2, "blocks": 1, "data": "glyphs", "layers": 1}),
    "discogan": ("cyclegan", {"model": "discogan", "width": 2, "blocks": 1, "data": "glyphs",
                              "layers": 1}),
    "dcgan": ("dcgan", {"width": 2}),
    "diffusion": ("diffusion", {"width": 4, "conditional": True, "chain": 4, "steps_to_draw": 3}),
    "diffusion_2d": ("diffusion_2d", {"width": 8, "depth": 2}),
    "chain": ("diffusion_2d", {"width": 8, "depth": 2, "model": "diffusion", "chain": 20}),
    "discogan_modes": ("discogan_modes", {"width": 4}),
    "gan": ("gan", {"width": 2, "conditional": True}),
    "auxiliary": ("gan", {"width": 2, "auxiliary": True, "network": "mlp"}),
    "latents": ("latents", {"hidden": [5]}),
    "mixture_gan": ("mixture_gan", {"width": 4}),
    "parabola_gan": ("parabola_gan", {"width": 4}),
    "phrases": ("phrases", {"width": 4, "chain": 4, "steps_to_draw": 2, "data": "digits"}),
    "pix2pix": ("pix2pix", {"width": 2, "data": "glyphs", "layers": 0}),
    "stargan": ("stargan", {"width": 2, "judge_width": 2, "data": "digits"}),
    "stylegan": ("stylegan", {"width": 2, "code": 4, "data": "digits", "conditional": True}),
    "vae": ("vae", {"hidden": [5], "latent": 3, "average": 0.9}),
    "wgan": ("wgan", {"width": 2, "penalty": 10.0}),
    "word2vec": ("word2vec", {}),
}  # fmt: skip


def made_run(folder, name, shape=(1, 8, 8), classes=("cat", "dog"), **other):
    """A run of a name in SMALL, with other settings if wished, in a folder that is made."""
    minigen.manual_seed(0)  # the same weights whatever tests come before
    demo, settings = SMALL[name]
    builder, kind = DEMOS[demo]
    known = builder.flags()
    given = {"data": "digits"} if kind.has_images else {}
    args = known.settings([], given | settings | other)
    if name == "spiral":
        kind = PlaneAutoencoder
    if name == "phrases":
        shape = (3, SIDE, SIDE)
    if name == "stargan":
        shape = (3, *shape[1:])
    folder.mkdir(exist_ok=True)
    config = {"demo": demo, **vars(args), "image_shape": list(shape)}
    config |= {"class_count": len(classes), "class_names": list(classes)}
    for flag in ("out", "resume", "quick"):
        config.pop(flag)
    (folder / "config.json").write_text(json.dumps(config))
    if demo == "word2vec":
        words = [f"word{i}" for i in range(12)]
        Vectors(words, minigen.randn(12, 4).numpy()).save(folder / "vectors.bin")
        return folder
    run = training.Run.read(folder)
    found = kind(
        name=str(folder), run=run, demo=demo, settings=args, builder=builder, device="cpu",
        image_shape=shape, class_names=classes,
    )  # fmt: skip
    found.model = found.built()
    training.save_checkpoint(
        folder / "checkpoint.npz", {"step": 3, "seconds": 1.0, "state": state_of(found)}
    )
    return folder


def state_of(found):
    """What a loop would save of a model: its averages are twice its weights."""
    if isinstance(found.model, dict):
        return {name: model.state_dict() for name, model in found.model.items()}
    state = {found.part: stirred(found.model.state_dict(), np.random.default_rng(0))}
    found.model.load_state_dict(state[found.part])
    if found.demo == "vae":
        found.state = {"average": None}
    if (source := found.averaged()) is not None:
        averages = optim.ExponentialMovingAverage(source, 0.5, warm_up=True).state_dict()
        averages["averages"] = {n: 2 * a for n, a in averages["averages"].items()}
        state["average"] = averages
    return state


def stirred(state, rng):
    """A state in which no layer is 0, as the last ones of diffusion are at first."""
    if isinstance(state, dict | list):
        items = state.items() if isinstance(state, dict) else enumerate(state)
        found = {name: stirred(value, rng) for name, value in items}
        return found if isinstance(state, dict) else [*found.values()]
    array = state.numpy() if hasattr(state, "numpy") else state
    if isinstance(array, np.ndarray) and array.ndim > 1 and not array.any():
        return rng.normal(0, 0.1, array.shape).astype(array.dtype)
    return array


def with_config(folder, **entries):
    """Change entries of config.json; None takes one out."""
    path = folder / "config.json"
    config = json.loads(path.read_text()) | entries
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))
