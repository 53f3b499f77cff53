"""Measure how good the model of a run folder is: python demos/evaluate.py runs/gan [MORE RUNS]

The numbers are printed and stored in the folder's scores.json as they come; of several runs that
differ in their seed alone, mean and standard deviation are printed too. Images are measured in the
features of a classifier that is trained on the data set's training images once (some minutes) and
then kept: Fréchet distance, precision, recall, density and coverage of 10,000 generated images
against the test images, each beside its floor, which is what 10,000 training images get. A VAE is
measured by its bound and by log p(x) too, which takes long (--likelihood-images) and goes on where
it was interrupted; a diffusion model by its bound in bits a dimension, and by pictures of each
--draw; one of phrases by how many pictures are right; a BigGAN over truncation; an autoencoder by
its squared error; a StyleGAN also by what its styles do (see demos/style_scores.py). With --teach a
classifier is trained on images that were asked for by class, and reads test images. Definitions are
in minigen/metrics; no published figure is in these features, so none compares. Word vectors are
compared with people's judgements of similarity, and asked analogies (see demos/word_scores.py).
Pictures made from pictures are measured by the truth, beside what needs no network (see
demos/translation_scores.py). Of errors and distances less is better, of shares more.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import argparse
import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any, NamedTuple

import autoencoder
import biggan
import cyclegan
import dcgan
import diffusion
import diffusion_2d
import discogan_modes
import gan
import mixture_gan
import numpy as np
import parabola_gan
import phrases
import pix2pix
import stargan
import style_scores
import stylegan
import translation_scores
import vae
import wgan
import word_scores

import minigen
from minigen import Generator, Tensor, data, metrics, nn, optim, training
from minigen.backend import require_device
from minigen.display import Bar
from minigen.metrics.similarity import spearman
from minigen.models.autoencoder import DiagonalGaussian
from minigen.models.diffusion import Diffusion, bound, ddim, ddim_encode
from minigen.models.features import Judge, feature_classifier, fit, read, untrained
from minigen.models.vae import evaluate as evaluate_vae
from minigen.training.adversarial import is_told
from minigen.training.common import holds_nan, short, write_json
from minigen.training.flags import device, path, whole
from minigen.training.pages import write_page
from minigen.training.run import CHECKPOINT

PAID = ("precision", "recall")
AT_ONCE = 100  # images whose log p(x) is estimated with one random stream


class Scores(dict[str, float]):
    """The scores of a run, printed and stored in its folder as they come.

    Args:
        run: the run.
        flags: of this program.
    """

    def __init__(self, run: training.Run, flags: argparse.Namespace):
        super().__init__()
        self.run, self.flags = run, flags

    def keep(self, found: Mapping[str, float]) -> None:
        """Print and store some; one that is not finite is printed alone."""
        for name, value in found.items():
            shown = f"{value:,}" if isinstance(value, Integral) else f"{value:.4f}"
            print(f"  {name:43} {shown}", flush=True)
            if math.isfinite(value):
                self[name] = float(value)
        write_json(self.run.path("scores.json"), self)


Score = Callable[[argparse.Namespace, dict[str, Any], Scores], None]


@functools.cache
def loaded(name: str, side: int, split: str) -> data.Images:
    """Images of which several runs mostly are."""
    return data.load(name, split, side=side)


def load(args: argparse.Namespace, split: str = "train") -> data.Images:
    """All images of a split of a run's data set."""
    return loaded(args.data, getattr(args, "size", 32), split)


class RealFeatures(NamedTuple):
    """What generated images are measured against."""

    judge: Judge
    test: np.ndarray  # features of test images, (N, 64)
    floor: np.ndarray  # of training images, as many
    floor_prdc: metrics.PRDC | None  # of one against the other; None of too few images


@functools.cache
def real_features(train: data.Images, test: data.Images, count: int, device: str) -> RealFeatures:
    """The features of `count` real images of each split, which are the same for all runs."""
    judge = feature_classifier(train, device)
    print(f"features: those of {judge}", flush=True)
    rng = np.random.default_rng(0)  # a folder's pictures are sorted by class
    some, others = (s.scaled()[rng.permutation(len(s))[:count]] for s in (train, test))
    floor, real = (read(judge.model, x).features for x in (some, others))
    found = metrics.prdc(real, floor) if count > 5 else None
    return RealFeatures(judge, real, floor, found)


