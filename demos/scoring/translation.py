"""Scores of pictures made from pictures, beside their truths and beside what needs no network: of
runs of `demos/pix2pix.py`, `demos/cyclegan.py`, `demos/stargan.py`.

Errors are means over families of the mean absolute error of a picture, in RGB from 0 to 1; over the
ink, of the pixels alone that are no background in the input's domain or the truth's. "Partner
first" is the share of families whose true partner is nearest among all test families' partners, one
picture of each, in pixels and in features. Of errors and distances less is better, of shares and
gains more. Features are those of a classifier that tells families, or the classes of images, and
was trained on training pictures. The kernel distance and the distances of histograms, of steepness
and of each colour channel in CIE L*a*b*, compare made pictures with true ones, whatever belongs to
what: the histograms all of them, the kernel distance one of each family, so that none depend on one
another, in features divided by their root mean square. Its floor is validation pictures beside test
pictures. "Nearest" is the truth of the training input that is nearest to the input; a copy is
"placed" where all are zoomed and moved alike, as fits training pairs best, which a table of colours
is fitted on, too, or, without pairs, the mean pictures of both domains; "gain over copy" is the
mean gain of a family over the input itself, in its own standard errors, of a bootstrap over
families.
"""

from __future__ import annotations

import argparse
import functools
import itertools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from scipy.optimize import linear_sum_assignment

from minigen import Generator, Tensor, data, training
from minigen.data import Domains, Images
from minigen.data.tasks import FACTOR, LUMA, diffused, from_levels, hole_masks, small
from minigen.data.variants import COLOURS, VARIANTS
from minigen.metrics import pictures as P
from minigen.metrics.baselines import best_place, colour_reader, colour_table
from minigen.metrics.neighbours import nearest
from minigen.models.cyclegan import cycle_error, noisy, rounded
from minigen.models.features import Judge, Reading, feature_classifier, read
from minigen.training.flags import is_folder
from minigen.training.trained import Trained
from minigen.training.translation import DOMAINS
from scoring.scores import Scores

STEEPEST = 0.7  # of the histogram of steepness; steeper ones are counted there
DEVIATIONS = (0.01, 0.02, 0.05)  # of the noise on pictures that are to come back
TESTED, LEARNT = 2000, 5000  # contents at most: to test with, and to look for the nearest in
PLACED = 500  # pairs by which copies are zoomed and moved
COPIES = ("copy", "copy, placed")
EPOCHS = 20  # of the classifiers of families and of domains, which are many


def first_of_each(domains: Domains) -> np.ndarray:
    """The place of the first content of each family."""
    return np.unique(domains.families, return_index=True)[1]


class Truth(NamedTuple):
    """True test pictures (N, C, H, W) from 0 to 1, and what they are compared by."""

    pictures: np.ndarray
    domains: Domains
    where: np.ndarray  # (N, H, W), the pixels that are ink, or in the hole
    place: str  # which that is
    squared: bool  # whether errors are squared, as where there is one right answer

    @property
    def one_of_each(self) -> np.ndarray:
        """The place of one picture of each family."""
        return first_of_each(self.domains)


class Known(NamedTuple):
    """What a classifier makes of pictures."""

    judge: Judge
    domain: str  # the pictures', for `as_white`
    size: float  # the root mean square of the true ones' features
    truth: np.ndarray  # these
    floor: np.ndarray  # those of validation pictures, one of each family
    labels: np.ndarray | None  # the classes of the contents, where they are among those it tells

    def seen(self, made: np.ndarray) -> Reading:
        """Features and classes of pictures from 0 to 1."""
        found = read(self.judge.model, as_white(self.domain, np.asarray(made, np.float32) * 2 - 1))
        return found._replace(features=found.features / self.size)


