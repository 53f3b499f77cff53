"""Which view a trained model has."""

from __future__ import annotations

from typing import Any

from minigen.explorer.of_chains import OfDiffusion
from minigen.explorer.of_codes import OfCodes
from minigen.explorer.of_images import OfBigGAN, OfGAN, OfStyleGAN
from minigen.explorer.of_pictures import OfReading, OfTranslation
from minigen.explorer.of_plane import OfField, OfMap, OfPoints
from minigen.explorer.of_words import OfWords
from minigen.explorer.view import View
from minigen.training import trained as T
from minigen.training import trained_kinds as K

# The first that fits: a kind stands before those that it is a special one of.
VIEWS: tuple[tuple[type[T.Trained], type[View[Any]]], ...] = (
    (T.DrawingBigGAN, OfBigGAN),
    (T.DrawingStyleGAN, OfStyleGAN),
    (T.DrawingGAN, OfGAN),
    (T.DrawingVAE, OfCodes),
    (T.DrawingDiffusion, OfDiffusion),
    (K.Translating, OfTranslation),
    (K.Reading, OfReading),
    (K.PlaneDiffusion, OfField),
    (K.PlaneAutoencoder, OfMap),
    (K.Plane, OfPoints),
    (K.Words, OfWords),
)


def view_of(trained: T.Trained) -> View[Any]:
    """The view of a trained model.

    Raises:
        RunError: there is none.
    """
    if trained.demo == "discogan_modes":  # of the plane, but no noise is drawn from
        return OfMap(trained)
    for kind, view in VIEWS:
        if isinstance(trained, kind):
            return view(trained)
    return trained.cannot("be explored")
