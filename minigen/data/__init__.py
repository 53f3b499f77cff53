"""Data sets as arrays, and batches of them."""

from minigen.data.batches import Batches
from minigen.data.digits import digits
from minigen.data.images import DataError, Images
from minigen.data.sets import load

__all__ = ["Batches", "DataError", "Images", "digits", "load"]
