"""Train pix2pix: pictures from pictures, learnt from pairs (Isola et al. 2017).

The --task says what is given:

    style      a picture in another hand: emoji of Noto to those of Twemoji, letters of one font to
               another's, photographs of facades from plans of them (--data facades --domains B A)
    edges      where colours jump: pictures from sketches
    colour     how light it is: old photographs coloured
    enlarge    8 × 8 pixels of 32 × 32
    inpaint    all but a hole of half its sides, which colours of its border fill, and what stands
               across, as far as the picture is symmetric

For the last three the generator adds to what is given: to grey what leaves it as light as it was,
to broken pictures in their holes alone. With both squares are learnt in place of L1, for such
pictures are measured by squares.

Your own folder is of pairs for style: pictures that hold both side by side, or folders A and B of
the same names (each in train, val and test if you like); for the other tasks it is any folder of
pictures. The run folder gets held-out pictures as training goes on (samples/ and samples.gif): what
was given, what was made, what is true; the curves, config.json and checkpoint.npz.

With --adversarial 0 there is no judge, and L1, or squares, alone; with --l1 0 neither. So that what
is made can be told from other pictures, and is found again among them, --contrast 3 asks for it,
and --start blend lets what is given stay where it may.
demos/evaluate.py measures the run on test pictures, beside copies, the nearest training picture,
and other ways without a network.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

from collections.abc import Mapping

import numpy as np

import minigen
from minigen import Tensor, data, training
from minigen.metrics.pictures import absolute_error
from minigen.training.builders.pix2pix import (
    build,
    draw,
    drawn_with,
    flags,
    held_out,
    load,
)
from minigen.training.translation import CHECKED, SHOWN, others

READING = (
    "held-out error is the mean distance, from 0 to 1, of what is made of held-out pictures from"
    " the truth: the lower, the better. Where it rises while the training error,"
    " which has another scale, falls, training pictures are learnt by heart. evaluate.py says what"
    " copying, or the nearest training picture, would get."
)
JUDGED = (
    " d_real and d_fake are how probable the judge finds it that true and made pictures are true."
)
TOLD = " contrast falls as made pictures get nearer to their own truths than to others."


@training.script
def main() -> None:
    args, run = flags(__doc__).open_run()

    minigen.manual_seed(args.seed)
    train, held = load(args), load(args, "validation")
    training.fit_batches(run, args, {"pictures to train with": len(train)})
    channels, size = train.images.shape[2:4]
    run.config["image_shape"] = [channels, size, size]
    batches = data.Batches(train.images, batch_size=args.batch_size, seed=args.seed)
    model = build(args, channels, size)
    stream = batches.forever()

    def step(i: int) -> Mapping[str, Tensor]:
        pictures = training.augmented(args, next(stream)[0])
        holes = minigen.rand(len(pictures), 2).numpy() if args.task == "inpaint" else None
        seen = [*training.inputs_and_truths(args.task, pictures, holes)]
        if args.contrast:
            seen.append(others(args, train.images[:, -1], seen[1], i))
        return model.step(*(Tensor(x, device=args.device) for x in seen))

    some = np.random.default_rng(0).permutation(len(held))[:CHECKED]
    x, y = held_out(args, held.taken(some).images)

    def rows() -> Mapping[str, np.ndarray]:
        made = draw(args, model, x)
        return {"given": x[:SHOWN, : y.shape[1]], "made": made[:SHOWN], "true": y[:SHOWN]}

    def check() -> Mapping[str, float]:
        error = absolute_error(draw(args, model, x) / 2, y / 2)
        return {"held-out error": held.taken(some).family_mean(error)}

    what = f"{len(train):,} pictures of {train.name}, {args.task}"
    if args.task == "style":
        what = f"{len(train):,} pairs of {train.name}, {args.domains[0]} to {args.domains[1]}"
    panels = {"training error": [args.distance], "held-out error": ["held-out error"]}
    networks, reading = [(model.generator, x.shape[1:])], READING
    if args.contrast:
        panels["told from others"] = ["contrast"]
        reading += TOLD
    if args.adversarial:
        reading += JUDGED
        panels |= {"losses": ["loss_d", "loss_g"], "the judge's outputs": ["d_real", "d_fake"]}
        networks.append((model.judge, (x.shape[1] + channels, size, size)))
    training.train_translator(
        run, args, model, generators=drawn_with(model), batches={"batches": batches}, step=step,
        rows=rows, check=check, panels=panels, networks=networks,
        what=what, reading=reading,
    )  # fmt: skip


if __name__ == "__main__":
    main()
