"""A trained model and all that it may be asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from textwrap import shorten
from types import ModuleType
from typing import Any, ClassVar, NoReturn

import numpy as np

from minigen import Tensor, nn, optim
from minigen.training.checkpoint import CheckpointError
from minigen.training.common import RunError, holds_nan
from minigen.training.flags import Settings
from minigen.training.run import Run

MISFITS = (ValueError, TypeError, KeyError, IndexError, AttributeError)


@dataclass(kw_only=True, eq=False)
class Trained:
    """The model of a run, with the averaged weights where the run has them, and all that is needed
    to use it.

    Attributes:
        name: the run's folder, or "digits".
        run: the run; None of the model that ships.
        demo: whose run it is.
        settings: all of them, checked.
        builder: the module of minigen/training/builders.
        device: where the model is.
        step: how many steps it was trained.
        state: what the checkpoint holds, by its names.
        model: the model, in classes of minigen/models; of several networks a dict.
        image_shape: (C, H, W) of its pictures; () of what makes none.
        class_names: of the data set.
    """

    name: str
    run: Run | None
    demo: str
    settings: Settings
    builder: ModuleType
    device: str
    step: int = 0
    state: Mapping[str, Any] = field(default_factory=dict, repr=False)
    model: Any = None
    image_shape: tuple[int, ...] = ()
    class_names: tuple[str, ...] = ()

    part: ClassVar[str] = "model"  # its name in the checkpoint
    has_images: ClassVar[bool] = True  # whether config.json gives their shape
    does: ClassVar[str] = "has networks alone"  # what it can do, for messages
    options: ClassVar[tuple[str, ...]] = ()  # what its `draw` takes besides

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes that it can be asked for; () if it is told none."""
        return ()

    @property
    def latents(self) -> int:
        """How many numbers it draws from, if it draws from a vector; else 0."""
        return 0

    def cannot(self, what: str) -> NoReturn:
        """Say that this is not what it does.

        Raises:
            RunError: always.
        """
        raise RunError(f"{self.name}: a run of {self.demo} {self.does}: it cannot {what}")

    def noise(self, count: int, seed: int = 0, **options: Any) -> Tensor:
        """What pictures are drawn from, (count, …)."""
        self.cannot("draw pictures from noise")

    def draw(self, noise: Any, labels: Any = None, **options: Any) -> np.ndarray:
        """Pictures of noise (N, …), and of classes (N,), or what lies between classes, by weights
        of each, floats (N, classes)."""
        self.cannot("draw pictures from noise")

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Of what pictures (N, C, H, W) would be drawn: (N, latents)."""
        self.cannot("encode pictures")

    def translate(self, images: np.ndarray, to: str | None = None) -> np.ndarray:
        """What is made of pictures (N, C, H, W), in one of `domains`, if there are several."""
        self.cannot("translate pictures")

    def points(self, count: int, seed: int = 0, **options: Any) -> np.ndarray:
        """Points of the plane, (count, 2)."""
        self.cannot("draw points")

    # How it is loaded

    def built(self) -> Any:
        """The model of the settings, untrained."""
        return self.builder.build(self.settings, *self.image_shape[:2], len(self.class_names))

    def averaged(self) -> nn.Module | None:
        """The networks of whose weights the run has an average; None of a run without."""
        return None

    def restore(self) -> None:
        """Give the model its trained weights.

        Raises:
            CheckpointError: there are none, or they are of another model.
        """
        self.restored(self.model, self.part)
        if (source := self.averaged()) is not None:
            average = optim.ExponentialMovingAverage(source, 0)
            self.restored(average, "average")
            average.copy_to()

    def restored(self, item: Any, part: str) -> None:
        """Give something the state that the checkpoint has under a name.

        Raises:
            CheckpointError: it has none, or of another model than config.json describes.
        """
        if holds_nan(self.state.get(part)):
            raise CheckpointError(
                f"{self.name}: the checkpoint's {part} holds NaN, for its training"
                " has diverged: start a new run, with a smaller learning rate for example"
            )
        try:
            item.load_state_dict(self.state[part])
        except MISFITS as error:
            raise CheckpointError(
                f"{self.name}: the checkpoint's {part} is not of the model that config.json"
                " describes, which was changed since, or saved by another version of minigen: train"
                f" it anew ({shorten(str(error), 300, placeholder=' …')})"
            ) from error
