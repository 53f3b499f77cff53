"""Time this engine against others in one process, in alternating order, and beside what this
machine could do at all.

Each row gives the median time of both and the median of their ratio, round by round, with the
quartiles of the ratio: a ratio below 1 means that this engine is the faster one. The roofline is
this machine's own speed at matrix products or at copies, whichever binds, measured at the start:
100 % means that nothing is left to gain; more, that the arrays were in a cache, or that fewer
multiplications were needed than a convolution is counted for (Winograd). Where the reference is
not installed, only this engine's figures are shown.

    ops     recorded operations on 4 numbers: what an operation costs when there is nothing to do
    conv    layers of convolutional networks, forward and both gradients; and element by element
    dcgan   a training step of the convolutional GAN pair (41,857 and 1,176,835 parameters), its
            memory, and both from 1 image to 512
    vae     a training step of a variational autoencoder of linear layers, 784-400-20
    word2vec  an epoch over a text of random words, against gensim with as many workers
    networks  training steps of nineteen whole networks and of others drawn by a seed, each library
              in a process of its own; beside the time of the network's own matrix products, and
              peak memory above what the import takes
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import minigen
from benchmark.measuring import TABLE, TITLES, Bench, Call, in_own_process, installed
from benchmark.versus import COLUMNS, RANDOM, names, networks
from minigen import Tensor, backend, nn, optim, training
from minigen import functional as F
from minigen.data import Batches
from minigen.models.gan import GAN
from minigen.models.networks import (
    ConvDiscriminator,
    ConvGenerator,
    DenseConvGenerator,
    DenseConvJudge,
)
from minigen.models.word2vec import Word2Vec
from minigen.training.common import write_json
from minigen.training.flags import new_file, number, one_of, whole
from minigen.units import human_bytes, human_seconds


def ops(bench: Bench) -> None:
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

    ours = calls(F, F, *[Tensor(a, requires_grad=True, device=bench.device) for a in arrays])
    theirs: dict[str, Call] = {}
    if bench.torch is not None:
        torch = bench.torch.torch
        theirs = calls(
            torch, bench.torch.F, *[bench.torch.tensor(a, bench.device, True) for a in arrays]
        )
    ratios = []
    for name, f in ours.items():
        sides = {"torch": theirs[name]} if theirs else {}
        row = bench.row(name, f, sides, budget=0.3, roofline=False)
        ratios += [side["ratio"] for side in row["against"].values()]
    if ratios:
        median = float(np.median(ratios))
        bench.note(f"{f'median of these {len(ratios)} ratios':54}{median:7.2f}", name="median",
                   ratio=median)  # fmt: skip


class Layer(NamedTuple):
    """A convolution: images (batch, channels, size, size), square filters."""

    channels: int
    outputs: int
    size: int
    filter: int
    stride: int
    padding: int
    transposed: bool = False
    batch: int = 64


LAYERS = {
    "the pair of dcgan": [
        Layer(128, 128, 7, 4, 2, 1, True),
        Layer(128, 128, 14, 4, 2, 1, True),
        Layer(128, 3, 28, 7, 1, 3),
        Layer(3, 64, 28, 3, 2, 1),
        Layer(64, 64, 14, 3, 2, 1),
    ],
    "a DCGAN at 64×64": [
        Layer(100, 512, 1, 4, 1, 0, True),
        Layer(512, 256, 4, 4, 2, 1, True),
        Layer(256, 128, 8, 4, 2, 1, True),
        Layer(128, 64, 16, 4, 2, 1, True),
        Layer(64, 3, 32, 4, 2, 1, True),
        Layer(3, 64, 64, 4, 2, 1),
        Layer(64, 128, 32, 4, 2, 1),
        Layer(128, 256, 16, 4, 2, 1),
        Layer(256, 512, 8, 4, 2, 1),
        Layer(512, 1, 4, 4, 1, 0),
    ],
    "3×3, stride 1": [
        Layer(32, 32, 32, 3, 1, 1),
        Layer(64, 64, 32, 3, 1, 1),
        Layer(128, 128, 16, 3, 1, 1),
        Layer(256, 256, 8, 3, 1, 1),
    ],
    "1×1": [Layer(64, 256, 16, 1, 1, 0), Layer(256, 64, 16, 1, 1, 0)],
    "few channels": [
        Layer(1, 32, 28, 3, 1, 1),
        Layer(32, 1, 28, 3, 1, 1),
        Layer(3, 64, 64, 7, 2, 3),
    ],
    "one image": [
        Layer(64, 64, 56, 3, 1, 1, batch=1),
        Layer(128, 256, 16, 4, 2, 1, batch=1),
        Layer(256, 128, 8, 4, 2, 1, True, batch=1),
        Layer(128, 3, 28, 7, 1, 3, batch=1),
    ],
}


def conv(bench: Bench, groups: dict[str, list[Layer]] = LAYERS, images: int = 64) -> None:
    """Layers: forward, and the gradients for input and weight; then element by element."""
    for group, layers in groups.items():
        bench.note(f"{group}:")
        for layer in layers:
            one_layer(bench, layer)
    elementwise(bench, images)


def one_layer(bench: Bench, layer: Layer) -> None:
    """The three maps of a convolution."""
    rng = np.random.default_rng(0)
    c, o, size, k, stride, padding, transposed, batch = layer
    image = rng.standard_normal((batch, size, size, c)).astype("f").transpose(0, 3, 1, 2)
    filters = rng.standard_normal((c, o, k, k) if transposed else (o, c, k, k)).astype("f")
    x, w = (Tensor(a, requires_grad=True, device=bench.device) for a in (image, filters))
    f = F.conv_transpose2d if transposed else F.conv2d
    ours = [functools.partial(f, x, w, None, stride, padding)]
    y = ours[0]()
    n, _, height, _ = y.shape
    covector = rng.standard_normal((n, height, height, o)).astype("f").transpose(0, 3, 1, 2)
    g = Tensor(covector, device=bench.device)
    ours += [functools.partial(minigen.grad, y, i, g, retain_graph=True) for i in (x, w)]
    theirs = []
    if bench.torch is not None:
        t, v = (bench.torch.tensor(a, bench.device, True) for a in (image, filters))
        tf = getattr(bench.torch.F, f.__name__)
        theirs = [functools.partial(tf, t, v, None, stride, padding)]
        z, h = theirs[0](), bench.torch.tensor(covector, bench.device)
        grad = bench.torch.torch.autograd.grad
        theirs += [functools.partial(grad, z, i, h, retain_graph=True) for i in (t, v)]
    name = f"{'T ' * transposed}{c}→{o}, {k}×{k}/{stride}, {size}→{height}"
    name += "" if batch == 64 else f", batch {batch}"
    for i, what in enumerate((name, "  its input gradient", "  its weight gradient")):
        sides = {"torch": theirs[i]} if theirs else {}
        bench.row(what, ours[i], sides, budget=0.3)["layer"] = layer._asdict()


def elementwise(bench: Bench, images: int) -> None:
    """Layers that calculate little, forward and backward, beside the speed of a copy: the least
    that they must move is what comes in and goes out, and backward what the tape kept for it."""
    rng = np.random.default_rng(0)
    shape = (images, 28, 28, 128)
    image = rng.standard_normal(shape).astype("f").transpose(0, 3, 1, 2)
    target = rng.uniform(0, 1, shape).astype("f").transpose(0, 3, 1, 2)
    ones = np.ones(128, "f")
    layers: dict[str, tuple[Callable, list, list]] = {  # of functional; differentiated, and not
        "batch norm, training": (
            lambda f, x, w, b: f.batch_norm(x, None, None, w, b, True), [image, ones, ones], []
        ),
        "leaky relu": (lambda f, x: f.leaky_relu(x, 0.2), [image], []),
        "dropout": (lambda f, x: f.dropout(x, 0.4, True), [image], []),
        "mse loss": (lambda f, x, y: f.mse_loss(x, y), [image], [target]),
        "bce with logits": (
            lambda f, x, y: f.binary_cross_entropy_with_logits(x, y), [image], [target]
        ),
    }  # fmt: skip
    bench.note(f"element by element, forward and backward, {image.shape}:")
    for name, (f, arrays, others) in layers.items():
        # Times one, so that it is no leaf: the tape then counts what it keeps of it.
        x, *rest = (Tensor(a, requires_grad=True, device=bench.device) for a in arrays)
        xs = [x * 1.0, *rest]
        ys = [Tensor(a, device=bench.device) for a in others]
        with minigen.profile() as p:
            out = f(F, *xs, *ys)
        g = Tensor(np.ones((), "f") if not out.ndim else target, device=bench.device)
        moved = [*xs, *ys, out, g, *xs]
        traffic = sum(tensor.array.nbytes for tensor in moved) + p.kept
        del out
        sides: dict[str, Call] = {}
        if bench.torch is not None:
            ts = [bench.torch.tensor(a, bench.device, True) for a in arrays]
            us = [bench.torch.tensor(a, bench.device) for a in others]
            h = bench.torch.tensor(g.numpy(), bench.device)
            sides["torch"] = functools.partial(
                forward_backward, bench.torch.torch.autograd.grad, f, bench.torch.F, ts, us, h
            )
        ours = functools.partial(forward_backward, minigen.grad, f, F, xs, ys, g)
        bench.row(name, ours, sides, traffic=traffic)
    adam(bench, image[: max(1, images // 2)])


def forward_backward(
    grad: Callable, f: Callable, functional: Any, xs: list, others: list, g: Any
) -> object:
    """The gradients of a layer."""
    return grad(f(functional, *xs, *others), xs, g)


def adam(bench: Bench, array: np.ndarray) -> None:
    """An optimiser's step."""
    p = Tensor(array.copy(), True, device=bench.device)
    p.grad = Tensor(array.copy(), device=bench.device)
    optimiser = optim.Adam([p])
    optimiser.step()
    sides: dict[str, Call] = {}
    if bench.torch is not None:
        q = bench.torch.tensor(array, bench.device, True)
        q.grad = bench.torch.tensor(array, bench.device)
        sides["torch"] = bench.torch.torch.optim.Adam([q]).step
    bench.row(f"Adam, {array.size:,} numbers", optimiser.step, sides, traffic=optimiser.work()[1])


