"""Measure how good the model of a run folder is: python demos/evaluate.py runs/gan [MORE RUNS]

The numbers are printed and stored in the folder's scores.json; of several runs that differ in their
seed alone, mean and standard deviation are printed too. Images are measured in the features of a
classifier that is trained on the data set's training images once (some minutes) and then kept:
Fréchet distance, precision, recall, density and coverage of 10,000 generated images against the
test images, each beside its floor, which is what 10,000 training images get. A VAE is measured by
its bound and by log p(x) too, an autoencoder by its squared error. Definitions are in
minigen/metrics; no published figure is in these features, so none compares. Word vectors are
compared with people's judgements of similarity, and asked analogies (see demos/word_scores.py).
"""

from __future__ import annotations

import argparse
import functools
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import autoencoder
import dcgan
import gan
import mixture_gan
import numpy as np
import parabola_gan
import vae
import wgan
from word_scores import evaluate_word2vec

import minigen
from minigen import Generator, Tensor, data, metrics, optim, training
from minigen.files import written_whole
from minigen.models.autoencoder import DiagonalGaussian
from minigen.models.features import FeatureClassifier, feature_classifier, read
from minigen.models.vae import evaluate as evaluate_vae
from minigen.training.run import CHECKPOINT

Scores = dict[str, float]
load = functools.cache(data.load)  # several runs are mostly of one data set


class RealFeatures(NamedTuple):
    """What generated images are measured against."""

    classifier: FeatureClassifier
    accuracy: float  # of the classifier
    test: np.ndarray  # features of test images, (N, 64)
    floor: np.ndarray  # of training images, as many
    floor_prdc: metrics.PRDC | None  # of one against the other; None of too few images


@functools.cache
def real_features(train: data.Images, test: data.Images, count: int, device: str) -> RealFeatures:
    """The features of `count` real images of each split, which are the same for all runs."""
    classifier, accuracy = feature_classifier(train, device)
    rng = np.random.default_rng(0)  # a folder's pictures are sorted by class
    some, others = (s.scaled()[rng.permutation(len(s))[:count]] for s in (train, test))
    floor, real = (read(classifier, x).features for x in (some, others))
    found = metrics.prdc(real, floor) if count > 5 else None
    return RealFeatures(classifier, accuracy, real, floor, found)


def in_features(
    train: data.Images, test: data.Images, made: np.ndarray, device: str
) -> tuple[Scores, np.ndarray]:
    """The scores of generated images (N, C, H, W), from −1 to 1, and the class of each, as the
    features' classifier reads it."""
    count = len(made)
    real = real_features(train, test, count, device)
    fake = read(real.classifier, made.astype(np.float32))
    scores: Scores = {"accuracy of the classifier": real.accuracy, "images": count}
    scores["Fréchet distance"] = metrics.frechet_distance(real.test, fake.features)
    scores["Fréchet distance, floor"] = metrics.frechet_distance(real.test, real.floor)
    if real.floor_prdc:
        near = metrics.prdc(real.test, fake.features)._asdict()
        for name, least in real.floor_prdc._asdict().items():
            scores |= {name: near[name], f"{name}, floor": least}
    if len(train.classes) > 1:
        found = metrics.class_coverage(fake.labels, len(train.classes))
        scores |= {"classes covered": found.covered, "class entropy": found.entropy}
        data_entropy = metrics.class_coverage(train.labels, len(train.classes)).entropy
        scores["class entropy, of the data"] = data_entropy
    return scores, fake.labels


