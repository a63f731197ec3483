"""Tables of measurements: the groups that were asked for, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InputError, ParameterError
from napari_instseg.measure.intensity import measure_intensity, measure_ring
from napari_instseg.measure.neighbours import measure_neighbours
from napari_instseg.measure.shape import measure_position, measure_shape, measure_size

if TYPE_CHECKING:
    import pandas as pd

GROUPS = {
    "size": "area (volume in 3-d) and the diameter of a disk (ball) as large",
    "shape": "perimeter (surface), axes, orientation, eccentricity, solidity, circularity, Feret diameters",
    "position": "centroid, box, and whether it touches the image's border",
    "intensity": "mean, median, sum, standard deviation, minimum, maximum and percentiles of each channel",
    "ring": "the same of a ring around each object, of --ring-width",
    "neighbours": "objects that touch it, length of contact, and the distance to the nearest centroid",
}
"""What can be measured, by group."""

PERCENTILES = (5.0, 25.0, 75.0, 95.0)


def measure(
    labels: npt.NDArray[Any],
    channels: npt.NDArray[Any] | None = None,
    *,
    scale: Sequence[float] | None = None,
    groups: Sequence[str] | None = None,
    ring_width: float = 5.0,
    percentiles: Sequence[float] = PERCENTILES,
    channel_names: Sequence[str] | None = None,
    known: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Measure the objects of one image or volume.

    Parameters
    ----------
    labels : int array (Y, X) or (Z, Y, X)
        0 background, one id per object; ids may have gaps.
    channels : array (C, Y, X) or (C, Z, Y, X), optional
        Intensities; a channel dimension may be missing where there is one channel.
    scale : sequence of float, optional
        Pixel size in micrometres along each axis; columns in micrometres are added.
    groups : sequence of str, optional
        Some of `GROUPS`; by default all, those of intensities only with `channels`.
    ring_width : float
        Width of the ring of the group ``"ring"``: in micrometres with `scale`, else in pixels.
    percentiles : sequence of float
        From 0 to 100.
    channel_names : sequence of str, optional
        One per channel, for the columns; ``0``, ``1``, ... where missing.
    known : DataFrame, optional
        Columns to go along, by ``label``: score, class, model.

    Returns
    -------
    DataFrame
        A row per object in the order of the ids, column ``label`` first. Units are the ends of names: ``_px`` pixels,
        ``_um`` micrometres, ``_um2``, ``_um3``; ``_deg`` degrees. ``area_px`` counts pixels, ``volume_px`` voxels.

    Raises
    ------
    InputError
        If shapes do not fit, or a column is twice in `known`.
    ParameterError
        If a group is unknown, or intensities are asked for without an image.
    """
    import pandas as pd

    if labels.ndim not in (2, 3):
        raise InputError(f"The labels have {labels.ndim} dimensions; expected (Y, X) or (Z, Y, X).")
    channels = _with_channels(labels, channels)
    sizes = _check_scale(scale, labels.ndim)
    wanted = _check_groups(groups, channels is not None)
    names = _check_names(channel_names, 0 if channels is None else len(channels))
    ids = np.unique(labels)
    ids = ids[ids > 0]
    # ids may be large and few: what measures by counting sees 1 to n
    compact = np.searchsorted(ids, labels).astype(np.int32) + 1
    compact[labels <= 0] = 0
    columns: dict[str, npt.NDArray[Any]] = {"label": ids.astype(np.int64)}
    makers = {
        "size": lambda: measure_size(compact, len(ids), sizes),
        "shape": lambda: measure_shape(compact, len(ids), sizes),
        "position": lambda: measure_position(compact, len(ids), sizes),
        "intensity": lambda: measure_intensity(compact, len(ids), channels, names, percentiles),
        "ring": lambda: measure_ring(compact, len(ids), channels, names, percentiles, ring_width, sizes),
        "neighbours": lambda: measure_neighbours(compact, len(ids), sizes),
    }
    for group in wanted:
        columns |= makers[group]()
    table = pd.DataFrame(columns)
    return table if known is None else add_known(table, known)


