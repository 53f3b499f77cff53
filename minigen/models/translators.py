"""Networks that turn pictures into pictures, and what judges them, as pix2pix, CycleGAN, DiscoGAN
and StarGAN share them.

    UNet                down to one pixel and up again, with skips (Isola et al. 2017,
                        arXiv:1611.07004, section 6.1.1); or without, an encoder and decoder
    ResNetTranslator    residual blocks at a quarter of the size (Johnson et al. 2016,
                        arXiv:1603.08155; Zhu et al. 2017, arXiv:1703.10593, section 7.2)
    Changed             x + f(x), which starts near a copy
    Blended             m·x + (1 − m)·f(x): what of x stays, and what is drawn over it
    Mirrored            (f(x) + f(x mirrored) mirrored) / 2
    Placed              pictures zoomed and moved, all alike, before a network is shown them
    PatchJudge          a score for each patch of a picture: "PatchGAN" (Isola et al., section
                        3.2.2)
    ImagePool           earlier made pictures (Shrivastava et al. 2017, arXiv:1612.07828)

Pictures lie between −1 and 1. Weights are drawn from N(0, 0.02²), as in DCGAN. Before a norm a
convolution has no bias, for the norm would take it out again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import minigen
from minigen import Generator, Tensor, nn
from minigen import functional as F
from minigen.backend import as_array, to_device
from minigen.data import DataError

NORMS: dict[str, Callable[[int], nn.Module]] = {
    # Of this batch, when drawing too: there are no running statistics (Isola et al., section 3.3).
    "batch": lambda channels: nn.BatchNorm2d(channels, track_running_stats=False),
    # Of this batch while training, running ones when drawing: no picture depends on its neighbours.
    "running": nn.BatchNorm2d,
    # Of each picture by itself.
    "instance": nn.InstanceNorm2d,
    "affine": lambda channels: nn.InstanceNorm2d(channels, affine=True),
    "none": lambda channels: nn.Identity(),
}
MOST = 8  # times the width are the channels at most, in all networks here


class UNet(nn.Module):
    """(N, inputs, size, size) -> (N, outputs, size, size) in [−1, 1], through `depth` halvings.

    Each convolution down is 4 × 4 of stride 2, after a LeakyReLU; each transposed one up the same,
    after a ReLU, and is shown, beside what comes from below, what its partner on the way down saw:
    so edges need not pass the narrow bottom. Dropout stands in the lowest three blocks up.

    Args:
        inputs, outputs: channels.
        width: channels after the first convolution; twice as many after each, up to 8 times.
        size: of the images.
        depth: halvings, by default as many as there can be, 8 at most: 5 of 32 pixels, 2 of 28.
        norm: a key of NORMS. The outermost convolutions and the innermost one down have none: of
            one pixel a norm of each picture would leave 0.
        dropout: the probability of it.
        skips: False leaves them out.

    Raises:
        DataError: the size cannot be halved so often.
        ValueError: another norm.
    """

    def __init__(
        self,
        inputs: int = 3,
        outputs: int = 3,
        width: int = 32,
        size: int = 32,
        depth: int | None = None,
        norm: str = "batch",
        dropout: float = 0.5,
        skips: bool = True,
    ):
        super().__init__()
        depth = min(halvings(size), 8) if depth is None else depth
        if not 1 <= depth <= halvings(size):
            raise DataError(f"UNet: {size} pixels cannot be halved {max(depth, 1)} times")
        self.skips = skips
        widths = [width * min(2**i, MOST) for i in range(depth)]
        self.down = nn.ModuleList([nn.Conv2d(inputs, width, 4, 2, 1)])
        for i in range(1, depth):
            kind = norm if i < depth - 1 else "none"
            self.down.append(
                nn.Sequential(nn.LeakyReLU(0.2), *normed(kind, nn.Conv2d, *widths[i - 1 : i + 1]))
            )
        self.up = nn.ModuleList()
        for i in reversed(range(1, depth)):
            seen = widths[i] * (1 if i == depth - 1 or not skips else 2)
            block = normed(norm, nn.ConvTranspose2d, seen, widths[i - 1])
            drop = [nn.Dropout(dropout)] if dropout and i >= depth - 3 else []
            self.up.append(nn.Sequential(nn.ReLU(), *block, *drop))
        seen = width * (2 if skips and depth > 1 else 1)
        last = nn.ConvTranspose2d(seen, outputs, 4, 2, 1)
        self.up.append(nn.Sequential(nn.ReLU(), last, nn.Tanh()))
        normal_weights(self)

    def forward(self, input: Tensor) -> Tensor:
        """The size stays."""
        seen = []
        for block in self.down:
            seen.append(block(seen[-1] if seen else input))
        x = self.up[0](seen.pop())
        for block, skip in zip(self.up[1:], reversed(seen), strict=True):
            x = block(F.cat([x, skip], 1) if self.skips else x)
        return x


class ResNetTranslator(nn.Sequential):
    """(N, inputs, H, W) -> (N, outputs, H, W) in [−1, 1]: a convolution of 7 × 7, two halvings,
    residual blocks, two doublings, a convolution of 7 × 7. H and W are multiples of 4.

    Args:
        inputs, outputs: channels.
        width: channels after the first convolution; twice as many after each halving.
        blocks: residual ones: 6 for 128 pixels in the paper, 9 for 256.
        norm: a key of NORMS.
        padding: "reflect", which paints no border, or "zeros". A network that is told something by
            constant planes needs zeros: a norm of each picture takes out a constant shift, and only
            its border, next to zeros, is none.
        kernel: of the halvings and doublings: 3, or 4 as in StarGAN, of which no pixel is covered
            by more windows than others.
        depth: halvings, if not two; H and W are then multiples of 2^depth.
        ends: side of the first convolution and of the last, if not 7.

    Raises:
        ValueError: another padding, or a kernel of another size.
    """

    def __init__(
        self,
        inputs: int = 3,
        outputs: int = 3,
        width: int = 32,
        blocks: int = 3,
        norm: str = "instance",
        padding: str = "reflect",
        kernel: int = 3,
        depth: int = 2,
        ends: int = 7,
    ):
        if padding not in ("reflect", "zeros"):
            raise ValueError(f"padding must be 'reflect' or 'zeros', not {padding!r}")
        if kernel not in (3, 4):
            raise ValueError(f"kernel must be 3 or 4, not {kernel!r}")
        widths = [width * 2**i for i in range(depth + 1)]
        layers = [*same(padding, inputs, width, ends, norm), nn.ReLU()]
        for i in range(depth):
            layers += normed(norm, nn.Conv2d, widths[i], widths[i + 1], kernel)
            layers.append(nn.ReLU())
        layers += [Residual(widths[-1], norm, padding) for _ in range(blocks)]
        for i in reversed(range(depth)):
            doubling = {"kernel": kernel, "output_padding": 4 - kernel}
            layers += normed(norm, nn.ConvTranspose2d, widths[i + 1], widths[i], **doubling)
            layers.append(nn.ReLU())
        super().__init__(*layers, *same(padding, width, outputs, ends), nn.Tanh())
        normal_weights(self)


class Residual(nn.Module):
    """x + f(x), f two convolutions of 3 × 3 (He et al. 2016, without an activation after the sum):
    (N, channels, H, W) -> the same."""

    def __init__(self, channels: int, norm: str = "instance", padding: str = "reflect"):
        super().__init__()
        self.f = nn.Sequential(
            *same(padding, channels, channels, 3, norm),
            nn.ReLU(),
            *same(padding, channels, channels, 3, norm),
        )

    def forward(self, input: Tensor) -> Tensor:
        """The shape stays."""
        return input + self.f(input)


class Changed(nn.Module):
    """x + scale·f(x): a network f draws what changes alone; cut to [−1, 1] when it is drawn with,
    for in training a cut would have no slope.

    So the first pictures resemble the inputs. What both have in common need not be learnt, which is
    most of the work where pictures are mended, or where there are no pairs; where white becomes
    black, the inputs are in the way. They are not equal: where nothing is changed, no cycle has an
    error, and a CycleGAN whose last convolutions began at 0 stayed there.

    Args:
        network: (N, C, H, W) -> (N, channels, H, W).
        channels: the first of the input's are its picture; if there is but one, it is grey.
        scale: 2 where f lies in [−1, 1], so that it can turn black into white.
    """

    def __init__(self, network: nn.Module, channels: int = 3, scale: float = 1.0):
        super().__init__()
        self.network, self.channels, self.scale = network, channels, scale

    def forward(self, input: Tensor) -> Tensor:
        """(N, channels, H, W)."""
        made = F.add(input[:, : self.channels], self.network(input), alpha=self.scale)
        return made if self.training else F.clamp(made, -1, 1)


class Blended(nn.Module):
    """m·x + (1 − m)·f(x), where a network draws f and, in its last channel, m, how much of each
    pixel stays.

    Args:
        network: x (N, C, H, W) -> (N, C + 1, H, W) in [−1, 1].
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, input: Tensor) -> Tensor:
        """The shape stays."""
        made = self.network(input)
        return F.lerp(made[:, :-1], input, (made[:, -1:] + 1) / 2)


