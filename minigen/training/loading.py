"""The trained model of a run, from its folder alone."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

import minigen
from minigen.backend import require_device
from minigen.data.sets import CLASSES
from minigen.functional.arguments import at_most
from minigen.models import digits
from minigen.training import trained as T
from minigen.training import trained_kinds as K
from minigen.training.builders import (
    autoencoder,
    biggan,
    classifier,
    cyclegan,
    dcgan,
    diffusion,
    diffusion_2d,
    discogan_modes,
    gan,
    latents,
    mixture_gan,
    parabola_gan,
    phrases,
    pix2pix,
    stargan,
    stylegan,
    vae,
    wgan,
    word2vec,
)
from minigen.training.checkpoint import CheckpointError, load_checkpoint
from minigen.training.common import StrPath, is_step, short
from minigen.training.flags import Settings
from minigen.training.images import CHARACTERS, load_images
from minigen.training.run import CHECKPOINT, Run, RunError
from minigen.training.trained_base import MISFITS

# By the name in config.json: who builds the model, and what it can do.
DEMOS: dict[str, tuple[ModuleType, type[T.Trained]]] = {
    "autoencoder": (autoencoder, T.DrawingAutoencoder),
    "biggan": (biggan, T.DrawingBigGAN),
    "classifier": (classifier, K.Reading),
    "cyclegan": (cyclegan, K.CycleGAN),
    "dcgan": (dcgan, T.DrawingGAN),
    "diffusion": (diffusion, T.DrawingDiffusion),
    "diffusion_2d": (diffusion_2d, K.PlaneDiffusion),
    "discogan_modes": (discogan_modes, K.Plane),
    "gan": (gan, T.DrawingGAN),
    "latents": (latents, K.Latents),
    "mixture_gan": (mixture_gan, K.Plane),
    "parabola_gan": (parabola_gan, K.Plane),
    "phrases": (phrases, K.Phrases),
    "pix2pix": (pix2pix, K.Pix2Pix),
    "stargan": (stargan, K.StarGAN),
    "stylegan": (stylegan, T.DrawingStyleGAN),
    "vae": (vae, T.DrawingVAE),
    "wgan": (wgan, T.DrawingGAN),
    "word2vec": (word2vec, K.Words),
}
# Demos whose runs are of figures alone.
WITHOUT_MODEL = ("bugs", "critic_vs_discriminator", "few_images")
CHANNELS, SIDES = (1, 3), (4, 4096)  # of pictures, at least and at most
MOST_CLASSES = 10**6
SPARE = 2**20  # numbers that a model may have beyond those of its checkpoint: tables, buffers


def load(folder: StrPath, device: str = "cpu") -> T.Trained:
    """The trained model of a run, of any demo and of any age, also while it is trained; "digits"
    is the model that comes with the package.

    The folder is all that is needed, not the data that the run was trained with. Nothing in it is
    trusted: settings are checked as flags are, and networks are no larger than the checkpoint.

    Raises:
        RunError: there is no run, or of no demo here, or it keeps no model, or its config.json is
            damaged.
        CheckpointError: the checkpoint is missing, damaged, or of another model.
        DataError: a file of vectors is missing or damaged.
        DeviceError: the device cannot be had.
    """
    require_device(device)
    if str(folder) == "digits":
        return of_digits(device)
    run = Run.read(folder)
    builder, kind = demo_of(run)
    settings = builder.flags().settings_of(run, without_data=True)
    settings.device = device
    if kind is T.DrawingAutoencoder and settings.data == "spiral":
        kind = K.PlaneAutoencoder
    found = kind(
        name=str(run.folder), run=run, demo=run.config["demo"], settings=settings, builder=builder,
        device=device,
    )  # fmt: skip
    if kind is not K.Words:
        found.step, found.state = saved_state(run)
    if kind.has_images:
        found.image_shape, found.class_names = shape_and_classes(found, run)
    build(found)
    found.restore()
    return found


def demo_of(run: Run) -> tuple[ModuleType, type[T.Trained]]:
    """Who builds the model of a run, and what it can do.

    Raises:
        RunError: nobody.
    """
    demo = run.config.get("demo")
    if demo in WITHOUT_MODEL:
        raise RunError(f"{run.folder}: a run of {demo} keeps no model, but figures alone")
    if not isinstance(demo, str) or demo not in DEMOS:
        raise RunError(
            f"{run.folder}: expected a run of {', '.join(DEMOS)}, but its config.json says"
            f" {short(demo)}"
        )
    return DEMOS[demo]


def saved_state(run: Run) -> tuple[int, dict[str, Any]]:
    """The step and the state that a run's checkpoint holds.

    Raises:
        RunError: there is none.
        CheckpointError: it is damaged, or no training loop's.
    """
    path = run.folder / CHECKPOINT
    if not path.exists():
        raise RunError(f"{run.folder} holds no checkpoint, for its run never began")
    saved = load_checkpoint(path)
    if not (isinstance(saved.get("state"), dict) and is_step(saved.get("step"))):
        raise CheckpointError(
            f"{path} is no checkpoint of a training loop: expected step and"
            f" state, got {short(', '.join(saved))}"
        )
    return saved["step"], saved["state"]


def shape_and_classes(found: T.Trained, run: Run) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The shape (C, H, W) of a run's pictures, and the names of the classes of its data, from its
    config.json; of an older version from the data.

    Raises:
        RunError: they are damaged.
        DataError: an older run's data cannot be had.
    """
    shape, count = run.config.get("image_shape"), run.config.get("class_count")
    names = run.config.get("class_names")
    if shape is None and not isinstance(found, K.Translating):
        print(f"{run.folder}/config.json does not say the shape of pictures: it is the data's")
        images = load_images(found.settings)
        return images.images.shape[1:], images.classes
    whole = isinstance(shape, list) and all(type(side) is int for side in shape)
    if not (
        whole
        and len(shape) == 3
        and CHANNELS[0] <= shape[0] <= CHANNELS[1]
        and SIDES[0] <= shape[1] == shape[2] <= SIDES[1]
    ):
        raise damaged(run, "image_shape", "1 or 3 channels and two equal sides", shape)
    if count is None:  # a translator tells no classes
        return tuple(shape), ()
    if type(count) is not int or not 1 <= count <= MOST_CLASSES:
        raise damaged(run, "class_count", f"a whole number from 1 to {MOST_CLASSES:,}", count)
    if names is None:
        known = CLASSES.get(found.settings.data, ())
        return tuple(shape), known if len(known) == count else tuple(map(str, range(count)))
    right = isinstance(names, list) and all(
        isinstance(name, str) and len(name) <= CHARACTERS for name in names
    )
    if not right or len(names) != count:
        raise damaged(run, "class_names", f"{count} names", names)
    return tuple(shape), tuple(names)


