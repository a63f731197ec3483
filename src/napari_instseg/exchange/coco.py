"""COCO's JSON for instance segmentation: polygons, or run lengths down the columns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InputError
from napari_instseg.data.pairs import listed
from napari_instseg.exchange.files import read_json
from napari_instseg.exchange.objects import Found, Grid, Objects
from napari_instseg.exchange.paint import Painter
from napari_instseg.exchange.polygons import trace_polygons
from napari_instseg.io.atomic import write_bytes

OTHER = "object"
"""Category of objects without a class."""


def write_coco(path: Path, objects: Objects, polygons: bool) -> None:
    """Write images (one per plane), categories and annotations.

    Parameters
    ----------
    path : Path
    objects : Objects
    polygons : bool
        Outlines where an object has no hole, which COCO's polygons cannot have; else run lengths for all.

    Notes
    -----
    An object's segmentation is all of it, what lies under others included. What is in sight of such an object is its
    ``visible_mask``, run lengths, by which the file comes back exactly.
    """
    kinds = objects.classes
    names = sorted(set(kinds.values())) + ([OTHER] if set(objects.all_ids.tolist()) - kinds.keys() or not kinds else [])
    category = {name: number for number, name in enumerate(dict.fromkeys(names), start=1)}
    scores: dict[int, float] = {}
    if objects.known is not None and "score" in objects.known:
        pairs = zip(objects.known["label"].tolist(), objects.known["score"].tolist(), strict=True)
        scores = {int(number): float(score) for number, score in pairs if score == score}
    height, width = objects.labels.shape[-2:]
    file_name = objects.image.path.name if objects.image is not None and objects.image.path else objects.name
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image, (numbers, plane) in enumerate(objects.planes(), start=1):
        place = {key: numbers[key] for key in ("t", "z") if key.upper() in objects.axes}
        images.append({"id": image, "file_name": file_name, "width": width, "height": height, **place})
        under = objects.covered_in(tuple(numbers[key.lower()] for key in objects.axes[:-2]))
        for number, about in _annotations(plane, polygons, under):
            name = kinds.get(number, OTHER)
            annotations.append(
                {
                    # the object's number where it is one; in a stack an object has an annotation in each plane
                    "id": number if len(objects.axes) == 2 else len(annotations) + 1,
                    "image_id": image,
                    "category_id": category[name],
                    "label": number,
                    **about,
                    "iscrowd": 0,
                    **({"score": scores[number]} if number in scores else {}),
                }
            )
    content = {
        "info": {"description": f"Objects of {objects.name}"},
        "images": images,
        "categories": [{"id": number, "name": name} for name, number in category.items()],
        "annotations": annotations,
    }
    write_bytes(path, json.dumps(content, ensure_ascii=False, allow_nan=False).encode())


def read_coco(path: Path, grid: Grid) -> Found:
    """Read polygons and run lengths, plain or compressed, of the image that has the grid's name, or of the only one.

    Raises
    ------
    InputError
        If it is no COCO file, or of another image or another size.
    """
    value = read_json(path)
    try:
        return _read(value, path, grid)
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise InputError(f"'{path}' is no COCO file, or is damaged ({type(error).__name__}: {error}).") from None


def is_coco(path: Path) -> bool:
    """Tell COCO's JSON from other JSON."""
    value = read_json(path)
    return isinstance(value, dict) and "annotations" in value and "images" in value


