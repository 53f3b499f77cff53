"""Two lessons about latents: how many there should be, and why they should be Gaussian.

Autoencoders and VAEs of the same perceptrons are trained side by side, with few latents and with
many. The run folder gets two pictures, drawn anew with each checkpoint.

dimensions.png: test images, what each model makes of them, and new images of the VAEs. With few
latents reconstructions are blurred; with many they are sharp.

gaussian.png: the oldest way to generate, which is to fit a Gaussian and to sample m + s·ε. Of the
pixels themselves it makes fog. Of an autoencoder's codes it misses where they lie, worse the more
there are, and the decoder was never trained there. A VAE's latents are N(0, I) because the KL made
them so, and most samples of it are digits. Above are test images in these coordinates, the two of
greatest variance, coloured by label, with the Gaussian's first, second and third standard
deviation; below are images of its samples.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import minigen
from minigen import Generator, Tensor, data, optim, training
from minigen.models import autoencoder as A
from minigen.models import vae as V
from minigen.training.builders.latents import build, flags
from minigen.training.figures import head
from minigen.training.plane import frame

COLUMNS, SAMPLES = 10, 36
SCATTERED = 2000  # test images


class Space(NamedTuple):
    """Coordinates of images, the Gaussian in which they are thought to lie, and the way back."""

    name: str
    points: np.ndarray  # of test images, (N, dim)
    gaussian: A.DiagonalGaussian
    decode: Callable[[Tensor], Tensor]


def spaces(
    plain: list[A.Autoencoder], probable: list[V.VAE], train: Tensor, test: Tensor
) -> list[Space]:
    """Pixels and codes with a Gaussian fitted to those of training images, latents with N(0, I)."""
    pixels = train.reshape(len(train), -1).numpy()
    # A pixel that is always black has no variance: noise far below a grey level gives it one.
    pixels = pixels + 1e-4 * np.random.default_rng(0).standard_normal(pixels.shape)
    found = [
        Space(
            "pixels",
            test.reshape(len(test), -1).numpy(),
            A.DiagonalGaussian.fitted(pixels).to(test.device),
            lambda x: x.reshape(len(x), *test.shape[1:]),
        )
    ]
    for model in plain:
        codes = model.encoder(train).numpy()
        gaussian = A.DiagonalGaussian.fitted(codes).to(test.device)
        name = f"autoencoder {codes.shape[1]}"
        found.append(Space(name, model.encoder(test).numpy(), gaussian, model.decode))
    for vae in probable:
        mean, log_var = vae.encode(test)
        noise = minigen.randn(*mean.shape, generator=Generator(0), device=test.device)
        z = V.reparameterised(mean, log_var, noise).numpy()
        gaussian = A.DiagonalGaussian(vae.latent).to(test.device)
        found.append(Space(f"VAE {vae.latent}", z, gaussian, vae.decode))
    return found


def draw_gaussians(run: training.Run, all_spaces: list[Space], labels: np.ndarray) -> None:
    """gaussian.png."""
    count = len(all_spaces)
    around = np.linspace(0, 2 * np.pi, 100)

    def draw(axes: Any) -> None:
        for i, (name, points, gaussian, decode) in enumerate(all_spaces):
            above, below = axes[i], axes[count + i]
            first, second = np.argsort(-points.var(0))[:2] if points.shape[1] > 1 else (0, 0)
            x, y = points[:, first], points[:, second]
            dots = above.scatter(x, y, c=labels[: len(x)], s=3, cmap="tab10", linewidths=0)
            m, s = gaussian.mean.numpy(), np.exp(0.5 * gaussian.log_var.numpy())
            for r in 1, 2, 3:
                ellipse = (
                    m[first] + r * s[first] * np.cos(around),
                    m[second] + r * s[second] * np.sin(around),
                )
                above.plot(*ellipse, color="#333333", linewidth=0.8)
            head(above, name, 5, 7, *dots.legend_elements())
            made = decode(gaussian.sample(SAMPLES, Generator(1)))
            below.imshow(training.image_grid(made, low=0), cmap="gray")
            below.set_axis_off()

    training.save_image(
        run.path("gaussian.png"), frame(draw, count, 3.0, 2),
        caption="Above a dot for each real test image, at its two coordinates of greatest variance,"
        " pixels or codes, coloured by class; rings are one, two and three standard deviations of"
        " the Gaussian that is sampled. Below images made of samples of it: the more of them could"
        " be real, the better the Gaussian knows where images lie. Trained VAEs win, because the KL"
        " made their codes Gaussian; pixels give fog.",
    )  # fmt: skip


def draw_dimensions(run: training.Run, models: dict[str, Any], test: Tensor) -> None:
    """dimensions.png, a name before each row."""
    shown = test[:COLUMNS]
    rows = [("test images", shown)]
    for name, model in models.items():
        probable = isinstance(model, V.VAE)
        rows.append((name, model.decode(model.encode(shown)[0]) if probable else model(shown)))
    for name, model in models.items():
        if isinstance(model, V.VAE):
            made = model.sample(2 * COLUMNS, Generator(2))
            rows += [(f"new, {name}", made[:COLUMNS]), (f"more, {name}", made[COLUMNS:])]

    training.save_image(
        run.path("dimensions.png"), training.named_rows(rows, low=0), scale=2,
        caption="Real test images, and what models of so many latents make of each; below, new"
        " images that the VAEs drew of N(0, I). Trained models are sharper with more latents; what"
        " is drawn anew is good where it could be real.",
    )  # fmt: skip


@training.script
def main() -> None:
    args, run = flags(__doc__).open_run()

    minigen.manual_seed(args.seed)
    train, test = training.train_images(run, args), training.load_images(args, "test")
    channels, size = train.images.shape[1:3]
    train_x, test_x = (A.checked_images(s.scaled(low=0)) for s in (train, test))
    batches = data.Batches(train_x, batch_size=args.batch_size, seed=args.seed)
    models = build(args, channels, size)
    plain = [model for model in models.values() if isinstance(model, A.Autoencoder)]
    probable = [model for model in models.values() if isinstance(model, V.VAE)]
    optimisers = {n: optim.Adam(model.parameters(), lr=args.lr) for n, model in models.items()}
    state = {f"{n} optimiser": optimiser for n, optimiser in optimisers.items()} | models
    loop = training.loop_of_epochs(run, args, batches, state)
    what = f"{len(train):,} images of {train.name}"
    training.begin(run, what, (plain[-1], train.images.shape[1:]))

    shown = Tensor(test_x[: min(args.limit or SCATTERED, SCATTERED)], device=args.device)
    fitted = Tensor(train_x[:5000], device=args.device)

    @loop.at_save
    def show() -> None:
        with minigen.no_grad():
            draw_dimensions(run, models, shown)
            draw_gaussians(run, spaces(plain, probable, fitted, shown), test.labels)

    stream = batches.forever()
    course = (loop.steps, loop.step)
    schedules = [training.falling(o, args.lr, *course, share=1) for o in optimisers.values()]
    for _ in loop:
        x = Tensor(next(stream)[0], device=args.device)
        losses = {}
        for name, model in models.items():
            step = V.step if isinstance(model, V.VAE) else A.step
            losses[name] = step(model, optimisers[name], x)["loss"]
        loop.log(losses)
        for schedule in schedules:
            schedule.step()
    reading = (
        "An autoencoder's loss is the squared error of an image, a VAE's the negative bound of"
        " log p(x) in nats: compare each with its own kind alone, the less, the better."
    )
    training.finish(loop, "gaussian.png", reading=reading, then="sample.py")


if __name__ == "__main__":
    main()
