"""Why something cannot be done now, in words."""

from __future__ import annotations

from napari_instseg.session.results import Results
from napari_instseg.session.state import Workspace

OTHER_MODEL = "Run to see what this model finds; what is shown is what the one before found."
NOT_RUN = "Run the segmentation first."


def why_not_run(workspace: Workspace, running: bool) -> str:
    """Say why Run cannot be done now; empty if it can."""
    if workspace.source is None:
        return "Open an image first, for example with File > Open Sample."
    if not workspace.model:
        return "There is no model. Choose a model folder that instseg train wrote."
    if workspace.reading is None:
        return (
            f"The image has shape {workspace.source.shape}; this model needs {workspace.spec.ndim} dimensions."
            if workspace.spec
            else "The image cannot be read."
        )
    if running:
        return "Something is running already. Wait for it, or cancel it."
    return ""


def why_not_tune(workspace: Workspace, results: Results | None) -> str:
    """Say why the parameters have nothing to act on now; empty if they have."""
    if results is None or not (results.slices or results.predictions):
        return NOT_RUN
    return "" if results.model == workspace.model else OTHER_MODEL
