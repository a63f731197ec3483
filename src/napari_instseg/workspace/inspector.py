"""Computes what the user wants to look at inside a prediction, behind the window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari_instseg.core.method import View
from napari_instseg.workspace.jobs import Latest, Post, in_words
from napari_instseg.workspace.results import Results
from napari_instseg.workspace.source import Index


class Inspector:
    """The views of the model's method.

    Parameters
    ----------
    deliver : callable
        ``deliver(results, view, array, index)``, in the workspace's thread.
    fail : callable
        Gets a problem in words.
    post : callable
        See `Post`.
    """

    def __init__(
        self, deliver: Callable[[Results, View, Any, Index], None], fail: Callable[[str], None], post: Post
    ) -> None:
        self._deliver, self._fail, self._post = deliver, fail, post
        self._latest = Latest(self._compute)
        self.close = self._latest.close

    @property
    def idle(self) -> bool:
        """Whether nothing is asked for or worked on."""
        return self._latest.idle

    def ask(self, results: Results, index: Index, views: list[View]) -> None:
        """Compute these views of a slice, instead of those asked for before."""
        self._latest.ask((results, index, views))

    def _compute(self, request: tuple[Results, Index, list[View]], is_stale: Callable[[], bool]) -> None:
        results, index, views = request
        prediction = results.predictions.get(index)
        if prediction is None:
            return
        try:
            data = prediction.pipeline.data
            for view in views:
                if is_stale():
                    return
                if not missing(view, data):
                    array = view.compute(data)
                    self._post(lambda view=view, array=array: self._deliver(results, view, array, index))  # type: ignore[misc]
        except Exception as problem:
            words = in_words(problem)
            self._post(lambda: self._fail(words))


def missing(view: View, data: Any) -> tuple[str, ...]:
    """Give the names that a view needs and that are not there."""
    return tuple(name for name in view.needs if data.get(name) is None)


def why_not(results: Results | None, index: Index, view: View) -> str:
    """Say why a view cannot be shown of a slice; empty if it can."""
    if results is None or not results.planes:
        return "Run the segmentation first."
    if index not in results.predictions:
        return "What the network said of this slice is not kept; run it again."
    lacking = missing(view, results.predictions[index].pipeline.data)
    return f"This model does not give: {', '.join(lacking)}." if lacking else ""