def dcgan_step(batch: int, threads: int, device: str, dense: bool = False) -> Call:
    """One training step of the convolutional pair at 3 channels, or of the networks with dense
    layers and batch norm that demos/gan.py trains, at one."""
    backend.limit_threads(threads)
    if dense:
        channels, pair = 1, (DenseConvGenerator(), DenseConvJudge())
    else:
        channels, pair = 3, (ConvGenerator(), ConvDiscriminator())
    image = np.random.default_rng(0).uniform(-1, 1, (batch, channels, 28, 28)).astype("f")
    gan = GAN(*(network.to(device) for network in pair))
    return functools.partial(gan.step, Tensor(image, device=device))


def dcgan(
    bench: Bench,
    batches: Sequence[int] = (64, 128),
    scaling: Sequence[int] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
) -> None:
    """The step against PyTorch's two layouts and against its own arithmetic; that of the smaller
    networks of demos/gan.py; then its memory, and how time and memory grow with the batch."""
    machine = (backend.threads(), bench.device)
    for batch in batches:
        sides = {}
        if bench.torch is not None:
            last = bench.torch.torch.channels_last
            sides = {
                "torch": bench.torch.dcgan(batch, *machine),
                "torch channels-last": bench.torch.dcgan(batch, *machine, last),
            }
        ours = dcgan_step(batch, *machine)
        row = bench.row(f"step, batch {batch}", ours, sides, budget=5.0)
        floor = row["flops"] / bench.speed.product
        row["floor_ratio"] = row["seconds"] / floor
        bench.note(
            f"  its {row['flops'] / 1e9:.1f} GFLOP would take {human_seconds(floor)} as matrix"
            f" products: the step takes {row['floor_ratio']:.2f} times that"
        )
    sides = {}
    if bench.torch is not None:
        networks = {"networks": bench.torch.dense_pair, "channels": 1}
        sides = {"torch": bench.torch.dcgan(batches[0], *machine, **networks)}
    ours = dcgan_step(batches[0], *machine, dense=True)
    bench.row(f"step of gan.py, batch {batches[0]}", ours, sides, budget=3.0)
    for batch in batches:
        bench.memory("dcgan", batch)
    for batch in scaling:
        found = in_own_process("benchmark.sections", "dcgan_step", batch, bench.device)
        each, peak = found["seconds"] / batch, found["peak"]
        bench.note(
            f"batch {batch:3}: {human_seconds(each)} an image, {human_bytes(peak)} at most",
            name="scaling", batch=batch, seconds_per_image=each, peak=peak,
        )  # fmt: skip


