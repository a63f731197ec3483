"""HDF5 files of other programs: which datasets they have, and what their axes are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InputError

DATASET = "exported_data"
"""What ilastik names what it exports."""


def datasets(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the datasets of a file that lie in the file itself, by name.

    Raises
    ------
    InputError
        If it is no HDF5 file or is damaged.
    """
    import h5py

    found: dict[str, tuple[int, ...]] = {}

    def walk(group: Any, prefix: str, depth: int) -> None:
        for name in group:
            # links that lead to other files, or back, are not followed
            if not isinstance(group.get(name, getlink=True), h5py.HardLink) or depth > 8:
                continue
            item = group[name]
            if isinstance(item, h5py.Group):
                walk(item, f"{prefix}{name}/", depth + 1)
            elif not item.external and not item.is_virtual and item.ndim >= 2:
                found[f"{prefix}{name}"] = item.shape

    try:
        with h5py.File(path, "r") as file:
            walk(file, "", 0)
    except OSError as error:
        raise InputError(f"'{path}' is no HDF5 file, or is damaged ({error}). Export it again.") from None
    return found


def largest_dataset(path: Path) -> str:
    """Choose the dataset that holds the image: ilastik's own, or the only one.

    Raises
    ------
    InputError
        If there is none, or several.
    """
    found = datasets(path)
    if DATASET in found:
        return DATASET
    if len(found) != 1:
        raise InputError(
            f"'{path}' has {len(found)} datasets ({', '.join(found)}); expected one, or one named '{DATASET}'. Export "
            "the labels by themselves."
        )
    return next(iter(found))


def read_dataset(path: Path, name: str) -> tuple[npt.NDArray[Any], str]:
    """Read a dataset, and its axes as small letters of ``tczyx``; empty where the file does not say.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            item = file[name]
            array = np.asarray(item)
            tags = item.attrs.get("axistags", "")
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"'{path}': the dataset '{name}' cannot be read ({error}). Export it again.") from None
    return array, _axes(tags, array.ndim)


def _axes(tags: Any, ndim: int) -> str:
    try:
        text = tags.decode() if isinstance(tags, bytes) else str(tags)
        axes = "".join(str(tag["key"]) for tag in json.loads(text)["axes"])
    except (ValueError, KeyError, TypeError, UnicodeDecodeError):
        return ""
    return axes if len(axes) == ndim and set(axes) <= set("tczyx") and len(set(axes)) == ndim else ""