def images_of(kind: Any) -> Callable[[argparse.Namespace, dict[str, Any], int], Scores]:
    """The scores of a GAN of images, which the demo `kind` builds."""

    def score(args: argparse.Namespace, state: dict[str, Any], count: int) -> Scores:
        side = getattr(args, "size", 32)
        train = load(args.data, side=side)
        test = load(train.name, "test", side=side)
        count = min(count, len(train), len(test))
        model = kind.build(args, *train.images.shape[1:3], len(train.classes))
        model.load_state_dict(state["gan"])
        average = optim.ExponentialMovingAverage(model.generator, 0)
        average.load_state_dict(state["average"])
        average.copy_to()

        told = getattr(args, "conditional", False) or getattr(args, "auxiliary", False)
        classes = range(len(train.classes)) if told else ()
        noise, labels = training.fixed_noise(model, args.seed + 2, count, classes)
        low = kind.black(args) if hasattr(kind, "black") else -1.0
        made = []
        for i in range(0, count, 500):
            part = slice(i, i + 500)
            y = None if labels is None else labels[part]
            made.append(model.draw(noise[part], y).numpy())
        made = (np.concatenate(made) - low) * (2 / (1 - low)) - 1  # from −1, black, to 1

        scores, read_as = in_features(train, test, made, args.device)
        if labels is not None:
            scores["read as the class asked for"] = float((read_as == labels.numpy()).mean())
        return scores

    return score


def mixture(args: argparse.Namespace, state: dict[str, Any], count: int) -> Scores:
    """Modes, high quality, reverse KL of a ring or grid of Gaussians."""
    model = mixture_gan.build(args)
    model.load_state_dict(state["gan"])
    return mixture_gan.score(args, model)._asdict()


def parabola(args: argparse.Namespace, state: dict[str, Any], count: int) -> Scores:
    """Distance to the parabola, and Wasserstein distance with its floor."""
    model = parabola_gan.build(args)
    model.load_state_dict(state["gan"])
    return parabola_gan.score(args, model)


def of_autoencoder(args: argparse.Namespace, state: dict[str, Any], count: int) -> Scores:
    """Squared error on the test images, and the Fréchet distance of images of random codes, from
    the Gaussian that is nearest to the codes of training images."""
    if args.data == "spiral":
        raise training.RunError("an autoencoder of points is not measured, only those of images")
    train = load(args.data, side=args.size)
    test = load(train.name, "test", side=args.size)
    model = autoencoder.build(args, *train.images.shape[1:3])
    model.load_state_dict(state["model"])
    real, x = (Tensor(s.scaled(low=0)[:count], device=args.device) for s in (train, test))
    scores: Scores = {"images": len(x)}
    for name, error in autoencoder.score(args, model, x).items():
        scores[f"squared error, {name}"] = error
    with minigen.no_grad():
        parts = range(0, len(real), 500)
        codes = np.concatenate([model.encoder(real[i : i + 500]).numpy() for i in parts])
        if not (codes.std(0) > 0).all():
            return scores  # a code that is the same for all has no Gaussian
        gaussian = DiagonalGaussian.fitted(codes).to(args.device)
        z = gaussian.sample(len(x), Generator(2))
        made = np.concatenate([model.decode(z[i : i + 500]).numpy() for i in range(0, len(z), 500)])
    return scores | in_features(train, test, 2 * made - 1, args.device)[0]


