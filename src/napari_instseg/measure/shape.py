"""Size, shape and position of objects, by scikit-image and, for what it lacks, by their outline."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi, prod
from typing import Any

import numpy as np
import numpy.typing as npt

Columns = dict[str, npt.NDArray[Any]]
Sizes = Sequence[float] | None
"""Pixel size in micrometres along each axis, or None."""


def measure_size(labels: npt.NDArray[np.int32], n: int, sizes: Sizes) -> Columns:
    """Return area or volume of objects 1 to n, and the diameter of the disk or ball that is as large."""
    pixels = np.bincount(labels.ravel(), minlength=n + 1)[1:]
    flat = labels.ndim == 2
    name, unit = ("area", "um2") if flat else ("volume", "um3")
    columns: Columns = {f"{name}_px": pixels}
    if sizes is not None:
        columns[f"{name}_{unit}"] = pixels * prod(sizes)
    for suffix, size in _units(columns, name, unit):
        columns[f"equivalent_diameter_{suffix}"] = np.sqrt(4 * size / pi) if flat else np.cbrt(6 * size / pi)
    return columns


def measure_position(labels: npt.NDArray[np.int32], n: int, sizes: Sizes) -> Columns:
    """Return centroid (centres of pixels count from 0), box (end excluded) and whether objects touch the border.

    In a volume the border is that of each slice and of the stack.
    """
    from scipy import ndimage

    letters = "zyx"[-labels.ndim :]
    counts = np.maximum(np.bincount(labels.ravel(), minlength=n + 1)[1:], 1)
    columns: Columns = {}
    centroids = []
    for axis, length in enumerate(labels.shape):
        shape = [1] * labels.ndim
        shape[axis] = length
        places = np.broadcast_to(np.arange(length, dtype=float).reshape(shape), labels.shape)
        centroids.append(np.bincount(labels.ravel(), places.ravel(), minlength=n + 1)[1:] / counts)
        columns[f"centroid_{letters[axis]}_px"] = centroids[-1]
    if sizes is not None:
        for letter, places, size in zip(letters, centroids, sizes, strict=True):
            columns[f"centroid_{letter}_um"] = places * size
    boxes = ndimage.find_objects(labels, n)
    low = np.array([[part.start for part in box] for box in boxes], np.int64).reshape(n, labels.ndim)
    high = np.array([[part.stop for part in box] for box in boxes], np.int64).reshape(n, labels.ndim)
    columns |= {f"{letter}_min_px": low[:, axis] for axis, letter in enumerate(letters)}
    columns |= {f"{letter}_max_px": high[:, axis] for axis, letter in enumerate(letters)}
    columns["touches_border"] = ((low == 0) | (high == np.array(labels.shape))).any(axis=1)
    return columns


def measure_shape(labels: npt.NDArray[np.int32], n: int, sizes: Sizes) -> Columns:
    """Return perimeter or surface, axes, orientation, eccentricity, solidity, circularity and Feret diameters.

    Ratios and angles are of the object as it is in space, so with pixels that are not square they follow `sizes`.
    """
    spacing = tuple(sizes) if sizes is not None else (1.0,) * labels.ndim
    # scikit-image numbers lengths in what the spacing is in: micrometres where there is one
    found = _regions(labels, spacing)
    flat = labels.ndim == 2
    units = [("px", (1.0,) * labels.ndim)] + ([("um", spacing)] if sizes is not None else [])
    boundary = "perimeter" if flat else "surface"
    columns: Columns = {}
    for suffix, steps in units:
        ending = suffix if flat else {"px": "px", "um": "um2"}[suffix]
        columns[f"{boundary}_{ending}"] = _boundaries(found, steps)
    lengths = {"axis_major": "axis_major_length", "axis_minor": "axis_minor_length"}
    for suffix, steps in units:
        own = found if steps == spacing else _regions(labels, steps)
        for name, attribute in lengths.items():
            columns[f"{name}_{suffix}"] = np.array([_length(region, attribute) for region in own], float)
    extent = np.array([region.area for region in found], float)
    if flat:
        columns["orientation_deg"] = np.array([np.degrees(region.orientation) for region in found], float)
        columns["eccentricity"] = np.array([region.eccentricity for region in found], float)
        around = _boundaries(found, spacing)
        with np.errstate(divide="ignore", invalid="ignore"):
            columns["circularity"] = np.where(around > 0, 4 * pi * extent / around**2, np.nan)
    else:
        around = _boundaries(found, spacing)
        with np.errstate(divide="ignore", invalid="ignore"):
            # the surface of the ball of that volume, as a share of the object's own (Wadell 1932)
            columns["sphericity"] = np.where(around > 0, pi ** (1 / 3) * (6 * extent) ** (2 / 3) / around, np.nan)
    columns["solidity"] = np.array([_solidity(region) for region in found], float)
    columns["extent"] = np.array([region.extent for region in found], float)
    for suffix, steps in units:
        feret = np.array([feret_diameters(region.image, steps) for region in found], float).reshape(-1, 2)
        columns[f"feret_max_{suffix}"] = feret[:, 0]
        if flat:
            columns[f"feret_min_{suffix}"] = feret[:, 1]
    return columns


def perimeter(mask: npt.NDArray[np.bool_], steps: Sequence[float]) -> float:
    """Return the length of an object's outline.

    With square pixels that of scikit-image and CellProfiler (Benkrid and Crookes 2000, 4 neighbours). Else
    Crofton's formula with the four directions of the grid, each weighted by the angle that it stands for (Ohser and
    Mücklich 2000, eq. 2.16).
    """
    from skimage.measure import perimeter as length

    if steps[0] == steps[1]:
        return float(length(mask, 4)) * steps[0]
    return crofton(mask, steps)


def crofton(mask: npt.NDArray[np.bool_], steps: Sequence[float]) -> float:
    """Return a perimeter by counting how often lines in the grid's four directions cross the outline.

    Parameters
    ----------
    mask : array of bool (Y, X)
    steps : (float, float)
        Pixel size along y and x.
    """
    dy, dx = steps
    padded = np.pad(mask, 1)
    diagonal = np.hypot(dy, dx)
    angle = np.arctan2(dy, dx)  # of the diagonal, against x
    # crossings counted on lines this far apart, for the angles that are nearest to their direction
    along_x = np.count_nonzero(padded[:, 1:] != padded[:, :-1]), dy, angle
    along_y = np.count_nonzero(padded[1:] != padded[:-1]), dx, pi / 2 - angle
    across = np.count_nonzero(padded[1:, 1:] != padded[:-1, :-1]) + np.count_nonzero(padded[1:, :-1] != padded[:-1, 1:])
    diagonals = across, dy * dx / diagonal, pi / 4
    # the length is half the integral over all directions of (crossings times distance of the lines)
    return float(sum(count * apart * share for count, apart, share in (along_x, along_y, diagonals)) / 2)


def surface(mask: npt.NDArray[np.bool_], steps: Sequence[float]) -> float:
    """Return the area of an object's surface by marching cubes (Lewiner et al. 2003), as CellProfiler does."""
    from skimage.measure import marching_cubes, mesh_surface_area

    vertices, faces, _, _ = marching_cubes(np.pad(mask, 1).astype(np.float32), 0.5, spacing=tuple(steps))
    return float(mesh_surface_area(vertices, faces))


