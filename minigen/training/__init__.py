"""What every demo shares: the loop with its checkpoints, the run folder, and figures."""

from typing import TYPE_CHECKING

from minigen.training.adversarial import (
    ODDS,
    SCORES,
    chosen_classes,
    class_grid,
    fixed_noise,
    rows_of,
    samples_caption,
    train_gan,
)
from minigen.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from minigen.training.command import Parser, finish, resume_command, say_what_next, script
from minigen.training.common import StrPath
from minigen.training.course import (
    begin,
    by_parts,
    draw_course,
    falling,
    loop_of_epochs,
    save_strip,
)
from minigen.training.figures import image_grid, named_rows, plot_metrics, save_gif, save_image
from minigen.training.flags import Flags
from minigen.training.images import fit_batches, load_images, require_classes, train_images
from minigen.training.loop import DivergedError, Loop
from minigen.training.run import Run, RunError, free_folder
from minigen.training.translation import (
    augmented,
    inputs_and_truths,
    load_pairs,
    load_truths,
    load_unpaired,
    train_translator,
)

if TYPE_CHECKING:
    from minigen.training.trained import Trained


def load(folder: StrPath, device: str = "cpu") -> "Trained":
    """The trained model of a run, from its folder; see loading.py, which knows all demos' networks
    and so is imported by those alone who want one."""
    from minigen.training.loading import load as loaded

    return loaded(folder, device)


__all__ = [
    "ODDS",
    "SCORES",
    "CheckpointError",
    "DivergedError",
    "Flags",
    "Loop",
    "Parser",
    "Run",
    "RunError",
    "augmented",
    "begin",
    "by_parts",
    "chosen_classes",
    "class_grid",
    "draw_course",
    "falling",
    "finish",
    "fit_batches",
    "fixed_noise",
    "free_folder",
    "image_grid",
    "inputs_and_truths",
    "load",
    "load_checkpoint",
    "load_images",
    "load_pairs",
    "load_truths",
    "load_unpaired",
    "loop_of_epochs",
    "named_rows",
    "plot_metrics",
    "require_classes",
    "resume_command",
    "rows_of",
    "samples_caption",
    "save_checkpoint",
    "save_gif",
    "save_image",
    "save_strip",
    "say_what_next",
    "script",
    "train_gan",
    "train_images",
    "train_translator",
]
