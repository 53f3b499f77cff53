"""What is passed on of each kind of model: which network, what it is given, what comes out.

All chance is an input: z, ε, planes of noise; masks of dropout are found when the network is run.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from typing import Any

from minigen import Tensor, nn
from minigen.data.phrases import WORDS, combinations, words_of
from minigen.data.tasks import planes
from minigen.export.file import Part
from minigen.export.recording import ExportError, Input
from minigen.models.adversaries import Adversaries
from minigen.models.autoencoder import Autoencoder
from minigen.models.biggan import BigGAN
from minigen.models.classifier import Classifier
from minigen.models.cyclegan import CycleGAN
from minigen.models.diffusion import Diffusion
from minigen.models.discogan import DiscoGAN
from minigen.models.flow_matching import Flow
from minigen.models.networks import evaluating
from minigen.models.pix2pix import Pix2Pix
from minigen.models.stargan import StarGAN
from minigen.models.stylegan import StyleGAN
from minigen.models.translators import drawing
from minigen.models.vae import VAE, reparameterised

Trained = Any  # of minigen.training, which knows all models
STEPS = 20  # of the way from noise, in the card's program
SIGNED, UNSIGNED = "from −1, black, to 1, white", "from 0, black, to 1, white"
BY_BATCH = (
    "Its batch norm takes mean and variance of the batch that it is given, as in training: a"
    " picture depends on those beside it. Give it batches as mixed as those of training."
)


def parts(trained: Trained) -> dict[str, Part]:
    """What can be passed on of a trained model, by name, the most wanted first.

    Raises:
        ExportError: nothing can.
    """
    model = trained.model
    if isinstance(model, dict):  # of several models
        return {
            f"{name}-{part.name}": part._replace(name=f"{name}-{part.name}")
            for name, one in model.items()
            for part in _of(trained, one)
        }
    return {part.name: part for part in _of(trained, model)}


def _of(trained: Trained, model: Any) -> Iterable[Part]:
    for kind in type(model).__mro__:
        if kind in KINDS:
            return KINDS[kind](trained, model)
    raise ExportError(
        f"a run of {trained.demo} {trained.does}: none of its networks is written; expected a run"
        " of a model that draws, translates or reads pictures, or draws points"
    )


def _evaluated(network: nn.Module, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with the network as it is to be drawn with."""

    def of(*inputs: Tensor) -> Any:
        with evaluating(network):
            return function(*inputs)

    return of


def _labels(trained: Trained) -> list[Input]:
    """The class, where a model is told one."""
    names = trained.classes
    if not names:
        return []
    listed = ", ".join(f"{i} {name}" if name != str(i) else name for i, name in enumerate(names))
    return [Input("labels", (), f"the class: {listed}", "whole", high=len(names))]


def _made(trained: Trained, black: float = -1.0) -> dict[str, str]:
    """What a model draws."""
    if not trained.image_shape:
        return {"points": "points of the plane"}
    return {"pictures": f"pictures, {UNSIGNED if black == 0 else SIGNED}"}


def _pictures(trained: Trained, what: str, low: float = -1.0, channels: int = 0) -> Input:
    """Pictures, or points, that a network is given."""
    c, *sides = trained.image_shape or (2,)
    if not sides:
        return Input("points", (2,), f"{what}: points of the plane")
    name = f"{what}, {UNSIGNED if low == 0 else SIGNED}"
    return Input("pictures", (channels or c, *sides), name, "uniform", low)


def _of_gan(trained: Trained, gan: Adversaries) -> Iterable[Part]:
    kind = {"normal": "N(0, 1)", "uniform": "U(−1, 1)"}[gan.prior]
    z = Input("z", (gan.noise,), f"noise, each number from {kind}", gan.prior)
    network = gan.generator
    made = _made(trained, getattr(trained, "low", -1.0))
    yield Part("generator", network, _evaluated(network, network), [z, *_labels(trained)], made)


