"""The models that are shipped with the package, and where they lie."""

from __future__ import annotations

import os
from pathlib import Path

from napari_instseg.core.errors import ModelError
from napari_instseg.io.models import SPEC, ModelSpec, read_spec

FOLDER = Path(__file__).parent / "models"


def shipped() -> dict[str, Path]:
    """Return the folder of each shipped model by name."""
    return {path.parent.name: path.parent for path in sorted(FOLDER.glob(f"*/{SPEC}"))}


def specs() -> dict[str, ModelSpec]:
    """Return what each shipped model says of itself, by name; no weights are read."""
    return {name: read_spec(folder) for name, folder in shipped().items()}


def find_model(name_or_folder: str | Path) -> Path:
    """Return the folder of a model: a shipped name, or an existing folder.

    Raises
    ------
    ModelError
        If there is neither; the message lists the shipped names.
    """
    known = shipped()
    name = str(name_or_folder)
    if name in known:
        return known[name]
    if os.path.isdir(name):  # which, unlike Path.is_dir, is no error where the name is too long
        return Path(name)
    raise ModelError(f"No model '{name}'; expected a model folder or one of the shipped models: {', '.join(known)}.")
