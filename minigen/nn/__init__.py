"""Modules that own parameters, under PyTorch's names; each file lists what users call."""
# ruff: noqa: F403, F405

from importlib import import_module

from minigen.missing import missing_from
from minigen.nn import init, utils
from minigen.nn.activation import *
from minigen.nn.attention import *
from minigen.nn.containers import *
from minigen.nn.convolution import *
from minigen.nn.dropout import *
from minigen.nn.embedding import *
from minigen.nn.image import *
from minigen.nn.linear import *
from minigen.nn.loss import *
from minigen.nn.module import *
from minigen.nn.normalization import *
from minigen.nn.overview import *
from minigen.nn.pooling import *
from minigen.nn.shape import *

_classes = [name for name, value in [*globals().items()] if isinstance(value, type)]
__all__ = [*_classes, "init", "summary", "utils"]
_missing = missing_from(globals(), "nn")


def __getattr__(name: str) -> object:
    if name in ("parallel", "SyncBatchNorm"):  # it stands above, and comes when it is asked for
        above = import_module("minigen.distributed.parallel")
        return above if name == "parallel" else above.SyncBatchNorm
    return _missing(name)
