"""Train a deep convolutional GAN on handwritten digits.

The discriminator is shown real digits and generated ones and learns to tell them apart; the
generator is moved to where the discriminator takes its digits for real. Everything goes to a run
folder: digits from the same noise as training goes on (samples/ and samples.gif), the curves of
losses and of D's outputs (curves.png, metrics.jsonl), config.json and checkpoint.npz.
"""

from __future__ import annotations

import functools

import minigen
from minigen import Generator, Tensor, data, nn, optim, training
from minigen.models.gan import GAN, ConvDiscriminator, ConvGenerator

SAMPLE_EVERY = 50  # steps between two grids of digits, drawn with G's weights averaged over as many


@training.script
def main() -> None:
    parser = training.Parser(
        __doc__, name="dcgan", quick={"steps": 30, "width": 16, "batch_size": 16}
    )
    add = parser.add_argument
    add("--steps", type=int, default=1200, help="training steps in all")
    add("--data", default="auto", help="mnist, fashion-mnist, digits (drawn on the spot), or auto")
    add("--batch-size", type=int, default=64, help="real images a step, and as many generated ones")
    add("--width", type=int, default=64, help="channels of G; D has as many, up to 64")
    add("--lr", type=float, default=5e-4, help="learning rate of G; D's is twice that")
    args, run = parser.open_run()

    minigen.manual_seed(args.seed)
    images = data.load(args.data)
    batches = data.Batches(images.scaled(), batch_size=args.batch_size, seed=args.seed)
    channels, size = images.images.shape[1], images.images.shape[2]
    gan = GAN(
        ConvGenerator(channels, args.width, size=size).to(args.device),
        ConvDiscriminator(channels, min(args.width, 64), size=size, dropout=0.2).to(args.device),
        optimiser=functools.partial(optim.Adam, lr=args.lr, betas=(0.5, 0.999)),
    )
    # Two time scales (Heusel et al. 2017): G learns more from a D that is a little ahead.
    gan.discriminator_optimiser.param_groups[0]["lr"] = 2 * args.lr
    average = optim.ExponentialMovingAverage(gan.generator, decay=0.98)
    fixed_noise = minigen.randn(64, gan.noise, generator=Generator(args.seed + 1))
    fixed_noise = fixed_noise.to(args.device)

    loop = training.Loop(
        run,
        steps=args.steps,
        state={
            "gan": gan,
            "average": average,
            "batches": batches,
            "random": minigen.default_generator,
        },
        log_every=10,
    )
    print(nn.summary(gan.generator, (gan.noise,)))
    print(nn.summary(gan.discriminator, images.images.shape[1:]))
    print(f"{len(images):,} images of {images.name}; the run folder is {run.folder}")

    stream = batches.forever()
    for step in loop:
        (real,) = next(stream)
        loop.log(gan.step(Tensor(real, device=args.device)))
        average.update()
        if loop.every(SAMPLE_EVERY) or step == 1:
            with minigen.no_grad(), average.average_parameters():
                samples = gan.generator(fixed_noise)
            grid = training.image_grid(samples, columns=8)
            training.save_image(run.path("samples", f"{step:06d}.png"), grid, scale=2)

    frames = sorted(run.path("samples").glob("*.png"))
    training.save_gif(run.path("samples.gif"), frames, seconds_per_frame=0.25, hold_last=2)
    panels = {"losses": ["loss_d", "loss_g"], "D's outputs": ["d_real", "d_fake"]}
    training.plot_metrics(run.path("curves.png"), run.metrics(), panels)
    print(f"{loop.step} steps in {loop.seconds:.0f} s; look at {run.folder}/samples.gif")
    if loop.interrupted:
        print(f"to go on: {training.resume_command(run)}")


if __name__ == "__main__":
    main()