def take_averages(
    average: optim.ExponentialMovingAverage, state: dict[str, Any], scores: Scores
) -> None:
    """Give a model the averaged weights of its run, with which it is drawn.

    Raises:
        CheckpointError: as `restore`.
    """
    restore(average, state, "average", scores)
    average.copy_to()


def in_features(
    train: data.Images,
    test: data.Images,
    made: np.ndarray,
    device: str,
    scores: Scores,
    by: str = "",
    asked: np.ndarray | None = None,
) -> None:
    """Score generated images (N, C, H, W), from −1 to 1, and the classes asked for (N,), if any.
    `by` says how they were drawn, where a run is scored several times.

    Raises:
        DataError: there is no such classifier, or it knows nothing.
    """
    count = len(made)
    real = real_features(train, test, count, device)
    fake = read(real.judge.model, made.astype(np.float32))

    def keep(found: Mapping[str, float]) -> None:
        scores.keep({by + name: value for name, value in found.items()})

    keep({
        "accuracy of the classifier": real.judge.accuracy,
        "accuracy of the classifier, by chance": real.judge.chance,
        "images": count,
        "Fréchet distance": metrics.frechet_distance(real.test, fake.features),
        "Fréchet distance, floor": metrics.frechet_distance(real.test, real.floor),
    })  # fmt: skip
    if real.floor_prdc:
        near = metrics.prdc(real.test, fake.features)._asdict()
        for name, least in real.floor_prdc._asdict().items():
            keep({name: near[name], f"{name}, floor": least})
    if len(train.classes) > 1:
        found = metrics.class_coverage(fake.labels, len(train.classes))
        of_data = metrics.class_coverage(train.labels, len(train.classes)).entropy
        keep({
            "classes covered": found.covered,
            "class entropy": found.entropy,
            "class entropy, of the data": of_data,
        })  # fmt: skip
    if asked is not None:
        keep({"read as the class asked for": float((fake.labels == asked).mean())})
    if asked is not None and scores.flags.teach:
        name = f"accuracy of a classifier of {count:,} {{}} images on test images"
        keep({name.format("made"): accuracy_after(made, asked, test, device)})
        keep({name.format("real"): accuracy_after_real(train, test, count, device)})


def accuracy_after(images: np.ndarray, labels: np.ndarray, test: data.Images, device: str) -> float:
    """The share of test images that a classifier reads rightly which saw these images alone."""
    minigen.manual_seed(0)
    model = untrained(images, len(test.classes)).to(device)
    fit(model, images.astype(np.float32), labels)
    return float((read(model, test.scaled()).labels == test.labels).mean())


@functools.cache
def accuracy_after_real(train: data.Images, test: data.Images, count: int, device: str) -> float:
    """The same of `count` training images, once for all that is drawn."""
    some = np.random.default_rng(1).permutation(len(train))[:count]
    return accuracy_after(train.scaled()[some], train.labels[some], test, device)


def restore(item: Any, state: Mapping[str, Any], name: str, scores: Scores) -> None:
    """Give a part of the model the state that the checkpoint has under a name.

    Raises:
        CheckpointError: it has none, or of another model than config.json describes.
    """
    if holds_nan(state.get(name)):
        raise training.CheckpointError(
            f"{scores.run.folder}: the checkpoint's {name} holds NaN, for its training"
            " has diverged: start a new run, with a smaller learning rate for example"
        )
    try:
        item.load_state_dict(state[name])
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise training.CheckpointError(
            f"{scores.run.folder}: the checkpoint's {name} is not of the model that config.json"
            f" describes: {' '.join(str(error).split())}"
        ) from error


def require_same(train: data.Images, state: Mapping[str, Any], scores: Scores) -> None:
    """Refuse images that are not those the run was trained with, by the first of them.

    Raises:
        RunError: they are others.
    """
    first = data.Images(train.name, train.images[:1], train.labels[:1], train.classes)

    def mark(low: float) -> str:
        seen = data.Batches(first.scaled(low=low), batch_size=1).state_dict()["data"]
        return seen.rpartition(":")[2]

    try:
        trained_with = state["batches"]["data"].partition(":")[2][:8]
    except (KeyError, TypeError, AttributeError):
        trained_with = ""
    if trained_with not in (mark(0), mark(-1)):
        raise training.RunError(
            f"{scores.run.folder} was trained with other images than those of {train.name} here:"
            " see to it that they are the same, and that data in config.json names them"
        )