def in_pixels(made: np.ndarray, truth: Truth) -> dict[str, float]:
    """The scores that need no features."""
    error = P.squared_error if truth.squared else P.absolute_error
    name, one = "squared error" if truth.squared else "error", truth.one_of_each
    inside = error(made, truth.pictures, truth.where)
    found = {
        name: truth.domains.family_mean(error(made, truth.pictures)),
        f"{name} {truth.place}": truth.domains.taken(~np.isnan(inside)).family_mean(
            inside[~np.isnan(inside)]
        ),
        "partner first": P.retrieval(made[one], truth.pictures[one]),
        "steepness": P.histogram_distance(
            P.gradient_magnitude(made), P.gradient_magnitude(truth.pictures), 0, STEEPEST
        ),
    }
    if made.shape[1] == 3:
        colours = [np.moveaxis(P.lab(x), 1, -1)[truth.where] for x in (made, truth.pictures)]
        for i, (axis, ends) in enumerate(P.LAB_RANGES.items()):
            a, b = (part[:, i] for part in colours)
            found[f"colours, {axis}"] = P.histogram_distance(a, b, *ends)
    return found


def in_features(made: np.ndarray, truth: Truth, known: Known) -> dict[str, float]:
    """The scores in features."""
    seen, one = known.seen(made), truth.one_of_each
    found = {
        "partner first, features": P.retrieval(seen.features[one], known.truth[one]),
        "kernel distance": P.kernel_distance(known.truth[one], seen.features[one]),
    }
    if known.labels is not None:
        found["label kept"] = float((seen.labels == known.labels).mean())
        table = np.zeros((seen.labels.max() + 1, known.labels.max() + 1))
        np.add.at(table, (seen.labels, known.labels), 1)
        kept = table[linear_sum_assignment(-table)].sum() / len(made)
        found["label kept, if labels are exchanged"] = float(kept)
    return found


def known_of(args: argparse.Namespace, truth: Truth, floor: Domains) -> Known:
    """The classifier for test pictures of a run, and what it makes of the true ones. It is the same
    for all runs with a data set's domains, whatever they are trained with.

    Raises:
        DataError: there is none, or it knows nothing.
    """
    labels = None
    if args.data in DOMAINS or is_folder(args):
        every = argparse.Namespace(**vars(args) | {"limit": None, "domains": sorted(args.domains)})
        style = args.data in DOMAINS or getattr(args, "task", "style") == "style"
        train = (training.load_pairs if style else training.load_truths)(every, "train")
        names, which = np.unique(train.families, return_inverse=True)
        labels = np.tile(which, len(train.domains))
        told = f"{train.name} families", train.pictures().images, labels, tuple(map(str, names))
        judge, labels = feature_classifier(Images(*told), args.device, EPOCHS), None
    else:
        images, test = data.load(args.data, "train"), data.load(args.data, "test")
        judge = feature_classifier(images, args.device)
        labels = test.labels[: len(truth.pictures)]
    print(f"features: those of {judge}", flush=True)
    known = Known(judge, truth.domains.domains[-1], 1.0, np.empty(0), np.empty(0), labels)
    real = known.seen(truth.pictures).features
    known = known._replace(size=float(np.sqrt((real**2).mean(dtype=np.float64))) or 1.0)
    held = floor.images[first_of_each(floor), -1] / np.float32(255)
    return known._replace(truth=real / known.size, floor=known.seen(held).features)


def scored(
    ways: Mapping[str, np.ndarray],
    truth: Truth,
    known: Callable[[], Known],
    keep: Callable[[Mapping[str, float]], None],
) -> None:
    """Score pictures made in several ways, by name, the first of which has none; keep all that is
    in pixels first."""
    for way, made in ways.items():
        keep({_named(k, way): v for k, v in in_pixels(made, truth).items()})
    for way in [way for way in ways if way.startswith("copy")]:
        keep(gains(ways[""], ways[way], truth, way))
    found = known()
    for way, made in ways.items():
        keep({_named(k, way): v for k, v in in_features(made, truth, found).items()})
    keep({"kernel distance, floor": P.kernel_distance(found.truth[truth.one_of_each], found.floor)})


def _named(score: str, way: str) -> str:
    return f"{score}: {way}" if way else score


def gains(made: np.ndarray, copy: np.ndarray, truth: Truth, way: str) -> dict[str, float]:
    """By how many paired standard errors, of a bootstrap over families, pictures are better than
    copies of a way."""
    one = truth.one_of_each
    errors = [truth.domains.by_family(P.absolute_error(x, truth.pictures)) for x in (copy, made)]
    found = [P.is_nearest(x[one], truth.pictures[one]).astype(float) for x in (made, copy)]
    better = {"error": errors, "partner first": found}
    return {
        f"{name}, gain over {way} / its s.e.": P.paired_gain(a, b)
        for name, (a, b) in better.items()
    }


