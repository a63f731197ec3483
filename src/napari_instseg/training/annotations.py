"""The one kind of example that is learnt from: an image with what is known of it, from a label file or a correction."""

from __future__ import annotations

import io
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated as Declared
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from napari_instseg.core.errors import InputError, TrainingError
from napari_instseg.core.events import Event, Message, Progress
from napari_instseg.core.labels import UNKNOWN
from napari_instseg.core.method import Array
from napari_instseg.data.axes import to_channels
from napari_instseg.data.pairs import Example, Pair
from napari_instseg.editing.pieces import separate
from napari_instseg.io.atomic import write_bytes
from napari_instseg.io.checks import check_image
from napari_instseg.io.gates import Strict, Unreadable, numbers, read_arrays, scalar
from napari_instseg.io.labels import doubt_masks
from napari_instseg.io.models import LARGEST
from napari_instseg.io.pairs import open_split
from napari_instseg.io.projects import is_project, project_pairs

Labels = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Annotated:
    """One image, or volume, with what is known of it.

    Parameters
    ----------
    name : str
    image : array (C, *S)
        Values as they are in the file; after `crops.prepare` float32 as the network sees them.
    learn : int32 array (*S)
        0 background, object ids, -1 unknown: what teaches.
    judge : int32 array (*S)
        The same for what is held out.
    diameter : float, optional
        Typical object diameter that the user gave, in pixels.
    class_of : int64 array (largest id + 1,), optional
        Class of each object by its id, from 1; 0 for ids that are not there.
    """

    name: str
    image: Array
    learn: Labels
    judge: Labels
    diameter: float | None = None
    class_of: npt.NDArray[np.int64] | None = None

    @property
    def as_taken(self) -> tuple[Array, str]:
        """The image as a model takes it, and its axes: three channels are the colours of a picture, and come last."""
        spatial = "ZYX"[-self.learn.ndim :]
        if len(self.image) == 3:
            return np.moveaxis(self.image, 0, -1), spatial + "C"
        return self.image, "C" + spatial


def all_unknown(shape: tuple[int, ...]) -> Labels:
    """Return labels that say nothing; they take no memory, and cannot be written to."""
    return np.broadcast_to(np.int32(UNKNOWN), shape)


def split_up(
    name: str, example: Example, ndim: int, diameter: float | None = None, *, far_apart: bool = False
) -> Iterator[Annotated]:
    """Split what a pair holds into single images or volumes; all of it teaches.

    Parameters
    ----------
    name : str
        Of the pair; of a stack, each image's name has its number behind it.
    example : Example
    ndim : {2, 3}
        What a model sees at once. All other axes but channels are independent images.
    diameter : float, optional
        Typical object diameter, in pixels.
    far_apart : bool
        Whether one id in places that are far apart is taken for several objects.

    Raises
    ------
    InputError
        If the image cannot be learnt from, or its labels are of another shape.
    """
    image, axes = check_image(example.image, example.axes, name=f"The image of '{name}'")
    channels, _ = to_channels(image, axes, "ZYX"[-ndim:])
    grid = channels.shape[-ndim:]
    images = channels.reshape(-1, *channels.shape[-ndim - 1 :])
    if example.labels.size != len(images) * np.prod(grid):
        raise InputError(
            f"The labels of '{name}' have the shape {example.labels.shape}, its image {image.shape} ({axes}); "
            "expected the same without channels."
        )
    labels = example.labels.reshape(-1, *grid).astype(np.int32, copy=False)
    classes = [None] * len(images) if example.classes is None else example.classes.reshape(-1, *grid)
    for number, (one, known, of) in enumerate(zip(images, labels, classes, strict=True)):
        named = name if len(images) == 1 else f"{name} {number}"
        known = separate(known) if far_apart else known
        class_of = None if of is None else find_classes(known, of)
        yield Annotated(named, one, known, all_unknown(known.shape), diameter, class_of)


def find_classes(labels: Array, classes: Array) -> npt.NDArray[np.int64]:
    """Look up the class of each id: the one that most of its pixels have."""
    table = np.zeros(max(int(labels.max()), 0) + 1, np.int64)
    inside = labels > 0
    pairs, counts = np.unique(np.stack([labels[inside], classes[inside]]), axis=1, return_counts=True)
    order = np.argsort(counts, kind="stable")
    table[pairs[0, order]] = pairs[1, order]
    return table


def typical_diameter(labels: Iterable[Array]) -> float:
    """Return the median diameter of objects, each taken for a disk or ball of its area or volume, in pixels.

    Parameters
    ----------
    labels : iterable of int arrays, all (Y, X) or all (Z, Y, X)
        0 background and negative unknown are no objects.

    Raises
    ------
    InputError
        If there is no object at all.
    """
    diameters = []
    for image in labels:
        sizes = np.unique(image[image > 0], return_counts=True)[1]
        diameters.append(2 * np.sqrt(sizes / np.pi) if image.ndim == 2 else np.cbrt(6 * sizes / np.pi))
    joined = np.concatenate(diameters) if diameters else np.empty(0)
    if not joined.size:
        raise InputError("No label image has any object; expected ids from 1. Check that the labels were saved.")
    return float(np.median(joined))


