"""Outputs of other people's networks as predictions: one file each, found in this folder and at entry points."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from napari_instseg.core.errors import InputError
from napari_instseg.core.plugins import find_plugins
from napari_instseg.inference.adapter import Adapter
from napari_instseg.inference.prediction import Prediction

ENTRY_POINTS = "napari_instseg.adapters"


@cache
def adapters() -> dict[str, Adapter]:
    """Find all adapters by name: a module of this folder, or an entry point, offers one as ``ADAPTER``.

    An entry point of another package that cannot be used is left out, and said so in the log.
    """
    return find_plugins(__name__, __path__, Adapter, ENTRY_POINTS)[0]


def find_adapter(path: str | Path, name: str | None = None) -> Adapter:
    """Return the adapter of that name, or the one that recognises the file.

    Raises
    ------
    InputError
        If there is none.
    """
    known = adapters()
    if name is not None:
        if name not in known:
            raise InputError(f"There is no adapter '{name}'; expected one of {', '.join(known)}.")
        return known[name]
    if not Path(path).is_file():
        raise InputError(f"There is no file '{path}'. Check the name and the folder.")
    for one in known.values():
        if one.recognise(Path(path)):
            return one
    wanted = "; ".join(f"{one.name}: {one.title}" for one in known.values())
    raise InputError(f"'{path}' holds no outputs that are known here. Expected one of: {wanted}.")


def open_prediction(path: str | Path, name: str | None = None) -> Prediction:
    """Open the outputs of another tool's network, to be decoded, tuned and corrected like a model's own.

    Parameters
    ----------
    path : str or Path
    name : str, optional
        Of the adapter; told by the file if not given.

    Raises
    ------
    InputError
        If no adapter knows the file, or it is not what it should be.
    """
    return find_adapter(path, name).read(Path(path))
