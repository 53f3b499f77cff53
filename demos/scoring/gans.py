"""Scores of GANs of images."""

from __future__ import annotations

import numpy as np

from minigen import Tensor, data, training
from minigen.metrics.similarity import spearman
from minigen.models import biggan as B
from minigen.training.adversarial import is_told
from minigen.training.builders.biggan import TRUNCATIONS, drawn
from minigen.training.course import in_parts
from minigen.training.trained import Trained
from scoring import styles
from scoring.images import in_features, real_features, same_images
from scoring.scores import Scores


def singular_values(gan: B.BigGAN) -> dict[str, float]:
    """By SVD, the largest ones of G's weights: of those in use, which are to be 1, the one that is
    farthest from it; the same had u and v been kept from the training; and without σ."""

    def largest(weight: Tensor) -> float:
        matrix = weight.detach().flatten(1).numpy()
        return float(np.linalg.svd(matrix, compute_uv=False)[0])

    layers, farthest = B.spectral_layers(gan.generator), {}
    for name, training_mode in ("in use", False), ("by u and v of the training", True):
        gan.generator.train(training_mode)
        values = [largest(layer.normed()) for layer in layers]
        farthest[f"singular value {name}"] = max(values, key=lambda value: abs(value - 1))
    plain = [largest(layer.weight) for layer in layers]
    return {
        **farthest,
        "singular value without σ, least": min(plain),
        "singular value without σ, largest": max(plain),
    }


PAID = ("precision", "recall")


def measured_by(trained: Trained, scores: Scores) -> tuple[data.Images, data.Images, int]:
    """Training and test images, and how many are measured."""
    train, test = same_images(trained)
    return train, test, min(scores.flags.images, len(train), len(test))


def of_gan(trained: Trained, scores: Scores) -> None:
    """The scores of a GAN of images."""
    train, test, count = measured_by(trained, scores)
    args, model, low = trained.settings, trained.model, trained.low
    classes = range(len(train.classes)) if is_told(args) else ()
    noise, labels = training.fixed_noise(model, args.seed + 2, count, classes)
    made = in_parts(model.draw, noise, labels)
    images = (made - low) * (2 / (1 - low)) - 1  # from −1, black, to 1
    asked = None if labels is None else labels.numpy()
    in_features(train, test, images, args.device, scores, asked=asked)


def of_stylegan(trained: Trained, scores: Scores) -> None:
    """The scores of a StyleGAN: of pictures drawn in each way, then what its styles do."""
    train, test, count = measured_by(trained, scores)
    args, model = trained.settings, trained.model
    labels = None
    if is_told(args):  # as many of each class, in a random order
        order = np.random.default_rng(0).permutation(count)
        labels = Tensor(order % len(train.classes), device=args.device)
    drawing = styles.Drawing(model, labels, args.seed + 2)
    for name, draws in styles.DRAWS.items():
        made = drawing.pictures(drawing.styles(count, **draws), noise=True)
        asked = None if labels is None else labels.numpy()
        in_features(train, test, made, args.device, scores, name, asked)
    judge = real_features(train, test, count, args.device).judge
    styles.of_styles(drawing, judge.model, train.classes, count, scores.keep)


def of_biggan(trained: Trained, scores: Scores) -> None:
    """The largest singular values of a BigGAN's weights, and its scores over truncation, with batch
    norm's statistics of each: variety is paid for fidelity, until both are lost."""
    train, test, count = measured_by(trained, scores)
    args, model = trained.settings, trained.model
    scores.keep(singular_values(model))
    labels = np.arange(count) % len(train.classes)
    asked = labels if len(train.classes) > 1 else None
    for truncation in (None, *TRUNCATIONS):
        by = f"z within {truncation:g}: " if truncation else ""
        made = drawn(args, model, labels, truncation)
        in_features(train, test, made, args.device, scores, by, asked)
    found = [[scores.get(f"z within {t:g}: {kind}") for t in TRUNCATIONS] for kind in PAID]
    if None not in found[0]:
        precision, recall = np.array(found)
        some = np.array(TRUNCATIONS) >= 0.5
        scores.keep({
            "precision, rank correlation with how near z is cut off, 2 to 0.5":
                spearman(precision[some], -np.array(TRUNCATIONS)[some]),
            f"recall falls, of {len(recall) - 1} such steps": int((np.diff(recall) < 0).sum()),
        })  # fmt: skip
