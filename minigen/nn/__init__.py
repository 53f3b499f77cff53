"""Modules that own parameters, under PyTorch's names."""

from minigen.nn import init, utils
from minigen.nn.activation import (
    ELU,
    GELU,
    SELU,
    Hardtanh,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from minigen.nn.containers import ModuleList, Sequential
from minigen.nn.convolution import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from minigen.nn.dropout import Dropout, Dropout2d
from minigen.nn.embedding import Embedding
from minigen.nn.image import (
    Fold,
    PixelShuffle,
    PixelUnshuffle,
    ReflectionPad2d,
    ReplicationPad2d,
    Unfold,
    Upsample,
    ZeroPad2d,
)
from minigen.nn.linear import Bilinear, Identity, Linear
from minigen.nn.loss import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    GaussianNLLLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    SmoothL1Loss,
)
from minigen.nn.module import Module, Parameter
from minigen.nn.normalization import BatchNorm1d, BatchNorm2d, GroupNorm, InstanceNorm2d, LayerNorm
from minigen.nn.overview import summary
from minigen.nn.pooling import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from minigen.nn.shape import Flatten, Unflatten

__all__ = [
    "AdaptiveAvgPool2d", "AvgPool2d", "BCELoss", "BCEWithLogitsLoss", "BatchNorm1d", "BatchNorm2d",
    "Bilinear", "Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d", "CrossEntropyLoss",
    "Dropout", "Dropout2d", "ELU", "Embedding", "Flatten", "Fold", "GELU", "GaussianNLLLoss",
    "GroupNorm", "Hardtanh", "Identity", "InstanceNorm2d", "KLDivLoss", "L1Loss", "LayerNorm",
    "LeakyReLU", "Linear", "LogSigmoid", "LogSoftmax", "MSELoss", "MaxPool2d", "Module",
    "ModuleList", "NLLLoss", "Parameter", "PixelShuffle", "PixelUnshuffle", "ReLU",
    "ReflectionPad2d", "ReplicationPad2d", "SELU", "Sequential", "SiLU", "Sigmoid", "SmoothL1Loss",
    "Softmax", "Softplus", "Tanh", "Unflatten", "Unfold", "Upsample", "ZeroPad2d", "init",
    "summary", "utils",
]  # fmt: skip
