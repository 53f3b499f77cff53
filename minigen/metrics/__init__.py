"""How good is it: metrics of features, point sets and labels, as NumPy arrays or tensors.

Each function says what it measures, where its definition comes from, and what its number is not
comparable with. What trains or loads a classifier stands above the models.
"""

from minigen.metrics.classes import Classes, class_coverage
from minigen.metrics.divergence import discriminator_value, jensen_shannon
from minigen.metrics.frechet import frechet_distance, gaussian_frechet_distance
from minigen.metrics.likelihood import ActiveUnits, active_units, log_likelihood
from minigen.metrics.mixtures import Modes, Translated, mode_coverage, translated_modes
from minigen.metrics.neighbours import PRDC, prdc
from minigen.metrics.paths import path_length, slerp
from minigen.metrics.transport import (
    Plan,
    Prices,
    optimal_assignment,
    optimal_plan,
    optimal_prices,
    wasserstein,
)

__all__ = [
    "PRDC",
    "ActiveUnits",
    "Classes",
    "Modes",
    "Plan",
    "Prices",
    "Translated",
    "active_units",
    "class_coverage",
    "discriminator_value",
    "frechet_distance",
    "gaussian_frechet_distance",
    "jensen_shannon",
    "log_likelihood",
    "mode_coverage",
    "optimal_assignment",
    "optimal_plan",
    "optimal_prices",
    "path_length",
    "prdc",
    "slerp",
    "translated_modes",
    "wasserstein",
]
