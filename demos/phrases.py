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
from collections.abc import Callable, Iterator

import numpy as np
from word_scores import vectors_of

import minigen
from minigen import Generator, Tensor, data, optim, training
from minigen.data import phrases as P
from minigen.data.vectors import Vectors
from minigen.models import diffusion as D
from minigen.models.denoiser import Denoiser
from minigen.models.features import feature_classifier, read
from minigen.training.flags import decay, number, path, rate, share, units, whole

COLUMNS = 6  # of the grids
FRAMES = 12  # of the animation
ROWS = 3  # phrases of each split in the grids
PICTURES = 900  # of each split, that are scored at most
OWN_WORDS = "words.bin"  # in the run folder: the vectors that it needs
# What a word is looked up as in a text. The plural of a digit hardly stands in any, so that
# "sevens" has the vector of "seven"; then "two" must have another than "twos" has, or the sums of
# "two threes" and of "three twos" were one.
LOOKED_UP = {"a": "single", "two": "double", "three": "triple"}


def known_phrase(text: str) -> str:
    """A kind of flag: a phrase of the grammar."""
    try:
        return P.phrase_of(P.combination_of(text))
    except data.DataError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def words_from(path: str) -> Vectors:
    """The vectors of the grammar's words, from a run of demos/word2vec.py or a file.

    Raises:
        DataError: there are none, or not of all words.
    """
    found, names = vectors_of(path), [LOOKED_UP.get(w, w) for w in P.NUMBERS]
    names += [*P.COLOURS, *P.DIGITS]
    if missing := [name for name in names if name not in found]:
        raise data.DataError(
            f"{path} has no vector for {', '.join(missing)}: learn them from a larger text"
        )
    return Vectors(names, np.stack([found[name] for name in names]))


def told_by(words: Vectors | None) -> Tensor | None:
    """The vectors (words, dim) as the network is told them, their numbers about as large as those
    that learnt vectors begin with."""
    return None if words is None else Tensor(words.unit * np.float32(words.vectors.shape[1] ** 0.5))


def own_words(args: argparse.Namespace, run: training.Run) -> Vectors | None:
    """The vectors that a run keeps, if it was not to learn them.

    Raises:
        DataError: they are gone.
    """
    return words_from(str(run.folder / OWN_WORDS)) if args.words else None


def build(args: argparse.Namespace, words: Vectors | None) -> D.Diffusion:
    """The model of these flags; `words` are vectors that are not learnt.

    The network says x_0: the twelve numbers of a patch's noise, which ε and v would have to say
    again, hardly go through 16 channels.
    """
    vectors = told_by(words)
    levels = {"multiples": (1, 2), "attention": (1,), "patch": 2}
    network = Denoiser(3, width=args.width, **levels, classes=len(P.WORDS), vectors=vectors)
    return D.Diffusion(network, D.cosine(args.chain), predicts="data").to(args.device)


def draw(args: argparse.Namespace, model: D.Diffusion, combos: np.ndarray, seed: int) -> np.ndarray:
    """A picture of each combination (N, 3), (N, 3, 28, 28), by DDIM."""
    told = Tensor(P.words_of(combos), device=args.device)
    shape = (len(combos), 3, P.SIDE, P.SIDE)
    x = minigen.randn(*shape, generator=Generator(seed), device=args.device)
    few = model.respaced(args.steps_to_draw)

    def some(rows: Tensor) -> Tensor:
        return D.ddim(few, x[rows], told[rows], guidance=args.guidance)

    return training.by_parts(some, Tensor(np.arange(len(x)), device=args.device), rows=100)


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


def judge_of(args: argparse.Namespace) -> Callable[[np.ndarray], np.ndarray]:
    """What reads the digit of cells (M, 14, 14), from 0 to 1: a classifier of small digits."""
    train = training.load_images(args)

    def framed(cells: np.ndarray) -> np.ndarray:
        return np.pad(cells[:, None], ((0, 0), (0, 0), (1, 1), (1, 1)))

    levels = (framed(P.small(train)) * 255).round().astype(np.uint8)
    halves = data.Images(f"{train.name}, halved", levels, train.labels, train.classes)
    judge = feature_classifier(halves, args.device)
    print(f"digits are read by {judge}", flush=True)
    return lambda cells: read(judge.model, 2 * framed(cells) - 1).labels