def trained_gan(
    kind: Any, args: argparse.Namespace, state: dict[str, Any], scores: Scores, **average: Any
) -> tuple[Any, data.Images, data.Images, int]:
    """The GAN of a run with G's averaged weights, the images that it is measured by, and of how
    many; `average` is how they were averaged.

    Raises:
        RunError, CheckpointError: as `require_same` and `restore`.
    """
    train, test = load(args), load(args, "test")
    require_same(train, state, scores)
    model = kind.build(args, *train.images.shape[1:3], len(train.classes))
    restore(model, state, "gan", scores)
    averages = optim.ExponentialMovingAverage(model.generator, 0, **average)
    take_averages(averages, state, scores)
    return model, train, test, min(scores.flags.images, len(train), len(test))


def images_of(kind: Any) -> Score:
    """The scores of a GAN of images, which the demo `kind` builds."""

    def score(args: argparse.Namespace, state: dict[str, Any], scores: Scores) -> None:
        model, train, test, count = trained_gan(kind, args, state, scores)
        classes = range(len(train.classes)) if is_told(args) else ()
        noise, labels = training.fixed_noise(model, args.seed + 2, count, classes)
        low = kind.black(args) if hasattr(kind, "black") else -1.0

        def draw(rows: Tensor) -> Tensor:
            return model.draw(noise[rows], None if labels is None else labels[rows])

        made = training.by_parts(draw, Tensor(np.arange(count), device=args.device))
        images = (made - low) * (2 / (1 - low)) - 1  # from −1, black, to 1

        asked = None if labels is None else labels.numpy()
        in_features(train, test, images, args.device, scores, asked=asked)

    return score


def of_stylegan(args: argparse.Namespace, state: dict[str, Any], scores: Scores) -> None:
    """The scores of a StyleGAN: of pictures drawn in each way, then what its styles do."""
    how = {"use_buffers": True, "warm_up": True}
    model, train, test, count = trained_gan(stylegan, args, state, scores, **how)
    labels = None
    if is_told(args):  # as many of each class, in a random order
        order = np.random.default_rng(0).permutation(count)
        labels = Tensor(order % len(train.classes), device=args.device)
    drawing = style_scores.Drawing(model, labels, args.seed + 2)
    for name, draws in style_scores.DRAWS.items():
        made = drawing.pictures(drawing.styles(count, **draws), noise=True)
        asked = None if labels is None else labels.numpy()
        in_features(train, test, made, args.device, scores, name, asked)
    judge = real_features(train, test, count, args.device).judge
    style_scores.of_styles(drawing, judge.model, train.classes, count, scores.keep)


def of_biggan(args: argparse.Namespace, state: dict[str, Any], scores: Scores) -> None:
    """The largest singular values of a BigGAN's weights, and its scores over truncation, with batch
    norm's statistics of each: variety is paid for fidelity, until both are lost."""
    how = {"use_buffers": True, "warm_up": True}
    model, train, test, count = trained_gan(biggan, args, state, scores, **how)
    scores.keep(biggan.singular_values(model))
    labels = np.arange(count) % len(train.classes)
    asked = labels if len(train.classes) > 1 else None
    for truncation in (None, *biggan.TRUNCATIONS):
        by = f"τ = {truncation:g}: " if truncation else ""
        made = biggan.drawn(args, model, labels, truncation)
        in_features(train, test, made, args.device, scores, by, asked)
    found = [[scores.get(f"τ = {t:g}: {kind}") for t in biggan.TRUNCATIONS] for kind in PAID]
    if None not in found[0]:
        precision, recall = np.array(found)
        some = np.array(biggan.TRUNCATIONS) >= 0.5
        scores.keep({
            "precision, rank correlation with −τ from 2 to 0.5":
                spearman(precision[some], -np.array(biggan.TRUNCATIONS)[some]),
            f"recall falls, of {len(recall) - 1} steps of τ": int((np.diff(recall) < 0).sum()),
        })  # fmt: skip