def copies(inputs: np.ndarray, known: np.ndarray, truths: np.ndarray) -> dict[str, np.ndarray]:
    """What needs no network, of inputs that are pictures themselves, levels (N, C, H, W): as they
    are, all at the best place, with other colours; the latter as `known` and `truths` fit best."""
    some = np.random.default_rng(0).permutation(len(known))[:PLACED]
    rows, columns = best_place(known[some] / 255, truths[some] / 255)
    placed = rows @ (inputs / 255) @ columns.T
    ways = inputs / 255, placed, colour_table(known, truths)(inputs)
    return dict(zip((*COPIES, "table of colours"), ways, strict=True))


def bicubic(pictures: np.ndarray) -> np.ndarray:
    """Levels (N, C, H, W) made small and enlarged again, from 0 to 1, by Pillow."""
    found = np.empty(pictures.shape, np.float32)
    for i, channels in enumerate(small(pictures)):
        for c, plane in enumerate(channels):
            size = tuple(FACTOR * side for side in plane.shape[::-1])
            found[i, c] = Image.fromarray(plane).resize(size, Image.Resampling.BICUBIC)
    return (found / 255).clip(0, 1)


def with_mean_chroma(light: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """Lightness (N, 1, H, W) from −1 to 1 with the mean colour of training pictures."""
    levels = truths.mean((0, 2, 3), dtype=np.float64) / 255
    shift = levels - levels @ LUMA
    return ((light + 1) / 2 + shift[:, None, None]).clip(0, 1)


def of_pairs(kind: Any, args: argparse.Namespace, model: Any, keep: Any) -> None:
    """Score a run of pix2pix, whose model is restored."""
    train, test = kind.load(args), kind.load(args, "test").taken(slice(TESTED))
    x, y = kind.held_out(args, test.images)
    domains = Domains(test.name, test.images[:, -1:], test.domains[-1:], test.families)
    places = np.random.default_rng(0).random((len(y), 2))
    some = train.taken(np.random.default_rng(0).permutation(len(train))[:LEARNT])
    real, levels = (y + 1) / 2, some.images[:, -1]
    if args.task == "inpaint":
        truth = Truth(real, domains, hole_masks(y.shape[-1], places), "in the hole", True)
    else:
        pair = [real, (x + 1) / 2] if args.task == "style" else [real]
        truth = Truth(real, domains, P.ink(*pair), "over ink", args.task != "style")
    ways = {"": (kind.draw(args, model, x) + 1) / 2}
    if args.dropout:
        ways["without dropout" if not args.quiet else "with dropout"] = (
            kind.draw(args, model, x, args.quiet) + 1
        ) / 2
    known, _ = kind.held_out(args, some.images)
    if args.task == "style":
        ways |= copies(test.images[:, 0], some.images[:, 0], levels)
    if args.task == "colour":
        ways["grey, mean chroma"] = with_mean_chroma(x, levels)
    if args.task == "enlarge":
        ways["bicubic"] = bicubic(test.images[:, -1])
    if args.task == "inpaint":
        ways |= {"diffused border": diffused(real, places), "filled": (x[:, :-1] + 1) / 2}
    ways["mean picture"] = np.broadcast_to(levels.mean(0) / 255, y.shape)
    ways["nearest"] = levels[nearest(x, known)] / 255
    keep({"test pictures": len(y), "test families": len(truth.one_of_each)})
    floor = kind.load(args, "validation").taken(slice(TESTED))
    scored(ways, truth, lambda: known_of(args, truth, floor), keep)


def of_cycle(kind: Any, args: argparse.Namespace, model: Any, keep: Any) -> None:
    """Score a run of cyclegan, whose model is restored."""
    test, paired = kind.held_out(args, "test")
    test = test.taken(slice(TESTED))
    x, y = (from_levels(test.images[:, side]) for side in (0, 1))

    def by(function: Callable[[Tensor], Tensor], seen: np.ndarray) -> np.ndarray:
        return training.by_parts(function, Tensor(seen, device=args.device), 100)

    keep({"test pictures": len(x), "test families": len(np.unique(test.families))})
    for there, back, seen, target, made_in in (
        (model.draw, model.draw_back, x, y, args.domains[1]),
        (model.draw_back, model.draw, y, x, args.domains[0]),
    ):
        arrow = f"to {made_in}: "
        damages = {"": lambda made: made, ", 8 bits": rounded}
        for deviation in DEVIATIONS:
            damages[f", noise {deviation}"] = functools.partial(
                noisy, deviation=deviation, generator=Generator(0)
            )
        for name, damage in damages.items():
            # Halved, from −1 to 1 to 0 to 1.
            error = by(functools.partial(cycle_error, there, back, damage=damage), seen) / 2
            keep({f"{arrow}cycle error{name}": test.family_mean(error)})
        if paired:
            error = P.absolute_error(by(back, target) / 2, seen / 2)
            keep({f"{arrow}error back from the truth": test.family_mean(error)})
    if not paired:
        return
    train, floor = (training.load_pairs(args, split) for split in ("train", "validation"))
    for there, side in (model.draw, 1), (model.draw_back, 0):
        seen, real = ((x, y)[i] / 2 + 0.5 for i in (1 - side, side))
        columns = [1 - side, side]
        names = tuple(args.domains[i] for i in columns)
        domains = Domains(test.name, test.images[:, side:][:, :1], names[1:], test.families)
        truth = Truth(real, domains, P.ink(real, seen), "over ink", False)
        ways = {
            "": by(there, 2 * seen - 1) / 2 + 0.5,
            **copies(test.images[:, 1 - side], *(train.images[:, i] for i in columns)),
            "mean picture": np.broadcast_to(train.images[:, side].mean(0) / 255, real.shape),
        }
        if args.start == "placed":  # where G begins
            place = kind.drawn_with(model)[1 - side][0]
            ways["copy, placed without pairs"] = by(place, 2 * seen - 1) / 2 + 0.5
        held = Domains(floor.name, floor.images[:TESTED, columns], names, floor.families[:TESTED])
        arrow = f"to {names[1]}: "
        scored(
            ways, truth, functools.partial(known_of, args, truth, held),
            lambda found, arrow=arrow: keep({arrow + k: v for k, v in found.items()}),
        )  # fmt: skip


def changes(source: str, target: str) -> str:
    """What a translation of StarGAN's changes, by which its scores are named: of emoji, whose
    domains are hands and tones, one of the two; "" if both."""
    names = [name.split(" ") for name in (source, target)]
    if len(names[0]) == 2:
        (hand, tone), (other, other_tone) = names
        return "tone" if hand == other else "hand" if tone == other_tone else ""
    return next((name for name in ("turned", "inverted") if name in (source, target)), "colour")


def as_white(domain: str, images: np.ndarray) -> np.ndarray:
    """Images (N, C, H, W), −1 to 1, of a domain of `variants` as white on black, (N, 1, H, W), for
    a classifier of these; of another domain as they are."""
    if domain not in VARIANTS:
        return images
    if domain in COLOURS and domain != "white":
        return images.max(1, keepdims=True)
    grey = images.mean(1, keepdims=True)
    if domain == "turned":
        return np.ascontiguousarray(np.rot90(grey, -1, axes=(2, 3)))
    return -grey if domain == "inverted" else grey


IsRead = Callable[[np.ndarray, int], np.ndarray]  # which pictures seem to be of the domain


def domain_reader(args: argparse.Namespace, seen: Images) -> IsRead:
    """Tells of pictures (N, C, H, W), −1 to 1, which are taken for the domain of this number."""
    if args.data == "emoji":
        by_colours = colour_reader(seen.images, seen.labels)
        return lambda x, domain: by_colours(((x + 1) * 127.5).round().astype(np.uint8)) == domain
    judge = feature_classifier(seen, args.device, EPOCHS)
    return lambda x, domain: read(judge.model, x.astype(np.float32)).labels == domain


def without_truths(
    test: Images, to: Callable[[np.ndarray, int], np.ndarray], is_read: IsRead
) -> dict[str, float]:
    """What can be said of pictures whose contents are in one domain each."""
    x, rows = test.scaled(), []
    for d in range(len(test.classes)):
        own, others = (x[(test.labels == d) == mine] for mine in (True, False))
        made = to(others, d)
        shares = is_read(own, d).mean(), is_read(made, d).mean()
        rows.append((*shares, abs(made - others).mean() / 2))
    names = "domain read, real pictures", "domain read", "change"
    return {"test pictures": len(x), **dict(zip(names, np.mean(rows, axis=0), strict=True))}


def beside_truths(
    train: Domains,
    test: Domains,
    s: int,
    t: int,
    made: np.ndarray,
    right: np.ndarray,
    is_read: IsRead,
) -> dict[str, float]:
    """Scores of what was made of domain s for domain t, beside what needs no network; `right` says
    which of the truths are read rightly."""
    x, one = test.scaled(), first_of_each(test)
    truth, found_in = x[:, t], is_read(made, t)
    table = colour_table(train.images[:, s], train.images[:, t])
    tabled = 2 * table(test.images[:, s]) - 1
    mean = from_levels(train.images[:, t].mean(0))
    row = {
        "domain read": float(found_in.mean()),
        "domain read, of those whose truth is": float(found_in[right].mean()),
        "domain read: table of colours": float(is_read(tabled, t).mean()),
        "partner first": P.retrieval(made[one], truth[one]),
        "partner first: copy": P.retrieval(x[one, s], truth[one]),
    }
    for way, pictures in (
        ("error", made),
        ("error: copy", x[:, s]),
        ("error: mean of the domain", np.broadcast_to(mean, truth.shape)),
        ("error: table of colours", tabled),
    ):
        row[way] = test.family_mean(P.absolute_error(pictures / 2, truth / 2))
    return row


def of_domains(kind: Any, args: argparse.Namespace, model: Any, keep: Any) -> None:
    """Score a run of stargan, whose model is restored.

    "Domain read" is the share of made pictures that a classifier takes for the domain asked for,
    after real training pictures: of emoji one by colours alone, which reads more of the real ones
    than a network does; "of those whose truth is", the share of them where it reads the true one
    rightly. A table of colours is fitted on pairs of training pictures.
    """
    train, test = kind.load(args), kind.load(args, "test")
    is_read = domain_reader(args, kind.pictures(args, train))

    def to(seen: np.ndarray, domain: int) -> np.ndarray:
        return kind.translated(args, model, seen, np.full(len(seen), domain))

    if isinstance(test, Images):
        keep(without_truths(test, to, is_read))
        return
    x, numbers = test.scaled(), range(len(test.domains))
    keep({"test contents": len(x), "test families": len(first_of_each(test))})
    real = [is_read(x[:, d], d) for d in numbers]
    keep({"domain read, real pictures": float(np.mean(real))})
    reader = None if args.data == "emoji" else feature_classifier(kind.of_set(args, "train"))
    found: dict[str, list[dict[str, float]]] = {}
    for s, t in itertools.permutations(numbers, 2):
        if not (changed := changes(test.domains[s], test.domains[t])):
            continue
        made = to(x[:, s], t)
        row = beside_truths(train, test, s, t, made, real[t], is_read)
        if reader:
            white = as_white(test.domains[t], made).astype(np.float32)
            labels = kind.of_set(args, "test").labels[: len(test)]
            row["label kept"] = float((read(reader.model, white).labels == labels).mean())
        found.setdefault(changed, []).append(row)
    for changed, rows in found.items():
        keep({f"{changed}: {name}": float(np.mean([r[name] for r in rows])) for name in rows[0]})


def require_same(trained: Trained) -> None:
    """Refuse pictures that are not those the run was trained with.

    Raises:
        RunError: they are others.
    """
    for name, found in trained.builder.trained_with(trained.settings).items():
        arrays = found if isinstance(found, tuple) else (found,)
        here = data.Batches(*arrays, batch_size=1).state_dict()["data"]
        batches = trained.state.get(name)
        if not isinstance(batches, dict) or batches.get("data") != here:
            raise training.RunError(
                f"{trained.name} was trained with other pictures than those of"
                f" {trained.settings.data} here: see to it that they are the same"
            )


def of_translator(measure: Callable[..., None]) -> Callable[[Trained, Scores], None]:
    """The scores of pictures made from pictures, by one of the functions above."""

    def of_run(trained: Trained, scores: Scores) -> None:
        require_same(trained)
        measure(trained.builder, trained.settings, trained.model, scores.keep)

    return of_run
