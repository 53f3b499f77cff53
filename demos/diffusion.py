"""Train a diffusion model on handwritten digits, clothes, emoji, CIFAR-10, or your own pictures.

A U-Net learns to say what is noise in a noisy picture (Ho et al. 2020). Pictures are then drawn
from noise alone, in --steps-to-draw steps of --sampler: ddpm, ddim (Song et al. 2021), heun or
euler along the probability-flow equation (Karras et al. 2022). With --conditional it is told the
class, too: each row of the pictures is one, or only those of --classes are drawn, and --guidance
makes them plainer. A finished run is drawn anew, by another sampler for example, with --resume.

The run folder gets samples from the same noise as training goes on (samples/ and samples.gif), and
at the end samples.png, the last of them; chain.png, x_t and the guess of x_0 on the way;
samplers.png, the same noise by each sampler; interpolation.png between two noises; inpainting.png,
test images of which the left half is known; and of coloured ones colours.png, of which the grey is.
demos/evaluate.py measures the bound of the likelihood in bits a dimension, for which --variance
learnt is made, and Fréchet distances.
With --binarise, or of binarized-mnist, it is one of black and white pixels, in nats, as a VAE's.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import argparse
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

import minigen
from minigen import Generator, Tensor, data, optim, training
from minigen.display import progress
from minigen.models import diffusion as D
from minigen.training.builders.diffusion import SAMPLERS, build, draw, flags, noise_of, seen

COLUMNS = 8  # of the grids
FRAMES = 30  # of the animation


def draw_chain(run: training.Run, args: argparse.Namespace, model: D.Diffusion, some: Any) -> None:
    """chain.png: x_t and x̂_0 of three pictures, from noise on."""
    x, labels = some(3)
    seen: list[tuple[int, np.ndarray, np.ndarray]] = []
    few = model.respaced(min(40, len(model.schedule)))

    def look(t: int, x: Tensor, guess: Tensor) -> Tensor:
        seen.append((t, x.numpy(), guess.numpy()))
        return x

    D.ddpm(few, x, labels, guidance=args.guidance, generator=Generator(args.seed), each=look)
    chosen = np.linspace(0, len(seen) - 1, COLUMNS).round().astype(int)
    rows = {
        f"{name} {i + 1}": np.stack([seen[c][kind][i] for c in chosen])
        for i in range(3)
        for kind, name in ((1, "x_t"), (2, "guess"))
    }
    columns = [f"t={seen[c][0]}" for c in chosen]
    training.save_image(
        run.path("chain.png"), training.named_rows(rows, columns=columns), scale=2,
        caption=f"Three drawn pictures, none real, on their way from noise, at the left, to t = 0"
        f" in {len(few.schedule)} steps. Below each x_t is what the network guesses from it that"
        " the picture will be: vague at first, and the last x_t at the end. A good chain ends in"
        " what could be a real picture, without grain.",
    )  # fmt: skip


def draw_samplers(
    run: training.Run, args: argparse.Namespace, model: D.Diffusion, some: Any
) -> None:
    """samplers.png: the same noise by each sampler, in few steps and in more."""
    x, labels = some(COLUMNS)
    rows = {}
    for name in SAMPLERS:
        for steps in sorted({min(s, len(model.schedule)) for s in (5, 10, 50)}):
            calls = 2 * steps - 1 if name == "heun" else steps
            rows[f"{name}, {steps} steps, {calls} calls"] = draw(
                args, model, x, labels, name, steps
            )
    training.save_image(
        run.path("samplers.png"), training.named_rows(rows), scale=2,
        caption="Drawn pictures, none real, in each column from the same noise: a row for each"
        " sampler and number of steps, and how often the network was called, which is what takes"
        " time. ddim, heun and euler draw no noise of their own, so with many steps they agree;"
        " ddpm does, and ends elsewhere. The sampler whose few calls look like its many is the"
        " cheapest.",
    )  # fmt: skip


def draw_conditioned(
    run: training.Run,
    args: argparse.Namespace,
    model: D.Diffusion,
    name: str,
    known: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor | None,
) -> None:
    """NAME.png: what a chain makes of test images of which a part is known: after each step the
    known part is put in, as noisy as the rest is then (Lugmayr et al. 2022, arXiv:2201.09865).

    Args:
        known: takes the part of images (N, C, H, W), a linear map that leaves what it made.
    """
    few = model.respaced(min(50, len(model.schedule)))
    rows = {"real test images": images.numpy(), "what is known": known(images).numpy()}
    for i in range(3):
        stream = Generator(args.seed + i)

        def put_in(t: int, x: Tensor, guess: Tensor, stream: Generator = stream) -> Tensor:
            true = images
            if t > 0:
                noise = minigen.randn(*x.shape, generator=stream, device=x.device)
                true = few.noised(images, t - 1, noise)
            return x + known(true) - known(x)

        x = noise_of(args, args.seed + 10 + i, tuple(images.shape))
        how = {"guidance": args.guidance, "generator": stream, "each": put_in}
        rows[f"drawn {i + 1}"] = D.ddpm(few, x, labels, **how).numpy()
    training.save_image(
        run.path(f"{name}.png"), training.named_rows(rows), scale=2,
        caption="Real test images; what the model was told of them; and three draws, in which it"
        " has made the rest up. Good draws fit what is known without a seam, and could be real;"
        " they may differ from one another, and from the truth.",
    )  # fmt: skip


def draw_interpolation(
    run: training.Run, args: argparse.Namespace, model: D.Diffusion, some: Any
) -> None:
    """interpolation.png: from noise to noise on an arc, along which all are as long as noise is;
    each picture by DDIM, a function of its noise."""
    x, labels = some(10)
    angle = np.linspace(0, np.pi / 2, COLUMNS, dtype=np.float32)[:, None, None, None]
    x = x.numpy()
    arcs = [np.cos(angle) * x[i] + np.sin(angle) * x[i + 1] for i in range(0, len(x), 2)]
    between = Tensor(np.concatenate(arcs), device=args.device)
    if labels is not None:
        labels = labels[Tensor(np.repeat(np.arange(0, len(x), 2), COLUMNS), device=args.device)]
    made = draw(args, model, between, labels, "ddim", min(50, len(model.schedule)))
    rows = {f"way {i + 1}": row for i, row in enumerate(np.split(made, len(arcs)))}
    columns = [f"{share:.0%}" for share in np.linspace(0, 1, COLUMNS)]
    training.save_image(
        run.path("interpolation.png"), training.named_rows(rows, columns=columns), scale=2,
        caption="Drawn pictures, none real. In each row the noise goes from one, at the left, to"
        " another on an arc. In a good model all pictures on the way could be real, and neighbours"
        " differ by little.",
    )  # fmt: skip


def draw_all(
    run: training.Run,
    args: argparse.Namespace,
    model: D.Diffusion,
    classes: list[int],
    test: data.Images,
) -> None:
    """The pictures of a trained model."""
    images = Tensor(test.scaled()[:COLUMNS], device=args.device)
    images = seen(args, images, Generator(args.seed + 3))

    def some(count: int) -> tuple[Tensor, Tensor | None]:
        x = noise_of(args, args.seed + 1, (count, *images.shape[1:]))
        return x, training.rows_of(classes, count, args.device)

    print("drawing the pictures of the trained model …", flush=True)
    made = draw(args, model, *some(COLUMNS * (len(classes) or COLUMNS)))
    names = [test.classes[kind] for kind in classes]
    training.save_image(
        run.path("samples.png"), training.class_grid(made, COLUMNS, names), scale=2,
        caption=training.samples_caption(classes, "noise"),
    )  # fmt: skip
    for drawing in progress((draw_chain, draw_samplers, draw_interpolation), "pictures"):
        drawing(run, args, model, some)
    left = np.arange(images.shape[3]) < images.shape[3] // 2
    left = Tensor(left.astype(np.float32), device=args.device)
    shown = Tensor(test.labels[:COLUMNS], device=args.device) if classes else None
    draw_conditioned(run, args, model, "inpainting", lambda x: x * left, images, shown)
    if images.shape[1] == 3:

        def grey(x: Tensor) -> Tensor:
            return x.mean(1, keepdim=True).expand(*x.shape)

        draw_conditioned(run, args, model, "colours", grey, images, shown)


READING = (
    "The loss is the squared error of what the network says about the noise in noisy pictures. As a"
    " rule it falls fast at first, then hardly, while pictures still get better, for most of what"
    " is left is noise that nobody could predict. It does not say how good the pictures are."
)


@training.script
def main() -> None:
    args, run = flags(__doc__).open_run()

    minigen.manual_seed(args.seed)
    images, test = training.train_images(run, args), training.load_images(args, "test")
    classes = training.chosen_classes(args, images)
    told = [images.labels] if args.conditional else []
    batches = data.Batches(images.scaled(), *told, batch_size=args.batch_size, seed=args.seed)
    model = build(args, *images.images.shape[1:3], len(images.classes))
    optimiser = optim.Adam(model.parameters(), lr=args.lr)
    average = optim.ExponentialMovingAverage(model, args.decay, warm_up=True)
    state = {"model": model, "optimiser": optimiser, "average": average, "batches": batches}
    state["random"] = minigen.default_generator
    loop = training.Loop(run, steps=args.steps, state=state, log_every=10)
    training.begin(run, f"{len(images):,} images of {images.name}")
    shown = training.samples_caption(classes)
    course = functools.partial(training.draw_course, run, {"loss": ["loss"]}, shown, READING)
    loop.at_save(functools.partial(course, seconds_per_frame=0.25))

    count = COLUMNS * (len(classes) or COLUMNS)
    noise = noise_of(args, args.seed + 1, (count, *images.images.shape[1:]))
    labels = training.rows_of(classes, count, args.device)
    names = [images.classes[kind] for kind in classes]
    schedule = training.falling(optimiser, args.lr, loop.steps, loop.step, args.fall)
    stream = batches.forever()

    @loop.at_every(max(50, args.steps // FRAMES))
    def sample(step: int) -> None:
        with average.average_parameters():
            grid = training.class_grid(draw(args, model, noise, labels), COLUMNS, names)
        training.save_image(run.path("samples", f"{step:06d}.png"), grid, scale=2)

    for _ in loop:
        some, *told = (Tensor(x, device=args.device) for x in next(stream))
        loop.log(D.step(model, optimiser, seen(args, some), *told))
        schedule.step()
        average.update()

    if not loop.interrupted:
        average.copy_to()
        draw_all(run, args, model, classes, test)
    training.finish(loop, "samples.gif", reading=READING)


if __name__ == "__main__":
    main()
