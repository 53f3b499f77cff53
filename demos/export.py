"""Write the trained model of a run for other programs: python demos/export.py runs/gan model.onnx

RUN is a run folder of any demo whose model draws, translates or reads pictures, or draws points; or
digits, the model of handwritten digits that comes with the package. The file is ONNX, which
onnxruntime and many other programs run, or its weights alone, with the settings in the header, as
.safetensors. Of a model with several networks --part names another than the first one: the encoder
of a VAE, or the way back of a CycleGAN. Beside the file a page, model.md, says what it is, what
goes in and comes out, and how to run it. All chance is an input: noise, and masks of dropout.

Where onnxruntime is installed, the file is compared with this engine at three batch sizes first.
ONNX needs the package onnx: pip install "minigen[onnx]".
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

import json
from pathlib import Path

from minigen import training
from minigen.export import ENDINGS, ExportError, export
from minigen.training.common import short
from minigen.training.flags import new_file, path
from minigen.units import human_bytes


def flags() -> training.Flags:
    """The command line."""
    parser = training.Flags(__doc__)
    add = parser.add_argument
    add("run", type=path, metavar="RUN", help="digits, or a run folder")
    add("file", type=new_file, metavar="FILE", help="a name that ends in .onnx or .safetensors")
    add("--part", type=path, metavar="NAME", help="which network, if not the first one")
    parser.refuse(
        lambda args: not args.file.endswith(ENDINGS),
        "expected a file that ends in .onnx or .safetensors, not {file}",
    )
    return parser


def scores_in(folder: Path) -> dict[str, float]:
    """What evaluate.py has measured of a run; {} if nothing, or what it wrote is damaged."""
    try:
        found = json.loads((folder / "scores.json").read_bytes())
        return {str(name): float(value) for name, value in found.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


@training.script
def main() -> None:
    args = flags().parse_args()
    trained = training.load(args.run)
    scores = scores_in(trained.run.folder) if trained.run else {}
    print(f"writing {args.file} …", flush=True)
    try:
        found = export(trained, args.file, args.part, scores)
    except (ExportError, ImportError) as error:
        raise training.RunError(f"{short(args.run)}: {error}") from error
    compared = "not compared with the engine, for onnxruntime is not installed"
    if found.differences:
        sizes, worst = ", ".join(map(str, found.differences)), max(found.differences.values())
        compared = f"as the engine on batches of {sizes}, to {worst:.1e} of the largest number"
    if args.file.endswith(".safetensors"):
        compared = "weights, with the settings in the header"
    print(f"{args.file}: the {found.part.name}, {human_bytes(found.size)}; {compared}")
    print(f"{found.card}: what it is, and how to run it")


if __name__ == "__main__":
    main()
