"""Images of any size that are read region by region: what they look like, whatever holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.core.method import Array
from napari_instseg.data.axes import check_axes, guess_axes

SLIDES = (".svs", ".ndpi", ".scn", ".bif")
"""Names of whole slides that tifffile reads."""


class UnreadableError(InputError):
    """A region of an image cannot be read, as where a chunk is broken."""


@dataclass(frozen=True)
class Location:
    """Where an image is, so that any process can open it again.

    Parameters
    ----------
    path : str
        A file, a folder, or a URL that fsspec knows.
    group : str
        Path of the image's group inside an OME-Zarr store.
    well, field : str
        Of an image of a plate, such as ``"B03"`` and ``"0"``.
    """

    path: str
    group: str = ""
    well: str = ""
    field: str = ""

    def __str__(self) -> str:
        return f"{self.path}/{self.group}" if self.group else self.path


@dataclass(frozen=True)
class ImageSource:
    """An image as a pyramid of arrays that are read when they are asked for.

    Parameters
    ----------
    name : str
        Of its file, without the ending.
    axes : str
        One letter of T, C, Z, Y, X per dimension; the colours of a picture are a last C.
    levels : sequence of array
        The largest first; anything with `shape`, `dtype` and slicing.
    scale, translation : sequence of mapping
        For each level, by letter, in `units`. Empty where nothing is said.
    units : mapping
        Name of the unit by letter, as in OME-Zarr.
    version : str
        Of OME-Zarr, ``"0.4"`` or ``"0.5"``; empty for other files.
    place : Location, optional
        None of an array in memory.
    channels : sequence of str
        Names, as far as there are.
    notes : sequence of str
        What the file says of itself that cannot be so.
    opened : object, optional
        The file is open as long as this is there; copies of the source share it.
    """

    name: str
    axes: str
    levels: Sequence[Any]
    scale: Sequence[Mapping[str, float]] = ()
    translation: Sequence[Mapping[str, float]] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    place: Location | None = None
    channels: Sequence[str] = ()
    notes: Sequence[str] = ()
    opened: object = field(default=None, repr=False, compare=False)

    def shape(self, level: int = 0) -> dict[str, int]:
        """Return the size along each axis, by letter."""
        return dict(zip(self.axes, self.levels[level].shape, strict=True))

    def factor(self, level: int) -> float:
        """Return how many pixels of the largest level are one of this one, along Y and X."""
        first, this = self.shape(0), self.shape(level)
        return float(np.sqrt(first["Y"] / this["Y"] * first["X"] / this["X"]))

    def pixel_size(self, level: int = 0) -> float | None:
        """Return the side of a pixel in micrometres, the mean of Y and X; None where nothing says it."""
        from napari_instseg.core.units import micrometres

        sides = []
        for letter in "YX":
            unit = micrometres(self.units.get(letter, ""))
            size = self.scale[level].get(letter) if level < len(self.scale) else None
            if unit is None or not size:
                return None
            sides.append(size * unit)
        return float(np.mean(sides))

    def read(self, level: int, **places: slice | int | Sequence[int]) -> Array:
        """Read a region.

        Parameters
        ----------
        level : int
        **places
            By letter; an axis that is not named is read whole, one with a whole number is left out.

        Raises
        ------
        UnreadableError
            If it cannot be read, as where a chunk is broken; the message names the region.
        """
        index = tuple(places.get(letter, slice(None)) for letter in self.axes)
        plain = tuple(part if isinstance(part, slice | int) else slice(None) for part in index)
        try:
            array = np.asarray(self.levels[level][plain])
        except (MemoryError, InputError):
            raise
        except Exception as error:  # codecs and stores raise whatever occurs to them
            where = ", ".join(
                f"{letter} {part.start}:{part.stop}" if isinstance(part, slice) else f"{letter} {part}"
                for letter, part in zip(self.axes, plain, strict=True)
                if not isinstance(part, slice) or part.start is not None
            )
            raise UnreadableError(
                f"'{self.place or self.name}' cannot be read at level {level}, {where or 'all of it'}: "
                f"{str(error).splitlines()[0] if str(error) else type(error).__name__}. A chunk is broken; copy the "
                "image again."
            ) from error
        kept = [letter for letter, part in zip(self.axes, plain, strict=True) if isinstance(part, slice)]
        for letter, part in zip(self.axes, index, strict=True):
            if not isinstance(part, slice | int):
                array = array.take(list(part), axis=kept.index(letter))
        return array


def from_array(array: Any, axes: str | None = None, name: str = "image") -> ImageSource:
    """Take an array, of NumPy, dask or zarr, or a sequence of such as the levels of a pyramid.

    Raises
    ------
    InputError
        If the axes do not fit.
    """
    levels = list(array) if isinstance(array, list | tuple) else [array]
    shape = tuple(levels[0].shape)
    axes = check_axes(axes, len(shape)) if axes else guess_axes(shape)
    return ImageSource(name, axes, levels)


def stem_of(path: str) -> str:
    """Return the name of an image without its folder and ending."""
    name = path.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1]
    for ending in (".ome.zarr", ".zarr.zip", ".zarr", ".ozx", ".ome.tiff", ".ome.tif", ".tiff", ".tif", *SLIDES):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name
