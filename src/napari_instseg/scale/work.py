"""What a worker does: a block, a comparison, a region. Each leaves a file, and does nothing where that is there."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InputError
from napari_instseg.core.events import Result
from napari_instseg.core.method import Array
from napari_instseg.core.params import Params
from napari_instseg.inference.model import Model
from napari_instseg.inference.stitch import Evidence, Facts, Packed, Resolution, compare, compose, look
from napari_instseg.inference.tiles import TILE
from napari_instseg.io.atomic import write_bytes
from napari_instseg.io.large import open_source
from napari_instseg.io.sources import ImageSource, Location
from napari_instseg.scale.job import Job, Piece, Unit, level_shapes
from napari_instseg.scale.opened import open_model
from napari_instseg.scale.resample import needed, resize_region

VALUES = "value_"
"""Before the names of arrays with a row per object, in a block's file."""


@lru_cache(maxsize=4)
def _job(folder: str, changed: int) -> Job:
    return Job.read(Path(folder))


def open_job(folder: str) -> Job:
    """Open a job once per process."""
    return _job(folder, (Path(folder) / "job.json").stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _source(place: Location) -> ImageSource:
    return open_source(place)


class Channels:
    """An image as the network will see it, (C, *S), of which regions are read when they are asked for.

    Parameters
    ----------
    source : ImageSource
    piece : Piece
    image : int
        Of the stack.
    model : Model
    channels : sequence of int
        Those to take; all if empty.
    stain : str
        The stain to unmix; none if empty.
    """

    def __init__(
        self, source: ImageSource, piece: Piece, image: int, model: Model, channels: Sequence[int] = (), stain: str = ""
    ) -> None:
        self._source, self._piece, self._model = source, piece, model
        self._channels, self._stain = channels, stain
        self._stack = dict(zip(piece.stack, piece.place_in_stack(image), strict=True))
        self.shape = (model.spec.in_channels, *piece.seen)

    def __getitem__(self, index: tuple[slice, ...]) -> Array:
        piece, spatial = self._piece, "ZYX"[-len(self._piece.seen) :]
        window = [slice(*part.indices(length)[:2]) for part, length in zip(index[1:], piece.seen, strict=True)]
        if piece.seen == piece.shape:
            return self.read(dict(zip(spatial, window, strict=True)))
        around = [needed(*one) for one in zip(window, piece.seen, piece.shape, strict=True)]
        region = self.read(dict(zip(spatial, around, strict=True)))
        return resize_region(region, window, piece.seen, piece.shape)

    def read(self, places: Mapping[str, slice], level: int | None = None) -> Array:
        """Read a region of a level, (C, *S), with the channels that the model takes."""
        return read_channels(
            self._source,
            self._piece.level if level is None else level,
            {**places, **self._stack},
            self._model,
            self._channels,
            self._stain,
        )


def read_channels(
    source: ImageSource,
    level: int,
    places: Mapping[str, slice | int],
    model: Model,
    channels: Sequence[int] = (),
    stain: str = "",
) -> Array:
    """Read a region of one image of a stack, (C, *S), with the channels that a model takes."""
    if channels:
        if "C" not in source.axes:
            raise InputError(f"The image has the axes {source.axes}, so no channel can be chosen. Leave --channel out.")
        size = source.shape(level)["C"]
        if max(channels) >= size:
            raise InputError(f"The image has {size} channels, 0 to {size - 1}; there is no channel {max(channels)}.")
        places = {**places, "C": list(channels)}  # type: ignore[dict-item]
    region = source.read(level, **places)
    axes = "".join(letter for letter in source.axes if not isinstance(places.get(letter), int))
    if "C" in axes and region.shape[axes.index("C")] == 1:
        region, axes = region.squeeze(axes.index("C")), axes.replace("C", "")
    elif not channels:
        region, axes = as_picture(region, axes)
    if stain:
        from napari_instseg.data.stains import unmix

        if not axes.endswith("C"):
            raise InputError(f"The image has the axes {axes}; a stain is unmixed from colours. Leave --stain out.")
        region, axes = unmix(region, stain), axes[:-1]
    return model.as_channels(region, axes, is_part=True)[0]


def as_picture(region: Array, axes: str) -> tuple[Array, str]:
    """Bring three channels of 8 bits last: they are the colours of a picture, wherever a store keeps them."""
    if "C" in axes and region.dtype == np.uint8 and region.shape[axes.index("C")] in (3, 4):
        return np.moveaxis(region, axes.index("C"), -1), axes.replace("C", "") + "C"
    return region, axes


def channels_of(job: Job, unit: Unit) -> Channels:
    """Return the image that a unit is part of."""
    piece = job.pieces[unit.piece]
    return Channels(_source(piece.place), piece, unit.image, open_model(job.model), job.channels, job.stain)


def network_parameters(job: Job, piece: Piece) -> Params:
    """Return the decode parameters on the grid that the network sees."""
    model = open_model(job.model)
    return model.at_network_size(model.method.decode(**job.decode), piece.seen, piece.shape)


def do_block(folder: str, unit: Unit) -> dict[str, int]:
    """Segment one block by itself.

    Returns
    -------
    dict
        ``objects``, those that reach into the block's core; ``pixels`` of the core.
    """
    job = open_job(folder)
    path, grid = job.file("blocks", unit), job.grid(unit.piece)
    pixels = int(np.prod([part.stop - part.start for part in grid.cores[unit.number]]))
    if path.exists():
        return {"objects": int((read_facts(path).core_size > 0).sum()), "pixels": pixels}
    piece = job.pieces[unit.piece]
    model = open_model(job.model)
    plane = model.plane(
        channels_of(job, unit), np.array(piece.between[unit.image], np.float32), job.device, accurate=job.accurate
    )
    found: Mapping[str, Array] = {}
    params = network_parameters(job, piece)
    for event in model.segment_window(plane, grid.windows[unit.number], params, job.tile or TILE):
        if isinstance(event, Result):
            found = event.value
    facts = look(found, grid, unit.number)
    packed = Packed.of(found["labels"])
    _save(
        path,
        size=facts.size,
        core_size=facts.core_size,
        cut=facts.cut,
        shape=np.array(packed.shape),
        content=np.frombuffer(packed.content, np.uint8),
        **{VALUES + name: array for name, array in facts.values.items()},
    )
    return {"objects": int((facts.core_size > 0).sum()), "pixels": pixels}


def _save(path: Path, **arrays: Any) -> None:
    memory = io.BytesIO()
    np.savez(memory, **arrays)
    write_bytes(path, memory.getvalue())


def _load(path: Path) -> dict[str, Array]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def read_facts(path: Path) -> Facts:
    """Read what a block said of its objects."""
    with np.load(path, allow_pickle=False) as file:
        values = {name.removeprefix(VALUES): file[name] for name in file.files if name.startswith(VALUES)}
        return Facts(file["size"], file["core_size"], file["cut"], values)


def read_labels(path: Path) -> npt.NDArray[np.int32]:
    """Read what a block sees in its window."""
    with np.load(path, allow_pickle=False) as file:
        return Packed(tuple(file["shape"].tolist()), file["content"].tobytes()).labels()


def do_pairs(folder: str, unit: Unit, key: str) -> dict[str, int]:
    """Compare a block with all later ones that see something of what it sees."""
    job = open_job(folder)
    path, grid = job.file(f"pairs-{key}", unit), job.grid(unit.piece)
    if path.exists():
        return {}
    first = read_labels(job.file("blocks", unit))
    rows = []
    for later in grid.later_neighbours(unit.number):
        other = job.file("blocks", Unit(unit.piece, unit.image, later))
        if other.exists():
            one = compare(first, read_labels(other), grid, unit.number, later)
            columns = (one.a, one.b, one.common, one.in_core, one.a_size, one.b_size, one.middle)
            rows.append(np.stack([np.full(len(one.a), later), *columns], axis=1).astype(np.int64))
    _save(path, rows=np.concatenate(rows) if rows else np.zeros((0, 8), np.int64))
    return {}


def read_evidence(path: Path, number: int) -> Iterator[Evidence]:
    """Read what the comparisons of a block found."""
    rows = _load(path)["rows"]
    for later in np.unique(rows[:, 0]).tolist():
        a, b, common, in_core, a_size, b_size, middle = rows[rows[:, 0] == later, 1:].T
        yield Evidence(number, later, a, b, common, in_core, a_size, b_size, middle > 0)


def save_resolution(path: Path, resolution: Resolution, start: int) -> None:
    """Write what became of the objects of one image; its ids count on from `start`."""
    _save(
        path,
        lengths=np.array([len(one) for one in resolution.ids], np.int64),
        ids=np.concatenate([*resolution.ids, np.zeros(0, np.int64)]),
        count=np.array(resolution.count),
        row_of=resolution.row_of,
        start=np.array(start),
    )


@lru_cache(maxsize=4)
def read_resolution(path: Path) -> tuple[Resolution, int]:
    """Read what `save_resolution` wrote."""
    found = _load(path)
    ids = np.split(found["ids"], np.cumsum(found["lengths"])[:-1])
    return Resolution(ids, int(found["count"]), found["row_of"]), int(found["start"])


def do_region(folder: str, unit: Unit, key: str) -> dict[str, int]:
    """Paint one region of the labels into the store, and measure what of each object is in it."""
    from napari_instseg.decoding.regions import measure_regions
    from napari_instseg.scale.store import open_labels

    job = open_job(folder)
    path = job.file(f"painted-{key}", unit)
    if path.exists():
        return {}
    piece, grid = job.pieces[unit.piece], job.grid(unit.piece)
    resolution, start = read_resolution(job.file(f"resolved-{key}", f"{unit.piece}-{unit.image}"))
    files = [job.file("blocks", Unit(unit.piece, unit.image, number)) for number in range(len(grid))]
    region = job.regions(unit.piece)[unit.number]
    picks = [
        np.minimum(((np.arange(part.start, part.stop) + 0.5) * new / old).astype(int), new - 1)
        for part, new, old in zip(region, piece.seen, piece.shape, strict=True)
    ]
    window = tuple(slice(int(pick[0]), int(pick[-1]) + 1) for pick in picks)
    facts: list[Facts | None] = [None] * len(grid)
    for number in grid.meeting(window):
        facts[number] = read_facts(files[number]) if files[number].exists() else None
    painted = compose(window, grid, lambda number: read_labels(files[number]), facts, resolution)
    painted = painted[np.ix_(*(pick - part.start for pick, part in zip(picks, window, strict=True)))]
    array = open_labels(job, unit.piece, 0)
    stack = piece.place_in_stack(unit.image)
    array[(*stack, *region)] = np.where(painted > 0, painted + start, 0).astype(array.dtype)
    there = np.zeros(resolution.count + 1, bool)
    there[painted] = True
    there[0] = False
    ids = np.flatnonzero(there)
    numbers = (np.cumsum(there) * there).astype(np.int32)
    measured = measure_regions(numbers[painted], len(ids))
    origin = np.array([part.start for part in region])
    places = slice(-len(region), None)
    _save(
        path,
        ids=ids,
        size=measured.size,
        sums=(measured.centroid[:, places] + origin) * measured.size[:, None],
        start=measured.start[:, places] + origin,
        stop=measured.stop[:, places] + origin,
    )
    return {}


def do_level(folder: str, unit: Unit, key: str, level: int) -> dict[str, int]:
    """Write one region of a lower level of the labels: every second pixel of the level above."""
    from napari_instseg.scale.store import open_labels

    job = open_job(folder)
    path = job.file(f"level-{level}-{key}", unit)
    if path.exists():
        return {}
    piece = job.pieces[unit.piece]
    above, array = open_labels(job, unit.piece, level - 1), open_labels(job, unit.piece, level)
    length = level_shapes(piece.shape)[level - 1]
    region, stack = job.regions(unit.piece, level)[unit.number], piece.place_in_stack(unit.image)
    fine = [
        part if axis < len(region) - 2 else slice(2 * part.start, min(2 * part.stop, length[axis]), 1)
        for axis, part in enumerate(region)
    ]
    array[(*stack, *region)] = above[(*stack, *fine)][..., ::2, ::2]
    _save(path, done=np.array(True))
    return {}
