"""Optimisers, learning-rate schedules and averages of parameters, under PyTorch's names."""

from minigen.missing import missing_from
from minigen.optim import lr_scheduler
from minigen.optim.adagrad import Adadelta, Adagrad
from minigen.optim.adam import Adam, AdamW, SparseAdam
from minigen.optim.adam_kin import Adamax, RAdam
from minigen.optim.average import ExponentialMovingAverage
from minigen.optim.optimizer import Optimizer
from minigen.optim.rmsprop import RMSprop
from minigen.optim.sgd import SGD

__all__ = [
    "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "ExponentialMovingAverage",
    "Optimizer", "RAdam", "RMSprop", "SparseAdam", "lr_scheduler",
]  # fmt: skip
__getattr__ = missing_from(globals(), "optim")
