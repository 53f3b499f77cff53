"""Modules that own parameters, under PyTorch's names."""

from minigen.nn import init
from minigen.nn.activation import LeakyReLU, ReLU, Sigmoid, Softplus, Tanh
from minigen.nn.containers import ModuleList, Sequential
from minigen.nn.convolution import Conv2d, ConvTranspose2d, MaxPool2d
from minigen.nn.dropout import Dropout
from minigen.nn.linear import Linear
from minigen.nn.module import Module, Parameter
from minigen.nn.normalization import BatchNorm2d
from minigen.nn.overview import summary
from minigen.nn.shape import Flatten, Unflatten

__all__ = [
    "BatchNorm2d", "Conv2d", "ConvTranspose2d", "Dropout", "Flatten", "LeakyReLU", "Linear",
    "MaxPool2d", "Module", "ModuleList", "Parameter", "ReLU", "Sequential", "Sigmoid", "Softplus",
    "Tanh", "Unflatten", "init", "summary",
]  # fmt: skip