def translation(
    kind: Any, score: Callable[..., None]
) -> Callable[[argparse.Namespace, dict[str, Any], Scores], None]:
    """The scores of pictures made from pictures, by the demo `kind`; see translation_scores."""

    def of_run(args: argparse.Namespace, state: dict[str, Any], scores: Scores) -> None:
        for name, found in kind.trained_with(args).items():
            arrays = found if isinstance(found, tuple) else (found,)
            here = data.Batches(*arrays, batch_size=1).state_dict()["data"]
            if not isinstance(state.get(name), dict) or state[name].get("data") != here:
                raise training.RunError(
                    f"{scores.run.folder} was trained with other pictures than those of"
                    f" {args.data} here: see to it that they are the same"
                )
        channels, size, _ = scores.run.config["image_shape"]
        model = kind.build(args, channels, size)
        restore(model, state, "model", scores)
        take_averages(
            optim.ExponentialMovingAverage(nn.ModuleList(kind.drawn_with(model)), 0, True),
            state,
            scores,
        )
        score(kind, args, model, scores.keep)

    return of_run


def mixture(args: argparse.Namespace, state: dict[str, Any], scores: Scores) -> None:
    """Modes, high quality, reverse KL of a ring or grid of Gaussians."""
    model = mixture_gan.build(args)
    restore(model, state, "gan", scores)
    scores.keep(mixture_gan.score(args, model)._asdict())


def modes(args: argparse.Namespace, state: dict[str, Any], scores: Scores) -> None:
    """Modes covered, modes that share one, and the share within 3σ, of a DiscoGAN of points."""
    model = discogan_modes.build(args)
    restore(model, state, "gan", scores)
    scores.keep(discogan_modes.score(args, model)._asdict())


def parabola(args: argparse.Namespace, state: dict[str, Any], scores: Scores) -> None:
    """Distance to the parabola, and Wasserstein distance with its floor."""
    model = parabola_gan.build(args)
    restore(model, state, "gan", scores)
    scores.keep(parabola_gan.score(args, model))


def of_autoencoder(args: argparse.Namespace, state: dict[str, Any], scores: Scores) -> None:
    """Squared error on the test images, and the Fréchet distance of images of random codes, from
    the Gaussian that is nearest to the codes of training images."""
    if args.data == "spiral":
        raise training.RunError("an autoencoder of points is not measured, only those of images")
    train, test = load(args), load(args, "test")
    require_same(train, state, scores)
    model = autoencoder.build(args, *train.images.shape[1:3])
    restore(model, state, "model", scores)
    count = scores.flags.images
    real, x = (Tensor(s.scaled(low=0)[:count], device=args.device) for s in (train, test))
    scores.keep({"images": len(x)})
    for name, error in autoencoder.score(args, model, x).items():
        scores.keep({f"squared error, {name}": error})
    codes = training.by_parts(model.encoder, real)
    if not (codes.std(0) > 0).all():
        return  # a code that is the same for all has no Gaussian
    gaussian = DiagonalGaussian.fitted(codes).to(args.device)
    made = training.by_parts(model.decode, gaussian.sample(len(x), Generator(2)))
    in_features(train, test, 2 * made - 1, args.device, scores)


