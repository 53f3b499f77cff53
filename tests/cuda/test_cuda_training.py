"""Training on a GPU: the steps of the CPU, and nothing copied to the host but what is logged."""

import functools
import pathlib
import runpy
import sys

import numpy as np
import pytest
import standin

import minigen
from minigen import Tensor, data, nn, optim, training
from minigen.kernels import simple
from minigen.kernels.cuda import convolution as kernels
from minigen.models import classifier, diffusion, flow_matching
from minigen.models.denoiser import Denoiser
from minigen.models.gan import GAN, LOSSES, AuxiliaryGAN, discriminator_loss
from minigen.models.networks import (
    Conditional,
    ConvDiscriminator,
    ConvGenerator,
    MLPDiscriminator,
    MLPGenerator,
)
from minigen.models.wgan import WGAN
from minigen.models.word2vec import Word2Vec

SIZE, BATCH = 8, 4
DEMOS = pathlib.Path(__file__).parents[2] / "demos"


class Classifying:
    """The classifier and its optimiser, with a step like that of the GANs."""

    def __init__(self):
        self.model = classifier.Classifier(1, 3, width=4, size=SIZE)
        self.optimiser = optim.Adam(self.model.parameters())

    def step(self, batch):
        return classifier.step(self.model, self.optimiser, *batch)


class Denoising:
    """A denoiser and its optimiser, with a step of diffusion or of a flow."""

    def __init__(self, kind):
        network = Denoiser(1, 2, 4, (1, 2), attention=(1,), classes=3, groups=2)
        if kind is diffusion:
            self.model = diffusion.Diffusion(network, diffusion.cosine(9), variance="learnt")
        else:
            network.last = nn.Conv2d(4, 1, 3, padding=1)
            self.model = flow_matching.Flow(network)
        self.optimiser, self.kind = optim.Adam(self.model.parameters()), kind

    def step(self, batch):
        return self.kind.step(self.model, self.optimiser, *batch)


def test_a_dense_layer_with_a_bias_is_the_cpus(cupy):
    """As large as those whose product is transposed on the CPU."""
    rng = np.random.default_rng(0)
    x, w, bias = (rng.standard_normal(shape) for shape in ((20, 300), (200, 300), (200,)))
    ours, theirs = (
        minigen.linear(*(Tensor(a, device=device) for a in (x, w, bias))).cpu().numpy()
        for device in ("cpu", "cuda")
    )
    np.testing.assert_allclose(theirs, ours, 1e-12, 1e-12)


