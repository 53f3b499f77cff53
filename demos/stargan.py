"""Train StarGAN: one generator that draws a picture in any of several domains (Choi et al. 2018).

Emoji in six skin tones (of two hands, in twelve domains: --domains 'noto yellow' 'twemoji dark' …),
grey images in colours, inverted and turned (--data mnist), or your own folder, whose subfolders are
the domains. Nothing tells which pictures belong together. Of emoji each content is there in all
domains, for they are few; with --disjoint, and always of images, each content is in one domain
alone.

The run folder gets held-out pictures as training goes on (samples/ and samples.gif): a row of
inputs, then for each domain a row of what was made and, where it is known, one of the truth; the
curves, config.json and checkpoint.npz. demos/evaluate.py measures the run on test pictures beside
the input itself, the mean picture of the domain, and a table of colours that is fitted on pairs.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

from collections.abc import Mapping

import numpy as np

import minigen
from minigen import Tensor, data, training
from minigen.data import Domains, Images
from minigen.data.tasks import from_levels
from minigen.metrics.pictures import absolute_error
from minigen.training.builders.stargan import build, drawn_with, flags, load, pictures, translated
from minigen.training.translation import CHECKED, SHOWN


def some_of(found: Domains | Images, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Held-out inputs, `count` at most, of one domain after the other.

    Returns:
        (N, C, H, W) from −1 to 1, their domains (N,), and where each content, or picture, is, (N,).
    """
    rng = np.random.default_rng(0)
    if isinstance(found, Images):
        by_domain = [rng.permutation(np.flatnonzero(found.labels == d))
                     for d in range(len(found.classes))]  # fmt: skip
        rows = np.array([some[i] for i in range(count) for some in by_domain if i < len(some)])
        return found.scaled()[rows[:count]], found.labels[rows[:count]], rows[:count]
    rows = rng.permutation(len(found))[:count]
    of = np.arange(len(rows)) % len(found.domains)
    return from_levels(found.images[rows, of]), of, rows


READING = (
    "−log p(domain): domain_made falls as made pictures are read as of the domain asked for,"
    " domain_real is that of real ones. The gap falls as the judge finds made pictures as real as"
    " real ones. {checked}"
)
CHECKS = {
    "held-out error": "held-out error is the mean distance from the truth, from 0 to 1: the lower,"
    " the better.",
    "change": "change is the mean distance from what was given, from 0 to 1.",
}


@training.script
def main() -> None:
    args, run = flags(__doc__).open_run()

    minigen.manual_seed(args.seed)
    train, held = load(args), load(args, "validation")
    seen = pictures(args, train)
    training.fit_batches(run, args, {"pictures to train with": len(seen)})
    channels, size = seen.images.shape[1:3]
    count = len(seen.classes)
    run.config["image_shape"] = [channels, size, size]
    batches = data.Batches(seen.images, seen.labels, batch_size=args.batch_size, seed=args.seed)
    model = build(args, channels, size)
    stream = batches.forever()

    def step(_: int) -> Mapping[str, Tensor]:
        real = [next(stream) for _ in range(args.critic_steps)]
        real = [(from_levels(training.augmented(args, x)), labels) for x, labels in real]
        return model.step(*(tuple(Tensor(a, device=args.device) for a in xy) for xy in real))

    x, of, places = some_of(held, CHECKED)
    others = (of + 1 + np.arange(len(of)) % (count - 1)) % count  # each of the other domains

    def rows() -> Mapping[str, np.ndarray]:
        shown = {"given": x[:SHOWN]}
        for d, name in enumerate(seen.classes):
            shown[f"made {name}"] = translated(args, model, x[:SHOWN], np.full(len(x[:SHOWN]), d))
            if isinstance(held, Domains):
                shown[f"true {name}"] = from_levels(held.images[places[:SHOWN], d])
        return shown

    def check() -> Mapping[str, float]:
        made = translated(args, model, x, others)
        if isinstance(held, Images):
            return {"change": float(abs(made - x).mean() / 2)}
        truth = from_levels(held.images[places, others])
        error = absolute_error(made / 2, truth / 2)
        return {"held-out error": held.taken(places).family_mean(error)}

    checked = "held-out error" if isinstance(held, Domains) else "change"
    panels = {
        "the judge's gap": ["gap"],
        "−log p(domain)": ["domain_real", "domain_made"],
        "reconstruction": ["reconstruction"],
        "held out": [checked],
    }
    training.train_translator(
        run, args, model, generators=drawn_with(model), batches={"batches": batches}, step=step,
        rows=rows, check=check, panels=panels, networks=[(model.judge, (channels, size, size))],
        what=f"{len(seen):,} pictures of {seen.name} in {count} domains",
        reading=READING.format(checked=CHECKS[checked]),
    )  # fmt: skip


if __name__ == "__main__":
    main()