def of_vae(args: argparse.Namespace, state: dict[str, Any], scores: Scores) -> None:
    """ELBO, log p(x), active units and reconstruction of a VAE on the test images, in nats, and the
    Fréchet distance of its samples."""
    train = load(args)
    require_same(train, state, scores)
    model = vae.build(args, *train.images.shape[1:3])
    restore(model, state, "model", scores)
    if "average" in state:
        take_averages(optim.ExponentialMovingAverage(model, 0), state, scores)
    test, x = vae.test_images(args)
    x = x[: scores.flags.images]
    found = evaluate_vae(model, x, generator=Generator(1))
    scores.keep({
        "images": len(x),
        "test ELBO": found["elbo"],
        "KL": found["kl"],
        "−log p(x|z)": found["reconstruction"],
    })  # fmt: skip
    if args.likelihood == "gaussian":  # of x + noise, where levels are 1/256 apart
        pixels = np.prod(x.shape[1:])
        bits = -found["elbo"] / pixels / np.log(2) + 8
        scores.keep({"bits per dimension of the ELBO": bits})
    minigen.manual_seed(1)
    made = training.by_parts(lambda part: model.sample(len(part)), x).clip(0, 1)
    mean = training.by_parts(lambda part: model.encode(part)[0], x)
    error = training.by_parts(
        lambda part: ((model.decode(model.encode(part)[0]) - part) ** 2).mean((1, 2, 3)), x
    )
    scores.keep({
        "active units": metrics.active_units(mean).count,
        "squared error of a pixel": float(error.mean(dtype=np.float64)),
    })  # fmt: skip
    log_p = log_likelihood(model, x[: scores.flags.likelihood_images], scores)
    scores.keep({f"−log p(x), k = {scores.flags.samples:,}": -log_p.mean()})
    if len(log_p) > 1:
        standard_error = log_p.std(ddof=1) / np.sqrt(len(log_p))
        scores.keep({"−log p(x), standard error": standard_error})
    if len(log_p) < len(x):
        scores.keep({"−log p(x), images": len(log_p)})
    in_features(train, test, 2 * made - 1, args.device, scores)


def of_diffusion(args: argparse.Namespace, state: dict[str, Any], scores: Scores) -> None:
    """The bound of a diffusion model on test images, in bits a dimension; and of pictures that it
    draws, by each --draw, their Fréchet distance, class and time."""
    train, test = load(args), load(args, "test")
    require_same(train, state, scores)
    model = diffusion.build(args, *train.images.shape[1:3], len(train.classes))
    restore(model, state, "model", scores)
    take_averages(optim.ExponentialMovingAverage(model, 0, warm_up=True), state, scores)
    flags = scores.flags
    some = slice(flags.likelihood_images or 500)
    x = Tensor(test.scaled()[some], device=args.device)
    x = diffusion.seen(args, x, Generator(args.seed + 3))
    told = Tensor(test.labels[some], device=args.device) if args.conditional else None
    found = bound(model, x, told, strata=60, generator=Generator(args.seed + 1))
    units = {"bits a dimension": 1.0}
    if model.levels == 2:
        units["nats"] = math.log(2) * math.prod(x.shape[1:])
    scores.keep({
        "images of the bound": len(x),
        "bits a dimension, prior": found.prior.mean(),
        "bits a dimension, steps": found.steps.mean(),
        "bits a dimension, first step": found.first.mean(),
    })  # fmt: skip
    for name, unit in units.items():
        total = unit * found.total
        scores.keep({f"{name}, bound": total.mean()})
        if len(total) > 1:  # of one image nobody knows
            standard_error = total.std(ddof=1) / math.sqrt(len(total))
            scores.keep({f"{name}, standard error": standard_error})
    count = min(flags.images, len(train), len(test))
    classes = list(range(len(train.classes))) if args.conditional else []
    noise = diffusion.noise_of(args, args.seed + 2, (count, *x.shape[1:]))
    labels = training.rows_of(classes, count, args.device)
    draws = flags.draw or [f"{args.sampler}:{args.steps_to_draw}"]
    for sampler, steps in dict.fromkeys(diffusion.drawn_by(how, args) for how in draws):
        began = time.perf_counter()
        made = diffusion.draw(args, model, noise, labels, sampler, steps)
        by = f"{sampler}:{steps}: " if len(draws) > 1 else ""  # of a short chain all it has
        scores.keep({f"{by}seconds for a drawn image": (time.perf_counter() - began) / count})
        if sampler == "ddim":
            off = round_trip_error(model.respaced(steps), x, told)
            scores.keep({f"{by}encoded and decoded, squared error of a pixel, 0 to 1": off})
        asked = None if labels is None else labels.numpy()
        in_features(train, test, made, args.device, scores, by, asked)


