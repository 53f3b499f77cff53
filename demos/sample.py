"""Draw pictures by a trained diffusion model: python demos/sample.py digits --class 7

MODEL is digits, the model of handwritten digits that comes with the package (see
minigen/models/digits.py), or the folder of a run of demos/diffusion.py. Without --class each row is
a class, where there are any. A run is drawn as it was trained to be, if no flag says otherwise.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import argparse
import os
import time
from typing import Any

import diffusion
import numpy as np

from minigen import Tensor, optim, training
from minigen.backend import require_device
from minigen.models import digits
from minigen.models.diffusion import Diffusion
from minigen.training.common import short
from minigen.training.flags import device, new_file, number, path, seed, units, whole
from minigen.training.run import CHECKPOINT


def digits_that_ship(args: argparse.Namespace) -> tuple[Diffusion, list[int], int, dict[str, Any]]:
    """The model of the package, the shape of an image, how many classes, and how it is drawn."""
    how = {"sampler": "ddim", "steps": digits.STEPS, "guidance": digits.GUIDANCE}
    return digits.load(args.device), [1, 28, 28], 10, how


def of_run(args: argparse.Namespace) -> tuple[Diffusion, list[int], int, dict[str, Any]]:
    """The same of a run of demos/diffusion.py: its model with the averaged weights.

    Raises:
        RunError: it is no such run.
        CheckpointError: the checkpoint is not of the model that config.json describes.
    """
    run = training.Run.read(args.model)
    if run.config.get("demo") != "diffusion":
        found = short(run.config.get("demo"))
        raise training.RunError(f"{run.folder}: expected a run of diffusion, not of {found}")
    trained = diffusion.flags().settings_of(run)
    trained.device = args.device
    saved = training.load_checkpoint(run.folder / CHECKPOINT)
    try:
        shape, classes = run.config["image_shape"], run.config["class_count"]
        model = diffusion.build(trained, *shape[:2], classes)
        average = optim.ExponentialMovingAverage(model, 0, warm_up=True)
        average.load_state_dict(saved["state"]["average"])
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise training.CheckpointError(
            f"{run.folder}: the checkpoint is not of the model that config.json describes:"
            f" {' '.join(str(error).split())}"
        ) from error
    average.copy_to()
    how = {"sampler": trained.sampler, "steps": trained.steps_to_draw}
    how["guidance"] = trained.guidance
    return model, shape, classes if trained.conditional else 0, how


def grid(made: np.ndarray, labels: Tensor | None) -> np.ndarray:
    """Pictures (N, C, H, W) in rows, of a class each if there are several."""
    told = np.zeros(len(made)) if labels is None else labels.numpy()
    rows = [made[told == kind] for kind in dict.fromkeys(told.tolist())]
    if len(rows) == 1:
        return training.image_grid(made)
    columns = max(map(len, rows))
    white = np.ones_like(made[:1])
    padded = [np.concatenate([row, white.repeat(columns - len(row), 0)]) for row in rows]
    return training.image_grid(np.concatenate(padded), columns)


def flags() -> training.Flags:
    """The command line."""
    parser = training.Flags(__doc__)
    add = parser.add_argument
    add("model", type=path, metavar="MODEL", help="digits, or a run folder of demos/diffusion.py")
    add("--class", dest="classes", type=whole(0, 10**6), nargs="+", metavar="CLASS",
        help="what to draw, a row or more each (all)")  # fmt: skip
    add("--count", type=units, default=64, help="pictures in all")
    add("--seed", type=seed, default=0, help="of the noise")
    add("--sampler", choices=tuple(diffusion.SAMPLERS), help="how they are drawn")
    add("--steps", type=whole(2, 10**5), help="in how many steps")
    add("--guidance", type=number(least=0, most=100),
        help="w, how much plainer the class is than the network says")  # fmt: skip
    add("--out", type=new_file, default="sample.png", metavar="FILE", help="the picture, a PNG")
    add("--half", type=new_file, metavar="FILE",
        help="write the weights in half precision, too (.npz)")  # fmt: skip
    add("--device", type=device, default="cpu", help="cpu, or cuda for an NVIDIA card")
    parser.refuse(
        lambda args: bool(args.half) and not args.half.endswith(".npz"),
        "--half: expected a name that ends in .npz, not {half}",
    )
    return parser


@training.script
def main() -> None:
    parser = flags()
    args = parser.parse_args()
    require_device(args.device)
    if args.model != "digits" and not os.path.isdir(args.model):
        parser.error(f"expected digits, or a run folder that is there, not {short(args.model)}")
    load = digits_that_ship if args.model == "digits" else of_run
    model, shape, known, how = load(args)
    for name in how:
        if (given := getattr(args, name)) is not None:
            how[name] = given
    if wrong := [c for c in args.classes or () if c >= known]:
        there = f"the classes 0 to {known - 1}" if known else "no classes"
        parser.error(f"--class: {args.model} knows {there}, not {wrong}")
    if args.guidance and not known:
        parser.error(f"--guidance has no effect, for {args.model} knows no classes: leave it out")
    if how["sampler"] in diffusion.CHAINS and how["steps"] > len(model.schedule):
        parser.error(f"--steps: the chain has {len(model.schedule)} alone, not {how['steps']}")

    labels = training.rows_of(args.classes or range(known), args.count, args.device)
    noise = diffusion.noise_of(args, args.seed, (args.count, *shape))
    wanted = argparse.Namespace(device=args.device, seed=args.seed, guidance=how["guidance"])
    began = time.perf_counter()
    made = diffusion.draw(wanted, model, noise, labels, how["sampler"], how["steps"])
    seconds = time.perf_counter() - began
    training.save_image(args.out, grid(made.astype(np.float32), labels), scale=2)
    by = ", ".join(f"{name} {value}" for name, value in how.items())
    print(f"{args.count} pictures in {seconds:.1f} s ({by}): {args.out}")
    if args.half:
        digits.save(model, args.half)
        print(f"the weights, {os.path.getsize(args.half):,} bytes: {args.half}")


if __name__ == "__main__":
    main()
