"""Train a small convolutional classifier (conv, pool, conv, pool, dense) on handwritten digits.

It prints the share of test images that it reads rightly after each epoch.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import minigen
from minigen import Tensor, data, nn, optim, training
from minigen.models.classifier import Classifier, evaluate, step
from minigen.training.flags import rate, refuse_odd_sides, units, whole


def flags() -> training.Parser:
    """The command line."""
    parser = training.Parser(__doc__, name="classifier", quick={"epochs": 1, "width": 2})
    add = parser.add_argument
    add("--epochs", type=whole(1, 10**6), default=5, help="how often each training image is shown")
    parser.add_images(batch_size={"help": "images a step"})
    add("--width", type=units, default=20, help="channels after the first convolution")
    add("--lr", type=rate, default=2e-3, help="learning rate of Adam; falls to 0 in a line")
    refuse_odd_sides(parser)
    return parser


@training.script
def main() -> None:
    args, run = flags().open_run()

    minigen.manual_seed(args.seed)
    train = training.train_images(run, args)
    if len(train.classes) < 2:
        raise data.DataError(f"{train.name} has one class, so there is nothing to tell apart")
    test = training.load_images(args, "test")
    batches = data.Batches(train.scaled(), train.labels, batch_size=args.batch_size, seed=args.seed)
    test_images = Tensor(test.scaled(), device=args.device)
    test_labels = Tensor(test.labels, device=args.device)
    channels, size = train.images.shape[1:3]
    model = Classifier(channels, len(train.classes), args.width, size).to(args.device)
    optimiser = optim.Adam(model.parameters(), lr=args.lr)

    loop = training.Loop(
        run,
        steps=args.epochs * len(batches),
        state={
            "model": model,
            "optimiser": optimiser,
            "batches": batches,
            "random": minigen.default_generator,
        },
    )
    print(nn.summary(model, train.images.shape[1:]))
    print(f"{len(train):,} images of {train.name}; the run folder is {run.folder}")

    @loop.at_save
    def draw() -> None:
        panels = {"loss": ["loss"], "accuracy": ["accuracy", "test accuracy"]}
        training.plot_metrics(run.path("curves.png"), run.metrics(), panels)

    stream = batches.forever()
    for i in loop:
        images, labels = (Tensor(x, device=args.device) for x in next(stream))
        optimiser.param_groups[0]["lr"] = args.lr * (1 - (i - 1) / loop.steps)
        loop.log(step(model, optimiser, images, labels))
        if loop.every(len(batches)):
            share = evaluate(model, test_images, test_labels)
            run.log(i, {"test accuracy": share})
            loop.say(f"epoch {i // len(batches)}: test accuracy {share:.2%}")
    training.finish(loop)


if __name__ == "__main__":
    main()
