"""Train an autoencoder on handwritten digits: linear with sigmoid, deep, or convolutional; with
--damage a denoising one.

After each epoch it prints the squared error of test images. The run folder gets test images above
their reconstructions, or above the damaged ones and what was made of them, also where a block was
cut out of the middle (inpainting), for which --damage block trains; images of random codes, from
the Gaussian that is nearest to the codes of training images, which shows why an autoencoder is no
generator (demos/latents.py has more of this); curves; and, with --data spiral, the arrows that
denoising points in the plane has learnt. For damaged images it prints the squared error of a pixel
beside that of the damaged image itself and of a median filter.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import argparse
from typing import Any

import numpy as np
from scoring.encoders import score, shown

import minigen
from minigen import Generator, Tensor, data, optim, training
from minigen.models import autoencoder as A
from minigen.training.builders.autoencoder import SPIRAL, build, flags, spiral
from minigen.training.figures import head
from minigen.training.plane import MADE, REAL, frame

COLUMNS = 10  # of the grids
EXTENT = (-1.5, 1.5, -1.5, 1.5)
LONGEST = 0.15  # of the arrows


def outside(images: Tensor) -> Tensor:
    """1 for each pixel outside a block in the middle, a third of each side, and 0 inside."""
    side = images.shape[-1]
    keep = np.ones(images.shape[1:], np.float32)
    keep[:, side // 3 : side - side // 3, side // 3 : side - side // 3] = 0
    return Tensor(keep, device=images.device)


def test_loss(args: argparse.Namespace, model: A.Autoencoder, clean: Tensor) -> float:
    """The loss of test examples (N, …)."""
    with minigen.no_grad():
        parts = [float(A.squared_error(model(s), x)) * len(x) for x, s in shown(args, clean)]
    return sum(parts) / len(clean)


def draw_images(
    run: training.Run, args: argparse.Namespace, model: A.Autoencoder, train: Tensor, test: Tensor
) -> None:
    """Reconstructions or mended images, and images of random codes."""

    def save(name: str, caption: str, **rows: Tensor) -> None:
        grid = training.named_rows(rows, low=0)
        training.save_image(run.path(name), grid, scale=2, caption=caption)

    clean, bad = next(shown(args, test[:COLUMNS]))
    codes = training.by_parts(model.encoder, train)
    with minigen.no_grad():
        caption = (
            "Real test images, never trained on, and below each what the decoder makes of its code:"
            " the more alike the two, the better."
        )
        save("reconstructions.png", caption, real=clean, made=model(clean))
        if args.damage:
            caption = (
                "Real test images; the same, damaged; and what is made of the damaged ones: the"
                " more like the real ones, the better."
            )
            save("denoised.png", caption, real=clean, damaged=bad, mended=model(bad))
            keep = outside(clean)
            cut = clean * keep
            filled = cut + (1 - keep) * model(cut)
            caption = (
                "Real test images; the same with a hole in the middle; and what it was filled with."
                " A good filling has no seam; where a network was trained on other damage than"
                " holes, it leaves them dark."
            )
            save("inpainted.png", caption, real=clean, cut=cut, filled=filled)
        if (codes.std(0) > 0).all():
            gaussian = A.DiagonalGaussian.fitted(codes).to(args.device)
            made = model.decode(gaussian.sample(5 * COLUMNS, Generator(0))).numpy()
            training.save_image(
                run.path("random_codes.png"), training.image_grid(made, COLUMNS, low=0), scale=2,
                caption="Made images, of codes drawn from the Gaussian nearest to the codes of"
                " 1,000 real images. Nothing made these codes Gaussian, and the decoder was never"
                " trained between them: as a rule few of these could be real, though"
                " reconstructions could.",
            )  # fmt: skip


def draw_arrows(run: training.Run, model: A.Autoencoder, points: np.ndarray) -> None:
    """g(f(x)) − x over the plane; the long ones, far from all that was seen, are cut short."""
    x, y = np.linspace(*EXTENT[:2], 25), np.linspace(*EXTENT[2:], 25)
    plane = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2).astype(np.float32)
    with minigen.no_grad():
        arrows = (model(Tensor(plane)) - Tensor(plane)).numpy()
    length = np.linalg.norm(arrows, axis=1, keepdims=True)
    arrows *= np.minimum(1, LONGEST / np.maximum(length, LONGEST))

    def draw(axes: Any) -> None:
        axes[0].scatter(*points[:1000].T, s=3, color=REAL, linewidths=0, label="real points")
        axes[0].quiver(*plane.T, *arrows.T, color=MADE, angles="xy", scale_units="xy", scale=1)
        head(axes[0], "where a point is moved")
        axes[0].set_xlim(*EXTENT[:2])
        axes[0].set_ylim(*EXTENT[2:])

    training.save_image(
        run.path("arrows.png"), frame(draw, 1, 6.0),
        caption="Each arrow goes from a place of the plane towards where the autoencoder moves it,"
        " long ones cut short. Once it has learnt to mend damage, arrows beside the spiral of real"
        " points lead to it, by the shortest way.",
    )  # fmt: skip


@training.script
def main() -> None:
    args, run = flags(__doc__).open_run()

    minigen.manual_seed(args.seed)
    if args.data == "spiral":
        name, train_x, test_x = "a spiral", spiral(args.limit or SPIRAL, 0), spiral(1000, 1)
        shape: tuple[int, ...] = (1, 1, 1)
    else:
        train, test = training.train_images(run, args), training.load_images(args, "test")
        name, shape = train.name, train.images.shape[1:]
        train_x, test_x = (A.checked_images(s.scaled(low=0)) for s in (train, test))
    batches = data.Batches(train_x, batch_size=args.batch_size, seed=args.seed)
    model = build(args, *shape[:2])
    optimiser = optim.Adam(model.parameters(), lr=args.lr)
    state = {"model": model, "optimiser": optimiser}
    loop = training.loop_of_epochs(run, args, batches, state)
    training.begin(run, f"{len(train_x):,} examples of {name}", (model, train_x.shape[1:]))

    def damage(x: Tensor) -> Tensor:
        return A.corrupted(x, args.damage, args.amount) if args.damage else x

    clean = Tensor(test_x[: args.limit], device=args.device)

    reading = (
        "The test loss is the squared error of test examples: the less, the better. One far above"
        " that of training means that examples were learnt by heart; 0 is out of reach, for a code"
        " is shorter than what it stands for."
    )

    @loop.at_save
    def show() -> None:
        if args.data == "spiral":
            draw_arrows(run, model, test_x)
        else:
            draw_images(run, args, model, Tensor(train_x[:1000], device=args.device), clean)
        training.draw_course(run, {"squared error": ["loss", "test loss"]}, curves=reading)

    @loop.at_every(len(batches), from_start=False)
    def measure(step: int) -> None:
        error = test_loss(args, model, clean)
        loop.say(f"epoch {step // len(batches)}: test loss {error:.4f}")
        run.log(step, {"test loss": error})

    stream = batches.forever()
    schedule = training.falling(optimiser, args.lr, loop.steps, loop.step, share=1)
    for _ in loop:
        x = Tensor(next(stream)[0], device=args.device)
        loop.log(A.step(model, optimiser, x, damage))
        schedule.step()

    if args.data != "spiral":
        found = score(args, model, clean)
        print("squared error of a pixel: " + ", ".join(f"{k} {v:.4f}" for k, v in found.items()))
    then = "sample.py" if args.data == "spiral" else "evaluate.py"
    training.finish(loop, "curves.png", reading=reading, then=then)


if __name__ == "__main__":
    main()
