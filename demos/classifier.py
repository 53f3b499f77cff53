"""Train a small convolutional classifier (conv, pool, conv, pool, dense) on handwritten digits.

It prints the share of test images that it reads rightly after each epoch.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import functools

import minigen
from minigen import Tensor, data, optim, training
from minigen.models.classifier import evaluate, step
from minigen.training.builders.classifier import build, flags

READING = (
    "accuracy is the share of a batch's images that are read rightly, test accuracy that of all"
    " test images, which were never trained on: on MNIST 99 % is good."
)


@training.script
def main() -> None:
    args, run = flags(__doc__).open_run()

    minigen.manual_seed(args.seed)
    train = training.train_images(run, args)
    training.require_classes(train)
    test = training.load_images(args, "test")
    batches = data.Batches(train.scaled(), train.labels, batch_size=args.batch_size, seed=args.seed)
    test_images = Tensor(test.scaled(), device=args.device)
    test_labels = Tensor(test.labels, device=args.device)
    channels, size = train.images.shape[1:3]
    model = build(args, channels, size, len(train.classes))
    optimiser = optim.Adam(model.parameters(), lr=args.lr)
    state = {"model": model, "optimiser": optimiser}
    loop = training.loop_of_epochs(run, args, batches, state)
    training.begin(run, f"{len(train):,} images of {train.name}", (model, train.images.shape[1:]))
    panels = {"loss": ["loss"], "accuracy": ["accuracy", "test accuracy"]}
    loop.at_save(functools.partial(training.draw_course, run, panels, curves=READING))

    @loop.at_every(len(batches), from_start=False)
    def measure(step: int) -> None:
        share = evaluate(model, test_images, test_labels)
        run.log(step, {"test accuracy": share})
        loop.say(f"epoch {step // len(batches)}: test accuracy {share:.2%}")

    stream = batches.forever()
    schedule = training.falling(optimiser, args.lr, loop.steps, loop.step, share=1)
    for _ in loop:
        images, labels = (Tensor(x, device=args.device) for x in next(stream))
        loop.log(step(model, optimiser, images, labels))
        schedule.step()
    training.finish(loop, "curves.png", reading=READING, then="explore.py")


if __name__ == "__main__":
    main()
