"""Differentiable operations under PyTorch's names, in files by kind; each says in `__all__` what
users call. `methods.py` makes methods and operators of them."""
# ruff: noqa: F403

import inspect

from minigen.functional.activation import *
from minigen.functional.arithmetic import *
from minigen.functional.compositions import *
from minigen.functional.convolution import *
from minigen.functional.elementary import *
from minigen.functional.embedding import *
from minigen.functional.image import *
from minigen.functional.linear import *
from minigen.functional.loss import *
from minigen.functional.normalization import *
from minigen.functional.pointwise import *
from minigen.functional.random import *
from minigen.functional.reduction import *
from minigen.functional.shape import *

__all__ = [name for name, f in [*globals().items()] if inspect.isfunction(f)]

from minigen.functional.arguments import asking_for_tensors, under_all_names  # noqa: E402
from minigen.functional.compositions import ALIASES  # noqa: E402

globals().update({name: under_all_names(globals()[name]) for name in __all__})

from minigen.functional import methods  # noqa: E402, F401  it needs all of the above
from minigen.missing import missing_from  # noqa: E402

globals().update({name: asking_for_tensors(globals()[name]) for name in __all__})
globals().update({other: globals()[name] for other, name in ALIASES.items()})
__all__ += ALIASES

__getattr__ = missing_from(globals(), "functional")
