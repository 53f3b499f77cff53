"""What every demo shares: the loop with its checkpoints, the run folder, and figures."""

from minigen.training.adversarial import add_classes, chosen_classes, fixed_noise, train_gan
from minigen.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from minigen.training.command import Parser, resume_command, script
from minigen.training.figures import image_grid, plot_metrics, save_gif, save_image
from minigen.training.loop import DivergedError, Loop
from minigen.training.run import Run, RunError, free_folder

__all__ = [
    "CheckpointError",
    "DivergedError",
    "Loop",
    "Parser",
    "Run",
    "RunError",
    "add_classes",
    "chosen_classes",
    "fixed_noise",
    "free_folder",
    "image_grid",
    "load_checkpoint",
    "plot_metrics",
    "resume_command",
    "save_checkpoint",
    "save_gif",
    "save_image",
    "script",
    "train_gan",
]
