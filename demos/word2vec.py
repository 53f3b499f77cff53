"""Learn a vector for each word of a text, so that words used alike have vectors alike.

Without flags the text is the documentation that came with this installation. The run folder gets
the vectors (vectors.bin, which gensim and others open too), a map of frequent words (map.png), the
curve of the loss (curves.png, metrics.jsonl), config.json and checkpoint.npz. Ask for more with

    python demos/words.py RUN matrix              the nearest neighbours of a word
    python demos/words.py RUN king - man + woman  an analogy
    python demos/evaluate.py RUN                  how well they agree with people's judgements

With `mpiexec -n 2` two processes learn it, each from its part of the text.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import argparse
import functools
import time
import zlib

from minigen import training
from minigen.data import DataError
from minigen.data.text import Corpus, corpus
from minigen.data.vectors import FREQUENT, Vectors
from minigen.models.word2vec import Predictor, Word2Vec
from minigen.training import ranks
from minigen.training.builders.word2vec import SAMPLED, flags
from minigen.training.pages import write_page
from minigen.training.wordmap import save_word_map

ON_THE_MAP = 400
PROBES = (
    "eigenvalues", "matrix", "thread", "string", "colour", "plot", "random", "integer",
    "king", "france", "water", "music", "three", "doctor", "juice", "monday",
)  # fmt: skip
ANALOGIES = (
    ("row", "rows", "column"), ("min", "max", "minimum"), ("integer", "integers", "string"),
    ("man", "king", "woman"), ("france", "paris", "italy"), ("good", "better", "bad"),
)  # fmt: skip


def build(args: argparse.Namespace, text: Corpus) -> Predictor | Word2Vec:
    """The model of these flags for the words of a text."""
    options = {
        "dim": args.dim, "window": args.window, "sample": args.sample, "seed": args.seed,
        "device": args.device, "lr": args.lr,
    }  # fmt: skip
    if args.model not in SAMPLED:
        return Predictor(text.counts, model=args.model, **options)
    options |= {"negative": args.negative, "bias": args.bias, "workers": args.workers}
    return Word2Vec(text.counts, model=args.model, **options)


@training.script
def main() -> None:
    args, run = flags(__doc__).open_run()

    print(f"reading {args.corpus} …", flush=True)
    started = time.perf_counter()
    text = corpus(args.corpus, args.min_count, as_is=args.as_is, limit=args.limit)
    print(
        f"{len(text):,} words of {text.name}, {text.types:,} different ones, of which"
        f" {len(text.words):,} get a vector; read in {time.perf_counter() - started:.0f} s;"
        f" the run folder is {run.folder}"
    )
    ranks.require_same("text", zlib.crc32("\n".join(text.words).encode(), len(text)))
    model = build(args, text)
    run.config |= {"lr": model.lr, "vocabulary": len(text.words)}
    size = min(model.words_a_step, len(text))
    per_epoch = -(-len(text) // size)
    loop = training.Loop(
        run,
        steps=args.epochs * per_epoch,
        state={"model": model},
        log_every=max(1, min(20, args.epochs * per_epoch // 50)),
        save_every=max(1, 10_000_000 // size),
    )
    panels = {"loss of a pair": ["loss"]}
    loop.at_save(functools.partial(training.draw_course, run, panels, curves=READING))

    words, clock = 0, time.perf_counter()
    for step in loop:
        first = (step - 1) % per_epoch * size
        rows = text.read(first, size)
        metrics = model.step(rows, step, done=(step - 1) / loop.steps, end=step / loop.steps)
        if not metrics.pop("pairs"):
            if step == 1:  # a later step may be the few words that end a long text
                raise DataError(
                    f"no two of the first {len(rows):,} words of {text.name} are in sight of each"
                    " other, once frequent words are dropped: give more text, or --sample 0"
                )
            del metrics["loss"]
        words += min(size, len(text) - first)
        speed = words / (time.perf_counter() - clock)
        loop.log({**metrics, "kwords/s": speed / 1000})

    seconds = time.perf_counter() - clock
    print(f"{words:,} words in {seconds:.0f} s, {words / max(seconds, 1e-9):,.0f} words/s")
    vectors, interrupted = Vectors(text.words, model.vectors()), loop.interrupted
    del model, loop  # what follows needs the memory of the tables
    keep(run, vectors, text=args.text)
    if interrupted:
        print(f"to go on: {training.resume_command(run)}")
    else:
        training.say_what_next(READING, ["evaluate.py", str(run.folder)])


def keep(run: training.Run, vectors: Vectors, *, text: bool) -> None:
    """Save the vectors, as text if asked to, draw the frequent ones, and say what they know."""
    path = run.path("vectors.txt" if text else "vectors.bin")
    vectors.save(path, text=text)
    shown = vectors.words[:ON_THE_MAP]
    save_word_map(run.path("map.png"), shown, vectors.vectors[:ON_THE_MAP])
    write_page(run.folder)
    show(vectors)
    print(f"the vectors are in {path}, a map of frequent words in {run.folder}/map.png")


READING = (
    "The loss, in nats of a pair of words, falls as a word's true neighbours are told from others."
    " How good the vectors are it does not say; neighbours and analogies do."
)


def show(vectors: Vectors) -> None:
    """Nearest neighbours of some words, and some analogies, of those that are known."""
    known = [word for word in PROBES if word in vectors][:8] or vectors.words[100:600:100]
    width = max(map(len, known), default=0)
    print("\nnearest neighbours, with the cosine")
    for word in known:
        near = vectors.most_similar(word, count=5, restrict=FREQUENT)
        print(f"  {word:{width}}  " + "  ".join(f"{w} {s:.2f}" for w, s in near))
    questions = [q for q in ANALOGIES if all(word in vectors for word in q)]
    if questions:
        print("analogies")
    for a, b, c in questions:
        best = vectors.analogy(a, b, c, count=3, restrict=FREQUENT)
        print(f"  {a} : {b} = {c} : " + ", ".join(word for word, _ in best))
    print()


if __name__ == "__main__":
    main()
