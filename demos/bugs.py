"""Eight mistakes that people make, each trained beside the same model without it.

    python demos/bugs.py [--only sign detach …]

The mistake is one line of the training step, which stands in this file beside the right one. The
run folder gets a picture for each mistake: what the model makes with and without it, and curves of
all seeds; and table.md, how to tell, and whether a minute of training shows it at all: a mistake
counts as seen if the scores of all seeds with it lie on one side of all seeds without it.

sign           the critic's loss has the wrong sign                                 (WGAN-GP)
batch-norm     batch norm in the critic, whose penalty is of each point by itself   (WGAN-GP)
detach         D's loss reaches G, whose gradients are cleared but once a step      (GAN)
rate           a learning rate ten times too high                                   (GAN)
noise          the noise is drawn once, before the loop                             (GAN)
average        the reconstruction averaged over pixels, beside a summed KL          (VAE)
labels         images shuffled, and their labels not                                (classifier)
eval           tested without eval()                                                (classifier)
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import argparse
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

import minigen
from minigen import Generator, Tensor, data, nn, optim, training
from minigen import functional as F
from minigen.display import Bar
from minigen.files import written_whole
from minigen.metrics import mode_coverage
from minigen.models import classifier as C
from minigen.models import vae as V
from minigen.models import wgan as W
from minigen.models.adversaries import descend
from minigen.models.autoencoder import checked_images
from minigen.models.gan import discriminator_loss
from minigen.models.networks import evaluating, mlp
from minigen.training.figures import COLOURS, head, quiet
from minigen.training.flags import one_of, whole
from minigen.training.plane import draw_points, frame

RING = data.ring()
EDGE = 1.8  # of the pictures of the ring
BATCH = 128
ENOUGH = 3000  # steps of each training, after which the mistakes were looked at
LOGGED = 100  # points of a curve
Curves = dict[str, list[float]]


class Found(NamedTuple):
    """What a training came to."""

    score: float
    shown: np.ndarray  # points (N, 2), or rows of images (R, N, H, W)
    curves: Curves


class Study(NamedTuple):
    """A mistake, and how to tell."""

    model: str  # the function that trains it
    score: str  # what its score is
    mistake: str
    symptom: str


STUDIES = {
    "sign": Study(
        "wgan", "points of high quality", "loss = gap, where −gap is to be minimised",
        "The gap goes below 0 and keeps falling, and points run away from the real ones: a critic"
        " that has learnt finds real points better, so its gap is above 0.",
    ),
    "batch-norm": Study(
        "wgan", "points of high quality", "a critic with batch norm and a gradient penalty",
        "The curves look healthy, even calmer. The points have the right figure at another"
        " place, size and angle: a critic that norms each batch does not see where the batch"
        " lies.",
    ),
    "detach": Study(
        "gan", "points of high quality", "d(fake) instead of d(fake.detach()), and one zero_grad",
        "Losses that tremble less, for G is also moved against its own loss; on a ring that"
        " does no harm in so few steps.",
    ),
    "rate": Study(
        "gan", "points of high quality", "lr = 1e-2 instead of 1e-3",
        "The losses jump several times as far; on a ring the points are none the worse for it"
        " in so few steps.",
    ),
    "noise": Study(
        "gan", "points of high quality", "z drawn once, before the loop",
        "loss_g stays where it was, where it rises without the mistake, and fresh noise gives"
        " points between the modes: G learns where 128 noises go, and nothing between.",
    ),
    "average": Study(
        "vae", "KL, nats an image", "reconstruction / 784 + KL",
        "The KL falls to 0 within some hundred steps, and all reconstructions are the same grey"
        " mean: 784 times too much weight lies on the KL.",
    ),
    "labels": Study(
        "classifier", "test accuracy", "images[order] beside labels",
        "The loss begins at log 10 = 2.30 and falls but slowly, as labels are learnt by"
        " heart, and test accuracy stays at chance, 0.1.",
    ),
    "eval": Study(
        "classifier", "test accuracy", "model(test images) without model.eval()",
        "The loss of training is as it should be, and test accuracy lies below it and changes with"
        " the batches that one tests in: dropout and the batch's own statistics are at work.",
    ),
}  # fmt: skip


LINES = (
    " The pictures are of the seed with the median score, which is written above them. Curves are"
    " of the training, a thin line for each seed with the mistake, a thick one without."
)
SHOWN = {
    "gan": "",
    "wgan": "",
    "vae": " Above test images, below what is made of them.",
    "classifier": " Shown are test images, those first that are read wrongly.",
}
WILD = 1000.0  # a curve beyond it has an axis that is linear near 0, and logarithmic far away


def steps_of(count: int) -> Iterator[tuple[int, bool]]:
    """The steps of a training, and whether a point of its curves is due."""
    every = max(1, count // LOGGED)
    for step in Bar(range(count), unit=" steps", leave=False, disable=None):
        yield step, step % every == 0


def adam(network: nn.Module, lr: float = 1e-3) -> optim.Adam:
    """The optimiser of all of them."""
    return optim.Adam(network.parameters(), lr=lr, betas=(0.5, 0.999))


def points_of(generator: nn.Module, curves: Curves) -> Found:
    """What a generator of points came to, by noise that it has not seen."""
    with evaluating(generator):
        points = generator(minigen.randn(2500, 2, generator=Generator(2))).numpy()
    share = mode_coverage(points, RING.centres, RING.sigma).high_quality
    return Found(share, points[:1000], curves)


def gan(wrong: str | None, steps: int, seed: int, args: argparse.Namespace) -> Found:
    """A GAN of points on a ring."""
    generator, d = mlp(2, 128, 128, 2), mlp(2, 128, 128, 1)
    rate = 1e-2 if wrong == "rate" else 1e-3  # ten times too high
    of_g, of_d = adam(generator, rate), adam(d, rate)
    curves: Curves = {"loss_d": [], "loss_g": []}
    z = minigen.randn(BATCH, 2)
    for _, due in steps_of(steps):
        if wrong != "noise":  # else always the same
            z = minigen.randn(BATCH, 2)
        fake = generator(z)
        of_g.zero_grad()
        judged = fake if wrong == "detach" else fake.detach()  # the loss of D is to end there
        loss_d = discriminator_loss(d(RING.sample(BATCH)), d(judged))
        of_d.zero_grad()
        loss_d.backward(retain_graph=True)
        of_d.step()
        loss_g = F.softplus(-d(fake)).mean()
        if wrong != "detach":  # else what came of D's loss is still there
            of_g.zero_grad()
        loss_g.backward()
        of_g.step()
        if due:
            curves["loss_d"].append(loss_d.item())
            curves["loss_g"].append(loss_g.item())
    return points_of(generator, curves)


def wgan(wrong: str | None, steps: int, seed: int, args: argparse.Namespace) -> Found:
    """A WGAN with a gradient penalty, of points on a ring."""
    generator = mlp(2, 128, 128, 2)
    norm = nn.BatchNorm1d if wrong == "batch-norm" else lambda units: nn.Identity()
    f = nn.Sequential(
        nn.Linear(2, 128), norm(128), nn.LeakyReLU(0.2),
        nn.Linear(128, 128), norm(128), nn.LeakyReLU(0.2), nn.Linear(128, 1),
    )  # fmt: skip
    of_g, of_f = adam(generator), adam(f)
    curves: Curves = {"gap": [], "slope": []}
    for _, due in steps_of(steps):
        for _ in range(2):
            real, fake = RING.sample(BATCH), generator(minigen.randn(BATCH, 2)).detach()
            gap = f(real).mean() - f(fake).mean()
            slope = W.slopes(f, W.mixed(real, fake), create_graph=True)
            loss = gap if wrong == "sign" else -gap  # the critic is to make the gap large
            descend(of_f, loss + 0.1 * W.gradient_penalty(slope))
        descend(of_g, W.generator_loss(f(generator(minigen.randn(BATCH, 2)))))
        if due:
            curves["gap"].append(gap.item())
            curves["slope"].append(slope.mean().item())
    return points_of(generator, curves)


def vae(wrong: str | None, steps: int, seed: int, args: argparse.Namespace) -> Found:
    """A VAE of digits."""
    splits = (training.load_images(args, split) for split in ("train", "test"))
    train, test = (checked_images(split.scaled(low=0)) for split in splits)
    model = V.mlp_vae(20, [200], train.shape[2], train.shape[1])
    optimiser = optim.Adam(model.parameters(), lr=1e-3)
    batches = data.Batches(train, batch_size=BATCH, seed=seed).forever()
    curves: Curves = {"reconstruction": [], "kl": []}
    for _, due in steps_of(steps):
        x = Tensor(next(batches)[0])
        reconstruction, kl = model.terms(x)
        weight = 1 / x[0].numel() if wrong == "average" else 1.0  # both are sums, over all of x, z
        descend(optimiser, (weight * reconstruction + kl).mean())
        if due:
            curves["reconstruction"].append(reconstruction.mean().item())
            curves["kl"].append(kl.mean().item())
    with minigen.no_grad():
        x = Tensor(test[:500])
        mean, _ = model.encode(x)
        made = model.decode(mean[:8]).numpy()
        found = model.terms(x, Generator(1))[1].mean().item()
    return Found(found, np.stack([test[:8, 0], made[:, 0]]), curves)


def classifier(wrong: str | None, steps: int, seed: int, args: argparse.Namespace) -> Found:
    """A classifier of digits, with batch norm and dropout."""
    train, test = training.load_images(args), training.load_images(args, "test")
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(train.images[0].size, 128), nn.BatchNorm1d(128), nn.ReLU(),
        nn.Dropout(0.5), nn.Linear(128, len(train.classes)),
    )  # fmt: skip
    optimiser = optim.Adam(model.parameters(), lr=1e-3)
    order = np.random.default_rng(seed).permutation(len(train))
    images, labels = train.scaled()[order], train.labels[order]
    if wrong == "labels":
        labels = train.labels  # of other images
    batches = data.Batches(images, labels, batch_size=BATCH, seed=seed).forever()
    curves: Curves = {"loss": [], "accuracy": []}
    for _, due in steps_of(steps):
        found = C.step(model, optimiser, *map(Tensor, next(batches)))
        if due:
            curves["loss"].append(found["loss"].item())
            curves["accuracy"].append(found["accuracy"].item())
    model.train(wrong == "eval")  # dropout and the batch's statistics are for training alone
    x, y = test.scaled()[:2000], test.labels[:2000]
    with minigen.no_grad():
        read = np.concatenate([model(Tensor(x[i : i + 8])).numpy() for i in range(0, len(x), 8)])
    wrongly = np.flatnonzero(read.argmax(1) != y)
    order = np.concatenate([wrongly, np.flatnonzero(read.argmax(1) == y)])[:8]
    return Found(float((read.argmax(1) == y).mean()), x[order, 0][None] / 2 + 0.5, curves)


MODELS = {each.__name__: each for each in (gan, wgan, vae, classifier)}


class Cell(NamedTuple):
    """One training."""

    model: str
    wrong: str | None
    seed: int

    @property
    def file(self) -> str:
        return f"{self.model}-{self.wrong or 'right'}-{self.seed}.npz"


def cells(args: argparse.Namespace) -> list[Cell]:
    """All trainings: seed by seed, each model without a mistake, then with each."""
    chosen = {name: STUDIES[name] for name in args.only or STUDIES}
    kinds = dict.fromkeys((study.model, None) for study in chosen.values())
    kinds |= dict.fromkeys((study.model, name) for name, study in chosen.items())
    return [Cell(*kind, args.seed + seed) for seed in range(args.seeds) for kind in kinds]


def save(run: training.Run, cell: Cell, found: Found) -> None:
    """Keep what a training came to, in cells/."""
    with written_whole(run.path("cells", cell.file)) as file:
        np.savez(file, score=found.score, shown=found.shown, **found.curves)


def restored(run: training.Run, cell: Cell) -> Found | None:
    """It again, or None before it was trained."""
    path = run.folder / "cells" / cell.file
    if not path.exists():
        return None
    with np.load(path) as file:
        curves = {name: file[name].tolist() for name in file if name not in ("score", "shown")}
        return Found(float(file["score"]), file["shown"], curves)


def middle(runs: list[Found]) -> Found:
    """The one whose score is in the middle."""
    return sorted(runs, key=lambda found: found.score)[len(runs) // 2]


def show(axes: Any, found: Found, title: str) -> None:
    """Points over real ones, or images."""
    if found.shown.ndim == 2:
        extent = (-EDGE, EDGE, -EDGE, EDGE)
        draw_points(axes, RING.sample(500, Generator(1)).numpy(), found.shown, extent, title)
        return
    rows = [row[:, None].astype(np.float32) for row in found.shown]
    axes.imshow(training.image_grid(np.concatenate(rows), 4, low=0), cmap="gray")
    axes.set_title(title, loc="left", fontsize=9, fontweight="bold")
    axes.set_axis_off()


def draw_curves(panel: Any, name: str, steps: int, right: list[Found], wrong: list[Found]) -> None:
    """A curve of all seeds, without the mistake and with it, which may lie on one another."""
    sides = ("without", right, COLOURS[0], 2.0), ("with", wrong, COLOURS[1], 0.8)
    for label, runs, colour, width in sides:
        for i, each in enumerate(runs):
            values = each.curves[name]
            x = np.linspace(0, steps, len(values), endpoint=False)
            panel.plot(x, values, color=colour, linewidth=width, label=None if i else label)
            if np.abs(values).max() > WILD:
                panel.set_yscale("symlog")
                panel.yaxis.get_major_locator().set_params(numticks=6)
    panel.set_xlabel("step", fontsize=8)
    head(panel, name)
    quiet(panel, 8)


def picture(study: Study, steps: int, right: list[Found], wrong: list[Found]) -> np.ndarray:
    """What both make, and their curves, as pixels."""

    def draw(panels: Any) -> None:
        for panel, found, name in (
            (panels[0], middle(right), "without the mistake"),
            (panels[1], middle(wrong), "with it"),
        ):
            show(panel, found, f"{name}\n{study.score}: {found.score:.2f}")
        for panel, name in zip(panels[2:], right[0].curves, strict=True):
            draw_curves(panel, name, steps, right, wrong)

    return frame(draw, 4, 2.8)


def verdict(right: list[Found], wrong: list[Found]) -> str:
    """Whether all scores with the mistake lie on one side of all without it."""
    ours, theirs = ([found.score for found in runs] for runs in (right, wrong))
    if len(ours) == 1:
        return "one seed does not say"
    return "seen" if max(theirs) < min(ours) or min(theirs) > max(ours) else "not in so few steps"


def table(found: dict[str, tuple[list[Found], list[Found]]]) -> str:
    """What each mistake came to, as Markdown."""

    def of(runs: list[Found]) -> str:
        scores = [each.score for each in runs]
        return f"{np.mean(scores):.3f} ({min(scores):.3f} to {max(scores):.3f})"

    lines = ["| mistake | score | without | with | seen | how to tell |", "|" + " --- |" * 6]
    for name, (right, wrong) in found.items():
        study = STUDIES[name]
        seen = verdict(right, wrong)
        words = study.mistake, study.score, of(right), of(wrong), seen, study.symptom
        lines.append("| " + " | ".join([f"**{name}**: {words[0]}", *words[1:]]) + " |")
    return "\n".join(lines)


def flags() -> training.Parser:
    """The command line."""
    parser = training.Parser(
        __doc__,
        name="bugs",
        quick={"steps": 20, "seeds": 1, "limit": 1000},
        may_change=("seeds",),
    )
    parser.add_images(size=None, limit={"default": 10_000}, batch_size=None)
    add = parser.add_argument
    add(
        "--steps", type=whole(), default=ENOUGH, help="of each training, at most a minute of a core"
    )
    add("--seeds", type=whole(1, 100), default=3, help="trainings of each, from --seed on")
    add("--only", type=one_of(*STUDIES), nargs="+", metavar="MISTAKE", help="these alone (all)")
    parser.refuse(lambda args: args.device != "cpu", "--device: this runs on the CPU alone")
    return parser


@training.script
def main() -> None:
    args, run = flags().open_run()
    todo = cells(args)
    loop = training.Loop(run, steps=len(todo), state={}, log_every=1, save_every=1)
    chosen = args.only or [*STUDIES]
    training.begin(run, f"{len(todo)} trainings of {args.steps:,} steps")

    def pairs() -> dict[str, tuple[list[Found], list[Found]]]:
        """The trainings so far with each mistake, and those of the same seeds without it."""
        every: dict[str, tuple[list[Found], list[Found]]] = {}
        for name in chosen:
            cells_of = [c for c in todo if c.wrong == name]
            both = [(restored(run, c._replace(wrong=None)), restored(run, c)) for c in cells_of]
            if there := [(right, wrong) for right, wrong in both if right and wrong]:
                every[name] = ([right for right, _ in there], [wrong for _, wrong in there])
        return every

    @loop.at_save
    def draw() -> None:
        found = pairs()
        name = todo[loop.step - 1].wrong if loop.step else None
        if name in found:
            study = STUDIES[name]
            caption = f"{study.symptom}{SHOWN[study.model]}{LINES}"
            if args.steps < ENOUGH:
                caption += f" All this was seen after {ENOUGH:,} steps, and not in so few as here."
            training.save_image(
                run.path(f"{name}.png"), picture(study, args.steps, *found[name]),
                title=f"{name}: {study.mistake}", caption=caption,
            )  # fmt: skip
        run.path("table.md").write_text(table(found) + "\n", encoding="utf-8")

    for i in loop:
        cell = todo[i - 1]
        loop.say(f"{i} of {len(todo)}: {cell.model}, {cell.wrong or 'without a mistake'}")
        minigen.manual_seed(cell.seed)
        found = MODELS[cell.model](cell.wrong, args.steps, cell.seed, args)
        save(run, cell, found)
        loop.log({"score": found.score})
    for name, (right, wrong) in pairs().items():
        scores = [np.mean([each.score for each in runs]) for runs in (right, wrong)]
        beside = f"without {scores[0]:.3f}, with {scores[1]:.3f}"
        print(f"{name:12}{STUDIES[name].score:24}{beside}: {verdict(right, wrong)}")
    reading = (
        "Points of high quality and accuracies are shares, of which more is better; a KL near 0"
        " means that codes say nothing. table.md says how to tell each mistake from its curves."
    )
    training.finish(loop, "table.md", reading=reading, then=["mixture_gan.py"])


if __name__ == "__main__":
    main()