def vae_training(threads: int, device: str) -> Callable[[np.ndarray], None]:
    """What trains a variational autoencoder (Kingma and Welling 2014), 784-400-20, on a batch of
    images (N, 784)."""
    backend.limit_threads(threads)
    encoder = nn.Sequential(nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 40)).to(device)
    decoder = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784)).to(device)
    optimiser = optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)

    def train(images: np.ndarray) -> None:
        x = Tensor(images, device=device)
        mean, log_var = encoder(x).chunk(2, dim=1)
        z = mean + (0.5 * log_var).exp() * F.randn(*mean.shape, device=device)
        nll = F.binary_cross_entropy_with_logits(decoder(z), x, reduction="sum")
        kl = -0.5 * (1 + log_var - mean**2 - log_var.exp()).sum()
        optimiser.zero_grad()
        ((nll + kl) / len(x)).backward()
        optimiser.step()

    return train


def vae_step(batch: int, threads: int, device: str) -> Call:
    """One training step of it, always on the same images."""
    images = np.random.default_rng(0).uniform(0, 1, (batch, 784)).astype("f")
    return functools.partial(vae_training(threads, device), images)


def vae(bench: Bench, batch: int = 128, images: int = 12_800) -> None:
    """The step; an epoch, with its batches as each side's own loader makes them; and memory."""
    machine = (backend.threads(), bench.device)
    sides = {} if bench.torch is None else {"torch": bench.torch.vae(batch, *machine)}
    bench.row(f"step, batch {batch}", vae_step(batch, *machine), sides, budget=3.0)
    data = np.random.default_rng(0).uniform(0, 1, (images, 784)).astype("f")
    train, batches = vae_training(*machine), Batches(data, batch_size=batch)

    def epoch() -> None:
        for (some,) in batches:
            train(some)

    sides = {} if bench.torch is None else {"torch": bench.torch.vae_epoch(data, batch, *machine)}
    bench.row(f"epoch of {images:,} images", epoch, sides, budget=10.0)
    bench.memory("vae", batch)