def _of_biggan(trained: Trained, gan: BigGAN) -> Iterable[Part]:
    cut = trained.settings.truncation
    trained.stand(cut)
    said = "of whole noise" if cut is None else f"of noise with no number beyond ±{cut:g}: cut z so"
    for part in _of_gan(trained, gan):
        yield part._replace(notes=[f"Batch norm's statistics are {said}."])


def _of_stylegan(trained: Trained, gan: StyleGAN) -> Iterable[Part]:
    generator, labels = gan.generator, _labels(trained)
    psi = Input("psi", (), "ψ: 1 for all variety, towards 0 for what is frequent", "uniform", 0.3,
                batched=False)  # fmt: skip
    noise = [
        Input(f"noise_{i}", layer.constant_noise.shape[1:], "a plane of noise from N(0, 1)")
        for i, layer in enumerate(generator.layers)
    ]

    def drawn(z: Tensor, *rest: Tensor) -> Tensor:
        told, (psi, *planes) = rest[: len(labels)], rest[len(labels) :]
        return generator(z, *(told or (None,)), psi, planes)

    for part in _of_gan(trained, gan):
        inputs = [*part.inputs, psi, *noise]
        yield part._replace(function=_evaluated(generator, drawn), inputs=inputs)


def _of_vae(trained: Trained, vae: VAE) -> Iterable[Part]:
    latent = (vae.latent,)
    z = Input("z", latent, "latents, each from N(0, 1)")
    yield Part("decoder", vae.decoder, _evaluated(vae, vae.decode), [z], _made(trained, 0))

    def guessed(pictures: Tensor, epsilon: Tensor) -> tuple[Tensor, ...]:
        mean, log_var = vae.encode(pictures)
        return mean, log_var, reparameterised(mean, log_var, epsilon)

    epsilon = Input("epsilon", latent, "ε, each number from N(0, 1); z = mean + σ·ε")
    found = {
        "mean": "of the latents of each picture",
        "log_var": "the logarithm of their variance",
        "z": "latents, drawn",
    }
    given = [_pictures(trained, "pictures", 0), epsilon]
    yield Part("encoder", vae.encoder, _evaluated(vae, guessed), given, found)


def _of_autoencoder(trained: Trained, model: Autoencoder) -> Iterable[Part]:
    pictures = _pictures(trained, "pictures" if trained.image_shape else "those of the data", 0)
    code = _code_of(model, pictures)
    decoded, encoder = _evaluated(model, model.decode), model.encoder
    codes = [Input("code", (code,), "a code, such as the encoder gives")]
    yield Part("decoder", model.decoder, decoded, codes, _made(trained, 0))
    yield Part("encoder", encoder, _evaluated(model, encoder), [pictures], {"code": "of each"})


def _code_of(model: Autoencoder, pictures: Input) -> int:
    """How many numbers make a code."""
    with evaluating(model):
        return model.encoder(Tensor(pictures.example(1, 0))).shape[1]


def _of_diffusion(trained: Trained, model: Diffusion) -> Iterable[Part]:
    network, predicts = model.network, model.predicts
    said = {"noise": "ε, the noise in x", "data": "x_0, the picture without noise"}
    what = said.get(predicts, "v = √ᾱ·ε − √(1 − ᾱ)·x_0")
    if model.variance == "learnt":
        what += "; behind as many channels as x has, those of which variances are made"
    beta = model.schedule.beta.astype("<f4")
    metadata = {
        "predicts": predicts,
        "clip": str(int(model.clip)),
        "none": str(network.null),
        "guidance": str(getattr(trained.settings, "guidance", 0.0)),
        "steps": str(min(STEPS, len(beta))),
        "beta": base64.b64encode(beta.tobytes()).decode(),
    }
    notes = [
        "It is one step of the way from noise to pictures; the loop below takes them all. The file"
        f" has the chain's {len(beta):,} β_t under `beta`: numbers of four bytes, in base64."
    ]
    given = _walking(trained, network, "noisy pictures x_t")
    yield Part(
        "denoiser", network, _evaluated(network, network), given, {"said": what}, notes, metadata
    )


