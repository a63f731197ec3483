"""Fitting the parameters to the objects that a user drew or corrected in an image or a stack."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from napari_instseg.core.errors import InputError
from napari_instseg.core.events import Event
from napari_instseg.core.method import Array
from napari_instseg.core.params import Params
from napari_instseg.session.results import Results

if TYPE_CHECKING:
    from napari_instseg.inference.fit import Fit, Known


def known_objects(results: Results, truth: Array) -> list[Known]:
    """Return what is known of each slice whose prediction is kept.

    Parameters
    ----------
    results : Results
    truth : int array, of the results' shape
        0 background, above 0 true objects, -1 unknown.

    Raises
    ------
    InputError
        If no such slice has a true object.
    """
    from napari_instseg.inference.fit import Known

    parts = [(prediction, truth[results.position(index)]) for index, prediction in results.predictions.items()]
    known = [Known(prediction, part) for prediction, part in parts if (part > 0).any()]
    if not known:
        where = "in a slice that was segmented" if results.reading.stack_axes else "in the image"
        raise InputError(f"There are no objects of yours {where}. Draw some into the chosen layer, then fit.")
    return known


def fit_to(results: Results, truth: Array, parameters: Params, own: Params | None) -> Generator[Event, None, None]:
    """Search the parameters that agree best with what is known.

    Yields
    ------
    Progress
    Result
        A `Fit`.
    """
    from napari_instseg.inference.fit import fit_events

    yield from fit_events(known_objects(results, truth), parameters, own=own)


def summary(fit: Fit, before: Params) -> str:
    """Say what a fit came to: ``"Score on your 4 objects: 0.21 before, 0.85 now."``."""
    objects = f"your {fit.n_objects} objects" if fit.n_objects > 1 else "your object"
    if fit.parameters == before:
        return f"No other values agree better with {objects}: score {fit.before.mean_ap:.2f}."
    changed = [
        f"{parameter.title.lower()} {_shown(getattr(fit.parameters, parameter.name))}"
        for parameter in before.parameters()
        if getattr(fit.parameters, parameter.name) != getattr(before, parameter.name)
    ]
    return f"Score on {objects}: {fit.before.mean_ap:.2f} before, {fit.after.mean_ap:.2f} now ({', '.join(changed)})."


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, int | float) else str(value)
