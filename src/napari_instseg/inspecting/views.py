"""Computes what the user wants to look at inside a prediction, behind the window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_instseg.core.method import View
from napari_instseg.methods import get_method
from napari_instseg.session.background import BackgroundWork
from napari_instseg.session.jobs import Post
from napari_instseg.session.results import DecodedSlice, Results
from napari_instseg.session.source import Index

WAYS = {
    "selected": "Select an object first: click on one while 'Why' is open.",
    "seeds": "There are no seeds: choose the clusterer 'seeded growth' under Tune.",
}
"""What to do about a name that a view needs and that is not there."""


@dataclass(frozen=True, eq=False)
class ViewRequest:
    """Which views of a slice to compute; `selected` is the id of the selected object as the user knows it, or 0."""

    results: Results
    index: Index
    views: list[View]
    selected: int = 0


class Inspector:
    """The views of the model's method.

    Parameters
    ----------
    deliver : callable
        ``deliver(results, view, array, index)``, in the session's thread.
    fail : callable
        Gets a problem in words.
    post : callable
        See `Post`.
    """

    def __init__(
        self, deliver: Callable[[Results, View, Any, Index], None], fail: Callable[[str], None], post: Post
    ) -> None:
        self._answers = BackgroundWork(self._compute, lambda answer: deliver(*answer), fail, post)
        self._fitted: dict[str, Any] = {}
        self._fitted_for: tuple[Any, ...] = ()
        self.close = self._answers.close

    @property
    def idle(self) -> bool:
        """Whether nothing is asked for or worked on."""
        return self._answers.idle

    def ask(self, results: Results, index: Index, views: list[View], selected: int = 0) -> None:
        """Compute these views of a slice, instead of those asked for before."""
        self._answers.ask(ViewRequest(results, index, views, selected))

    def _compute(
        self, request: ViewRequest, is_stale: Callable[[], bool]
    ) -> Iterator[tuple[Results, View, Any, Index]]:
        results, index = request.results, request.index
        if index not in results.predictions:
            return
        data = looked_at(results, index, request.selected)
        for view in request.views:
            if is_stale():
                return
            if not missing(view, data):
                yield results, view, view.compute(self._fit(view, data, results)), index

    def _fit(self, view: View, data: dict[str, Any], results: Results) -> dict[str, Any]:
        """Add what the view settled on the first slice, so that colours mean the same on all slices."""
        if view.fit is None:
            return data
        fitted_for = (results.source, results.spec)
        if not self._fitted_for or any(a is not b for a, b in zip(fitted_for, self._fitted_for, strict=True)):
            self._fitted, self._fitted_for = {}, fitted_for
        if view.name not in self._fitted:
            self._fitted[view.name] = view.fit(data)
        return {**data, "fitted": self._fitted[view.name]}


def looked_at(results: Results, index: Index, selected: int = 0) -> dict[str, Any]:
    """Return all that views may need of a slice that has a prediction; see `View.needs`.

    Parameters
    ----------
    selected : int
        Id of the selected object as the user knows it, 0 for none; given as the decoder's own id.
    """
    data: dict[str, Any] = dict(results.predictions[index].pipeline.data)
    plane = results.slices.get(index)
    if plane is not None:
        data["parameters"] = plane.parameters
        # what the user corrected is what is looked at
        data["labels"], data["score"] = plane.segmentation.labels, plane.segmentation.score
        data["covered"], data["ids"] = plane.segmentation.covered, plane.ids
        data["selected"] = own_id(plane, selected)
    loss = get_method(results.spec.method).loss(**results.spec.loss)
    return {**data, "margin": getattr(loss, "margin", None)}


def own_id(plane: DecodedSlice, label: int) -> int | None:
    """Return the decoder's own id of an object that the user knows as `label`; None if it has none."""
    found = np.flatnonzero(plane.ids == label)
    return int(found[0]) if label > 0 and len(found) else None


def missing(view: View, data: Any) -> tuple[str, ...]:
    """Return the names that a view needs and that are not there."""
    return tuple(name for name in view.needs if data.get(name) is None)


def why_not(results: Results | None, index: Index, view: View, selected: int = 0) -> str:
    """Say why a view cannot be shown of a slice; empty if it can."""
    if results is None or not results.slices:
        return "Run the segmentation first."
    if index not in results.predictions:
        return "What the network said of this slice is not kept; run it again."
    lacking = missing(view, looked_at(results, index, selected))
    for name in lacking:
        if name in WAYS:
            return WAYS[name]
    return f"This model does not give: {', '.join(lacking)}." if lacking else ""
