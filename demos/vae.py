"""Train a variational autoencoder on handwritten digits, clothes, CIFAR-10, or your own pictures.

After each epoch it prints the ELBO of the test images. The run folder gets samples from the same
latents as training goes on (samples/ and samples.gif), test images and their reconstructions,
interpolations between test images, the test set in latent space coloured by label, a traversal of
each latent that is used, with two latents the manifold of all images, and curves. The default is
the network of PyTorch's example; that of Burda et al. (2016) is

    python demos/vae.py --hidden 200 200 --latent 50 --activation tanh --binarise \
        --batch-size 200 --lr 5e-3 --fall 1 --average 0.999 --epochs 600 --every 50

with --samples 5 or 50 for the importance-weighted bound. Fewer epochs take as much less time: the
learning rate falls to 0 by the last of them. demos/evaluate.py measures log p(x).
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import argparse
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
from scipy.special import ndtri

import minigen
from minigen import Generator, Tensor, data, metrics, nn, optim, training
from minigen import functional as F
from minigen.models import vae as V
from minigen.models.autoencoder import checked_images
from minigen.models.networks import glorot
from minigen.training.figures import head
from minigen.training.flags import decay, number, refuse_odd_sides, share, units, weight, whole
from minigen.training.plane import frame

COLUMNS = 10  # of the grids
SCATTERED = 3000  # test images in the picture of the latent space


def build(args: argparse.Namespace, channels: int, size: int) -> V.VAE:
    """The VAE of these flags, for images (channels, size, size)."""
    gaussian = args.likelihood == "gaussian"
    likelihood = V.Gaussian(0.05, learnt=True) if gaussian else V.Bernoulli()
    if args.network == "conv":
        model = V.conv_vae(args.latent, args.width, size, channels, likelihood)
    else:
        activation = {"relu": nn.ReLU, "tanh": nn.Tanh}[args.activation]
        model = V.mlp_vae(args.latent, args.hidden, size, channels, activation, likelihood)
        if args.activation == "tanh":
            glorot(model)
    return model.to(args.device)


def seen(args: argparse.Namespace, images: Tensor, generator: Generator | None = None) -> Tensor:
    """Images (N, C, H, W) from 0 to 1 as the model is shown them, drawn anew with each call.

    Binarised, each pixel is 1 with a probability that is its grey level, else 0. For a Gaussian
    likelihood noise fills the gaps between the 256 levels, so that a density is a bound of their
    probability (Theis et al. 2016, arXiv:1511.01844, section 3.1).
    """
    if not args.binarise and args.likelihood != "gaussian":
        return images
    u = F.rand(*images.shape, generator=generator, device=images.device)
    return (u < images).to(images.dtype) if args.binarise else (255 * images + u) / 256


def test_images(args: argparse.Namespace) -> tuple[data.Images, Tensor]:
    """The test set, and its images as they are measured."""
    test = training.load_images(args, "test")
    images = Tensor(checked_images(test.scaled(low=0)), device=args.device)
    return test, seen(args, images, Generator(1000))


def draw(run: training.Run, model: V.VAE, images: Tensor, labels: np.ndarray) -> None:
    """The pictures of a trained model."""
    mean = training.by_parts(lambda x: model.encode(x)[0], images[:SCATTERED])
    found = metrics.active_units(mean)
    order = np.argsort(-found.variance)  # the most used latent first
    with minigen.no_grad():

        def decoded(z: np.ndarray) -> np.ndarray:
            return model.decode(Tensor(z.astype(np.float32), device=images.device)).numpy()

        def save(name: str, z: np.ndarray, columns: int, caption: str) -> None:
            grid = training.image_grid(decoded(z), columns, low=0)
            training.save_image(run.path(name), grid, scale=2, caption=caption)

        def save_rows(name: str, rows: Mapping[str, np.ndarray], caption: str) -> None:
            grid = training.named_rows(rows, low=0)
            training.save_image(run.path(name), grid, scale=2, caption=caption)

        shown = images[:COLUMNS]
        save_rows(
            "reconstructions.png", {"real": shown.numpy(), "made": decoded(mean[: len(shown)])},
            "Real test images, and what is made of each from its code.",
        )  # fmt: skip
        along = np.linspace(0, 1, COLUMNS)[:, None]
        pairs = [(1 - along) * mean[i] + along * mean[i + 1] for i in range(0, len(shown) - 1, 2)]
        save(
            "interpolations.png", np.concatenate(pairs), COLUMNS,
            "In each row the straight way from one test image's code to another's, drawn: what lies"
            " between are digits too, where the latents are well filled.",
        )  # fmt: skip
        rows = {}
        for unit in order[: min(10, model.latent)]:
            z = np.tile(mean[0], (COLUMNS, 1))
            z[:, unit] = np.linspace(-2.5, 2.5, COLUMNS)
            rows[f"latent {unit}"] = decoded(z)
        save_rows(
            "traversal.png", rows,
            "In each row one latent goes from −2.5 to 2.5, the most used one first, and all others"
            " stay those of one test image: a row that does not change is of a latent not used.",
        )  # fmt: skip
        if model.latent == 2:
            # At the quantiles of N(0, 1), so that each image stands for as much probability.
            q = ndtri((np.arange(20) + 0.5) / 20)
            z = np.stack(np.meshgrid(q, -q), -1)[..., np.argsort(order)]
            save(
                "manifold.png", z.reshape(-1, 2), 20,
                "What is drawn at each place of the plane of the two latents: the first to the"
                " right, the second upwards, each picture for as much probability as any other.",
            )  # fmt: skip

    def scatter(axes: Any) -> None:
        x, y = mean[:, order[: min(2, model.latent)]].T if model.latent > 1 else (mean, mean)
        dots = axes[0].scatter(x, y, c=labels[: len(mean)], s=3, cmap="tab10", linewidths=0)
        head(axes[0], "means of the two most used latents", 10, 7, *dots.legend_elements())
        axes[1].bar(np.arange(model.latent), found.variance[order], color="#0072b2")
        axes[1].axhline(found.threshold, color="#d55e00", linewidth=1, label="active above this")
        axes[1].set_xlabel("latent, the most used first", fontsize=8)
        axes[1].locator_params(axis="x", integer=True)
        head(axes[1], f"variance of the means: {found.count} active")

    training.save_image(
        run.path("latents.png"), frame(scatter, 2, 4.0),
        caption="On the left the codes of real test images, coloured by class: classes that lie"
        " apart were found without labels. On the right how much each latent is used.",
    )  # fmt: skip


def flags() -> training.Parser:
    """The command line."""
    parser = training.Parser(
        __doc__,
        name="vae",
        quick={"epochs": 1, "hidden": [40], "width": 4, "limit": 1000},
        may_change=("epochs", "every"),
    )
    add = parser.add_argument
    parser.add_epochs(10, lr=1e-3, help="learning rate of Adam")
    parser.add_images(batch_size={"default": 128, "help": "images a step"})
    add("--network", choices=("mlp", "conv"), default="mlp", help="perceptrons or convolutions")
    perceptron = "with --network conv", lambda args: args.network == "mlp"
    add("--hidden", type=units, nargs="+", default=[400], only=perceptron,
        help="units of the perceptron's layers")  # fmt: skip
    add("--activation", choices=("relu", "tanh"), default="relu", only=perceptron,
        help="between these layers")  # fmt: skip
    add("--width", type=units, default=32, help="channels after the first convolution",
        only=("without --network conv", lambda args: args.network == "conv"))  # fmt: skip
    add("--latent", type=units, default=20, help="numbers that make z")
    add("--likelihood", choices=("bernoulli", "gaussian"), default="bernoulli", help="p(x|z)")
    add("--binarise", action="store_true", help="draw black and white pixels anew for each step")
    add("--samples", type=whole(1, 10**5), default=1,
        help="latents an image: above 1 the bound of the IWAE")  # fmt: skip
    one = "with --samples above 1", lambda args: args.samples == 1
    add("--beta", type=weight, default=1.0, only=one, help="weight of the KL")
    add("--warm-up", type=share, default=0.0, only=one,
        help="share of the steps in which the KL comes in")  # fmt: skip
    add("--capacity", type=number(least=0, most=1e6), only=one,
        help="nats that the KL is raised to, over the first half")  # fmt: skip
    add("--fall", type=share, default=0.3, help="share of the steps in which --lr falls to 0")
    add("--average", type=decay, default=0.0, help="decay of the weights' average that is tested")
    add("--every", type=whole(1, 10**6), default=1, help="epochs between two tests and pictures")
    refuse_odd_sides(parser)
    parser.refuse(
        lambda args: args.binarise and args.likelihood == "gaussian",
        "--binarise makes pixels black or white, for --likelihood bernoulli: leave one of them out",
    )
    parser.refuse(
        lambda args: args.binarise and args.data == "binarized-mnist",
        "--binarise has no effect with binarized-mnist, which is black and white: leave it out",
    )
    return parser


@training.script
def main() -> None:
    args, run = flags().open_run()

    minigen.manual_seed(args.seed)
    train = training.train_images(run, args)
    test, test_x = test_images(args)
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
    reading = (
        f"{bound} is a lower bound of log p(x) in nats an image: the higher, the better. One of"
        " training far above that of test images means that images were learnt by heart. The KL is"
        " how many nats the code carries; near 0 it carries nothing, and all reconstructions look"
        " alike."
    )
    drawn = "Images drawn from z ~ N(0, I), always the same z."

    @loop.at_save
    def show() -> None:
        training.draw_course(run, panels, drawn, reading, seconds_per_frame=0.4, colours=32)
        with shown():
            draw(run, model, test_x, test.labels)

    def sample(step: int) -> None:
        made = model.sample(COLUMNS**2, Generator(args.seed + 2))
        grid = training.image_grid(made.clamp(0, 1), COLUMNS, low=0)
        training.save_image(run.path("samples", f"{step:07d}.png"), grid)

    if loop.step == 0:
        with minigen.no_grad():
            sample(0)
    stream = batches.forever()
    schedule = training.falling(optimiser, args.lr, loop.steps, loop.step, args.fall)
    for i in loop:
        x = seen(args, Tensor(next(stream)[0], device=args.device))
        done = (i - 1) / loop.steps
        capacity = None if args.capacity is None else args.capacity * min(1.0, 2 * done)
        beta = args.beta * min(1.0, done / args.warm_up) if args.warm_up else args.beta
        loop.log(V.step(model, optimiser, x, beta=beta, capacity=capacity, samples=args.samples))
        schedule.step()
        if args.average:
            average.update()
        if loop.every(args.every * len(batches)):
            with shown(), minigen.no_grad():
                found = V.evaluate(model, test_x, generator=Generator(args.seed + 1))
                sample(i)
            numbers = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
            loop.say(f"epoch {i // len(batches)}: test {numbers}")
            run.log(i, {f"test {name}": value for name, value in found.items()})

    training.finish(loop, "samples.gif", reading=reading)


if __name__ == "__main__":
    main()