def _of_flow(trained: Trained, model: Flow) -> Iterable[Part]:
    network = model.network
    notes = ["It is the velocity at one place; the loop below follows it from noise to data."]
    given = _walking(trained, network, "where they are")
    yield Part(
        "denoiser", network, _evaluated(network, network), given,
        {"velocity": "how fast they move in a unit of time"}, notes,
    )  # fmt: skip


def _walking(trained: Trained, network: nn.Module, what: str) -> list[Input]:
    """What a denoiser is given: x, the time, and what is asked for."""
    x = _pictures(trained, what)._replace(name="x", kind="normal")
    time = Input("time", (), "from 0 to 1,000", "uniform", 0.0, 1000.0)
    asked = _labels(trained)
    if trained.demo == "phrases":
        words = words_of(combinations("train")[:1]).shape[1:]
        listed = ", ".join(f"{i} {word}" for i, word in enumerate(WORDS))
        asked = [Input("labels", words, f"the words of a phrase: {listed}", "whole")]
    none = network.null
    return [x, time, *(y._replace(what=f"{y.what}; {none} for none", high=none + 1) for y in asked)]


def _of_pix2pix(trained: Trained, model: Pix2Pix) -> Iterable[Part]:
    task, network = trained.settings.task, model.generator
    channels = planes(task, trained.image_shape[0])
    given = _pictures(trained, f"what the task {task!r} gives", channels=channels)
    yield _translator("generator", trained, network, given, noise=not trained.settings.quiet)


def _of_pair(trained: Trained, model: CycleGAN | DiscoGAN) -> Iterable[Part]:
    there, back = model.networks()[:2]
    a, b = getattr(trained, "domains", ("A", "B"))
    for name, network, of, to in ("there", there, a, b), ("back", back, b, a):
        given = _pictures(trained, f"of the domain {of}, which become those of {to}")
        yield _translator(name, trained, network, given)


def _of_stargan(trained: Trained, model: StarGAN) -> Iterable[Part]:
    names = trained.domains
    listed = ", ".join(f"{i} {name}" for i, name in enumerate(names))
    domains = Input("domains", (), f"which they become: {listed}", "whole", high=len(names))
    given = _pictures(trained, "pictures of any domain")
    yield _translator("generator", trained, model.generator, given, domains)


def _translator(
    name: str, trained: Trained, network: nn.Module, *inputs: Input, noise: bool = False
) -> Part:
    """What makes pictures of pictures, with dropout if that is its noise."""

    def made(*given: Tensor) -> Tensor:
        with drawing(network, noise):
            return network(*given)

    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    notes = [BY_BATCH] if any(norm.running_mean is None for norm in norms) else []
    outputs = {"made": next(iter(_made(trained).values()))}
    return Part(name, network, made, inputs, outputs, notes)


def _of_classifier(trained: Trained, network: Classifier) -> Iterable[Part]:
    names = ", ".join(trained.class_names)
    outputs = {"logits": f"the larger, the more probable is the class; in this order: {names}"}
    given = [_pictures(trained, "pictures")]
    yield Part("classifier", network, _evaluated(network, network), given, outputs)


KINDS: dict[type, Callable[[Trained, Any], Iterable[Part]]] = {
    Adversaries: _of_gan,
    BigGAN: _of_biggan,
    StyleGAN: _of_stylegan,
    VAE: _of_vae,
    Autoencoder: _of_autoencoder,
    Diffusion: _of_diffusion,
    Flow: _of_flow,
    Pix2Pix: _of_pix2pix,
    CycleGAN: _of_pair,
    DiscoGAN: _of_pair,
    StarGAN: _of_stargan,
    Classifier: _of_classifier,
}
