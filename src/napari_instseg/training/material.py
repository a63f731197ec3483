"""What a fine-tuning works with, fixed at its start: planes with what is known of them, part of it held out."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InputError, TrainingError
from napari_instseg.core.events import Event, Message, Progress
from napari_instseg.core.method import Array
from napari_instseg.data.axes import to_channels
from napari_instseg.data.pairs import Pair
from napari_instseg.editing.pieces import separate
from napari_instseg.io.atomic import write_bytes
from napari_instseg.io.checks import check_image
from napari_instseg.io.labels import doubt_masks
from napari_instseg.io.pairs import open_split
from napari_instseg.io.projects import is_project, project_pairs

UNKNOWN = -1
CELL_DIAMETERS = 3
"""Side of the cells by which known regions are held out, in typical diameters."""
SMALLEST_CELL = 48

Labels = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Plane:
    """One image, or volume, with what is known of it.

    Parameters
    ----------
    name : str
    image : array (C, *S)
        Values as they are in the file.
    learn : int32 array (*S)
        0 background, object ids, -1 unknown: what teaches.
    judge : int32 array (*S)
        The same for what is held out.
    diameter : float, optional
        Typical object diameter that the user gave, in pixels.
    classes : int32 array (*S), optional
        Class of each pixel's object, from 1.
    """

    name: str
    image: Array
    learn: Labels
    judge: Labels
    diameter: float | None = None
    classes: Labels | None = None

    @property
    def axes(self) -> str:
        """Letters of the image's axes."""
        return "C" + "ZYX"[-self.learn.ndim :]


def open_examples(folder: str | Path, diameter: float | None = None) -> list[tuple[Pair, float | None]]:
    """Find the examples of a project, or the pairs of a folder with ``images/`` and ``labels/``.

    Parameters
    ----------
    folder : str or Path
        Images that the `val.txt` of an ordinary folder names are left out, so that they can judge the result later.
    diameter : float, optional
        Typical object diameter in the images of an ordinary folder, in pixels; a project knows its own.

    Returns
    -------
    list of (Pair, float or None)
        As `finetune` takes them.

    Raises
    ------
    ProjectError, InputError
        If the folder is neither, or damaged.
    """
    if is_project(folder):
        return list(project_pairs(folder))
    return [(pair, diameter) for pair in open_split(folder, 0.0)[0]]


def read_planes(
    pairs: Sequence[tuple[Pair, float | None]], ndim: int, classes: int
) -> Generator[Event, None, tuple[Plane, ...]]:
    """Read all pairs and take the planes of which anything is known.

    Parameters
    ----------
    pairs : sequence of (Pair, float or None)
        With the typical diameter that the user gave for each; labels of -1 are unknown.
    ndim : {2, 3}
        What the model sees at once.
    classes : int
        Number of the model's classes; classes are left out where it has none.

    Raises
    ------
    InputError
        If there is no example, or none has a known object.
    """
    planes: list[Plane] = []
    seen: dict[str, Labels] = {}
    for done, (pair, diameter) in enumerate(pairs):
        yield Progress(done, len(pairs), "images")
        example = pair.read()
        seen[pair.name] = example.labels
        image, axes = check_image(example.image, example.axes, name=f"The image of '{pair.name}'")
        channels, _ = to_channels(image, axes, "ZYX"[-ndim:])
        grid = channels.shape[-ndim:]
        of = example.classes if classes else None
        every = channels.reshape(-1, *channels.shape[-ndim - 1 :])
        known = example.labels.reshape(-1, *grid)
        if len(every) != len(known):
            raise InputError(
                f"The labels of '{pair.name}' have the shape {example.labels.shape}, its image {image.shape} ({axes}); "
                "expected the same without channels."
            )
        for number, (plane, labels) in enumerate(zip(every, known, strict=True)):
            if (labels != UNKNOWN).any():
                name = pair.name if len(every) == 1 else f"{pair.name} {number}"
                kinds = None if of is None else of.reshape(-1, *grid)[number]
                labels = separate(labels)
                planes.append(Plane(name, plane, labels, np.full_like(labels, UNKNOWN), diameter, kinds))
    yield Progress(len(pairs), len(pairs), "images")
    doubt = doubt_masks(seen)
    if doubt:
        yield Message(doubt, warning=True)
    if not any((plane.learn > 0).any() for plane in planes):
        raise InputError(
            "There is no example with an object to learn from. Accept or correct a few objects first, "
            "or mark a region in which all objects are right."
        )
    return tuple(planes)