def read_all(pairs: Sequence[Pair]) -> Generator[Event, None, list[Example]]:
    """Read pairs into memory, and doubt labels that are one mask for many objects.

    Yields
    ------
    Progress, Message

    Returns
    -------
    list of Example
    """
    examples = []
    for done, pair in enumerate(pairs):
        yield Progress(done, len(pairs), "images")
        examples.append(pair.read())
    yield Progress(len(pairs), len(pairs), "images")
    doubt = doubt_masks({pair.name: example.labels for pair, example in zip(pairs, examples, strict=True)})
    if doubt:
        yield Message(doubt, warning=True)
    return examples


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


def read_corrections(
    pairs: Sequence[tuple[Pair, float | None]], ndim: int, classes: int
) -> Generator[Event, None, tuple[Annotated, ...]]:
    """Read examples of which only part may be known, and take the images of which anything is.

    Parameters
    ----------
    pairs : sequence of (Pair, float or None)
        With the typical diameter that the user gave for each; labels of -1 are unknown. One id in places that are
        far apart is taken for several objects.
    ndim : {2, 3}
        What the model sees at once.
    classes : int
        Number of the model's classes; classes are left out where it has none.

    Raises
    ------
    InputError
        If there is no example, or none has a known object.
    """
    examples = yield from read_all([pair for pair, _ in pairs])
    found: list[Annotated] = []
    for (pair, diameter), example in zip(pairs, examples, strict=True):
        known = example if classes else replace(example, classes=None)
        every = split_up(pair.name, known, ndim, diameter, far_apart=True)
        found += [one for one in every if (one.learn != UNKNOWN).any()]
    if not any((one.learn > 0).any() for one in found):
        raise InputError(
            "There is no example with an object to learn from. Accept or correct a few objects first, "
            "or mark a region in which all objects are right."
        )
    return tuple(found)


def write_annotated(folder: Path, images: Iterable[Annotated]) -> None:
    """Write annotated images into a folder, one file each.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    for number, one in enumerate(images):
        arrays = {"image": one.image, "learn": one.learn, "judge": one.judge, "name": np.array(one.name)}
        arrays |= {} if one.diameter is None else {"diameter": np.array(one.diameter)}
        arrays |= {} if one.class_of is None else {"class_of": one.class_of}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        write_bytes(folder / f"{number:04d}.npz", buffer.getvalue())


def read_annotated(folder: Path) -> tuple[Annotated, ...]:
    """Read what `write_annotated` wrote, also by version 0.1.0; nothing where there is no such folder.

    Raises
    ------
    TrainingError
        If a file is damaged.
    """
    paths = sorted(folder.glob("[0-9]*.npz")) if folder.is_dir() else ()
    return tuple(_read_one(path) for path in paths)


class _File(Strict):
    """What `write_annotated` writes, and version 0.1.0 wrote."""

    name: Declared[str, scalar("U")]
    image: Declared[Array, numbers("buif", 3, 4)]
    learn: Declared[Labels, numbers("i", 2, 3)]
    judge: Declared[Labels, numbers("i", 2, 3)]
    diameter: Declared[float, scalar("f"), Field(gt=0, le=LARGEST)] | None = None
    class_of: Declared[npt.NDArray[np.int64], numbers("i", 1)] | None = None
    classes: Declared[Array, numbers("iu", 2, 3)] | None = None
    """Of each pixel, in version 0.1.0."""

    @model_validator(mode="after")
    def _check_fits(self) -> Self:
        grid, known = self.image.shape[1:], (self.learn, self.judge)
        if 0 in self.image.shape or not np.isfinite(self.image).all():
            raise ValueError(f"image: {self.image.shape}, or values that are not finite")
        for array in (*known, *([] if self.classes is None else [self.classes])):
            if array.shape != grid:
                raise ValueError(f"labels of shape {array.shape}, of an image of shape {grid}")
        if any(not UNKNOWN <= array.min() <= array.max() < 2**31 for array in known):
            raise ValueError("labels that are no numbers from -1 to 2147483647")
        if self.class_of is not None and len(self.class_of) <= max(int(array.max()) for array in known):
            raise ValueError(f"class_of: {len(self.class_of)} classes, less than the largest id")
        return self


def _read_one(path: Path) -> Annotated:
    try:
        file = read_arrays(path, _File)
    except (FileNotFoundError, Unreadable) as error:
        raise TrainingError(f"'{path}' is damaged ({error}); start anew in another folder.") from None
    class_of = file.class_of
    if file.classes is not None:
        class_of = find_classes(np.maximum(file.learn, file.judge), file.classes)
    learn, judge = (array.astype(np.int32, copy=False) for array in (file.learn, file.judge))
    return Annotated(file.name, file.image, learn, judge, file.diameter, class_of)
