"""Measure how good the model of a run folder is: python demos/evaluate.py runs/gan [MORE RUNS]

The numbers are printed and stored in the folder's scores.json as they come; of several runs that
differ in their seed alone, mean and standard deviation are printed too. Images are measured in the
features of a classifier that is trained on the data set's training images once (some minutes) and
then kept: Fréchet distance, precision, recall, density and coverage of 10,000 generated images
against the test images, each beside its floor, which is what 10,000 training images get. A VAE is
measured by its bound and by log p(x) too, which takes long (--likelihood-images) and goes on where
it was interrupted; a diffusion model by its bound in bits a dimension, and by pictures of each
--draw; one of phrases by how many pictures are right; a BigGAN over truncation; an autoencoder by
its squared error; a StyleGAN also by what its styles do (see demos/scoring/styles.py). With --teach
a classifier is trained on images that were asked for by class, and reads test images. Definitions
are in minigen/metrics; no published figure is in these features, so none compares. Word vectors are
compared with people's judgements of similarity, and asked analogies (see demos/scoring/words.py).
Pictures made from pictures are measured by the truth, beside what needs no network (see
demos/scoring/translation.py). Of errors and distances less is better, of shares more.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import argparse
from collections.abc import Sequence

import numpy as np
from scoring import diffusion, encoders, gans, phrases, plane, translation, words
from scoring.scores import Score, Scores

from minigen import data, training
from minigen.backend import require_device
from minigen.training.builders.diffusion import sampler_and_steps
from minigen.training.common import short
from minigen.training.flags import device, path, whole
from minigen.training.pages import write_page
from minigen.training.trained import Trained


def of_words(trained: Trained, scores: Scores) -> None:
    """Agreement of word vectors with people's judgements."""
    scores.keep(words.evaluate(trained.model))


# By the name of the demo in the run's config: how it is scored.
SCORES: dict[str, Score] = {
    "autoencoder": encoders.of_autoencoder,
    "biggan": gans.of_biggan,
    "cyclegan": translation.of_translator(translation.of_cycle),
    "dcgan": gans.of_gan,
    "diffusion": diffusion.of_diffusion,
    "diffusion_2d": plane.of_walks,
    "discogan_modes": plane.of_modes,
    "gan": gans.of_gan,
    "mixture_gan": plane.of_mixture,
    "parabola_gan": plane.of_curve,
    "phrases": phrases.of_phrases,
    "pix2pix": translation.of_translator(translation.of_pairs),
    "stargan": translation.of_translator(translation.of_domains),
    "stylegan": gans.of_stylegan,
    "vae": encoders.of_vae,
    "wgan": gans.of_gan,
    "word2vec": of_words,
}
# Those in which --images has no effect: of points, of words, and where all test pictures are made.
ALL_OF_THEM = (
    "cyclegan", "diffusion_2d", "discogan_modes", "mixture_gan", "parabola_gan", "pix2pix",
    "stargan", "word2vec",
)  # fmt: skip


def evaluate(trained: Trained, flags: argparse.Namespace) -> tuple[str, Scores]:
    """Score one run, and store the scores in its folder; also gives its settings but the seed."""
    run, demo = trained.run, trained.demo
    scores = Scores(run, flags)
    print(run.folder)
    try:
        SCORES[demo](trained, scores)
    except data.DataError as error:
        if not scores:
            raise
        print(f"no more scores of {run.folder}: {error}")
    write_page(run.folder)
    left_out = ("demo", "seed", "image_shape", "class_count", "class_names")
    settings = (f"{k} {v}" for k, v in run.config.items() if k not in left_out)
    return f"{demo}: {', '.join(settings)}", scores


def over_runs(found: Sequence[Scores]) -> dict[str, str]:
    """Mean ± standard deviation over runs."""
    rows = {}
    for name in found[0]:
        values = [scores[name] for scores in found if name in scores]
        if len(values) == len(found):
            rows[name] = f"{np.mean(values):.4f} ± {np.std(values, ddof=1):.4f}"
    return rows


def flags() -> training.Flags:
    """The command line."""
    parser = training.Flags(__doc__)
    add = parser.add_argument
    add("runs", type=path, nargs="+", metavar="RUN", help="run folders")
    add("--images", type=whole(2, 10**6), default=10_000, help="images to measure")
    add("--samples", type=whole(1, 10**6), default=5000, help="latents an image, for a VAE")
    add("--likelihood-images", type=whole(1, 10**6),
        help="images for a VAE's log p(x), where fewer than --images shall do; for the bound of"
        " diffusion (500)")  # fmt: skip
    add("--draw", type=sampler_and_steps, nargs="+", metavar="SAMPLER:STEPS",
        help="how diffusion draws: ddim:50 heun:18 (as the run does)")  # fmt: skip
    add("--teach", action="store_true",
        help="train a classifier on drawn images alone, and read test images by it")  # fmt: skip
    add("--device", type=device, default="cpu", help="cpu, or cuda for an NVIDIA card")
    return parser


@training.script
def main() -> None:
    parser = flags()
    given, args = parser.given(), parser.parse_args()
    require_device(args.device)
    runs = [training.Run.read(folder) for folder in args.runs]  # all of them, before hours of work
    demos = [run.config.get("demo") for run in runs]
    for run, demo in zip(runs, demos, strict=True):
        if demo not in SCORES:
            known = ", ".join(SCORES)
            raise training.RunError(
                f"{run.folder}: expected a run of {known}, but its config.json says {short(demo)}"
            )
    models = [training.load(run.folder, args.device) for run in runs]
    for name, with_effect in (
        ("samples", "vae" in demos),
        ("likelihood_images", "vae" in demos or "diffusion" in demos),
        ("draw", "diffusion" in demos),
        ("teach", any(trained.classes for trained in models)),
        ("images", not set(demos) <= {*ALL_OF_THEM}),
    ):
        if name in given and not with_effect:
            flag = f"--{name.replace('_', '-')}"
            parser.error(f"{flag} has no effect on runs of {', '.join(demos)}: leave it out")

    found: dict[str, list[Scores]] = {}
    for trained in models:
        kind, scores = evaluate(trained, args)
        found.setdefault(kind, []).append(scores)
    for kind, all_scores in found.items():
        if len(all_scores) > 1:
            print(f"mean ± standard deviation over {len(all_scores)} runs of {kind}")
            for name, text in over_runs(all_scores).items():
                print(f"  {name:43} {text}")
    training.say_what_next(READING, ["explore.py", args.runs[0]])


READING = (
    "Of errors, distances and −log p less is better, of shares and bounds of log p more; a floor is"
    " what real data get, a baseline what needs no network."
)


if __name__ == "__main__":
    main()