def hold_out(planes: Sequence[Plane], share: float, diameter: float, seed: int) -> tuple[Plane, ...]:
    """Set a share of what is known aside for judging, by regions, or by objects where they lie in one place.

    Space is divided into cells; an object belongs to the cell of its centre, known background to the cell that it is
    in. What is set aside is unknown to learning, and the other way round. Cells are drawn by their image's name and
    place, and their side is a power of two, so that what one version was judged by hardly teaches the next one, which
    has more examples.

    Parameters
    ----------
    share : float
        0 to 1; of two cells with objects, or more, at least one stays on either side.
    diameter : float
        Typical object diameter in pixels.
    seed : int

    Returns
    -------
    tuple of Plane
        In the same order; nothing is held out if there is only one object.
    """
    cell = 2 ** round(np.log2(max(CELL_DIAMETERS * diameter, SMALLEST_CELL)))
    centres = [(number, id_, at) for number, plane in enumerate(planes) for id_, at in find_centres(plane.learn)]
    cells = [(number, *(int(side // cell) for side in at)) for number, _, at in centres]
    by_cell = len(set(cells)) > 1
    units: list[tuple[int, ...]] = cells if by_cell else [(number, id_) for number, id_, _ in centres]
    every = sorted(set(units), key=lambda unit: _draw(seed, planes[unit[0]].name, unit[1:]))
    if share <= 0 or len(every) < 2:
        return tuple(planes)
    count = min(max(round(share * len(every)), 1), len(every) - 1)
    chosen = set(every[:count])
    held = [(number, id_) for (number, id_, _), unit in zip(centres, units, strict=True) if unit in chosen]
    return tuple(
        _divided(plane, [id_ for at, id_ in held if at == number], _background(plane, number, cell, chosen, by_cell))
        for number, plane in enumerate(planes)
    )


def _draw(seed: int, name: str, place: tuple[int, ...]) -> bytes:
    """Give a number that depends on nothing else, to draw lots with."""
    return hashlib.sha256(f"{seed} {name} {place}".encode()).digest()


def find_centres(labels: Labels) -> list[tuple[int, tuple[float, ...]]]:
    """Give id and centre of mass of each object."""
    where = np.nonzero(labels > 0)
    ids, owner, sizes = np.unique(labels[where], return_inverse=True, return_counts=True)
    means = [np.bincount(owner.ravel(), weights=axis) / sizes for axis in where]
    return [(int(id_), tuple(float(v) for v in at)) for id_, *at in zip(ids, *means, strict=True)] if ids.size else []


def _background(plane: Plane, number: int, cell: int, chosen: set[tuple[int, ...]], by_cell: bool) -> Array:
    """Mark the known background that lies in chosen cells."""
    held = np.zeros(plane.learn.shape, bool)
    for where in chosen if by_cell else ():
        if where[0] == number:
            held[tuple(slice(i * cell, (i + 1) * cell) for i in where[1:])] = True
    marked: Array = held & (plane.learn == 0)
    return marked


def _divided(plane: Plane, ids: list[int], background: Array) -> Plane:
    held = np.isin(plane.learn, ids) | background
    return Plane(
        plane.name,
        plane.image,
        np.where(held, UNKNOWN, plane.learn).astype(np.int32),
        np.where(held, plane.learn, UNKNOWN).astype(np.int32),
        plane.diameter,
        plane.classes,
    )


def write_planes(folder: Path, planes: Iterable[Plane]) -> None:
    """Write planes into a folder, one file each.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    for number, plane in enumerate(planes):
        arrays = {"image": plane.image, "learn": plane.learn, "judge": plane.judge, "name": np.array(plane.name)}
        arrays |= {} if plane.diameter is None else {"diameter": np.array(plane.diameter)}
        arrays |= {} if plane.classes is None else {"classes": plane.classes}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        write_bytes(folder / f"{number:04d}.npz", buffer.getvalue())


def read_written(folder: Path) -> tuple[Plane, ...]:
    """Read what `write_planes` wrote; none where there is no such folder.

    Raises
    ------
    TrainingError
        If a file is damaged.
    """
    planes = []
    for path in sorted(folder.glob("[0-9]*.npz")) if folder.is_dir() else ():
        try:
            with path.open("rb") as handle, np.load(handle, allow_pickle=False) as file:
                diameter = float(file["diameter"]) if "diameter" in file.files else None
                classes = file["classes"] if "classes" in file.files else None
                planes.append(Plane(str(file["name"]), file["image"], file["learn"], file["judge"], diameter, classes))
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise TrainingError(f"'{path}' is damaged ({error}); start anew in another folder.") from None
    return tuple(planes)
