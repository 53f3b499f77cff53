"""Time this engine against PyTorch, in one process, in alternating order.

Each row gives the median time of both and the median of their ratio, pair by pair, with the
quartiles of the ratio: a ratio below 1 means that this engine is the faster one. Without PyTorch
only this engine's times are shown.

    ops     recorded operations on 4 numbers: what an operation costs when there is nothing to do
    conv    the convolution layers of the pair below, forward and both gradients, batch 64
    dcgan   one training step of the convolutional GAN pair (41,857 and 1,176,835 parameters)
"""

from __future__ import annotations

import argparse
import functools
import platform
import time
from collections.abc import Callable

import numpy as np

import minigen
from minigen import Tensor, backend, optim
from minigen import functional as F
from minigen.models.gan import GAN, ConvDiscriminator, ConvGenerator

try:
    import torch
    import torch.nn.functional as TF
except ImportError:
    torch = None


def seconds(f: Callable[[], object], calls: int) -> float:
    """The time of one call."""
    start = time.perf_counter()
    for _ in range(calls):
        f()
    return (time.perf_counter() - start) / calls


def compare(
    name: str, ours: Callable[[], object], theirs: Callable[[], object] | None, pairs: int = 15
) -> float | None:
    """Print a row; return the median ratio."""
    ours()
    calls = max(1, round(2e-3 / seconds(ours, 3)))
    if theirs is None:
        times = [seconds(ours, calls) for _ in range(pairs)]
        print(f"{name:34}{duration(np.median(times)):>12}")
        return None
    seconds(theirs, 3)
    times = np.array([(seconds(ours, calls), seconds(theirs, calls)) for _ in range(pairs)])
    ratios = times[:, 0] / times[:, 1]
    low, middle, high = np.percentile(ratios, [25, 50, 75])
    a, b = np.median(times, axis=0)
    print(f"{name:34}{duration(a):>12}{duration(b):>12}{middle:9.2f}   {low:.2f} to {high:.2f}")
    return middle


def duration(t: float) -> str:
    """Seconds for a human."""
    return f"{t * 1e6:.2f} µs" if t < 1e-3 else f"{t * 1e3:.1f} ms"


def ops() -> None:
    """Recorded operations on small tensors."""
    rng = np.random.default_rng(0)
    arrays = [rng.uniform(0.5, 1.5, shape).astype("f") for shape in ((4,), (4,), (4, 4), (4, 4))]

    def calls(lib, functional, x, y, p, q) -> dict[str, Callable[[], object]]:
        unary = "neg abs exp log log1p sqrt rsqrt sin cos sigmoid tanh sign relu clone"
        binary = "add sub mul div pow maximum minimum"
        sums = "sum mean var std amax prod logsumexp cumsum softmax log_softmax flip"
        call = functools.partial
        found = {name: call(getattr(lib, name), x) for name in unary.split()}
        found |= {name: call(getattr(lib, name), x, y) for name in binary.split()}
        found |= {
            name: call(getattr(lib, name), x, (0,) if name == "flip" else 0)
            for name in sums.split()
        }
        return found | {
            "x * 2.0": lambda: x * 2.0,
            "x ** 2": lambda: x**2,
            "x[1:3]": lambda: x[1:3],
            "reshape": call(lib.reshape, p, (2, 8)),
            "transpose": call(lib.transpose, p, 0, 1),
            "permute": call(lib.permute, p, (1, 0)),
            "unsqueeze": call(lib.unsqueeze, p, 0),
            "cat": call(lib.cat, (p, q)),
            "stack": call(lib.stack, (p, q)),
            "matmul": call(lib.matmul, p, q),
            "einsum": call(lib.einsum, "ij,jk->ik", p, q),
            "linear": call(functional.linear, p, q, x),
            "leaky_relu": call(functional.leaky_relu, x, 0.2),
            "softplus": call(functional.softplus, x),
            "gelu": call(functional.gelu, x),
            "layer_norm": call(functional.layer_norm, p, (4,), x, y),
            "mse_loss": call(functional.mse_loss, x, y),
        }

    ours = calls(F, F, *[Tensor(a, requires_grad=True) for a in arrays])
    if torch is None:
        for name, f in ours.items():
            compare(name, f, None)
        return
    theirs = calls(torch, TF, *[torch.tensor(a, requires_grad=True) for a in arrays])
    ratios = [compare(name, f, theirs[name]) for name, f in ours.items()]
    print(f"{f'median of these {len(ratios)} ratios':58}{np.median(ratios):9.2f}")


