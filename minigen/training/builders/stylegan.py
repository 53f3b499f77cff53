"""The settings of a run of demos/stylegan.py, and the StyleGAN that they describe."""

from __future__ import annotations

import argparse

from minigen import data
from minigen.models import stylegan as S
from minigen.models.augment import Augmentation
from minigen.training.adversarial import add_augment, add_classes, add_rates
from minigen.training.command import Parser
from minigen.training.flags import refuse_small_sides, share, units, weight, whole


def build(args: argparse.Namespace, channels: int, size: int, classes: int) -> S.StyleGAN:
    """The StyleGAN of these flags, for images (channels, size, size) of so many classes."""
    told = classes if args.conditional else 0
    sizes = {"size": size, "width": args.width, "classes": told}
    judge = S.Judge(channels, **sizes, residual=args.judge == "residual")
    generator = S.Generator(channels, **sizes, noise=args.code, style=args.code, depth=args.depth)
    return S.StyleGAN(
        generator.to(args.device),
        judge.to(args.device),
        noise=args.code,
        lr=args.lr,
        judge_lr=args.lr_ratio * args.lr,
        gamma=args.gamma,
        path_weight=args.path_weight,
        mixing=args.mixing,
        augmentation=Augmentation(*args.augment or ()),
    )


def flags(description: str = "") -> Parser:
    """The command line, by which a run's settings are checked too."""
    parser = Parser(
        description, name="stylegan", quick={"steps": 20, "width": 2, "batch_size": 8, "code": 8},
        may_change=("steps", "border"),
    )  # fmt: skip
    add = parser.add_argument
    add("--steps", type=whole(), default=10_000, help="training steps in all")
    parser.add_images(
        data={"default": lambda args: f"coloured-{data.resolved('auto')}",
              "help": "mnist, fashion-mnist, digits (drawn on the spot), coloured-mnist,"
              " coloured-digits, cifar-10, quickdraw, emoji-noto, emoji-twemoji, emoji-faces, or a"
              " folder of pictures (coloured-mnist if at hand, else coloured-digits)"},
        batch_size={"default": 32},
    )  # fmt: skip
    add("--conditional", action="store_true", help="G and D are told the class")
    add_classes(parser)
    add("--width", type=units, default=8,
        help="channels at the full size, up to 8 times as many at others")  # fmt: skip
    add("--judge", choices=("strided", "residual"), default="strided",
        help="D's blocks: one convolution, or the two of StyleGAN2, in twice the time")  # fmt: skip
    add("--code", type=units, default=64, help="length of z and of w")
    add("--depth", type=whole(1, 16), default=2, help="layers of the mapping: 8 in the papers")
    add_rates(parser, 5e-3, ratio=0.6, of_average=0.998, of="G: 2e-3 in the paper")
    add("--gamma", type=weight, default=1.0, help="γ, the weight of R1")
    add("--path-weight", type=weight, default=0.0, help="of path lengths; 0.003 suits 28 pixels")
    add("--mixing", type=share, default=0.9, help="share of pictures of two codes")
    add_augment(parser)
    add("--border", type=whole(1, 30), default=2, help="the first fine layer, in mixing.png")
    refuse_small_sides(parser)
    return parser