def measure_stack(
    labels: npt.NDArray[Any],
    channels: npt.NDArray[Any] | None = None,
    *,
    axes: str,
    scale: Sequence[float | None] | None = None,
    slices: bool = False,
    known: pd.DataFrame | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Measure the objects of a stack: each time point apart, with its number in a column ``t`` from 0.

    Parameters
    ----------
    labels : int array
        One dimension per letter of `axes`.
    channels : array (C, *labels.shape), optional
    axes : str
        Letters of T, Z, Y, X.
    scale : sequence of float or None, optional
        Pixel size in micrometres along each axis of the labels. Where one that counts is None, nothing is measured in
        micrometres: none is made up.
    slices : bool
        Measure each z plane apart too, as areas, with its number in a column ``z``.
    known
        See `measure`.
    options
        The other options of `measure`.
    """
    import pandas as pd

    channels = _with_channels(labels, channels)
    apart = [i for i, letter in enumerate(axes) if letter == "T" or (letter == "Z" and slices)]
    steps = [size for i, size in enumerate(scale or (None,) * labels.ndim) if i not in apart]
    known_steps = [step for step in steps if step is not None]
    sizes = known_steps if len(known_steps) == len(steps) else None
    tables = []
    for place in np.ndindex(*(labels.shape[i] for i in apart)):
        where = dict(zip(apart, place, strict=True))
        at = tuple(where.get(i, slice(None)) for i in range(labels.ndim))
        part = None if channels is None else channels[(slice(None), *at)]
        table = measure(labels[at], part, scale=sizes, known=known, **options)
        for axis, number in reversed(where.items()):
            table.insert(0, axes[axis].lower(), number)
        tables.append(table)
    return pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]


def add_known(table: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Put what is known of objects behind their ids; rows of objects that are not there are left out.

    Raises
    ------
    InputError
        If `known` has no column ``label``, a column twice, or an object twice.
    """
    doubles = sorted({str(name) for name in known.columns[known.columns.duplicated()]})
    if doubles:
        raise InputError(f"The table has the column {doubles} twice; expected each once. Rename or drop one.")
    if "label" not in known:
        raise InputError("The table has no column 'label'; expected one with the objects' ids.")
    if known["label"].duplicated().any():
        twice = int(known["label"][known["label"].duplicated()].iloc[0])
        raise InputError(f"The table has object {twice} in two rows; expected one row for each object.")
    rows = known.set_index("label").reindex(table["label"])
    for position, name in enumerate(column for column in rows.columns if column not in table):
        table.insert(1 + position, name, rows[name].to_numpy())
    return table


def _with_channels(labels: npt.NDArray[Any], channels: npt.NDArray[Any] | None) -> npt.NDArray[Any] | None:
    if channels is None:
        return None
    channels = np.asarray(channels)
    if channels.shape == labels.shape:
        return channels[None]
    if channels.shape[1:] != labels.shape:
        raise InputError(
            f"The image has the shape {channels.shape}, the labels {labels.shape}; expected the same, behind the "
            "image's channels. Check that they belong together."
        )
    return channels


def _check_scale(scale: Sequence[float] | None, ndim: int) -> tuple[float, ...] | None:
    if scale is None:
        return None
    sizes = tuple(float(size) for size in scale)
    if len(sizes) != ndim or not all(np.isfinite(size) and size > 0 for size in sizes):
        raise InputError(f"The pixel size is {sizes}; expected {ndim} numbers above 0, in micrometres.")
    return sizes


def _check_groups(groups: Sequence[str] | None, has_image: bool) -> list[str]:
    if groups is None:
        return [group for group in GROUPS if has_image or group not in ("intensity", "ring")]
    unknown = sorted(set(groups) - set(GROUPS))
    if unknown:
        raise ParameterError(
            f"There is no group {', '.join(unknown)} to measure; expected some of {', '.join(GROUPS)}."
        )
    if not has_image and {"intensity", "ring"} & set(groups):
        raise ParameterError("Intensities need the image; give it, or leave the groups intensity and ring out.")
    return [group for group in GROUPS if group in groups]


def _check_names(names: Sequence[str] | None, number: int) -> list[str]:
    if names is None:
        return [str(i) for i in range(number)]
    if len(names) != number or len(set(names)) != number:
        raise InputError(f"Got the channel names {list(names)}; expected {number} that differ, one per channel.")
    return [str(name) for name in names]