def word2vec(bench: Bench, words: int = 400_000, vocabulary: int = 60_000) -> None:
    """Skip-gram and CBOW with negative sampling, 100 dimensions, window 5, 5 negatives, on words
    drawn by Zipf's law, as frequent as in a text."""
    rng = np.random.default_rng(0)
    share = 1 / np.arange(1, vocabulary + 1)
    text = rng.choice(vocabulary, words, p=share / share.sum()).astype(np.int32)
    counts = np.bincount(text, minlength=vocabulary)
    order = np.argsort(-counts, kind="stable")
    text = np.argsort(order).astype(np.int32)[text]
    counts = counts[order]
    workers = backend.threads()
    for name in ("skipgram", "cbow"):
        model = Word2Vec(counts, model=name, workers=workers, device=bench.device)
        sides: dict[str, Call] = {}
        if "gensim" in bench.against:
            from gensim.models import Word2Vec as Gensim

            strings = [str(row) for row in text.tolist()]
            lines = [strings[i : i + 10_000] for i in range(0, words, 10_000)]
            theirs = Gensim(min_count=1, sg=int(name == "skipgram"), workers=workers)
            theirs.build_vocab(lines)
            sides["gensim"] = functools.partial(
                theirs.train, lines, total_examples=len(lines), epochs=1
            )
        ours = functools.partial(one_epoch, model, text)
        row = bench.row(f"{name}, {words:,} words", ours, sides, budget=10.0, roofline=False)
        bench.note(f"  {words / row['seconds']:,.0f} words/s")


