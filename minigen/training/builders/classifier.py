"""The settings of a run of demos/classifier.py, and the classifier that they describe."""

from __future__ import annotations

import argparse

from minigen.models.classifier import Classifier
from minigen.training.command import Parser
from minigen.training.flags import refuse_odd_sides, units


def build(args: argparse.Namespace, channels: int, size: int, classes: int) -> Classifier:
    """The classifier of these flags, for images (channels, size, size) of so many classes."""
    return Classifier(channels, classes, args.width, size).to(args.device)


def flags(description: str = "") -> Parser:
    """The command line, by which a run's settings are checked too."""
    parser = Parser(description, name="classifier", quick={"epochs": 1, "width": 2})
    parser.add_epochs(5, lr=2e-3)
    parser.add_images(batch_size={"help": "images a step"})
    parser.add_argument(
        "--width", type=units, default=20, help="channels after the first convolution"
    )
    refuse_odd_sides(parser)
    return parser