def feret_diameters(mask: npt.NDArray[np.bool_], steps: Sequence[float]) -> tuple[float, float]:
    """Return the largest and smallest distance of two parallel lines that hold an object, corners of pixels included.

    The smallest is not computed for volumes (NaN).
    """
    from scipy.spatial import ConvexHull
    from scipy.spatial.distance import pdist

    corners = _corners(mask) * np.asarray(steps)
    hull = ConvexHull(corners)
    points = corners[hull.vertices]
    longest = float(pdist(points).max())
    if mask.ndim > 2:
        return longest, float("nan")
    # the narrowest strip lies along an edge of the hull
    normals = hull.equations[:, :2]
    reach = normals @ points.T
    return longest, float((reach.max(axis=1) - reach.min(axis=1)).min())


def _units(columns: Columns, name: str, unit: str) -> list[tuple[str, npt.NDArray[Any]]]:
    pairs = [("px", columns[f"{name}_px"])]
    return pairs + ([("um", columns[f"{name}_{unit}"])] if f"{name}_{unit}" in columns else [])


def _regions(labels: npt.NDArray[np.int32], spacing: Sequence[float]) -> list[Any]:
    from skimage.measure import regionprops

    return list(regionprops(labels, spacing=tuple(spacing)))


def _boundaries(regions: Sequence[Any], steps: Sequence[float]) -> npt.NDArray[np.float64]:
    measure = perimeter if len(steps) == 2 else surface
    return np.array([measure(region.image, steps) for region in regions], float)


def _length(region: Any, attribute: str) -> float:
    try:
        return float(getattr(region, attribute))
    except ValueError:  # of a volume in one plane rounding may make a square below 0
        return 0.0


def _solidity(region: Any) -> float:
    """The share of the convex hull; where an object is too flat for a hull, it is its own."""
    image = region.image
    if min(image.shape) == 1 and image.ndim == 2:
        length = image.size
        return float(image.sum() / length)
    if image.ndim == 3 and min(image.shape) == 1:
        from skimage.morphology import convex_hull_image

        plane = image.squeeze()
        if plane.ndim < 2 or min(plane.shape) == 1:
            return float(image.sum() / image.size)
        return float(image.sum() / convex_hull_image(plane).sum())
    return float(region.solidity)


def _corners(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Corners of the pixels, of which only those at the ends of rows can lie on the hull."""
    first = mask.argmax(axis=-1)
    last = mask.shape[-1] - mask[..., ::-1].argmax(axis=-1)
    rows = np.argwhere(mask.any(axis=-1))
    ends = np.concatenate([np.column_stack([rows, at[tuple(rows.T)]]) for at in (first, last)]).astype(float)
    shifts = np.array(np.meshgrid(*[(0, 1)] * (mask.ndim - 1), indexing="ij")).reshape(mask.ndim - 1, -1).T
    return np.unique(np.concatenate([ends + np.append(shift, 0) for shift in shifts]), axis=0)