def round_trip_error(model: Diffusion, images: Tensor, labels: Tensor | None) -> float:
    """Mean squared error of images (N, C, H, W) that were encoded by DDIM and decoded, a dimension,
    of black as 0 and white as 1; no guess is clipped, or the way back would be another."""
    model.clip = False

    def back(rows: Tensor) -> Tensor:
        told = None if labels is None else labels[rows]
        return ddim(model, ddim_encode(model, images[rows], told), told)

    again = training.by_parts(back, Tensor(np.arange(len(images)), device=images.device))
    return float(((again - images.numpy()) ** 2).mean() / 4)


def of_plane(args: argparse.Namespace, state: dict[str, Any], scores: Scores) -> None:
    """How many nats a density in the plane is off, and how straight the ways to it are."""
    model = diffusion_2d.build(args)
    restore(model, state, "model", scores)
    take_averages(optim.ExponentialMovingAverage(model, 0, warm_up=True), state, scores)
    for found in diffusion_2d.score(args, model):
        scores.keep(found)


def of_phrases(args: argparse.Namespace, state: dict[str, Any], scores: Scores) -> None:
    """How many pictures show what a phrase asks for, one of training and one held out of it."""
    restore(data.PhrasePictures(training.load_images(args)), state, "pictures", scores)
    model = phrases.build(args, phrases.own_words(args, scores.run))
    restore(model, state, "model", scores)
    take_averages(optim.ExponentialMovingAverage(model, 0, warm_up=True), state, scores)
    for found in phrases.score(args, model, scores.flags.images):
        scores.keep(found)


