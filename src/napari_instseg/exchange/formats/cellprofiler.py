"""An object table as CellProfiler writes it, and labels that its NamesAndTypes loads as objects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_instseg.exchange.format import Format
from napari_instseg.exchange.objects import Objects
from napari_instseg.io.labels import check_labels, write_labels
from napari_instseg.io.tables import write_table

if TYPE_CHECKING:
    import numpy.typing as npt

TABLE, LABELS = "_cellprofiler.csv", "_cellprofiler.tif"
NAMES = {
    "area_px": "AreaShape_Area",
    "volume_px": "AreaShape_Volume",
    "perimeter_px": "AreaShape_Perimeter",
    "surface_px": "AreaShape_SurfaceArea",
    "circularity": "AreaShape_FormFactor",
    "axis_major_px": "AreaShape_MajorAxisLength",
    "axis_minor_px": "AreaShape_MinorAxisLength",
    "orientation_deg": "AreaShape_Orientation",
    "eccentricity": "AreaShape_Eccentricity",
    "solidity": "AreaShape_Solidity",
    "extent": "AreaShape_Extent",
    "equivalent_diameter_px": "AreaShape_EquivalentDiameter",
    "feret_max_px": "AreaShape_MaxFeretDiameter",
    "feret_min_px": "AreaShape_MinFeretDiameter",
    "centroid_x_px": "Location_Center_X",
    "centroid_y_px": "Location_Center_Y",
    "centroid_z_px": "Location_Center_Z",
    "neighbours": "Neighbors_NumberOfNeighbors_Adjacent",
    "nearest_centroid_px": "Neighbors_FirstClosestDistance_Adjacent",
    "score": "Math_Score",
    "class": "Classify_Class",
}
STATISTICS = {
    "mean": "MeanIntensity",
    "median": "MedianIntensity",
    "sum": "IntegratedIntensity",
    "std": "StdIntensity",
    "min": "MinIntensity",
    "max": "MaxIntensity",
    "p25": "LowerQuartileIntensity",
    "p75": "UpperQuartileIntensity",
}
"""CellProfiler's names of our columns; its intensities are from 0 to 1, ours are the file's own."""


def write(path: Path, objects: Objects) -> None:
    """Write the table at `path`, and beside it the labels numbered as its ObjectNumber says."""
    table = objects.everything
    numbers = np.searchsorted(objects.ids, objects.labels) + 1
    numbers[objects.labels == 0] = 0
    columns: dict[str, Any] = {
        "ImageNumber": table["t"] + 1 if "t" in table else np.ones(len(table), int),
        "ObjectNumber": np.searchsorted(objects.ids, table["label"]) + 1,
        "Metadata_Image": [objects.name] * len(table),
        "Number_Label": table["label"],
    }
    for name, labels in objects.parents.items():
        checked = check_labels(labels, objects.labels.shape, name=f"The parent '{name}'", image="the objects")
        columns[f"Parent_{name}"] = _in_table(objects, table, checked)
    columns |= {new: table[old] for old, new in NAMES.items() if old in table}
    for column in table:
        kind, _, rest = str(column).partition("_")
        statistic, _, channel = rest.partition("_")
        if kind == "intensity" and statistic in STATISTICS:
            columns[f"Intensity_{STATISTICS[statistic]}_Channel{channel}"] = table[column]
    write_labels(path.with_name(path.name.removesuffix(TABLE) + LABELS), numbers, objects.axes)
    write_table(path, type(table)(columns))


def parents_of(labels: npt.NDArray[Any], parents: npt.NDArray[Any]) -> dict[int, int]:
    """Find for each object the parent that covers most of it; 0 where no pixel has a parent."""
    inside = labels > 0
    pairs, counts = np.unique(np.stack([labels[inside], parents[inside]]), axis=1, return_counts=True)
    found: dict[int, int] = {int(number): 0 for number in np.unique(labels[inside])}
    most: dict[int, int] = {}
    for (number, parent), count in zip(pairs.T.tolist(), counts.tolist(), strict=True):
        if parent > 0 and count > most.get(number, 0):
            found[number], most[number] = parent, count
    return found


def _in_table(objects: Objects, table: Any, parents: npt.NDArray[Any]) -> list[int]:
    """Return the parent of each row, numbered as CellProfiler numbers the parents' own label image: 1, 2, 3, ..."""
    ids = np.unique(parents[parents > 0])
    if "t" not in table:
        of = parents_of(objects.labels, parents)
        chosen = [of[number] for number in table["label"].tolist()]
    else:
        at = objects.axes.index("T")
        by_time = [
            parents_of(np.take(objects.labels, [t], axis=at), np.take(parents, [t], axis=at))
            for t in range(objects.labels.shape[at])
        ]
        chosen = [by_time[t][number] for t, number in zip(table["t"].tolist(), table["label"].tolist(), strict=True)]
    return [int(np.searchsorted(ids, parent)) + 1 if parent else 0 for parent in chosen]


FORMAT = Format(
    name="cellprofiler",
    title="CellProfiler labels and object table",
    ending=TABLE,
    write=write,
)
