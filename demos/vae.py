"""Train a variational autoencoder on handwritten digits, clothes, CIFAR-10, or your own pictures.

After each epoch it prints the ELBO of the test images. The run folder gets samples from the same
latents as training goes on (samples/ and samples.gif), test images and their reconstructions,
interpolations between test images, the test set in latent space coloured by label, a traversal of
each latent that is used, with two latents the manifold of all images, and curves. The default is
the network of PyTorch's example; that of Burda et al. (2016) is

    python demos/vae.py --hidden 200 200 --latent 50 --activation tanh --binarise \\
        --batch-size 200 --lr 5e-3 --fall 1 --average 0.999 --epochs 600 --every 50

with --samples 5 or 50 for the importance-weighted bound. Fewer epochs take as much less time: the
learning rate falls to 0 by the last of them. demos/evaluate.py measures log p(x).
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import argparse
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
from scipy.special import ndtri

import minigen
from minigen import Generator, Tensor, data, metrics, optim, training
from minigen.models import vae as V
from minigen.models.autoencoder import checked_images
from minigen.training.builders.vae import build, flags, seen, test_images
from minigen.training.figures import head
from minigen.training.plane import frame

COLUMNS = 10  # of the grids
SCATTERED = 3000  # test images in the picture of the latent space


class Drawing:
    """The pictures of a trained model.

    Args:
        run: the run folder, which gets them.
        model: the model.
        images: real ones, never trained on.
        labels: their classes.
    """

    def __init__(self, run: training.Run, model: V.VAE, images: Tensor, labels: np.ndarray):
        self.run, self.model, self.images, self.labels = run, model, images, labels
        self.mean = training.by_parts(lambda x: model.encode(x)[0], images[:SCATTERED])
        self.found = metrics.active_units(self.mean)
        self.order = np.argsort(-self.found.variance)  # the most used latent first

    def draw(self) -> None:
        """All of them."""
        with minigen.no_grad():
            self.reconstructions()
            self.interpolations()
            self.traversal()
            if self.model.latent == 2:
                self.manifold()
        self.latents()

    def decoded(self, z: np.ndarray) -> np.ndarray:
        """What the decoder makes of codes (N, latent)."""
        return self.model.decode(Tensor(z.astype(np.float32), device=self.images.device)).numpy()

    def save(
        self,
        name: str,
        rows: Mapping[str, np.ndarray],
        caption: str,
        columns: Sequence[str] = (),
    ) -> None:
        """A grid with these rows of images."""
        grid = training.named_rows(rows, low=0, columns=columns)
        training.save_image(self.run.path(name), grid, scale=2, caption=caption)

    def reconstructions(self) -> None:
        """reconstructions.png: what becomes of images on their way through the code."""
        shown = self.images[:COLUMNS]
        self.save(
            "reconstructions.png",
            {"real": shown.numpy(), "made": self.decoded(self.mean[: len(shown)])},
            "Real test images, never trained on, and below each what the decoder makes of its code:"
            " the more alike the two, the better.",
        )

    def interpolations(self) -> None:
        """interpolations.png: the straight way from code to code."""
        mean, along = self.mean, np.linspace(0, 1, COLUMNS)[:, None]
        self.save(
            "interpolations.png",
            {
                f"way {i // 2 + 1}": self.decoded((1 - along) * mean[i] + along * mean[i + 1])
                for i in range(0, len(self.images[:COLUMNS]) - 1, 2)
            },
            "Made pictures: in each row the decoder goes straight from one test image's code, at"
            " the left, to another's. In a good model all on the way could be real, which says that"
            " there are no holes between codes.",
            [f"{share:.0%}" for share in along[:, 0]],
        )

    def traversal(self) -> None:
        """traversal.png: one latent changes, all others stay."""
        values, rows = np.linspace(-2.5, 2.5, COLUMNS), {}
        for unit in self.order[: min(10, self.model.latent)]:
            z = np.tile(self.mean[0], (COLUMNS, 1))
            z[:, unit] = values
            rows[f"latent {unit}"] = self.decoded(z)
        self.save(
            "traversal.png", rows,
            "Made pictures: in each row one latent has the values above the columns, and all others"
            " stay those of one test image. The most used latents come first, ten at most. A row"
            " that changes in one way, as slant or thickness, is a latent with a meaning; one that"
            " does not change is not used.",
            [f"{value:.1f}".replace("-", "−") for value in values],
        )  # fmt: skip

    def manifold(self) -> None:
        """manifold.png: the plane of two latents, at the quantiles of N(0, 1), so that each image
        stands for as much probability."""
        q = ndtri((np.arange(20) + 0.5) / 20)
        z = np.stack(np.meshgrid(q, -q), -1)[..., np.argsort(self.order)]
        self.save(
            "manifold.png",
            {f"{-y:.2f}".replace("-", "−"): self.decoded(row) for y, row in zip(q, z, strict=True)},
            f"What the decoder makes of each place in the plane of the two latents: latent"
            f" {self.order[0]} to the right, latent {self.order[1]} upwards, at the values that are"
            " written, which cut N(0, 1) into twenty equal parts. In a good model all of them"
            " could be real, and neighbours are alike.",
            [f"{x:.1f}".replace("-", "−") for x in q],
        )

    def latents(self) -> None:
        """latents.png: where the codes of each class are, and which latents are used."""
        training.save_image(
            self.run.path("latents.png"), frame(self.scatter, 2, 4.0),
            caption="On the left the codes of real test images, a colour for each class: where"
            " colours lie apart the model has found classes without labels. On the right the"
            " variance of each latent over test images: one below the line carries next to"
            " nothing.",
        )  # fmt: skip

    def scatter(self, axes: Any) -> None:
        """Both panels of latents.png."""
        mean, order, latent = self.mean, self.order, self.model.latent
        x, y = mean[:, order[: min(2, latent)]].T if latent > 1 else (mean, mean)
        dots = axes[0].scatter(x, y, c=self.labels[: len(mean)], s=3, cmap="tab10", linewidths=0)
        head(axes[0], "means of the two most used latents", 10, 7, *dots.legend_elements())
        axes[0].locator_params(axis="x", nbins=6)  # or numbers such as −0.35 touch
        axes[0].set_xlabel(f"latent {order[0]}", fontsize=8)
        axes[0].set_ylabel(f"latent {order[min(1, latent - 1)]}", fontsize=8)
        found, places = self.found, np.arange(1, latent + 1)
        axes[1].bar(places, found.variance[order], color="#0072b2")
        axes[1].axhline(found.threshold, color="#d55e00", linewidth=1, label="active above this")
        axes[1].set_xlabel("rank of the latent, the most used first", fontsize=8)
        axes[1].locator_params(axis="x", integer=True)
        head(axes[1], f"variance of the means: {found.count} active")


def pressure(args: argparse.Namespace, done: float) -> dict[str, float | None]:
    """β and the capacity, the options of `V.step`, after that share of the training."""
    return {
        "beta": args.beta * min(1.0, done / args.warm_up) if args.warm_up else args.beta,
        "capacity": None if args.capacity is None else args.capacity * min(1.0, 2 * done),
    }


READING = (
    "{bound} is a lower bound of log p(x) in nats an image: the higher, the better. One of training"
    " far above that of test images means that images were learnt by heart. The KL is how many nats"
    " the code carries; near 0 it carries nothing, and all reconstructions look alike."
)
DRAWN = (
    "Images that the decoder makes of codes z drawn from N(0, I), none of them real, of the same z"
    " at each step. Good ones could be taken for real images, and no two are alike."
)


@training.script
def main() -> None:
    args, run = flags(__doc__).open_run()

    minigen.manual_seed(args.seed)
    train = training.train_images(run, args)
    tested, test_x = test_images(args)
    pixels = checked_images(train.scaled(low=0))
    batches = data.Batches(pixels, batch_size=args.batch_size, seed=args.seed)
    model = build(args, *train.images.shape[1:3])
    if args.network == "mlp" and args.activation == "tanh" and args.likelihood == "bernoulli":
        V.start_at_mean(model, pixels)
    optimiser = optim.Adam(model.parameters(), lr=args.lr)
    state = {"model": model, "optimiser": optimiser}
    shown = nullcontext  # the weights that are tested and drawn with
    if args.average:
        state["average"] = average = optim.ExponentialMovingAverage(model, args.average)
        shown = average.average_parameters
    loop = training.loop_of_epochs(run, args, batches, state)
    networks = (model.encoder, train.images.shape[1:]), (model.decoder, (args.latent,))
    training.begin(run, f"{len(train):,} images of {train.name}", *networks)

    bound, kl = ("bound", []) if args.samples > 1 else ("elbo", ["kl"])
    panels = {"bound of log p(x)": [bound, "test elbo"], "KL": [*kl, "test kl"]}
    reading = READING.format(bound=bound)

    @loop.at_save
    def show() -> None:
        training.draw_course(run, panels, DRAWN, reading, seconds_per_frame=0.4, colours=32)
        with shown():
            Drawing(run, model, test_x, tested.labels).draw()

    @loop.at_every(args.every * len(batches))
    def sample(step: int) -> None:
        with shown(), minigen.no_grad():
            made = model.sample(COLUMNS**2, Generator(args.seed + 2))
        grid = training.image_grid(made.clamp(0, 1), COLUMNS, low=0)
        training.save_image(run.path("samples", f"{step:07d}.png"), grid, scale=2)

    @loop.at_every(args.every * len(batches), from_start=False)
    def test(step: int) -> None:
        with shown():
            found = V.evaluate(model, test_x, generator=Generator(args.seed + 1))
        numbers = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
        loop.say(f"epoch {step // len(batches)}: test {numbers}")
        run.log(step, {f"test {name}": value for name, value in found.items()})

    stream = batches.forever()
    schedule = training.falling(optimiser, args.lr, loop.steps, loop.step, args.fall)
    for step in loop:
        x = seen(args, Tensor(next(stream)[0], device=args.device))
        told = pressure(args, (step - 1) / loop.steps)
        loop.log(V.step(model, optimiser, x, samples=args.samples, **told))
        schedule.step()
        if args.average:
            average.update()

    training.finish(loop, "samples.gif", reading=reading)


if __name__ == "__main__":
    main()
