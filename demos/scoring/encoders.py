"""Scores of autoencoders and of VAEs."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np
from scipy.ndimage import median_filter

import minigen
from minigen import Generator, Tensor, metrics, training
from minigen.display import Bar
from minigen.models import autoencoder as A
from minigen.models.autoencoder import DiagonalGaussian
from minigen.models.vae import evaluate as evaluate_vae
from minigen.training.builders.vae import test_images
from minigen.training.trained import Trained
from scoring.images import in_features, same_images
from scoring.scores import Scores


def shown(args: argparse.Namespace, clean: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Test examples (N, …), some at a time, and what the model is shown of them: with the same
    damage each time."""
    noise = Generator(args.seed + 1)
    for i in range(0, len(clean), 500):
        x = clean[i : i + 500]
        yield x, A.corrupted(x, args.damage, args.amount, noise) if args.damage else x


def score(args: argparse.Namespace, model: A.Autoencoder, clean: Tensor) -> dict[str, float]:
    """Mean squared errors of a pixel, of all images (N, C, H, W): reconstructed, and for a
    denoising autoencoder of damaged images, of what it makes of them, and of the best of median
    filters of 3 and 5 pixels."""
    sums: dict[str, float] = {}

    def count(name: str, made: Tensor, true: Tensor) -> None:
        error = float(((made - true) ** 2).mean()) * len(true) / len(clean)
        sums[name] = sums.get(name, 0.0) + error

    with minigen.no_grad():
        for x, bad in shown(args, clean):
            count("reconstructed", model(x), x)
            if args.damage:
                count("damaged", bad, x)
                count("denoised", model(bad), x)
                for side in 3, 5:
                    smooth = median_filter(bad.numpy(), size=(1, 1, side, side))
                    count(f"median of {side} x {side}", Tensor(smooth, device=x.device), x)
    return sums


AT_ONCE = 100  # images whose log p(x) is estimated with one random stream


def of_autoencoder(trained: Trained, scores: Scores) -> None:
    """Squared error on the test images, and the Fréchet distance of images of random codes, from
    the Gaussian that is nearest to the codes of training images."""
    args, model = trained.settings, trained.model
    if args.data == "spiral":
        raise training.RunError("an autoencoder of points is not measured, only those of images")
    train, test = same_images(trained)
    count = scores.flags.images
    real, x = (Tensor(s.scaled(low=0)[:count], device=args.device) for s in (train, test))
    scores.keep({"images": len(x)})
    for name, error in score(args, model, x).items():
        scores.keep({f"squared error, {name}": error})
    codes = training.by_parts(model.encoder, real)
    if not (codes.std(0) > 0).all():
        return  # a code that is the same for all has no Gaussian
    gaussian = DiagonalGaussian.fitted(codes).to(args.device)
    made = training.by_parts(model.decode, gaussian.sample(len(x), Generator(2)))
    in_features(train, test, 2 * made - 1, args.device, scores)


def of_vae(trained: Trained, scores: Scores) -> None:
    """ELBO, log p(x), active units and reconstruction of a VAE on the test images, in nats, and the
    Fréchet distance of its samples."""
    args, model = trained.settings, trained.model
    train, _ = same_images(trained)
    test, x = test_images(args)
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
    log_p = log_likelihood(trained, x[: scores.flags.likelihood_images], scores)
    scores.keep({f"−log p(x), k = {scores.flags.samples:,}": -log_p.mean()})
    if len(log_p) > 1:
        standard_error = log_p.std(ddof=1) / np.sqrt(len(log_p))
        scores.keep({"−log p(x), standard error": standard_error})
    if len(log_p) < len(x):
        scores.keep({"−log p(x), images": len(log_p)})
    in_features(train, test, 2 * made - 1, args.device, scores)


def log_likelihood(trained: Trained, images: Tensor, scores: Scores) -> np.ndarray:
    """log p(x) of each image, (N,). What is done is kept in the run folder, in log_likelihood.npz,
    also when Ctrl-C ends it, and needs not be done again."""
    samples, path = scores.flags.samples, scores.run.path("log_likelihood.npz")
    of = {"step": trained.step, "k": samples}
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
                found = metrics.log_likelihood(trained.model.log_weights, part, samples)
                done = np.concatenate([done, found])
                bar.update(len(part))
                if time.perf_counter() - saved > 10:
                    training.save_checkpoint(path, {"of": of, "log_p": done})
                    saved = time.perf_counter()
    finally:
        training.save_checkpoint(path, {"of": of, "log_p": done})
    return done
