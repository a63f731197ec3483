"""The decode parameters: changed, undone, reset, kept as presets; objects follow them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from psygnal import Signal

from napari_instseg.core.errors import InstsegError
from napari_instseg.core.params import Params
from napari_instseg.inference.rescale import own_parameters
from napari_instseg.io.models import ModelSpec
from napari_instseg.session.results import Results
from napari_instseg.session.state import Workspace
from napari_instseg.tuning.decoder import Decoder, Request
from napari_instseg.tuning.presets import Presets
from napari_instseg.tuning.value_history import ValueHistory


class Tuning:
    """The parameters of the model at hand.

    Parameters
    ----------
    workspace : Workspace
        Its `parameters` are written here and nowhere else.
    decoder : Decoder
        Decodes what is there when they change.
    results : callable
        Gives the present results of the model at hand, or None.
    presets : Path, optional
        Folder of the presets; the user's configuration folder if None.
    """

    changed = Signal()
    """What can be undone, redone or chosen as a preset is another."""

    def __init__(
        self,
        workspace: Workspace,
        decoder: Decoder,
        results: Callable[[], Results | None],
        presets: Path | None = None,
    ) -> None:
        self._workspace, self._decoder, self._results = workspace, decoder, results
        self._folder = presets
        self._history: ValueHistory[Params] | None = None
        self._own: Params | None = None
        self._spec: ModelSpec | None = None
        self._presets: Presets | None = None
        self._preset_names: tuple[str, ...] | None = None

    def take_model(self, name: str, spec: ModelSpec) -> None:
        """Start from a model's own parameters."""
        self._spec, self._own = spec, own_parameters(spec, self._workspace.diameter)
        self._history = ValueHistory(self._own)
        self._presets, self._preset_names = Presets(name, self._folder), None
        self._workspace.parameters = self._own
        self.changed.emit()

    def take_diameter(self) -> None:
        """Let sizes and distances follow the workspace's object diameter, but for those that the user changed."""
        before, now = self._own, self._workspace.parameters
        if self._spec is None or before is None or now is None:
            return
        self._own = own_parameters(self._spec, self._workspace.diameter)
        grown = {
            name: value
            for name, value in self._own.model_dump().items()
            if value != getattr(before, name) and getattr(now, name) == getattr(before, name)
        }
        if grown:
            self.take(now.changed(**grown))

    @property
    def own(self) -> Params | None:
        """The model's own parameters."""
        return self._own

    @property
    def can_undo(self) -> bool:
        """Whether there are earlier values."""
        return self._history is not None and self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether a change was undone."""
        return self._history is not None and self._history.can_redo

    @property
    def can_reset(self) -> bool:
        """Whether the values differ from the model's own."""
        return self._workspace.parameters != self._own

    def change(self, **values: Any) -> None:
        """Change values; objects follow if the workspace is live. `settle` makes it a step that can be undone.

        Raises
        ------
        ParameterError
            If a name is unknown or a value out of range.
        """
        if self._workspace.parameters is not None:
            self._set(self._workspace.parameters.changed(**values))

    def settle(self) -> None:
        """Remember the present values as a step, as when a slider is let go."""
        if self._history is not None and self._workspace.parameters is not None:
            self._history.settle(self._workspace.parameters)
            self.changed.emit()

    def undo(self) -> None:
        """Return to the values before the last step."""
        if self._history is not None:
            self.settle()
            self._set(self._history.undo())
            self.changed.emit()

    def redo(self) -> None:
        """Return to the values that were undone last."""
        if self._history is not None:
            self._set(self._history.redo())
            self.changed.emit()

    def reset(self) -> None:
        """Return to the model's own values; this can be undone."""
        if self._own is not None:
            self._set(self._own)
            self.settle()

    def take(self, parameters: Params) -> None:
        """Take over other values, as found by a search; this is one step that can be undone."""
        self.settle()
        self._set(parameters)
        self.settle()

    def preset_names(self) -> tuple[str, ...]:
        """Give the names of the model's presets."""
        if self._preset_names is None:  # read once, not at every move of a slider
            self._preset_names = tuple(sorted(self._presets.read())) if self._presets is not None else ()
        return self._preset_names

    def load_preset(self, name: str) -> None:
        """Take over the values of a preset; this can be undone.

        Raises
        ------
        InstsegError
            If there is no such preset, or it does not fit the method any more.
        """
        values = self._presets.read().get(name) if self._presets is not None else None
        if values is None or self._own is None:
            raise InstsegError(f"There is no preset '{name}' any more.")
        self._set(self._own.changed(**values))
        self.settle()

    def save_preset(self, name: str) -> None:
        """Keep the present values under a name."""
        if self._presets is not None and self._workspace.parameters is not None:
            self._presets.save(name, self._workspace.parameters)
            self._preset_names = None
            self.changed.emit()

    def delete_preset(self, name: str) -> None:
        """Forget a preset."""
        if self._presets is not None:
            self._presets.delete(name)
            self._preset_names = None
            self.changed.emit()

    def apply(self) -> None:
        """Decode what is there with the present parameters, the slice in view first."""
        results, parameters = self._results(), self._workspace.parameters
        if results is None or parameters is None:
            return
        index = self._workspace.index
        others = [key for key in results.predictions if key != index]
        first = [index] if index in results.predictions else []
        self._decoder.ask(Request(results, parameters, [*first, *others], self._workspace.window, time.perf_counter()))

    def _set(self, parameters: Params) -> None:
        if parameters == self._workspace.parameters:
            return
        self._workspace.parameters = parameters
        if self._workspace.live:
            self.apply()
        self.changed.emit()