class Mirrored(nn.Module):
    """(f(x) + f(x mirrored) mirrored) / 2, left for right: of a mirrored picture it makes the
    mirrored one, which f need not learn, and half of what f errs by on one side alone goes to the
    other. It takes twice the work.

    Args:
        network: x (N, C, H, W) -> (N, …, H, W), f.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, input: Tensor) -> Tensor:
        """The shape of f."""
        return (self.network(input) + F.flip(self.network(F.flip(input, -1)), -1)) / 2


class Placed(nn.Module):
    """A·x·Bᵀ of each channel x: pictures (N, C, H, W) zoomed and moved, all alike. A and B are not
    learnt, but kept with what is.

    Args:
        size: H and W. At first pictures stay as they are.
    """

    def __init__(self, size: int):
        super().__init__()
        self.register_buffer("rows", minigen.eye(size))
        self.register_buffer("columns", minigen.eye(size))

    def place(self, rows: Any, columns: Any) -> None:
        """Take A and B, such as those of `minigen.metrics.baselines.best_place`."""
        self.rows.copy_(Tensor(rows))
        self.columns.copy_(Tensor(columns))

    def forward(self, input: Tensor) -> Tensor:
        """The shape stays."""
        return self.rows @ input @ self.columns.T


class PatchJudge(nn.Module):
    """(N, channels, H, W) -> a score l for each patch, (N, 1, h, w).

    `layers` convolutions of 4 × 4 and stride 2, then two of stride 1. A score sees a patch of
    `receptive_field(layers)` pixels' side: 16, 34 or 70 for 1, 2 or 3 layers. With none, all
    convolutions are 1 × 1, and each pixel is judged by its colour alone.

    Args:
        channels: of what it is shown: of pictures, or, where it judges whether a picture belongs to
            an input, of both together.
        width: channels after the first convolution; twice as many after each, up to 8 times.
        layers: of stride 2.
        norm: a key of NORMS, for all but the first convolution and the last.
        size: of the pictures, if it shall be checked that they are not too small.

    Raises:
        DataError: they are.
        ValueError: another norm.
    """

    def __init__(
        self,
        channels: int = 3,
        width: int = 32,
        layers: int = 2,
        norm: str = "instance",
        size: int | None = None,
    ):
        super().__init__()
        least = 3 * 2**layers if layers else 2  # two pixels to each side for the last norm
        if size is not None and size < least:
            raise DataError(
                f"PatchJudge: {layers} layers want pictures of {least} pixels or more, not {size}"
            )
        widths = [width * min(2**i, MOST) for i in range(max(layers, 1) + 1)]
        first = {"kernel_size": 4, "stride": 2, "padding": 1} if layers else {"kernel_size": 1}
        self.blocks = nn.ModuleList(
            [nn.Sequential(nn.Conv2d(channels, width, **first), nn.LeakyReLU(0.2))]
        )
        for i in range(1, len(widths)):
            options = {"stride": 2 if i < layers else 1} if layers else {"kernel": 1, "stride": 1}
            block = normed(norm, nn.Conv2d, widths[i - 1], widths[i], **options)
            self.blocks.append(nn.Sequential(*block, nn.LeakyReLU(0.2)))
        last = {"kernel_size": 4, "padding": 1} if layers else {"kernel_size": 1}
        self.last = nn.Conv2d(widths[-1], 1, **last)
        normal_weights(self)

    def features(self, images: Tensor) -> list[Tensor]:
        """What each layer but the last makes of images, (N, C', H', W')."""
        found = [images]
        for block in self.blocks:
            found.append(block(found[-1]))
        return found[1:]

    def forward(self, images: Tensor) -> Tensor:
        """l of each patch."""
        return self.last(self.features(images)[-1])


class ImagePool:
    """Earlier made pictures, so that a judge does not forget what the generator was found out by,
    as both turn in circles.

    While it fills, each picture is kept and returned. Then, with probability ½, a random one that
    was kept is returned and the new one takes its place; else the new one is returned.

    Args:
        size: how many are kept; none for 0, and pictures are returned as they come.
        seed: of a random stream of its own, so that no other numbers depend on it.
    """

    def __init__(self, size: int = 50, seed: int = 0):
        self.size, self.random = size, Generator(seed)
        self.kept: list[Tensor] = []

    def query(self, images: Tensor) -> Tensor:
        """Pictures for the judge, as many as the made ones (N, C, H, W) given; unrecorded."""
        images = images.detach()
        if not self.size:
            return images
        chance = F.rand(len(images), 2, generator=self.random).numpy()
        chosen = []
        for image, (turn, place) in zip(images, chance, strict=True):
            if len(self.kept) < self.size:
                self.kept.append(image.clone())
            elif turn < 0.5:
                i = int(place * self.size)
                image, self.kept[i] = self.kept[i].to(images.device), image.clone()
            chosen.append(image)
        return F.stack(chosen)

    def state_dict(self) -> dict[str, Any]:
        """The pictures, and where the random stream stands."""
        kept = [to_device(image.array, "cpu") for image in self.kept]
        return {"size": self.size, "kept": kept, "random": self.random.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken.

        Raises:
            ValueError: it is of a pool of another size.
        """
        if state["size"] != self.size:
            raise ValueError(f"ImagePool: expected a pool of {self.size}, got {state['size']}")
        self.kept = [Tensor(as_array(image)) for image in state["kept"]]
        self.random.load_state_dict(state["random"])


def receptive_field(layers: int) -> int:
    """The side of the patch that a score of `PatchJudge` sees, in pixels: from the last layer to
    the first, r ← stride·(r − 1) + kernel."""
    field = 1
    for stride in [1, 1, *[2] * layers] if layers else []:
        field = stride * (field - 1) + 4
    return field


def halvings(size: int) -> int:
    """How often a size can be halved: the power of 2 in it."""
    return (size & -size).bit_length() - 1 if size > 0 else 0


def normed(
    norm: str,
    convolution: Callable[..., nn.Module],
    inputs: int,
    outputs: int,
    kernel: int = 4,
    stride: int = 2,
    **options: Any,
) -> list[nn.Module]:
    """A convolution, or a transposed one, with a padding of 1 (of none for a kernel of 1), and its
    norm.

    Raises:
        ValueError: another norm.
    """
    if norm not in NORMS:
        raise ValueError(f"norm must be one of {', '.join(NORMS)}, not {norm!r}")
    options |= {"stride": stride, "padding": min(kernel - 1, 1), "bias": norm == "none"}
    return [convolution(inputs, outputs, kernel, **options), NORMS[norm](outputs)]


def same(
    padding: str, inputs: int, outputs: int, kernel: int, norm: str | None = None
) -> list[nn.Module]:
    """A convolution that leaves the size as it is, and its norm, if any."""
    border = kernel // 2
    reflected = [nn.ReflectionPad2d(border)] if padding == "reflect" else []
    options = {"padding": 0 if reflected else border, "bias": norm in (None, "none")}
    convolution = nn.Conv2d(inputs, outputs, kernel, **options)
    return [*reflected, convolution, *([NORMS[norm](outputs)] if norm else [])]


def normal_weights(network: nn.Module) -> None:
    """Weights of convolutions from N(0, 0.02²), those of norms from N(1, 0.02²), biases 0."""
    for module in network.modules():
        mean = 0.0 if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) else 1.0
        if getattr(module, "weight", None) is not None:
            nn.init.normal_(module.weight, mean, 0.02)
        if getattr(module, "bias", None) is not None:
            nn.init.zeros_(module.bias)


def drawn(network: nn.Module, *inputs: Tensor) -> Tensor:
    """What the network makes of its inputs, to look at; see `drawing`."""
    with drawing(network):
        return network(*inputs)


@contextmanager
def drawing(network: nn.Module, noise: bool = True) -> Iterator[None]:
    """A network as it is to be drawn with: unrecorded and evaluated, but with dropout, the only
    noise that pix2pix has, unless `noise` is false. Afterwards each part is in the mode that it was
    in.

    So the norm decides alone on whether a picture depends on the others beside it; see NORMS.
    """
    parts = [*network.modules()]
    before = [part.training for part in parts]
    for part in parts:
        part.training = noise and isinstance(part, nn.Dropout | nn.Dropout2d)
    try:
        with minigen.no_grad():
            yield
    finally:
        for part, mode in zip(parts, before, strict=True):
            part.training = mode
