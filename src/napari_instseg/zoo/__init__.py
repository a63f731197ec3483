"""The models that are shipped with the package, and where they lie."""

from __future__ import annotations

from pathlib import Path

from napari_instseg.core.errors import ModelError
from napari_instseg.io.models import SPEC, ModelSpec, read_spec

FOLDER = Path(__file__).parent / "models"


def shipped() -> dict[str, Path]:
    """Give the folder of each shipped model by name."""
    return {path.parent.name: path.parent for path in sorted(FOLDER.glob(f"*/{SPEC}"))}


def specs() -> dict[str, ModelSpec]:
    """Give what each shipped model says of itself, by name; no weights are read."""
    return {name: read_spec(folder) for name, folder in shipped().items()}


def find_model(name_or_folder: str | Path) -> Path:
    """Give the folder of a model: a shipped name, or an existing folder.

    Raises
    ------
    ModelError
        If there is neither; the message lists the shipped names.
    """
    known = shipped()
    if str(name_or_folder) in known:
        return known[str(name_or_folder)]
    if Path(name_or_folder).is_dir():
        return Path(name_or_folder)
    raise ModelError(
        f"No model '{name_or_folder}'; expected a model folder or one of the shipped models: {', '.join(known)}."
    )