def one_epoch(model: Word2Vec, text: np.ndarray) -> None:
    """Learn from all of a text."""
    size = model.words_a_step
    for i, first in enumerate(range(0, len(text), size)):
        model.step(text[first : first + size], i + 1, 0, 0)


class Section(NamedTuple):
    """A table, the packages that it compares with, its columns, and the settings that it takes."""

    run: Callable[..., None]
    references: tuple[str, ...] = ("torch",)
    columns: str = TABLE
    settings: tuple[str, ...] = ()


SECTIONS = {
    "ops": Section(ops),
    "conv": Section(conv),
    "dcgan": Section(dcgan),
    "vae": Section(vae),
    "word2vec": Section(word2vec, ("gensim",)),
    "networks": Section(networks, columns=COLUMNS, settings=("only", "random", "seed", "budget")),
}


def references() -> list[str]:
    """The packages that something here is compared with."""
    return list(dict.fromkeys(name for s in SECTIONS.values() for name in s.references))


def packages(text: str) -> list[str]:
    """A kind of flag: names of such packages."""
    return [one_of(*references())(name) for name in text.split(",")]


def flags() -> training.Flags:
    """The command line."""
    parser = training.Flags(__doc__)
    add = parser.add_argument
    add("section", nargs="?", choices=(*SECTIONS, "all"), default="all", help="what to measure")
    add("--against", type=packages, metavar="NAMES",
        help=f"of {', '.join(references())}, with commas between them (all of them)")  # fmt: skip
    add("--device", choices=("cpu", "cuda"), default="cpu", help="where")
    of_networks = {"only": ("without networks", lambda args: args.section in ("networks", "all"))}
    known = one_of(*names(), expected="a network that --help names")
    add("--only", nargs="+", type=known, metavar="NAME", **of_networks,
        help=f"of the networks these: {', '.join(names(0))}, random-0 and so on (all)")  # fmt: skip
    add("--random", type=whole(0, RANDOM), default=30, **of_networks, help="networks drawn")
    add("--seed", type=whole(0), default=0, **of_networks, help="that they are drawn by")
    add("--budget", type=number(above=0, most=1000), default=2.5, **of_networks,
        help="seconds for a network, about, without those to build it")  # fmt: skip
    add("--json", type=new_file, metavar="FILE", help="write the figures there too")
    return parser


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line, checked: `section` becomes a list of names, `against` of packages."""
    parser = flags()
    args = parser.parse_args(given)
    args.section = list(SECTIONS) if args.section == "all" else [args.section]
    useful = {name for section in args.section for name in SECTIONS[section].references}
    wanted = references() if args.against is None else args.against
    for name in wanted:
        if args.against is not None and name not in useful:
            parser.error(f"--against: {', '.join(args.section)} is not compared with {name}")
    args.against = [name for name in wanted if name in useful]
    if args.device == "cuda":
        try:
            backend.require_cuda()
        except backend.DeviceError as error:
            parser.error(str(error))
    return args


@training.script
def main() -> None:
    args = arguments()
    for name in args.against:
        if not installed(name):
            print(f"{TITLES[name]} is not installed: only minigen's own figures are shown.")
    bench = Bench(args.device, tuple(name for name in args.against if installed(name)))
    bench.head()
    for name in args.section:
        section = SECTIONS[name]
        bench.section(name, section.columns)
        section.run(bench, **{name: getattr(args, name) for name in section.settings})
    if args.json:
        write_json(args.json, {"machine": bench.machine(), "sections": bench.rows})


if __name__ == "__main__":
    main()