def of_vae(args: argparse.Namespace, state: dict[str, Any], count: int) -> Scores:
    """ELBO, log p(x), active units and reconstruction of a VAE on the test images, in nats, and the
    Fréchet distance of its samples."""
    train = load(args.data, side=args.size)
    model = vae.build(args, *train.images.shape[1:3])
    model.load_state_dict(state["model"])
    if "average" in state:
        average = optim.ExponentialMovingAverage(model, 0)
        average.load_state_dict(state["average"])
        average.copy_to()
    test, x = vae.test_images(args, train.name)
    x = x[:count]
    found = evaluate_vae(model, x, generator=Generator(1))
    scores: Scores = {"images": len(x), "test ELBO": found["elbo"], "KL": found["kl"]}
    scores["−log p(x|z)"] = found["reconstruction"]
    minigen.manual_seed(2)
    log_p = metrics.log_likelihood(model.log_weights, x, args.importance_samples, progress=True)
    scores[f"−log p(x), k = {args.importance_samples:,}"] = -log_p.mean()
    if len(x) > 1:
        scores["−log p(x), standard error"] = log_p.std(ddof=1) / np.sqrt(len(x))
    if args.likelihood == "gaussian":  # of x + noise, where levels are 1/256 apart
        pixels = np.prod(x.shape[1:])
        scores["bits per dimension of the ELBO"] = -found["elbo"] / pixels / np.log(2) + 8
    mean, made = [], []
    with minigen.no_grad():
        for i in range(0, len(x), 500):
            mean.append(model.encode(x[i : i + 500])[0].numpy())
            made.append(model.sample(len(mean[-1])).numpy().clip(0, 1))
        scores["active units"] = metrics.active_units(np.concatenate(mean)).count
        error = [
            ((model.decode(Tensor(z, device=args.device)) - x[500 * i : 500 * (i + 1)]) ** 2).data
            for i, z in enumerate(mean)
        ]
    scores["squared error of a pixel"] = np.mean([float(e.mean()) for e in error])
    return scores | in_features(train, test, 2 * np.concatenate(made) - 1, args.device)[0]


# By the name of the demo in the run's config: (its flags, its checkpoint's state, how many images).
SCORES: dict[str, Callable[[argparse.Namespace, dict[str, Any], int], Scores]] = {
    "autoencoder": of_autoencoder,
    "dcgan": images_of(dcgan),
    "gan": images_of(gan),
    "mixture_gan": mixture,
    "parabola_gan": parabola,
    "vae": of_vae,
    "wgan": images_of(wgan),
}


def evaluate(folder: str, count: int, device: str, samples: int = 5000) -> tuple[str, Scores]:
    """Score one run, and store the scores in its folder; also gives its settings but the seed."""
    run = training.Run.resume(folder)
    demo = run.config.get("demo")
    if demo == "word2vec":  # its scores are those of the file of vectors
        scores = evaluate_word2vec(run)
    elif demo in SCORES:
        given = {"device": device, "importance_samples": samples}
        args = argparse.Namespace(**{**run.config, **given})
        state = training.load_checkpoint(run.folder / CHECKPOINT)["state"]
        scores = {k: float(v) for k, v in SCORES[demo](args, state, count).items()}
    else:
        known = ", ".join([*SCORES, "word2vec"])
        raise training.RunError(
            f"{folder}: expected a run of {known}, but its config.json says {demo!r}"
        )
    with written_whole(run.path("scores.json")) as file:
        file.write(json.dumps(scores, indent=2, ensure_ascii=False).encode() + b"\n")
    settings = (f"{k} {v}" for k, v in run.config.items() if k not in ("demo", "seed"))
    return f"{demo}: {', '.join(settings)}", scores


def show(title: str, rows: dict[str, str]) -> None:
    """Print a small table."""
    print(title)
    for name, text in rows.items():
        print(f"  {name:32}{text}")


def over_runs(found: Sequence[Scores]) -> dict[str, str]:
    """Mean ± standard deviation over runs."""
    rows = {}
    for name in found[0]:
        values = [scores[name] for scores in found if name in scores]
        rows[name] = f"{np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}"
    return rows


@training.script
def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders")
    parser.add_argument("--images", type=int, default=10_000, help="generated images to measure")
    parser.add_argument("--samples", type=int, default=5000, help="latents an image for log p(x)")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda for an NVIDIA card")
    flags = parser.parse_args()

    found: dict[str, list[Scores]] = {}
    for folder in flags.runs:
        kind, scores = evaluate(folder, flags.images, flags.device, flags.samples)
        found.setdefault(kind, []).append(scores)
        show(folder, {name: f"{value:.4f}" for name, value in scores.items()})
    for kind, all_scores in found.items():
        if len(all_scores) > 1:
            title = f"mean ± standard deviation over {len(all_scores)} runs of {kind}"
            show(title, over_runs(all_scores))


if __name__ == "__main__":
    main()
