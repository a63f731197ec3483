"""Pairs of images and labels, from a folder with `images/` and `labels/`, or from arrays."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field, RootModel

from napari_instseg.core.errors import InputError
from napari_instseg.core.method import Array
from napari_instseg.data.pairs import Example, Pair, listed, split_pairs
from napari_instseg.io.checks import check_image
from napari_instseg.io.gates import Unreadable, read_record
from napari_instseg.io.images import SUFFIXES, read_image
from napari_instseg.io.labels import check_labels, read_labels
from napari_instseg.io.leftovers import why_no_image
from napari_instseg.io.mask_folders import is_mask_folder, open_mask_pairs
from napari_instseg.io.models import MOST_CLASSES

IMAGES, LABELS, CLASSES, HELD_OUT = "images", "labels", "classes", "val.txt"


def open_pairs(folder: str | Path) -> tuple[Pair, ...]:
    """Find the pairs of a folder; files are read when a pair is.

    Parameters
    ----------
    folder : str or Path
        Holds ``images/<name>`` and ``labels/<name>``, of any suffix that can be read, and maybe ``classes/<name>``:
        a JSON object from id to class (from 1), or a second label image with the class of each pixel. Or else a folder
        for each image, see `open_mask_pairs`.

    Returns
    -------
    tuple of Pair
        In the order of their names.

    Raises
    ------
    InputError
        If a folder is missing or empty, a file has no partner, or two files have the same name but for the suffix.
    """
    folder = Path(folder)
    if not os.path.isdir(folder / IMAGES) and is_mask_folder(folder):
        return open_mask_pairs(folder)
    images = _files(folder / IMAGES, SUFFIXES, leftovers=False)
    labels = _files(folder / LABELS, SUFFIXES)
    _check_partners(images, labels, folder / LABELS)
    classes = _files(folder / CLASSES, (*SUFFIXES, ".json")) if os.path.isdir(folder / CLASSES) else {}
    if classes:
        _check_partners(images, classes, folder / CLASSES)
    return tuple(
        Pair(name, partial(_read, image, labels[name], classes.get(name))) for name, image in sorted(images.items())
    )


def open_split(folder: str | Path, held_out: float = 0.1, seed: int = 0) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
    """Find the pairs of a folder and split them: `val.txt` names those held out, one a line; else a share is drawn.

    Parameters
    ----------
    folder : str or Path
        See `open_pairs`.
    held_out, seed
        See `split_pairs`; not used where the folder has a `val.txt`.

    Returns
    -------
    train, held_out : tuple of Pair

    Raises
    ------
    InputError
        See `open_pairs`; also if `val.txt` names an image that is not there.
    """
    pairs, path = open_pairs(folder), Path(folder) / HELD_OUT
    if not os.path.isfile(path):
        return split_pairs(pairs, held_out, seed)
    lines = (line.strip() for line in _read_names(path).splitlines())
    try:
        return split_pairs(pairs, [_composed(line) for line in lines if line])
    except InputError as error:
        raise InputError(f"'{path}': {error}") from None


def match_labels(images: Sequence[Path], labels: Sequence[Path]) -> tuple[tuple[Path, Path], ...]:
    """Find the label file of each image file, by name.

    Parameters
    ----------
    images, labels : sequence of Path
        A label file has the name of its image, with or without more behind it, such as ``a_masks.png`` of ``a.tif``.
        Of one image and one label file the names do not matter.

    Returns
    -------
    tuple of (Path, Path)
        In the order of the images.

    Raises
    ------
    InputError
        If an image has no label file or several, or a label file has no image.
    """
    if len(images) == len(labels) == 1:
        return ((images[0], labels[0]),)
    # the longest name counts, so that of 'a' and 'a_2' the latter has 'a_2_masks'
    owners = {of: max((i for i in images if _begins(of, i)), key=lambda i: len(i.stem), default=None) for of in labels}
    found = {image: [of for of in labels if owners[of] == image] for image in images}
    wrong = [image.name for image, of in found.items() if len(of) != 1]
    if wrong:
        have = "has" if len(wrong) == 1 else "have"
        raise InputError(
            f"{listed(wrong)} of the {len(images)} images chosen {have} no label file, or several, among the "
            f"{len(labels)} chosen; expected one each, of the same name or with '_' and more behind it, such as "
            "'a_masks.png' of 'a.tif'."
        )
    alone = [of.name for of, image in owners.items() if image is None]
    if alone:
        raise InputError(f"{listed(alone)} of the {len(labels)} label files chosen: no such image is chosen.")
    return tuple((image, of[0]) for image, of in found.items())


def _begins(labels: Path, image: Path) -> bool:
    return re.match(rf"{re.escape(image.stem)}(?![^\W_])", labels.stem) is not None


def pairs_from_arrays(
    images: Sequence[Array],
    labels: Sequence[Array],
    axes: str | None = None,
    classes: Sequence[Array] | None = None,
) -> tuple[Pair, ...]:
    """Make pairs of arrays, checked as files are.

    Parameters
    ----------
    images : sequence of array
    labels : sequence of array of int
        Each of the shape of its image without channels.
    axes : str, optional
        The same for all images; guessed from their shapes if not given.
    classes : sequence of array of int, optional
        Each of the shape of the labels: the class of each pixel's object, from 1.

    Raises
    ------
    InputError
        If the numbers of arrays differ, or an array is not what it should be.
    """
    if not all(isinstance(arrays, Sequence | np.ndarray) for arrays in (images, labels)):
        raise InputError(f"Got {type(images).__name__} and {type(labels).__name__}; expected two lists of arrays.")
    if len(images) != len(labels) or (classes is not None and len(classes) != len(images)):
        counts = f"{len(images)} images, {len(labels)} label images"
        counts += f" and {len(classes)} class images" if classes is not None else ""
        raise InputError(f"Got {counts}; expected the same number of each.")
    pairs = []
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        image, used = check_image(image, axes, name=f"Image {i}")
        label = check_labels(label, _grid(image, used), name=f"Label image {i}", image=f"image {i}")
        of = None if classes is None else _check_classes(classes[i], label, f"Class image {i}")
        pairs.append(Pair(str(i), partial(Example, image, used, label, of)))
    return tuple(pairs)


def _read(image_path: Path, labels_path: Path, classes_path: Path | None) -> Example:
    image = read_image(image_path)
    array, axes = check_image(image.array, image.axes, name=f"'{image_path}'")
    labels = read_labels(labels_path, _grid(array, axes), image=f"'{image_path}'")
    example = _with_classes(array, axes, labels, classes_path, labels_path)
    # what works with labels takes memory by the largest id
    return replace(example, labels=_numbered(labels)) if labels.max(initial=0) > labels.size else example


def _numbered(labels: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Number the objects from 1, in the order of their ids."""
    ids = np.unique(labels[labels > 0])
    numbered: npt.NDArray[np.int32] = np.where(labels > 0, np.searchsorted(ids, labels) + 1, labels).astype(np.int32)
    return numbered


