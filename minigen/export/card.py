"""The model card: a page of Markdown beside the file, for whoever gets it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from minigen.export.file import OPSET, Part, Written
from minigen.export.usage import usage

Trained = Any  # of minigen.training, which knows all models
ABOUT = {  # what each demo's model is, and where it comes from
    "autoencoder": "an autoencoder (Hinton and Salakhutdinov 2006)",
    "biggan": "a BigGAN (Brock, Donahue and Simonyan 2019, arXiv:1809.11096)",
    "classifier": "a convolutional classifier after LeNet (LeCun et al. 1998)",
    "cyclegan": "a CycleGAN (Zhu et al. 2017, arXiv:1703.10593) or DiscoGAN (arXiv:1703.05192)",
    "dcgan": "a convolutional GAN (Goodfellow et al. 2014, arXiv:1406.2661; arXiv:1511.06434)",
    "diffusion": "a diffusion model (Ho et al. 2020, arXiv:2006.11239)",
    "diffusion_2d": "a diffusion model, or flow, of points (arXiv:2006.11239, arXiv:2210.02747)",
    "discogan_modes": "a DiscoGAN of points (Kim et al. 2017, arXiv:1703.05192)",
    "gan": "a GAN (Goodfellow et al. 2014, arXiv:1406.2661)",
    "latents": "an autoencoder or VAE, one of several that were compared",
    "mixture_gan": "a GAN of points (Goodfellow et al. 2014, arXiv:1406.2661)",
    "parabola_gan": "a GAN of points (Goodfellow et al. 2014, arXiv:1406.2661)",
    "phrases": "a diffusion model that draws what phrases say (Ho et al. 2020, arXiv:2006.11239)",
    "pix2pix": "a pix2pix (Isola et al. 2017, arXiv:1611.07004)",
    "stargan": "a StarGAN (Choi et al. 2018, arXiv:1711.09020)",
    "stylegan": "a StyleGAN2 (Karras et al. 2020, arXiv:1912.04958)",
    "vae": "a variational autoencoder (Kingma and Welling 2014, arXiv:1312.6114)",
    "wgan": "a Wasserstein GAN (arXiv:1701.07875, arXiv:1704.00028)",
}
NOTO = "Noto Emoji: SIL OFL 1.1 and Apache 2.0 (Google)"
TWEMOJI = "Twemoji: CC BY 4.0 (Twitter, Inc and other contributors)"
MNIST = "MNIST (LeCun and Cortes): CC BY-SA 3.0, as is commonly said"
DRAWN = "drawn by minigen (MIT), in fonts of matplotlib"
LICENCES = {
    "mnist": MNIST,
    "coloured-mnist": MNIST,
    "binarized-mnist": f"derived from {MNIST}",
    "fashion-mnist": "Fashion-MNIST (Zalando SE): MIT",
    "digits": DRAWN,
    "coloured-digits": DRAWN,
    "glyphs": DRAWN,
    "cifar-10": "CIFAR-10 (Krizhevsky 2009): no licence is stated; cite the report",
    "quickdraw": "Quick, Draw! (Google): CC BY 4.0",
    "emoji": f"{NOTO}; {TWEMOJI}",
    "emoji-noto": NOTO,
    "emoji-faces": NOTO,
    "emoji-twemoji": TWEMOJI,
    "facades": "CMP Facades (Tyleček and Šára 2013): no licence is stated",
}
LEFT_OUT = ("out", "resume", "quick", "device")
OWN, MADE = "files of one's own", "points that minigen draws"
TOLD = "ask whoever has the files"


def public(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without places on the machine that trained, which would say whose it is."""

    def shown(value: Any) -> Any:
        is_place = isinstance(value, str) and (os.sep in value or "/" in value or "\\" in value)
        return OWN if is_place else value

    kept = {name: value for name, value in settings.items() if name not in LEFT_OUT}
    return {name: [shown(v) for v in x] if isinstance(x, list) else shown(x)
            for name, x in kept.items()}  # fmt: skip


def settings_of(trained: Trained) -> dict[str, Any]:
    """Those of a trained model, with which demo and how many steps it was."""
    return {"demo": trained.demo, "steps done": trained.step, **public(vars(trained.settings))}


