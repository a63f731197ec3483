"""The store of a job: an OME-Zarr image of which only a small level is kept, with labels and their pyramid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_instseg.core.errors import OutputError
from napari_instseg.core.method import Array
from napari_instseg.io.ome_zarr import attributes, create_array, multiscale, open_for_writing, open_group, say
from napari_instseg.io.sources import ImageSource, Location
from napari_instseg.scale.job import Job, Piece, level_shapes

MARK = "napari-instseg"
"""Attribute of a label image that we wrote: the digest of its job."""


def label_axes(source: ImageSource, piece: Piece) -> str:
    """Return the letters of a label image's axes."""
    return piece.stack + "ZYX"[-len(piece.shape) :]


def label_group(job: Job, piece: Piece) -> str:
    """Return the path of a label image inside the store."""
    return "/".join(part for part in (piece.group, "labels", job.labels) if part)


def open_labels(job: Job, piece: int, level: int) -> Any:
    """Open the labels of a piece for writing chunks of them."""
    import zarr

    return zarr.open_array(job.store, path=f"{label_group(job, job.pieces[piece])}/{level}", mode="r+")


def check_free(job: Job, overwrite: bool) -> None:
    """Check that the store has no labels of that name which this job did not write.

    Raises
    ------
    OutputError
        If it has, and nobody said to overwrite them.
    """
    store = Path(job.store)
    if not store.exists() or overwrite:
        return
    for piece in job.pieces:
        path = store / label_group(job, piece)
        if not path.exists():
            continue
        mark = open_group(job.store, label_group(job, piece)).attrs.get(MARK)
        if mark != job.digest:
            whose = "of another run" if mark else "that this program did not write, or that were changed since"
            raise OutputError(
                f"'{path}' has labels {whose}, so they are kept. Choose another folder, name, or say --overwrite."
            )


def create(job: Job, sources: list[ImageSource], count: int, previews: list[Array | None]) -> None:
    """Make the arrays that workers write into, and say what they are.

    Parameters
    ----------
    job : Job
    sources : list of ImageSource
        One for each piece.
    count : int
        The highest id that there will be.
    previews : list of array or None
        For each piece the image made small, with the source's axes; None where the labels go into the image itself.
    """
    dtype = np.uint32 if count <= np.iinfo(np.uint32).max else np.int64
    root = open_for_writing(job.store, job.version)
    for piece, source, preview in zip(job.pieces, sources, previews, strict=True):
        image = root.require_group(piece.group) if piece.group else root
        if preview is not None:
            _write_preview(image, source, preview, job.version)
        axes = label_axes(source, piece)
        labels = image.require_group("labels")
        known = attributes(labels)[0].get("labels") or []
        say(labels, job.version, {"labels": [*(one for one in known if one != job.labels), job.labels]})
        group = labels.require_group(job.labels)
        shapes = level_shapes(piece.shape)
        chunks = (*(1,) * len(piece.counts), *(job.chunk,) * len(piece.shape))
        for level, shape in enumerate(shapes):
            create_array(group, str(level), axes, (*piece.counts, *shape), chunks, dtype, job.version)
        first = source.scale[piece.level] if piece.level < len(source.scale) else {}
        moved = source.translation[piece.level] if piece.level < len(source.translation) else {}
        # every second pixel is kept, so that the centre of the first one stays where it is
        scale = [
            {letter: first.get(letter, 1.0) * (2**level if letter in "YX" else 1) for letter in axes}
            for level in range(len(shapes))
        ]
        paths = [str(level) for level in range(len(shapes))]
        about: dict[str, Any] = {"source": {"image": "../../"}}
        if job.version == "0.4":
            about["version"] = "0.4"
        say(
            group,
            job.version,
            {
                "multiscales": multiscale(
                    job.labels, axes, source.units, paths, scale, moved, job.version, kind="nearest"
                ),
                "image-label": about,
            },
        )
        group.attrs[MARK] = job.digest


def _write_preview(group: Any, source: ImageSource, preview: Array, version: str) -> None:
    array = create_array(group, "0", source.axes, preview.shape, preview.shape, preview.dtype, version)
    array[...] = preview
    first = source.scale[0] if source.scale else {}
    full = source.levels[0].shape
    scale = {
        letter: first.get(letter, 1.0) * (big / small)
        for letter, big, small in zip(source.axes, full, preview.shape, strict=True)
    }
    moved = source.translation[0] if source.translation else {}
    described = multiscale(source.name, source.axes, source.units, ["0"], [scale], moved, version)
    say(group, version, {"multiscales": described})


def copy_plate(job: Job, place: Location) -> None:
    """Write into the store what plate the image's is, with those of its wells that the job has."""
    said, _ = attributes(open_group(place.path))
    plate = dict(said["plate"])
    paths = {piece.group.rsplit("/", 1)[0] for piece in job.pieces}
    plate["wells"] = [one for one in plate["wells"] if one.get("path") in paths]
    plate["version"] = job.version
    root = open_for_writing(job.store, job.version)
    if job.version != "0.4":
        plate.pop("version")
    say(root, job.version, {"plate": plate})
    for path in sorted(paths):
        fields = [piece.group.rsplit("/", 1)[1] for piece in job.pieces if piece.group.rsplit("/", 1)[0] == path]
        well: dict[str, Any] = {"images": [{"path": one} for one in fields]}
        original = attributes(open_group(place.path, path))[0].get("well", {})
        by_path = {str(one.get("path")): one for one in original.get("images", []) if isinstance(one, dict)}
        well["images"] = [by_path.get(one, {"path": one}) for one in fields]
        if job.version == "0.4":
            well["version"] = "0.4"
        say(root.require_group(path), job.version, {"well": well})
