"""Train a small convolutional classifier (conv, pool, conv, pool, dense) on handwritten digits.

It prints the share of test images that it reads rightly after each epoch.
"""

from __future__ import annotations

import minigen
from minigen import Tensor, data, nn, optim, training
from minigen.models.classifier import Classifier, evaluate, step


@training.script
def main() -> None:
    parser = training.Parser(__doc__, name="classifier", quick={"epochs": 1, "width": 2})
    add = parser.add_argument
    add("--epochs", type=int, default=5, help="how many times each training image is shown")
    add("--data", default="auto", help="mnist, fashion-mnist, digits (drawn on the spot), or auto")
    add("--batch-size", type=int, default=64, help="images a step")
    add("--width", type=int, default=20, help="channels after the first convolution")
    add("--lr", type=float, default=2e-3, help="learning rate of Adam; falls to 0 in a line")
    args, run = parser.open_run()

    minigen.manual_seed(args.seed)
    train = data.load(args.data)
    test = data.load(train.name, "test")
    batches = data.Batches(train.scaled(), train.labels, batch_size=args.batch_size, seed=args.seed)
    test_images = Tensor(test.scaled(), device=args.device)
    test_labels = Tensor(test.labels, device=args.device)
    model = Classifier(train.images.shape[1], len(train.classes), args.width).to(args.device)
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

    stream = batches.forever()
    for i in loop:
        images, labels = (Tensor(x, device=args.device) for x in next(stream))
        optimiser.param_groups[0]["lr"] = args.lr * (1 - (i - 1) / loop.steps)
        loop.log(step(model, optimiser, images, labels))
        if loop.every(len(batches)):
            share = evaluate(model, test_images, test_labels)
            loop.say(f"epoch {i // len(batches)}: test accuracy {share:.2%}")
    print(f"{loop.step} steps in {loop.seconds:.0f} s")
    if loop.interrupted:
        print(f"to go on: {training.resume_command(run)}")


if __name__ == "__main__":
    main()
