"""What is exchanged: labels with all that is known of them, the grid that they belong on, and what a file gave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InputError
from napari_instseg.core.method import Array
from napari_instseg.data.axes import to_channels
from napari_instseg.decoding.overlapping import Covered
from napari_instseg.io.images import Image
from napari_instseg.io.labels import check_labels

if TYPE_CHECKING:
    import pandas as pd

Labels = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Grid:
    """The pixels of an image without its channels.

    Parameters
    ----------
    shape : tuple of int
    axes : str
        A letter of T, Z, Y, X for each.
    name : str
        Of the image, for messages and to find its part of a file that is of several images.
    """

    shape: tuple[int, ...]
    axes: str
    name: str = "the image"

    @classmethod
    def of(cls, image: Image, name: str = "") -> Grid:
        """Return the grid of an image."""
        kept = [i for i, letter in enumerate(image.axes) if letter != "C"]
        shape = tuple(image.array.shape[i] for i in kept)
        axes = "".join(image.axes[i] for i in kept)
        return cls(shape, axes, name or (image.path.name if image.path else "the image"))

    def place(self, t: int = 0, z: int = 0) -> tuple[int, ...]:
        """Return the index of a plane.

        Raises
        ------
        InputError
            If the image has no such plane.
        """
        asked = {"T": t, "Z": z}
        for letter, number in asked.items():
            size = self.shape[self.axes.index(letter)] if letter in self.axes else 1
            if not 0 <= number < size:
                which = {"T": "time point", "Z": "z plane"}[letter]
                raise InputError(
                    f"The file has objects in {which} {number + 1}, but '{self.name}' has {size}. Choose the image "
                    "that they were drawn on, with all its planes."
                )
        return tuple(asked[letter] for letter in self.axes[:-2])


@dataclass(frozen=True)
class Found:
    """What was read from a file.

    Parameters
    ----------
    labels : int32 array
        On the grid that was asked for.
    notes : tuple of str
        What the user should know: what was cut off, left out or renumbered.
    classes : mapping of int to str
        Names of the objects' classes, by id, as far as the file has them.
    covered : int32 array (m, 1 + ndim)
        Pixels of objects that lie under others: id, and index along each axis.
    scores : mapping of int to float
        Confidence in objects by id, as far as the file has them.
    """

    labels: Labels
    notes: tuple[str, ...] = ()
    classes: Mapping[int, str] = field(default_factory=dict)
    covered: Covered | None = None
    scores: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Objects:
    """Objects to be written: a label image, and what is known of it.

    Parameters
    ----------
    labels : int array (Y, X), (Z, Y, X), ...
        0 background, one id per object; checked, and kept as int32.
    name : str
        Of the image; files and titles are named by it.
    image : Image, optional
        What the objects lie in: gives pixel size, intensities and the picture of a figure.
    axes : str
        Of the labels; the last ones of TZYX if nothing is said and there is no image.
    known : DataFrame, optional
        What is known of each object beside its shape, by a column ``label``: score, class, model, ...
    parents : mapping of str to int array
        Other label images of the same shape in which these objects lie, such as the cells of nuclei.
    covered : int32 array (m, 1 + ndim), optional
        Pixels of objects that lie under others: id, and index along each axis.

    Raises
    ------
    InputError
        If `labels` are no labels, or of another shape than the image.
    """

    labels: Labels
    name: str = "image"
    image: Image | None = None
    axes: str = ""
    known: pd.DataFrame | None = None
    parents: Mapping[str, Array] = field(default_factory=dict)
    covered: Covered | None = None

    def __post_init__(self) -> None:
        shape, axes = None, self.axes or "TZYX"[-np.ndim(self.labels) :]
        if self.image is not None:
            grid = Grid.of(self.image)
            shape, axes = grid.shape, grid.axes
        object.__setattr__(self, "labels", check_labels(self.labels, shape, image=f"the image of '{self.name}'"))
        object.__setattr__(self, "axes", axes)

    @property
    def scale(self) -> tuple[float | None, ...]:
        """Step along each axis of the labels, in micrometres, along T in seconds; None where nothing says."""
        if self.image is None:
            return (None,) * len(self.axes)
        return tuple(self.image.scale[self.image.axes.index(letter)] for letter in self.axes)

    @cached_property
    def ids(self) -> npt.NDArray[np.int64]:
        """The ids that are there, rising."""
        present = np.unique(self.labels)
        return present[present > 0].astype(np.int64)

    @cached_property
    def all_ids(self) -> npt.NDArray[np.int64]:
        """The ids, with those of objects of which nothing is in sight."""
        return self.ids if self.covered is None else np.union1d(self.ids, self.covered[:, 0]).astype(np.int64)

    def covered_in(self, place: tuple[int, ...]) -> Covered:
        """Return what is covered in a plane, as rows of id, y, x."""
        if self.covered is None:
            return np.empty((0, 3), np.int32)
        here = (self.covered[:, 1:-2] == np.asarray(place, np.int32)).all(axis=1)
        rows: Covered = self.covered[here][:, [0, -2, -1]]
        return rows

    @property
    def channels(self) -> Array | None:
        """The image as (C, *shape of the labels)."""
        if self.image is None:
            return None
        spatial = "ZYX" if "Z" in self.axes else "YX"
        array, stack = to_channels(self.image.array, self.image.axes, spatial)
        return np.moveaxis(array, len(stack), 0)

    @property
    def classes(self) -> dict[int, str]:
        """Class of each object by id, as text; of those that have one."""
        if self.known is None or "class" not in self.known:
            return {}
        pairs = zip(self.known["label"].tolist(), self.known["class"].tolist(), strict=True)
        return {int(number): str(name) for number, name in pairs if name is not None and name == name}

    def planes(self) -> Iterator[tuple[dict[str, int], Labels]]:
        """Go through the planes (Y, X), each with its number in time (``t``) and depth (``z``), from 0."""
        for place in np.ndindex(self.labels.shape[:-2]):
            numbers = dict(zip(self.axes[:-2].lower(), place, strict=True))
            yield {"t": numbers.get("t", 0), "z": numbers.get("z", 0)}, self.labels[place]

    def measured(self, groups: tuple[str, ...] | None = None) -> pd.DataFrame:
        """Measure the objects, time points apart; what is known of them beside goes along, see `measure`.

        Parameters
        ----------
        groups : tuple of str, optional
            By default what takes little time: size, position and, with an image, intensity.
        """
        from napari_instseg.measure import measure_stack

        channels = self.channels
        quick = ("size", "position") + (() if channels is None else ("intensity",))
        return measure_stack(
            self.labels, channels, axes=self.axes, scale=self.scale, groups=groups or quick, known=self.known
        )

    @cached_property
    def everything(self) -> pd.DataFrame:
        """All measurements that can be made."""
        from napari_instseg.measure import GROUPS

        return self.measured(tuple(g for g in GROUPS if self.image is not None or g not in ("intensity", "ring")))

    def check_flat(self, what: str) -> None:
        """See that there is one plane only.

        Raises
        ------
        InputError
            If there are several.
        """
        if self.labels.ndim > 2 and prod(self.labels.shape[:-2]) > 1:
            raise InputError(
                f"'{self.name}' has the axes {self.axes}, shape {self.labels.shape}; {what} holds one plane. "
                "Export it as TIFF, or one plane at a time."
            )