def decode(counts: list[int] | str, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return the mask of run lengths, plain or as COCO's compressed text.

    Raises
    ------
    ValueError
        If the runs are not as long as the mask.
    """
    runs = np.array(_uncompressed(counts) if isinstance(counts, str) else counts, np.int64)
    if runs.ndim != 1 or (runs < 0).any() or int(runs.sum()) != size[0] * size[1]:
        raise ValueError(f"the runs are not as long as {size[0]} x {size[1]} pixels")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(size, order="F")


def _uncompressed(text: str) -> list[int]:
    """Read COCO's text: numbers of 5 bits a letter, from the third on as difference to the one before the last."""
    runs: list[int] = []
    letters = iter(text)
    for letter in letters:
        value = shift = 0
        while True:
            bits = ord(letter) - 48
            if not 0 <= bits < 64 or shift > 60:
                raise ValueError("compressed runs hold a strange letter")
            value |= (bits & 0x1F) << shift
            shift += 5
            if not bits & 0x20:
                break
            letter = next(letters, " ")
        if bits & 0x10:
            value |= -1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    return runs


def _annotations(
    plane: npt.NDArray[np.int32], polygons: bool, under: npt.NDArray[np.int32]
) -> Iterator[tuple[int, dict[str, Any]]]:
    hidden = set(under[:, 0].tolist())
    yield from (pair for pair in _in_sight(plane, polygons) if pair[0] not in hidden)
    for number in sorted(hidden):
        visible = plane == number
        whole = visible.astype(np.int32)
        whole[tuple(under[under[:, 0] == number, 1:].T)] = 1
        for _, about in _in_sight(whole, polygons):
            everywhere = (slice(0, plane.shape[0]), slice(0, plane.shape[1]))
            runs = _encode_in(plane.shape, everywhere, visible)
            yield number, {**about, "visible_mask": {"size": list(plane.shape), "counts": runs}}


def _in_sight(plane: npt.NDArray[np.int32], polygons: bool) -> Iterator[tuple[int, dict[str, Any]]]:
    sizes = np.bincount(plane.ravel())
    for number, parts in trace_polygons(plane).items():
        corners = np.concatenate([polygon[0] for polygon in parts])
        (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
        segmentation: Any
        if polygons and all(len(polygon) == 1 for polygon in parts):
            segmentation = [polygon[0].ravel().tolist() for polygon in parts]
        else:
            box = (slice(top, bottom), slice(left, right))
            segmentation = {"size": list(plane.shape), "counts": _encode_in(plane.shape, box, plane[box] == number)}
        about = {
            "segmentation": segmentation,
            "area": int(sizes[number]),
            "bbox": [left, top, right - left, bottom - top],
        }
        yield number, about


def _encode_in(shape: tuple[int, ...], box: tuple[slice, slice], mask: npt.NDArray[np.bool_]) -> list[int]:
    """Return the runs of a mask in a box of a larger image, without making the larger mask."""
    height = shape[0]
    padded = np.pad(mask, ((1, 1), (0, 0)))
    columns, rows = np.nonzero((padded[1:] != padded[:-1]).T)
    places = (columns + box[1].start) * height + rows + box[0].start
    # a run that ends at the foot of a column may go on at the head of the next
    ends, starts = places[1::2], places[::2]
    joined = np.flatnonzero(ends[:-1] == starts[1:])
    places = np.sort(np.concatenate([np.delete(starts, joined + 1), np.delete(ends, joined)]))
    return [int(run) for run in np.diff(np.concatenate([[0], places, [shape[0] * shape[1]]]))]


def _read(value: Any, path: Path, grid: Grid) -> Found:
    planes = _planes_of(value["images"], path, grid)
    names = {kind["id"]: str(kind.get("name", kind["id"])) for kind in value.get("categories", [])}
    own = [about for about in value["annotations"] if about["image_id"] in planes]
    painter = Painter(grid, f"'{path}'")
    crowds = sum(bool(about.get("iscrowd", 0)) for about in own)
    if crowds:
        painter.note(f"{crowds} annotations of crowds, which are no single objects, were left out.")
    own = [about for about in own if not about.get("iscrowd", 0)]
    numbers = [about.get("label", about.get("id")) for about in own]
    good = all(isinstance(number, int) and not isinstance(number, bool) and number > 0 for number in numbers)
    keys = {(number, about["image_id"]) for number, about in zip(numbers, own, strict=True)} if good else set()
    if len(keys) < len(own):
        numbers = list(range(1, len(own) + 1))
    without = 0
    for number, about in zip(numbers, own, strict=True):
        t, z = planes[about["image_id"]]
        segmentation = about.get("segmentation")
        if not segmentation:
            without += 1
            continue
        seen = about.get("visible_mask")
        if isinstance(seen, dict):
            visible = _whole_plane(seen, number, path, grid)
            if visible.any():
                painter.mask(number, visible, t=t, z=z)
            painter.cover(number, _filled(segmentation, number, path, grid) & ~visible, t=t, z=z)
        elif isinstance(segmentation, dict):
            painter.mask(number, _whole_plane(segmentation, number, path, grid), t=t, z=z)
        else:
            painter.polygons(number, _rings(segmentation), t=t, z=z)
        if isinstance(about.get("score"), int | float):
            painter.rate(number, float(about["score"]))
        name = names.get(about.get("category_id"), OTHER)
        if name != OTHER:
            painter.classify(number, name)
    if without:
        painter.note(f"{without} annotations have a box only, no outline, and were left out.")
    return painter.found()


def _rings(segmentation: Any) -> list[list[npt.NDArray[np.float64]]]:
    return [[np.array(ring, np.float64).reshape(-1, 2)] for ring in segmentation]


def _whole_plane(runs: Any, number: int, path: Path, grid: Grid) -> npt.NDArray[np.bool_]:
    """Return the mask of run lengths, which must be for the grid."""
    size = tuple(int(side) for side in runs["size"])
    if size != grid.shape[-2:]:
        raise InputError(
            f"'{path}': object {number} has run lengths for {size} pixels, '{grid.name}' has "
            f"{grid.shape[-2:]}. Choose the image that they were made of."
        )
    return decode(runs["counts"], (size[0], size[1]))


def _filled(segmentation: Any, number: int, path: Path, grid: Grid) -> npt.NDArray[np.bool_]:
    """Return the mask of run lengths or of polygons."""
    if isinstance(segmentation, dict):
        return _whole_plane(segmentation, number, path, grid)
    alone = Painter(Grid(grid.shape[-2:], "YX", grid.name), f"'{path}'")
    alone.polygons(1, _rings(segmentation))
    mask: npt.NDArray[np.bool_] = alone.found().labels > 0
    return mask


def _planes_of(images: Any, path: Path, grid: Grid) -> dict[Any, tuple[int, int]]:
    """Find the images of the file that are planes of the grid, by id; with their time point and z plane."""
    stems = {Path(str(image.get("file_name", ""))).stem.lower() for image in images}
    own = Path(grid.name).stem.lower()
    if len(stems) > 1 and own not in stems:
        raise InputError(
            f"'{path}' is of {len(stems)} images, {listed(sorted(stems))}, and none is named '{own}'. Choose one of "
            "these images."
        )
    kept = [image for image in images if len(stems) == 1 or Path(str(image.get("file_name", ""))).stem.lower() == own]
    for image in kept:
        size = image.get("height", grid.shape[-2]), image.get("width", grid.shape[-1])
        if size != grid.shape[-2:]:
            raise InputError(
                f"'{path}' is of an image of {size[0]} x {size[1]} pixels, '{grid.name}' has {grid.shape[-2]} x "
                f"{grid.shape[-1]}. Choose the image that it was made of."
            )
    return {image["id"]: (int(image.get("t", 0)), int(image.get("z", 0))) for image in kept}