def _with_classes(
    array: Array, axes: str, labels: npt.NDArray[np.int32], classes_path: Path | None, labels_path: Path
) -> Example:
    if classes_path is None:
        return Example(array, axes, labels)
    if classes_path.suffix.lower() == ".json":
        return Example(array, axes, labels, _classes_from_json(classes_path, labels))
    classes = read_labels(classes_path, labels.shape, image=f"'{labels_path}'")
    return Example(array, axes, labels, _check_classes(classes, labels, f"'{classes_path}'"))


def _classes_from_json(path: Path, labels: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    try:
        class_of = read_record(path, _Classes).root
    except (FileNotFoundError, Unreadable) as error:
        raise InputError(f"'{path}' cannot be read ({error}); {_WANTED_JSON}") from None
    ids = np.unique(labels[labels > 0])
    without = [str(i) for i in ids.tolist() if i not in class_of]
    if without:
        raise InputError(f"'{path}' has no class for object {listed(without)}; {_WANTED_JSON}")
    lookup = np.array([0, *(class_of[i] for i in ids.tolist())], np.int32)
    found: npt.NDArray[np.int32] = lookup[np.searchsorted(ids, labels) + 1]
    found[labels == 0] = 0
    return found


class _Classes(RootModel[dict[Annotated[int, Field(ge=0, lt=2**31)], Annotated[int, Field(ge=1, le=MOST_CLASSES)]]]):
    """What a file of classes holds: the class of each object by its id."""


def _read_names(path: Path) -> str:
    """Read the names of images, one a line."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(
            f"'{path}' cannot be read ({error}); expected the names of images in UTF-8, one a line. Save it so."
        ) from None


_WANTED_JSON = 'expected a class from 1 for each object id, as in {"1": 2, "2": 1}.'


def _check_classes(classes: Array, labels: npt.NDArray[np.int32], name: str) -> npt.NDArray[np.int32]:
    classes = check_labels(classes, labels.shape, name=name, image="its label image")
    without = np.setdiff1d(labels[labels > 0], labels[(labels > 0) & (classes > 0)])
    if without.size:
        raise InputError(
            f"{name} has no class for object {listed(without.astype(str).tolist())}; "
            "expected a class from 1 at the object's pixels."
        )
    return np.where(labels > 0, classes, 0).astype(np.int32)


def _grid(image: Array, axes: str) -> tuple[int, ...]:
    return tuple(length for length, letter in zip(image.shape, axes, strict=True) if letter != "C")


def _files(folder: Path, suffixes: Sequence[str], leftovers: bool = True) -> dict[str, Path]:
    if not os.path.isdir(folder):
        raise InputError(
            f"There is no folder '{folder}'; expected '{folder.parent}' to hold '{IMAGES}' and '{LABELS}'."
        )
    files: dict[str, Path] = {}
    inside = [p for p in sorted(folder.iterdir()) if not p.name.startswith(".") and p.suffix.lower() in suffixes]
    stems = {path.stem for path in inside}
    for path in inside:
        if not leftovers and why_no_image(path, stems):
            continue
        name = stem(path)
        if name in files:
            raise InputError(f"'{files[name]}' and '{path}' have the same name; expected one file each. Rename one.")
        files[name] = path
    if not files:
        raise InputError(f"'{folder}' has no files to read; expected some of {', '.join(suffixes)}.")
    return files


def stem(path: Path) -> str:
    """Return the name that an image, its labels and its results share: without suffix, nor `.ome`."""
    name = path.stem
    return _composed(name[:-4] if name.lower().endswith(".ome") else name)


def _composed(name: str) -> str:
    """Spell accents as one character, since a Mac may give two for them."""
    return unicodedata.normalize("NFC", name)


def _check_partners(images: dict[str, Path], others: dict[str, Path], folder: Path) -> None:
    lonely = [images[name].name for name in sorted(images.keys() - others.keys())]
    if lonely:
        raise InputError(
            f"{len(lonely)} of {len(images)} images have no partner in '{folder}': {listed(lonely)}; expected a file "
            "of the same name there, of any suffix that can be read. Add it, or take the image out."
        )
    orphans = [others[name].name for name in sorted(others.keys() - images.keys())]
    if orphans:
        raise InputError(
            f"{len(orphans)} files in '{folder}' have no image: {listed(orphans)}; expected an image of the same name. "
            "Add it, or take the file out."
        )