def batch_normed():
    """The convolutional pair of Radford et al. 2016 in small, with batch norm."""
    generator = nn.Sequential(
        nn.Unflatten(1, (100, 1, 1)),
        nn.ConvTranspose2d(100, 8, SIZE // 2, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Conv2d(1, 8, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(8, 12, 4, 2, 1, bias=False), nn.BatchNorm2d(12), nn.LeakyReLU(0.2),
        nn.Flatten(), nn.Linear(12 * (SIZE // 4) ** 2, 1),
    )  # fmt: skip
    return generator, discriminator


def convolutional():
    return ConvGenerator(1, 8, size=SIZE), ConvDiscriminator(1, 8, size=SIZE, dropout=0.3)


def perceptrons():
    return MLPGenerator(hidden=12, size=SIZE), MLPDiscriminator(hidden=6, pieces=3, size=SIZE)


def conditional():
    generator = Conditional(ConvGenerator(1, 4, noise=13, size=SIZE), 3)
    return generator, Conditional(ConvDiscriminator(2 + 2, 4, size=SIZE), 3)


def auxiliary():
    return conditional()[0], ConvDiscriminator(1, 4, size=SIZE, outputs=4)


SMOOTHED = LOSSES["non-saturating"]._replace(
    discriminator=functools.partial(discriminator_loss, smoothing=0.1)
)
# A model, how many batches a step takes, and how many draws of normal or uniform numbers it makes:
# those are made on the host, since NumPy's ways cannot be followed in parallel, and go to the GPU.
# None where layers bring indices of their own along.
MODELS = {
    "classifier": (Classifying, 1, 0),
    "perceptrons": (lambda: GAN(*perceptrons(), prior="uniform"), 1, 1),
    "convolutional": (lambda: GAN(*convolutional(), loss=SMOOTHED), 2, 2),
    "batch norm": (lambda: GAN(*batch_normed(), loss="minimax"), 1, 1),
    "conditional": (lambda: GAN(*conditional(), noise=10), 1, 1),
    "auxiliary": (lambda: AuxiliaryGAN(*auxiliary(), noise=10), 1, 1),
    "clipped": (lambda: WGAN(*convolutional(), clip=0.01), 2, 4),
    "penalty": (lambda: WGAN(*convolutional(), penalty=10.0), 2, 5),
    "diffusion": (functools.partial(Denoising, diffusion), 1, None),
    "flow": (functools.partial(Denoising, flow_matching), 1, None),
}
LABELLED = {"classifier", "conditional", "auxiliary", "diffusion", "flow"}
every = pytest.mark.parametrize("name", MODELS)


def made(name, device, dtype=np.float32):
    minigen.manual_seed(1)
    model = MODELS[name][0]()
    for part in vars(model).values():
        if isinstance(part, nn.Module):
            part.to(device, dtype=dtype)
    return model


def batches(name, device, dtype=np.float32, step=0):
    rng = np.random.default_rng(step)
    for _ in range(MODELS[name][1]):
        images = rng.uniform(-1, 1, (BATCH, SIZE, SIZE, 1)).astype(dtype).transpose(0, 3, 1, 2)
        labels = Tensor(rng.integers(0, 3, BATCH), device=device)
        images = Tensor(images, device=device)
        yield (images, labels) if name in LABELLED else images


def weights(model):
    parts = [part for part in vars(model).values() if isinstance(part, nn.Module)]
    return {
        f"{i}.{name}": tensor.numpy().copy()
        for i, part in enumerate(parts)
        for name, tensor in part.state_dict().items()
    }


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_three_steps_are_those_of_the_cpu(name, dtype, cupy):
    """From the same weights and noise. In float32 Adam may step the other way where a gradient is
    nothing but rounding, so weights are compared as a whole."""
    found = []
    for device in ("cpu", "cuda"):
        model, logged = made(name, device, dtype), []
        before = weights(model)
        minigen.manual_seed(2)
        for step in range(3):
            logged.append(model.step(*batches(name, device, dtype, step)))
        after = weights(model)
        numbers = {k: [float(metrics[k]) for metrics in logged] for k in logged[0]}
        found.append((numbers, {k: after[k] - before[k] for k in after}))
    (cpu, moved), (gpu, also_moved) = found
    exact, near = (1e-9, 1e-8) if dtype is np.float64 else (2e-4, 2e-2)
    for key in cpu:
        np.testing.assert_allclose(gpu[key], cpu[key], rtol=exact, atol=exact, err_msg=key)
    for key in moved:
        distance = np.linalg.norm(moved[key] - also_moved[key])
        assert distance <= near * np.linalg.norm(moved[key]), key
        assert also_moved[key].any() or not moved[key].any()


@every
def test_a_step_copies_nothing_but_the_noise(name, cards):
    """The host waits for nothing within a step; reading what is logged is one transfer a number."""
    cards(1)
    model = made(name, "cuda")
    given = list(batches(name, "cuda"))
    model.step(*given)  # state that is made once
    standin.transfers.clear()
    metrics = model.step(*given)
    assert standin.transfers.to_host == []
    draws = MODELS[name][2]
    assert draws is None or len(standin.transfers.to_device) == draws
    for value in metrics.values():
        float(value)
    assert standin.transfers.to_host == [4] * len(metrics)


# The demos


def run(monkeypatch, script, *flags):
    monkeypatch.setattr(sys, "argv", [script, *map(str, flags)])
    monkeypatch.syspath_prepend(DEMOS)
    runpy.run_path(str(DEMOS / script), run_name="__main__")


def state(folder):
    return training.load_checkpoint(folder / "checkpoint.npz")["state"]


@pytest.fixture
def plain_convolutions(monkeypatch):
    """The slow, obvious ones, which are not slow beside kernels that the CPU plays thread by
    thread: for tests of what is around them."""

    def plus_bias(f):
        def g(x, w, bias, problem):
            y = f(x, w, problem)
            y = y if bias is None else y + bias[:, None, None]
            return y.transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)

        return g

    monkeypatch.setattr(kernels, "conv2d", plus_bias(simple.conv2d))
    monkeypatch.setattr(kernels, "conv2d_input", plus_bias(simple.conv2d_input))
    monkeypatch.setattr(kernels, "conv2d_weight", simple.conv2d_weight)


def test_a_demo_begun_on_a_gpu_goes_on_without(cupy, plain_convolutions, monkeypatch, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (8, 1, 28, 28)).astype(np.uint8)
    few = data.Images("few", images, np.zeros(8, int), ("one",))
    monkeypatch.setattr(data, "load", lambda *_, **__: few)
    small = ("--quick", "--width", 2, "--batch-size", 4, "--steps", 2)
    run(monkeypatch, "dcgan.py", *small, "--device", "cuda", "--out", tmp_path / "gpu")
    run(monkeypatch, "dcgan.py", *small, "--device", "cpu", "--out", tmp_path / "cpu")
    for device, folder in (("cpu", "gpu"), ("cuda", "cpu")):
        flags = ("--resume", tmp_path / folder, "--device", device, "--steps", 3)
        run(monkeypatch, "dcgan.py", *flags)
    a, b = (state(tmp_path / folder) for folder in ("cpu", "gpu"))
    assert a["random"] == b["random"]
    for name, value in a["gan"]["generator"].items():
        np.testing.assert_allclose(b["gan"]["generator"][name], value, atol=1e-3, err_msg=name)


def test_a_device_that_is_not_there_leaves_no_folder(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "cupy", None)
    small = ("--quick", "--data", "digits", "--out", tmp_path / "run")
    with pytest.raises(SystemExit, match="needs CuPy, which is not installed"):
        run(monkeypatch, "classifier.py", *small, "--device", "cuda")
    with pytest.raises(SystemExit, match="2"):
        run(monkeypatch, "classifier.py", *small, "--device", "tpu")
    assert "--device: expected cpu, cuda or cuda:1, got 'tpu'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("model", ["skipgram", "cbow"])
def test_word2vec_learns_what_it_learns_on_the_cpu(model, cupy):
    text = np.random.default_rng(0).integers(0, 12, 300).astype(np.int32)
    counts = np.bincount(text, minlength=12)
    order = np.argsort(-counts, kind="stable")
    text, counts = np.argsort(order).astype(np.int32)[text], counts[order]
    found = []
    for device in ("cpu", "cuda"):
        vectors = Word2Vec(counts, dim=8, window=2, sample=1, bias=True, model=model, device=device)
        losses = [vectors.step(text, n, 0.2 * n, 0.2 * n + 0.2)["loss"] for n in range(3)]
        found.append((losses, vectors.w_in.numpy(), vectors.w_out.numpy(), vectors.bias.numpy()))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-5)
