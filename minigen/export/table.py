"""The table: how each of the engine's operations is written in ONNX, by its name."""

from minigen.export import arithmetic, places
from minigen.export.writer import Way

TABLE: dict[str, Way] = {**arithmetic.WAYS, **places.WAYS}
