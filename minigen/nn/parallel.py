"""PyTorch's door to `minigen.distributed`, which stands above this room: nothing here imports it,
unless somebody asks for this file."""

from minigen.distributed.parallel import DistributedDataParallel

__all__ = ["DistributedDataParallel"]
