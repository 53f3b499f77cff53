"""What programs for PyTorch write of torchvision: change `import torchvision` to
`import minigen.torchvision_names as torchvision`, as in `minigen.torch_names`.

What differs: data sets are found where `minigen.data` finds them, not below `root`, and only what
is not there is downloaded; transforms draw from minigen's stream; `Resize` of a tensor is Pillow's,
with antialiasing; of transforms and sets there are those that are here, and no models: to import
one is allowed, to make it is not.
"""

from typing import Any

from minigen.missing import missing_from
from minigen.torch_names.names import ROOTS, Names
from minigen.torchvision_names import datasets, transforms, utils

__all__ = ["datasets", "models", "transforms", "utils"]


class _Models(Names):
    def __getattr__(self, name: str) -> Any:
        if name[0] == "_":
            return super().__getattr__(name)

        def model(*args: Any, **options: Any) -> Any:
            raise NotImplementedError(f"minigen has no models.{name}")

        return model


models = _Models("models", root=ROOTS[1])
__getattr__ = missing_from(globals(), "torchvision")
