"""The objects of an image: a label image, and what is known of each object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Segmentation:
    """Objects found in an image.

    Parameters
    ----------
    labels : int32 array (Y, X), (Z, Y, X) or a stack of such
        0 background, objects 1 to n.
    score : float32 array (n,), optional
        Confidence in each object, 0 to 1.
    class_id : int array (n,), optional
        Class of each object, from 1.
    timings : mapping of str to float
        Seconds that each stage of decoding took; 0 where a remembered result was used.
    axes : str
        Letters of the labels' axes; the last ones of TZYX where nothing is said.
    covered : int32 array (m, 1 + ndim), optional
        Pixels of objects that lie under others: id, and index along each axis. None where the method finds no objects
        that overlap.
    """

    labels: npt.NDArray[np.int32]
    score: npt.NDArray[np.float32] | None = None
    class_id: npt.NDArray[np.int64] | None = None
    timings: Mapping[str, float] = field(default_factory=dict)
    axes: str = ""
    covered: npt.NDArray[np.int32] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", self.axes or "TZYX"[-self.labels.ndim :])

    @cached_property
    def n_objects(self) -> int:
        """Number of objects."""
        if self.score is not None:
            return len(self.score)
        return int(self.labels.max(initial=0))

    @property
    def masks(self) -> npt.NDArray[np.bool_]:
        """Whole mask of each object, with what lies under others: bool ``(n, *shape of the labels)``."""
        from napari_instseg.decoding.overlapping import whole_masks

        return whole_masks(self.labels, self.covered, np.arange(1, self.n_objects + 1))

    @property
    def layers(self) -> npt.NDArray[np.int32]:
        """Ids in as many label images as objects lie one on another, ``(depths, *shape)``; the first is `labels`."""
        from napari_instseg.decoding.overlapping import layers_of

        return self.labels[None] if self.covered is None else layers_of(self.labels, self.covered)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per object: label, class and score if known, area, centroid and bounding box (end excluded)."""
        import pandas as pd

        from napari_instseg.decoding.regions import measure_regions

        regions = measure_regions(self.labels, self.n_objects)
        columns: dict[str, npt.NDArray[np.generic]] = {"label": np.arange(1, self.n_objects + 1)}
        if self.class_id is not None:
            columns["class"] = self.class_id
        if self.score is not None:
            columns["score"] = self.score
        columns["area"] = regions.size
        axes = [(name, position - len(self.axes)) for position, name in enumerate(self.axes.lower())]
        columns |= {f"centroid_{name}": regions.centroid[:, axis] for name, axis in axes}
        columns |= {f"{name}_min": regions.start[:, axis] for name, axis in axes}
        columns |= {f"{name}_max": regions.stop[:, axis] for name, axis in axes}
        return pd.DataFrame(columns)

    def crop(self, window: tuple[slice, ...]) -> Segmentation:
        """Return the objects in a part of the grid, numbered anew in their order."""
        from napari_instseg.decoding.components import renumber

        labels, left = renumber(self.labels[window], self.n_objects)
        kept, covered = left - 1, self.covered
        if covered is not None:
            from napari_instseg.decoding.overlapping import crop_covered, renumber_covered

            new_id = np.zeros(self.n_objects + 1, np.int32)
            new_id[left] = np.arange(1, len(left) + 1)
            covered = renumber_covered(crop_covered(covered, window), new_id)
        return Segmentation(
            labels=labels,
            score=None if self.score is None else self.score[kept],
            class_id=None if self.class_id is None else self.class_id[kept],
            timings=self.timings,
            axes=self.axes,
            covered=covered,
        )
