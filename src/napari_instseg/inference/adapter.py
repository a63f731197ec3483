"""The plug-point for other people's networks: from what a tool saved to a prediction that is tuned here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from napari_instseg.inference.prediction import Prediction


@dataclass(frozen=True)
class Adapter:
    """One tool's outputs, declared in one file of `adapters/`.

    Parameters
    ----------
    name, title : str
        Identifier, and what the outputs are in words.
    method : str
        Name of the method here that decodes them.
    recognise : callable
        ``recognise(path)`` tells whether a file holds such outputs; never raises.
    read : callable
        ``read(path)`` gives the prediction. Raises InputError where the file is not what it should be.
    """

    name: str
    title: str
    method: str
    recognise: Callable[[Path], bool]
    read: Callable[[Path], Prediction]