def log_likelihood(model: Any, images: Tensor, scores: Scores) -> np.ndarray:
    """log p(x) of each image, (N,). What is done is kept in the run folder, in log_likelihood.npz,
    also when Ctrl-C ends it, and needs not be done again."""
    samples, path = scores.flags.samples, scores.run.path("log_likelihood.npz")
    of = {"step": training.load_checkpoint(scores.run.folder / CHECKPOINT)["step"], "k": samples}
    done = np.zeros(0)
    if path.exists():
        before = training.load_checkpoint(path)
        if before["of"] == of:
            done = before["log_p"][: len(images)]
    if len(done) < len(images):
        done = done[: len(done) // AT_ONCE * AT_ONCE]  # whole streams
    print(f"  log p(x): done {len(done):,} of {len(images):,}, k = {samples:,}", flush=True)
    saved = time.perf_counter()
    bar = Bar(total=len(images), initial=len(done), unit=" images", disable=None, leave=False)
    try:
        with bar:
            for i in range(len(done), len(images), AT_ONCE):
                minigen.manual_seed(2 + i)
                part = images[i : i + AT_ONCE]
                found = metrics.log_likelihood(model.log_weights, part, samples)
                done = np.concatenate([done, found])
                bar.update(len(part))
                if time.perf_counter() - saved > 10:
                    training.save_checkpoint(path, {"of": of, "log_p": done})
                    saved = time.perf_counter()
    finally:
        training.save_checkpoint(path, {"of": of, "log_p": done})
    return done


# By the name of the demo in the run's config: its module, and how it is scored.
SCORES: dict[str, tuple[Any, Score]] = {
    "autoencoder": (autoencoder, of_autoencoder),
    "biggan": (biggan, of_biggan),
    "cyclegan": (cyclegan, translation(cyclegan, translation_scores.of_cycle)),
    "dcgan": (dcgan, images_of(dcgan)),
    "diffusion": (diffusion, of_diffusion),
    "diffusion_2d": (diffusion_2d, of_plane),
    "discogan_modes": (discogan_modes, modes),
    "gan": (gan, images_of(gan)),
    "mixture_gan": (mixture_gan, mixture),
    "parabola_gan": (parabola_gan, parabola),
    "phrases": (phrases, of_phrases),
    "pix2pix": (pix2pix, translation(pix2pix, translation_scores.of_pairs)),
    "stargan": (stargan, translation(stargan, translation_scores.of_domains)),
    "stylegan": (stylegan, of_stylegan),
    "vae": (vae, of_vae),
    "wgan": (wgan, images_of(wgan)),
}
# Those in which --images has no effect: of points, of words, and where all test pictures are made.
ALL_OF_THEM = (
    "cyclegan", "diffusion_2d", "discogan_modes", "mixture_gan", "parabola_gan", "pix2pix",
    "stargan", "word2vec",
)  # fmt: skip


def evaluate(run: training.Run, flags: argparse.Namespace) -> tuple[str, Scores]:
    """Score one run, and store the scores in its folder; also gives its settings but the seed."""
    scores, demo = Scores(run, flags), run.config.get("demo")
    print(run.folder)
    if demo == "word2vec":  # its scores are those of the file of vectors
        scores.keep(word_scores.evaluate(word_scores.vectors_of(run.folder)))
    else:
        module, score = SCORES[demo]
        args = module.flags().settings_of(run)
        args.device = flags.device
        if not (run.folder / CHECKPOINT).exists():
            raise training.RunError(f"{run.folder} holds no checkpoint, for its run never began")
        saved = training.load_checkpoint(run.folder / CHECKPOINT)
        if not (isinstance(state := saved.get("state"), dict) and "step" in saved):
            raise training.CheckpointError(
                f"{run.folder / CHECKPOINT} is no checkpoint of a training loop: expected step and"
                f" state, got {short(', '.join(saved))}"
            )
        try:
            score(args, state, scores)
        except data.DataError as error:
            if not scores:
                raise
            print(f"no more scores of {run.folder}: {error}")
    write_page(run.folder)
    left_out = ("demo", "seed", "image_shape", "class_count")
    settings = (f"{k} {v}" for k, v in run.config.items() if k not in left_out)
    return f"{demo}: {', '.join(settings)}", scores


def over_runs(found: Sequence[Scores]) -> dict[str, str]:
    """Mean ± standard deviation over runs."""
    rows = {}
    for name in found[0]:
        values = [scores[name] for scores in found if name in scores]
        if len(values) == len(found):
            rows[name] = f"{np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}"
    return rows


def flags() -> training.Flags:
    """The command line."""
    parser = training.Flags(__doc__)
    add = parser.add_argument
    add("runs", type=path, nargs="+", metavar="RUN", help="run folders")
    add("--images", type=whole(2, 10**6), default=10_000, help="images to measure")
    add("--samples", type=whole(1, 10**6), default=5000, help="latents an image, for a VAE")
    add("--likelihood-images", type=whole(1, 10**6),
        help="images for a VAE's log p(x), where fewer than --images shall do; for the bound of"
        " diffusion (500)")  # fmt: skip
    add("--draw", type=diffusion.sampler_and_steps, nargs="+", metavar="SAMPLER:STEPS",
        help="how diffusion draws: ddim:50 heun:18 (as the run does)")  # fmt: skip
    add("--teach", action="store_true",
        help="train a classifier on drawn images alone, and read test images by it")  # fmt: skip
    add("--device", type=device, default="cpu", help="cpu, or cuda for an NVIDIA card")
    return parser


@training.script
def main() -> None:
    parser = flags()
    given, args = parser.given(), parser.parse_args()
    require_device(args.device)
    runs = [training.Run.read(folder) for folder in args.runs]  # all of them, before hours of work
    demos = [run.config.get("demo") for run in runs]
    for run, demo in zip(runs, demos, strict=True):
        if demo not in (*SCORES, "word2vec"):
            known = ", ".join([*SCORES, "word2vec"])
            raise training.RunError(
                f"{run.folder}: expected a run of {known}, but its config.json says {short(demo)}"
            )
    for name, with_effect in (
        ("samples", "vae" in demos),
        ("likelihood_images", "vae" in demos or "diffusion" in demos),
        ("draw", "diffusion" in demos),
        ("teach", "biggan" in demos or any(is_told(argparse.Namespace(**r.config)) for r in runs)),
        ("images", not set(demos) <= {*ALL_OF_THEM}),
    ):
        if name in given and not with_effect:
            flag = f"--{name.replace('_', '-')}"
            parser.error(f"{flag} has no effect on runs of {', '.join(demos)}: leave it out")

    found: dict[str, list[Scores]] = {}
    for run in runs:
        kind, scores = evaluate(run, args)
        found.setdefault(kind, []).append(scores)
    for kind, all_scores in found.items():
        if len(all_scores) > 1:
            print(f"mean ± standard deviation over {len(all_scores)} runs of {kind}")
            for name, text in over_runs(all_scores).items():
                print(f"  {name:43} {text}")


if __name__ == "__main__":
    main()