def card(
    trained: Trained,
    part: Part,
    file: str,
    written: Written | None = None,
    scores: Mapping[str, float] | None = None,
    checked: Mapping[int, float] | None = None,
) -> str:
    """The page, in Markdown.

    Args:
        trained: the model.
        part: what of it is in the file.
        file: the file's name.
        written: what ONNX has; without, the file is one of weights.
        scores: what the run was measured by.
        checked: differences to the engine by batch size, where they were looked for.
    """
    sections = [
        _head(trained, part, file, written),
        _data(trained),
        _signature(part, written) if written else _weights(part, file),
        _use(part, file, written) if written else "",
        _check(checked) if written else "",
        _scores(scores or {}),
        _settings(trained),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _head(trained: Trained, part: Part, file: str, written: Written | None) -> str:
    kind = f"ONNX, opset {OPSET}" if written else "its weights, safetensors"
    came = f"trained by minigen in {trained.step:,} steps" if trained.run else "that minigen ships"
    averaged = " The weights are averages over training." if trained.averaged() else ""
    lines = [f"# {file}", f"The {part.name} of {ABOUT[trained.demo]}, {came} ({kind}).{averaged}"]
    return "\n\n".join([*lines, *(part.notes if written else ())])


def _data(trained: Trained) -> str:
    name = getattr(trained.settings, "data", None)
    if name is None:
        return f"Trained on {MADE}."
    if os.sep in name or "/" in name:
        return f"Trained on {OWN}. Licence of the data: {TOLD}."
    licence = LICENCES.get(name)
    return f"Trained on {name}." + (f" Licence of the data: {licence}." if licence else "")


def _signature(part: Part, written: Written) -> str:
    graph = written.model.graph
    shapes = [_shape(value) for value in (*graph.input, *graph.output)]
    words = [x.what for x in written.inputs] + [*part.outputs.values()]
    names = [x.name for x in written.inputs] + [*part.outputs]
    rows = [f"| {n} | {s} | {w} |" for n, s, w in zip(names, shapes, words, strict=True)]
    inputs, outputs = rows[: len(written.inputs)], rows[len(written.inputs) :]
    line = "| --- | --- | --- |"
    return "\n".join([
        "| input | shape, dtype | what |", line, *inputs, "",
        "| output | shape, dtype | what |", line, *outputs,
    ])  # fmt: skip


def _shape(value: Any) -> str:
    kind = value.type.tensor_type
    lengths = [d.dim_param or d.dim_value for d in kind.shape.dim]
    names = {1: "float32", 6: "int32", 7: "int64", 9: "bool", 11: "float64"}
    return f"({', '.join(map(str, lengths))}), {names[kind.elem_type]}"


def _weights(part: Part, file: str) -> str:
    count = len(part.network.state_dict())
    return (
        f"{count} tensors under their names in minigen, and the settings in the header:\n\n"
        "```python\nfrom safetensors import safe_open\n"
        f'with safe_open({file!r}, "numpy") as file:\n'
        "    settings = file.metadata()\n"
        "    weights = {name: file.get_tensor(name) for name in file.keys()}\n```"
    )


def _use(part: Part, file: str, written: Written) -> str:
    return f"How to run it:\n\n```python\n{usage(part, written.inputs, file)}```"


def _check(checked: Mapping[int, float] | None) -> str:
    if not checked:
        return "It was not compared with minigen: onnxruntime was not installed."
    worst, sizes = max(checked.values()), ", ".join(map(str, checked))
    return (
        f"Compared with minigen in onnxruntime, on batches of {sizes}: they differ by {worst:.1e}"
        " of the largest number that comes out, at most."
    )


def _scores(scores: Mapping[str, float]) -> str:
    if not scores:
        return "No scores were measured (`python demos/evaluate.py RUN` measures them)."
    rows = [f"| {name} | {value:.4g} |" for name, value in scores.items()]
    return "\n".join(["| score | |", "| --- | --- |", *rows])


def _settings(trained: Trained) -> str:
    shown = (f"{k} {json.dumps(v, ensure_ascii=False)}" for k, v in settings_of(trained).items()
             if v is not None)  # fmt: skip
    return f"Settings: {', '.join(shown)}."
