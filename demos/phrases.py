"""Train a diffusion model to draw what a phrase says: "three red sevens", "a blue four".

Coloured digits are drawn on the spot from MNIST, one to three of them in the four cells of a
picture. The network is told the sum of the vectors of the phrase's words (see `Told` in
denoiser.py), learnt ones, or with --words RUN those that a run of demos/word2vec.py has learnt from
text, which stay as they are behind a learnt linear map. Some combinations of colour and digit are
held out of training altogether (see minigen/data/phrases.py): to draw a red zero, having seen red
things and zeros, is to have understood the words one by one.

The run folder gets pictures of a few phrases as training goes on (samples/ and samples.gif), and at
the end phrases.png, of held-out phrases too. A finished run draws any phrase: --resume RUN --ask
"two green fives" makes asked.png. demos/evaluate.py counts how many pictures are right.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import argparse
import functools

import numpy as np

import minigen
from minigen import Tensor, optim, training
from minigen.data import phrases as P
from minigen.models import diffusion as D
from minigen.training.builders.phrases import OWN_WORDS, build, draw, flags, own_words, words_from

COLUMNS = 6  # of the grids
FRAMES = 12  # of the animation
ROWS = 3  # phrases of each split in the grids


def grid(args: argparse.Namespace, model: D.Diffusion, splits: dict[str, str]) -> np.ndarray:
    """Rows of pictures of some phrases of each split, from the same noise; what a row's name says
    besides is the split's."""
    rows: dict[str, np.ndarray] = {}
    for split, mark in splits.items():
        every = P.combinations(split)
        for combination in every[np.linspace(0, len(every) - 1, ROWS).round().astype(int)]:
            rows[P.phrase_of(combination) + mark] = combination
    made = draw(args, model, np.repeat(np.stack([*rows.values()]), COLUMNS, 0), args.seed + 1)
    made = made.reshape(len(rows), COLUMNS, *made.shape[1:])
    return training.named_rows(dict(zip(rows, made, strict=True)))


SHOWN = (
    "Drawn pictures, six for each phrase{noise}. Right is a picture with as many digits of that"
    " kind and colour as the phrase at its left says, each in a quarter of its own. Training had no"
    " picture of a marked phrase, though some of each of its words."
)
READING = (
    "Most of the loss is what nobody could tell from so noisy a picture: it falls fast at first,"
    " then slowly. What counts is how many pictures of phrases never seen have the right number,"
    " colour and digit."
)


@training.script
def main() -> None:
    args, run = flags(__doc__).open_run()

    minigen.manual_seed(args.seed)
    if args.words and not (run.folder / OWN_WORDS).exists():
        words_from(args.words).save(run.path(OWN_WORDS))
    images = training.train_images(run, args)
    pictures = P.PhrasePictures(images, args.seed)
    model = build(args, own_words(args, run))
    optimiser = optim.Adam(model.parameters(), lr=args.lr)
    average = optim.ExponentialMovingAverage(model, args.decay, warm_up=True)
    state = {"model": model, "optimiser": optimiser, "average": average, "pictures": pictures}
    state["random"] = minigen.default_generator
    loop = training.Loop(run, steps=args.steps, state=state, log_every=10)
    training.begin(run, f"phrases of {len(images):,} images of {images.name}")
    shown = SHOWN.format(noise=", from the same noise at each step")
    course = functools.partial(training.draw_course, run, {"loss": ["loss"]}, shown, READING)
    loop.at_save(functools.partial(course, seconds_per_frame=0.25))

    @loop.at_every(max(50, args.steps // FRAMES))
    def sample(step: int) -> None:
        with average.average_parameters():
            grid_of_phrases = grid(args, model, {"train": "", "validation": " (never seen)"})
        training.save_image(run.path("samples", f"{step:06d}.png"), grid_of_phrases, scale=2)

    schedule = training.falling(optimiser, args.lr, loop.steps, loop.step, args.fall)
    for _ in loop:
        batch = (Tensor(x, device=args.device) for x in pictures.batch(args.batch_size))
        loop.log(D.step(model, optimiser, *batch))
        schedule.step()
        average.update()

    if not loop.interrupted:
        average.copy_to()
        print("drawing phrases.png …", flush=True)
        drawn = grid(args, model, {"train": "", "test": " (never seen)"})
        caption = SHOWN.format(noise="")
        training.save_image(run.path("phrases.png"), drawn, scale=2, caption=caption)
        if args.ask:
            combos = np.tile(P.combination_of(args.ask), (COLUMNS, 1))
            made = {args.ask: draw(args, model, combos, args.seed + 1)}
            asked = training.named_rows(made)
            caption = (
                "Pictures drawn for the phrase at the left. Right is one with as many digits of"
                " that kind and colour."
            )
            training.save_image(run.path("asked.png"), asked, scale=4, caption=caption)
    training.finish(loop, "asked.png" if args.ask else "samples.gif", reading=READING)


if __name__ == "__main__":
    main()
