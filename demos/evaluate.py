"""Measure how good the model of a run folder is: python demos/evaluate.py runs/gan [MORE RUNS]

The numbers are printed and stored in the folder's scores.json; of several runs of one kind, seeds
say, mean and standard deviation are printed too. Images are measured in the features of a
classifier that is trained on the data set's training images once (some minutes) and then kept:
Fréchet distance, precision, recall, density and coverage of 10,000 generated images against the
test images, each beside its floor, which is what 10,000 training images get. A VAE is measured by
its bound and by log p(x) too. Definitions are in
minigen/metrics; no published figure is in these features, so none compares. Word vectors are
compared with people's judgements of similarity, and asked analogies (see demos/word_scores.py).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from typing import Any

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
from minigen.models.features import feature_classifier, read
from minigen.models.vae import evaluate as evaluate_vae
from minigen.training.run import CHECKPOINT

Scores = dict[str, float]


def in_features(
    train: data.Images, test: data.Images, made: np.ndarray, device: str
) -> tuple[Scores, np.ndarray]:
    """The scores of generated images (N, C, H, W), from −1 to 1, and the class of each, as the
    features' classifier reads it."""
    classifier, accuracy = feature_classifier(train, device)
    count = len(made)
    rng = np.random.default_rng(0)  # a folder's pictures are sorted by class
    some, others = (s.scaled()[rng.permutation(len(s))[:count]] for s in (train, test))
    floor, real, fake = (read(classifier, x.astype(np.float32)) for x in (some, others, made))
    scores: Scores = {"accuracy of the classifier": accuracy, "images": count}
    scores["Fréchet distance"] = metrics.frechet_distance(real.features, fake.features)
    scores["Fréchet distance, floor"] = metrics.frechet_distance(real.features, floor.features)
    if count > 5:
        near = metrics.prdc(real.features, fake.features)._asdict()
        least = metrics.prdc(real.features, floor.features)._asdict()
        for name in near:
            scores |= {name: near[name], f"{name}, floor": least[name]}
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
        train = data.load(args.data, side=side)
        test = data.load(train.name, "test", side=side)
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
        with minigen.no_grad():
            for i in range(0, count, 500):
                part = slice(i, i + 500)
                y = None if labels is None else labels[part]
                made.append(model.generate(noise[part], y).numpy())
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


def autoencoder(args: argparse.Namespace, state: dict[str, Any], count: int) -> Scores:
    """ELBO, log p(x), active units and reconstruction of a VAE on the test images, in nats, and the
    Fréchet distance of its samples."""
    train = data.load(args.data, side=args.size)
    model = vae.build(args, *train.images.shape[1:3])
    model.load_state_dict(state["model"])
    test, x = vae.test_images(args, train.name)
    x = x[:count]
    found = evaluate_vae(model, x, generator=Generator(1))
    scores: Scores = {"images": len(x), "test ELBO": found["elbo"], "KL": found["kl"]}
    scores["−log p(x|z)"] = found["reconstruction"]
    minigen.manual_seed(2)
    log_p = metrics.log_likelihood(model.log_weights, x, args.importance_samples, progress=True)
    scores[f"−log p(x), k = {args.importance_samples:,}"] = -log_p.mean()
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
    "dcgan": images_of(dcgan),
    "gan": images_of(gan),
    "mixture_gan": mixture,
    "parabola_gan": parabola,
    "vae": autoencoder,
    "wgan": images_of(wgan),
}


def evaluate(folder: str, count: int, device: str, samples: int = 5000) -> tuple[str, Scores]:
    """Score one run, and store the scores in its folder; also gives the demo's name."""
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
    return demo, scores


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
        demo, scores = evaluate(folder, flags.images, flags.device, flags.samples)
        found.setdefault(demo, []).append(scores)
        show(folder, {name: f"{value:.4f}" for name, value in scores.items()})
    for demo, all_scores in found.items():
        if len(all_scores) > 1:
            show(f"{len(all_scores)} runs of {demo}", over_runs(all_scores))


if __name__ == "__main__":
    main()
