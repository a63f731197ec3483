"""Why there are no objects, or the wrong size was given, and what to try next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_instseg.core.params import Parameter, Params
from napari_instseg.decoding.segmentation import Segmentation
from napari_instseg.inference.prediction import Prediction

FILTERS = ("min_size", "min_score", "foreground_threshold", "seed_threshold")
"""Decode parameters that leave objects out when they are high, the likeliest culprit first."""


@dataclass(frozen=True)
class Advice:
    """A reason in words, and the next step.

    Parameters
    ----------
    text : str
    offer : str
        What a button for the next step says; empty if there is none.
    parameters : mapping
        Decode parameters that the next step changes.
    diameter : float, optional
        Object diameter that the next step runs with, in pixels.
    """

    text: str
    offer: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    diameter: float | None = None


def explain_empty(prediction: Prediction, parameters: Params) -> Advice:
    """Find the parameter that leaves every object out, by trying lower values of each."""
    declared = {parameter.name: parameter for parameter in parameters.visible()}
    for name in FILTERS:
        parameter = declared.get(name)
        if parameter is None:
            continue
        for value in _lower(parameter, getattr(parameters, name)):
            found = prediction.pipeline.run(parameters.changed(**{name: value})).n_objects
            if found:
                unit = f" {parameter.unit}" if parameter.unit else ""
                objects = "1 object" if found == 1 else f"{found} objects"
                return Advice(
                    f"No objects: {parameter.title.lower()} {getattr(parameters, name):g}{unit} leaves all of them "
                    f"out. At {value:g}{unit} there would be {objects}.",
                    f"Set to {value:g}{unit}",
                    {name: value},
                )
    return Advice(
        "No objects: the network sees none in this image. It may look unlike the images that the model was trained on, "
        "or its objects have another size. Measure one object, or choose another model."
    )


def _lower(parameter: Parameter, value: float) -> Iterator[float]:
    """Go down from a value to the parameter's minimum in a few steps."""
    lowest = parameter.minimum or 0.0
    while value - lowest > (parameter.step or 0.0):
        value = lowest + (value - lowest) / 2
        value = int(value) if parameter.kind == "int" else round(value, 4)
        yield value
    if value > lowest:
        yield int(lowest) if parameter.kind == "int" else lowest


def advise_size(segmentation: Segmentation, model_diameter: float, diameter: float | None) -> Advice | None:
    """Compare the size of the found objects to what the model knows; None where they agree within a factor of 1.6.

    Where the user said how large objects are there is nothing to advise: what was found does not know better.
    """
    if diameter is not None or segmentation.n_objects < 5 or segmentation.labels.ndim != 2:
        return None
    found = float(np.median(np.sqrt(segmentation.table["area"].to_numpy() * 4 / np.pi)))
    if 1 / 1.6 < found / model_diameter < 1.6:
        return None
    return Advice(
        f"The objects found are about {found:.0f} px across; the model was trained on {model_diameter:.0f} px. "
        "Running at their size may work better.",
        f"Run at {found:.0f} px",
        diameter=round(found, 1),
    )
