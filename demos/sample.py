"""Use a trained model: python demos/sample.py RUN

RUN is the folder of a run of any demo, or digits, a model of handwritten digits that comes with the
package. What is not given is as the run has it. By kind:

    pictures of noise
        sample.py digits --class 7                    a grid; without --class each row is one
        sample.py RUN --count 500 --single FOLDER     a PNG each; with --out x.npy or x.npz an array
        sample.py RUN --interpolate --out way.gif     from noise to noise, or .mp4; with several
                                                      --class from class to class
        sample.py digits --sampler heun --steps 8 --guidance 2
        sample.py RUN --truncation 0.5                BigGAN: noise cut off; StyleGAN: ψ
        sample.py RUN --phrase "two red fives"        of a run of demos/phrases.py
        sample.py RUN --reconstruct                   VAE, autoencoder, latents: test images again
        sample.py RUN --traverse                      what each latent does
    pictures of pictures
        sample.py RUN --inputs FOLDER --to twemoji    pix2pix, CycleGAN, StarGAN
    what is in pictures
        sample.py RUN --inputs FOLDER                 a classifier's word on each
    points
        sample.py RUN                                 over true ones
    words
        sample.py RUN --near music king               nearest neighbours
        sample.py RUN --analogy man king woman        man is to king as woman is to …
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import argparse
import os

from sampling import others, pictures
from sampling.files import ARRAYS, MOVING, ending

from minigen import training
from minigen.backend import require_device
from minigen.models import digits
from minigen.training.builders.diffusion import CHAINS, SAMPLERS
from minigen.training.builders.phrases import known_phrase
from minigen.training.common import short
from minigen.training.flags import device, folder, new_file, number, path, seed, units, whole
from minigen.training.trained import Drawing, DrawingDiffusion, DrawingVAE, Trained
from minigen.training.trained_kinds import (
    CycleGAN,
    Latents,
    Phrases,
    Plane,
    PlaneDiffusion,
    Reading,
    StarGAN,
    Translating,
    Words,
)
from minigen.training.video import MISSING, can_write_mp4

ALWAYS = ("model", "device")


def flags() -> training.Flags:
    """The command line."""
    parser = training.Flags(__doc__)
    add = parser.add_argument
    add("model", type=path, metavar="RUN", help="a run folder, or digits")
    add("--class", dest="classes", type=whole(0, 10**6), nargs="+", metavar="CLASS",
        help="what to draw, a row or more each (all)")  # fmt: skip
    add("--phrase", type=known_phrase, nargs="+", help="what to draw, in words")
    add("--count", type=units, help="pictures in all (64; 8 of each class; 16 that move; 10 of"
        " each model; all inputs), points (1500), words (10)")  # fmt: skip
    add("--seed", type=seed, default=0, help="of the noise")
    add("--sampler", choices=tuple(SAMPLERS), help="how diffusion draws")
    add("--steps", type=whole(2, 10**5), help="in how many steps it does")
    add("--guidance", type=number(least=0, most=100),
        help="w, how much plainer the class is than the network says")  # fmt: skip
    add("--truncation", type=number(least=0, most=100), help="how far noise or styles may go")
    add("--interpolate", action="store_true", help="an animation: --out x.gif or x.mp4")
    add("--reconstruct", action="store_true", help="test images, and what is made of their codes")
    add("--traverse", action="store_true", help="one latent at a time")
    add("--inputs", type=folder, metavar="FOLDER", help="pictures to make others of, or to read")
    add("--to", metavar="DOMAIN", help="into which domain (each)")
    add("--near", nargs="+", metavar="WORD", help="show the words that are nearest to these")
    add("--analogy", nargs=3, metavar=("A", "B", "C"), help="A is to B as C is to what?")
    add("--out", type=new_file, default="sample.png", metavar="FILE",
        help="the picture, a PNG; an array, .npy or .npz; what moves, .gif or .mp4")  # fmt: skip
    add("--single", type=path, metavar="FOLDER", help="a PNG of each picture, in this folder")
    add("--half", type=new_file, metavar="FILE",
        help="write the weights in half precision, too (.npz)")  # fmt: skip
    add("--device", type=device, default="cpu", help="cpu, or cuda for an NVIDIA card")
    refuse_names_of_files(parser)
    parser.refuse(
        lambda args: sum((args.interpolate, args.reconstruct, args.traverse)) > 1,
        "--interpolate, --reconstruct and --traverse are three pictures: give one of them",
    )
    return parser


def refuse_names_of_files(parser: training.Flags) -> None:
    """Refuse names that do not say what is in the file."""
    parser.refuse(
        lambda args: bool(args.half) and not args.half.endswith(".npz"),
        "--half: expected a name that ends in .npz, not {half}",
    )
    parser.refuse(
        lambda args: args.interpolate and ending(args.out) not in MOVING,
        "--interpolate is an animation: give --out a name that ends in .gif or .mp4, not {out}",
    )
    parser.refuse(
        lambda args: not args.interpolate and ending(args.out) not in (".png", *ARRAYS),
        "--out: expected a name that ends in .png, .npy or .npz, not {out}",
    )
    parser.refuse(
        lambda args: args.traverse and ending(args.out) != ".png",
        "--traverse is one picture: give --out a name that ends in .png, not {out}",
    )
    parser.refuse(lambda args: ending(args.out) == ".mp4" and not can_write_mp4(), MISSING)


def known_flags(model: Trained) -> set[str]:
    """Those that have an effect with a model."""
    known = {"seed", "count", "out"}
    if isinstance(model, Drawing):
        known |= {"single", "interpolate", *model.options}
        known |= {"classes"} if model.classes else set()
        known -= set() if model.classes or isinstance(model, Phrases) else {"guidance"}
        known |= {"phrase"} if isinstance(model, Phrases) else set()
        known |= {"reconstruct", "traverse"} if isinstance(model, DrawingVAE) else set()
        known |= {"half"} if isinstance(model, DrawingDiffusion) else set()
    if isinstance(model, Translating):
        known = {"inputs", "count", "out", "single"}
        known |= {"to"} if isinstance(model, CycleGAN | StarGAN) else set()
    if isinstance(model, PlaneDiffusion):
        known |= {"steps"}
    if isinstance(model, Latents):
        known |= {"reconstruct", "single"}
    if isinstance(model, Reading):
        known = {"inputs", "count"}
    return {"near", "analogy", "count"} if isinstance(model, Words) else known


def refuse_what_it_cannot(
    parser: training.Flags, args: argparse.Namespace, given: set[str], model: Trained
) -> None:
    """End the program with a line if a flag asks for what the model does not do."""
    for name in sorted(given - {*ALWAYS} - known_flags(model)):
        flag = parser.flags[name].option_strings[0]
        what = f"{args.model}, a run of {model.demo}, which {model.does}"
        if name in ("classes", "guidance") and isinstance(model, Drawing):
            what = f"{args.model}, which knows no classes"
        parser.error(f"{flag} has no effect on {what}: leave it out")
    known = len(model.classes)
    if wrong := [c for c in args.classes or () if c >= known]:
        parser.error(f"--class: {args.model} knows the classes 0 to {known - 1}, not {wrong}")
    if isinstance(model, Translating | Reading) and not args.inputs:
        parser.error(f"{args.model}, a run of {model.demo}, {model.does}: give --inputs FOLDER")
    if args.to and args.to not in model.domains:
        parser.error(f"--to: {args.model} knows {', '.join(model.domains)}, not {short(args.to)}")
    if isinstance(model, Words) and not (args.near or args.analogy):
        parser.error(f"{args.model} knows words: give --near WORD or --analogy A B C")
    if isinstance(model, DrawingDiffusion):
        how = pictures.how_drawn(args, model)
        if how.get("sampler", "ddim") in CHAINS and how["steps"] > len(model.model.schedule):
            chain = len(model.model.schedule)
            parser.error(f"--steps: the chain has {chain} alone, not {how['steps']}")


def draw(args: argparse.Namespace, model: Trained) -> None:
    """Make what the flags ask for."""
    if isinstance(model, Translating):
        others.of_inputs(args, model)
    elif isinstance(model, Plane):
        others.of_plane(args, model)
    elif isinstance(model, Words):
        others.of_words(args, model)
    elif isinstance(model, Reading):
        others.of_readings(args, model)
    elif isinstance(model, Latents):
        others.of_models(args, model)
    elif args.reconstruct:
        pictures.of_reconstructions(args, model)
    elif args.traverse:
        pictures.of_traversals(args, model)
    elif args.interpolate:
        pictures.of_way(args, model)
    else:
        pictures.of_noise(args, model)


@training.script
def main() -> None:
    parser = flags()
    given, args = parser.given(), parser.parse_args()
    require_device(args.device)
    if args.model != "digits" and not os.path.isdir(args.model):
        parser.error(f"expected digits, or a run folder that is there, not {short(args.model)}")
    model = training.load(args.model, args.device)
    refuse_what_it_cannot(parser, args, {*given}, model)
    draw(args, model)
    if args.half:
        digits.save(model.model, args.half)
        print(f"the weights, {os.path.getsize(args.half):,} bytes: {args.half}")


if __name__ == "__main__":
    main()