def conv(batch: int = 64) -> None:
    """The layers of the pair: forward, and the gradients for input and weight."""
    rng = np.random.default_rng(0)
    layers = {  # name: (channels in, out, size, filter, stride, padding, transposed)
        "transposed 128→128, 4×4/2, 7→14": (128, 128, 7, 4, 2, 1, True),
        "transposed 128→128, 4×4/2, 14→28": (128, 128, 14, 4, 2, 1, True),
        "conv 128→3, 7×7, 28": (128, 3, 28, 7, 1, 3, False),
        "conv 3→64, 3×3/2, 28→14": (3, 64, 28, 3, 2, 1, False),
        "conv 64→64, 3×3/2, 14→7": (64, 64, 14, 3, 2, 1, False),
    }
    for name, (c, o, size, k, stride, padding, transposed) in layers.items():
        image = rng.standard_normal((batch, size, size, c)).astype("f").transpose(0, 3, 1, 2)
        filters = rng.standard_normal((c, o, k, k) if transposed else (o, c, k, k)).astype("f")
        x, w = Tensor(image, requires_grad=True), Tensor(filters, requires_grad=True)
        f = F.conv_transpose2d if transposed else F.conv2d
        forward = functools.partial(f, x, w, None, stride, padding)
        y = forward()
        g = Tensor(rng.standard_normal(y.shape[:1] + y.shape[2:] + y.shape[1:2]).astype("f"))
        g = g.permute(0, 3, 1, 2)
        theirs = [None] * 3
        if torch is not None:
            t = torch.tensor(np.ascontiguousarray(image), requires_grad=True)
            v = torch.tensor(filters, requires_grad=True)
            tf = TF.conv_transpose2d if transposed else TF.conv2d
            run = functools.partial(tf, t, v, None, stride, padding)
            z, h = run(), torch.tensor(np.ascontiguousarray(g.data))
            theirs = [run] + [
                functools.partial(torch.autograd.grad, z, i, h, retain_graph=True) for i in (t, v)
            ]
        compare(name, forward, theirs[0], 7)
        for what, i, other in (("input", x, theirs[1]), ("weight", w, theirs[2])):
            compare(
                f"  its {what} gradient",
                functools.partial(minigen.grad, y, i, g, retain_graph=True),
                other,
                7,
            )


def torch_pair() -> tuple:
    """The same two networks in PyTorch."""
    tn = torch.nn
    generator = tn.Sequential(
        tn.Linear(100, 6272), tn.LeakyReLU(0.2), tn.Unflatten(1, (128, 7, 7)),
        tn.ConvTranspose2d(128, 128, 4, 2, 1), tn.LeakyReLU(0.2),
        tn.ConvTranspose2d(128, 128, 4, 2, 1), tn.LeakyReLU(0.2),
        tn.Conv2d(128, 3, 7, padding=3), tn.Tanh(),
    )  # fmt: skip
    discriminator = tn.Sequential(
        tn.Conv2d(3, 64, 3, 2, 1), tn.LeakyReLU(0.2), tn.Dropout(0.4),
        tn.Conv2d(64, 64, 3, 2, 1), tn.LeakyReLU(0.2), tn.Dropout(0.4),
        tn.Flatten(), tn.Linear(3136, 1),
    )  # fmt: skip
    return generator, discriminator


def torch_step(generator, discriminator, optimisers, real):
    """The training step of `minigen.models.gan.GAN` in PyTorch."""
    opt_g, opt_d = optimisers
    bce, one = TF.binary_cross_entropy_with_logits, torch.ones(len(real), 1)
    fake = generator(torch.randn(len(real), 100))
    loss = bce(discriminator(real), one) + bce(discriminator(fake.detach()), one * 0)
    opt_d.zero_grad()
    loss.backward()
    opt_d.step()
    loss = bce(discriminator(fake), one)
    opt_g.zero_grad()
    loss.backward(inputs=list(generator.parameters()))
    opt_g.step()


def dcgan() -> None:
    """One training step of the convolutional pair at 3 channels."""
    for batch in (64, 128):
        image = np.random.default_rng(0).uniform(-1, 1, (batch, 3, 28, 28)).astype("f")
        adam = functools.partial(optim.Adam, lr=2e-4, betas=(0.5, 0.999))
        gan = GAN(ConvGenerator(), ConvDiscriminator(), optimiser=adam)
        ours = functools.partial(gan.step, Tensor(image))
        if torch is None:
            compare(f"step, batch {batch}", ours, None, 7)
            continue
        for layout in (torch.contiguous_format, torch.channels_last):
            pair = [net.to(memory_format=layout) for net in torch_pair()]
            adams = [torch.optim.Adam(net.parameters(), 2e-4, (0.5, 0.999)) for net in pair]
            real = torch.tensor(image).contiguous(memory_format=layout)
            theirs = functools.partial(torch_step, *pair, adams, real)
            last = " (channels-last)" if layout is torch.channels_last else ""
            compare(f"step, batch {batch}{last}", ours, theirs, 7)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sections = {"ops": ops, "conv": conv, "dcgan": dcgan}
    parser.add_argument("section", nargs="?", choices=[*sections, "all"], default="all")
    args = parser.parse_args()
    threads = backend.threads()
    reference = "PyTorch is not installed"
    if torch is not None:
        torch.set_num_threads(threads)
        reference = f"PyTorch {torch.__version__}"
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {reference}; float32, "
          f"{threads} threads")  # fmt: skip
    for name, section in sections.items():
        if args.section in (name, "all"):
            print(f"\n{name:34}{'minigen':>12}{'PyTorch':>12}{'ratio':>9}   quartiles")
            section()


if __name__ == "__main__":
    main()
