"""Why something cannot be done now, in words."""

from __future__ import annotations

from napari_instseg.session.state import State

OTHER_MODEL = "Run to see what this model finds; what is shown is what the one before found."
NOT_RUN = "Run the segmentation first."


def why_not_run(state: State) -> str:
    """Say why Run cannot be done now; empty if it can."""
    if state.source is None:
        return "Open an image first, for example with File > Open Sample."
    if not state.model:
        return "There is no model. Choose a model folder that instseg train wrote."
    if state.reading is None:
        return (
            f"The image has shape {state.source.shape}; this model needs {state.spec.ndim} dimensions."
            if state.spec
            else "The image cannot be read."
        )
    if state.running:
        return "Something is running already. Wait for it, or cancel it."
    return ""


def why_not_tune(state: State) -> str:
    """Say why the parameters have nothing to act on now; empty if they have."""
    results = state.results
    if results is None or not (results.slices or results.predictions):
        return NOT_RUN
    return "" if results.model == state.model else OTHER_MODEL