def score(
    args: argparse.Namespace, model: D.Diffusion, count: int = PICTURES
) -> Iterator[dict[str, float]]:
    """The shares of pictures of each split whose number, colour, digit, and all three are right, as
    they are found, and of real pictures made from test images. Standard errors are over phrases,
    for pictures of one fail together."""
    judge, rng = judge_of(args), np.random.default_rng(args.seed + 2)
    real = P.PhrasePictures(training.load_images(args, "test"))
    for split in P.SPLITS:
        combos = P.combinations(split)
        asked = np.repeat(combos, -(-min(count, PICTURES) // len(combos)), 0)
        for name, pictures in (
            (f"{split} phrases, real pictures", real.draw(asked, rng)),
            (f"{split} phrases", draw(args, model, asked, args.seed + 3)),
        ):
            right = P.read_combinations(pictures, judge) == asked
            right = np.column_stack([right, right.all(1)])
            of_phrases = right.reshape(len(combos), -1, 4).mean(1)
            errors = of_phrases.std(0, ddof=1) / np.sqrt(len(combos))
            for part, mean, error in zip(
                ("number", "colour", "digit", "all"), right.mean(0), errors, strict=True
            ):
                yield {f"{name}, {part}": mean, f"{name}, {part}, error": error}


def flags() -> training.Parser:
    """The command line."""
    parser = training.Parser(
        __doc__,
        name="phrases",
        quick={"steps": 30, "width": 4, "batch_size": 8, "steps_to_draw": 3, "chain": 40},
        may_change=("steps", "steps_to_draw", "guidance", "ask"),
    )
    add = parser.add_argument
    add("--steps", type=whole(), default=10_000, help="training steps in all")
    parser.add_images(size=None, batch_size={"default": 16})
    add("--words", type=path, metavar="RUN",
        help="vectors of a run of word2vec.py, or of a file, instead of learnt ones")  # fmt: skip
    add("--guidance", type=number(least=0, most=100), default=2.0,
        help="w, how much plainer the phrase is than the network says")  # fmt: skip
    add("--steps-to-draw", type=whole(2, 10**5), default=10, help="steps of DDIM")
    add("--chain", type=whole(2, 10**5), default=1000, help="steps of the chain, T")
    add("--width", type=units, default=16, help="channels of the first level")
    add("--lr", type=rate, default=3e-3, help="learning rate of Adam")
    add("--fall", type=share, default=1.0, help="share of the steps in which --lr falls to 0")
    add("--decay", type=decay, default=0.999, help="of the weights' average that is drawn with")
    add("--ask", type=known_phrase, metavar="PHRASE", help="draw this phrase in asked.png")
    parser.refuse(
        lambda args: args.steps_to_draw > args.chain,
        "--steps-to-draw {steps_to_draw}: the --chain has {chain} alone",
    )
    parser.refuse(lambda args: args.width % 2 > 0, "--width must be even, not {width}")
    return parser


NEVER_SEEN = "training had no picture of those that are marked, but of each of their words."
READING = (
    "Most of the loss is noise that nobody could tell, so it soon stops falling. What counts is how"
    " many pictures of phrases never seen have the right number, colour and digit."
)


@training.script
def main() -> None:
    args, run = flags().open_run()

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
    shown = "Pictures drawn for each phrase, from always the same noise: " + NEVER_SEEN
    course = functools.partial(training.draw_course, run, {"loss": ["loss"]}, shown, READING)
    loop.at_save(functools.partial(course, seconds_per_frame=0.25))

    def sample(step: int) -> None:
        with average.average_parameters():
            grid_of_phrases = grid(args, model, {"train": "", "validation": " (never seen)"})
        training.save_image(run.path("samples", f"{step:06d}.png"), grid_of_phrases, scale=2)

    if loop.step == 0:
        sample(0)

    schedule = training.falling(optimiser, args.lr, loop.steps, loop.step, args.fall)
    for step in loop:
        batch = (Tensor(x, device=args.device) for x in pictures.batch(args.batch_size))
        loop.log(D.step(model, optimiser, *batch))
        schedule.step()
        average.update()
        if loop.every(max(50, args.steps // FRAMES)):
            sample(step)

    if not loop.interrupted:
        average.copy_to()
        drawn = grid(args, model, {"train": "", "test": " (never seen)"})
        caption = "Pictures drawn for each phrase: " + NEVER_SEEN
        training.save_image(run.path("phrases.png"), drawn, scale=2, caption=caption)
        if args.ask:
            combos = np.tile(P.combination_of(args.ask), (COLUMNS, 1))
            made = {args.ask: draw(args, model, combos, args.seed + 1)}
            asked = training.named_rows(made)
            caption = "Pictures drawn for the phrase on the left."
            training.save_image(run.path("asked.png"), asked, scale=4, caption=caption)
    training.finish(loop, "asked.png" if args.ask else "samples.gif", reading=READING)


if __name__ == "__main__":
    main()