def damaged(run: Run, name: str, expected: str, value: Any) -> RunError:
    """The error of an entry of config.json that is not as it should be."""
    return RunError(f"{run.folder}/config.json: {name}: expected {expected}, got {short(value)}")


def build(found: T.Trained) -> None:
    """Build the model of the settings, as if no first weights had been drawn, and no larger than
    its checkpoint.

    Raises:
        RunError: it would be larger, or there is no such model.
    """
    before = minigen.default_generator.state_dict()
    held = numbers_in(found.state)
    try:
        with at_most(held + SPARE):
            found.model = found.built()
    except MemoryError as error:
        raise RunError(
            f"{found.name}: config.json describes a larger model than that of the checkpoint,"
            f" which holds {held:,} numbers"
        ) from error
    except MISFITS as error:
        said = " ".join(str(error).split())
        raise RunError(f"{found.name}: config.json describes no model: {said}") from error
    finally:
        minigen.default_generator.load_state_dict(before)


def numbers_in(state: Any) -> int:
    """How many numbers the arrays of a state hold."""
    if isinstance(state, dict | list):
        items = state.values() if isinstance(state, dict) else state
        return sum(map(numbers_in, items))
    return int(state.size) if isinstance(state, np.ndarray) else 0


def of_digits(device: str) -> T.DrawingDiffusion:
    """The model of handwritten digits that comes with the package."""
    settings = Settings(
        data="mnist", conditional=True, sampler="ddim", steps_to_draw=digits.STEPS,
        guidance=digits.GUIDANCE, seed=0, device=device,
    )  # fmt: skip
    return T.DrawingDiffusion(
        name="digits", run=None, demo="diffusion", settings=settings, builder=diffusion,
        device=device, model=digits.load(device), image_shape=(1, 28, 28),
        class_names=CLASSES["mnist"],
    )  # fmt: skip
