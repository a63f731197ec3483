"""Label images: one whole number per pixel, 0 for background and one id per object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.core.method import Array
from napari_instseg.data.pairs import listed
from napari_instseg.io.checks import as_array
from napari_instseg.io.images import read_indexed
from napari_instseg.io.stamps import Stamp, program
from napari_instseg.io.tiff import write_tiff

WANTED = "expected one whole number per pixel: 0 for background, 1, 2, 3, ... one per object"


def read_labels(path: str | Path, shape: Sequence[int] | None = None, image: str = "its image") -> Array:
    """Read a label image from a TIFF, PNG (palette indices count as ids) or NPY file.

    Parameters
    ----------
    path : str or Path
        The file.
    shape : sequence of int, optional
        The shape of the image without its channels, which the labels must have.
    image : str
        How messages name that image.

    Returns
    -------
    array of int32, (Y, X), (Z, Y, X), ...
        The ids as in the file.

    Raises
    ------
    InputError
        If the file cannot be read or `check_labels` refuses what is in it.
    """
    return check_labels(read_indexed(path).array, shape, name=f"'{path}'", image=image)


def check_labels(
    labels: Array, shape: Sequence[int] | None = None, *, name: str = "The label image", image: str = "its image"
) -> Array:
    """Check that an array is a label image.

    Parameters
    ----------
    labels : array
        Integers from 0 to 2,147,483,647; more than 65,535 objects are fine.
    shape : sequence of int, optional
        The shape that it must have.
    name, image : str
        How messages name it and the image that it belongs to.

    Returns
    -------
    array of int32

    Raises
    ------
    InputError
        If it is a colour picture, a mask, in floating point, has negative or too large ids, or another shape.
    """
    labels = as_array(labels, name)
    if labels.ndim < 2:
        raise InputError(f"{name} has {labels.ndim} dimensions; expected at least (Y, X).")
    _check_not_colors(labels, shape, name)
    if shape is not None and labels.shape != tuple(shape):
        raise InputError(
            f"{name} has the shape {labels.shape}, {image} {tuple(shape)}; expected the same. "
            "Check that they belong together and that neither was cropped, rotated or rescaled."
        )
    _check_whole_numbers(labels, name)
    if labels.size and int(labels.max()) > np.iinfo(np.int32).max:
        raise InputError(
            f"{name} has ids up to {int(labels.max())}; expected at most {np.iinfo(np.int32).max}. "
            "Number the objects from 1, for example by skimage.segmentation.relabel_sequential(labels)."
        )
    _check_not_mask(labels, name)
    return labels.astype(np.int32, copy=False)


def write_labels(
    path: str | Path,
    labels: Array,
    axes: str | None = None,
    scale: Sequence[float | None] | None = None,
    found_in: str | Path | None = None,
    made: str = "",
) -> Path:
    """Write a label image as TIFF: 16 bits where the ids fit, else 32, compressed without loss.

    Parameters
    ----------
    path : str or Path
        The file; written atomically.
    labels : array of int
        Ids from 0.
    axes : str, optional
        One letter per dimension; by default the last ones of TZYX.
    scale : sequence of float or None, optional
        Step along each axis as an `Image` has it: micrometres, seconds along T; nothing is written of what is None.
    found_in : str or Path, optional
        The image file in which this program found them; the file then has a stamp, see `read_stamp`.
    made : str
        How they were made, for the description in the file's OME metadata.

    Raises
    ------
    InputError
        If it is no label image.
    OutputError
        If it cannot be written.
    """
    path = Path(path)
    labels = check_labels(labels)
    axes = axes or "TZYX"[-labels.ndim :]
    known = zip(axes, scale, strict=True) if scale is not None else ()
    sizes = {letter: float(size) for letter, size in known if letter in "XYZT" and size is not None}
    fits = labels.size == 0 or labels.max() <= np.iinfo(np.uint16).max
    stamp = program() if found_in is None else str(Stamp.of(labels, found_in))
    write_tiff(path, labels.astype(np.uint16 if fits else np.uint32), axes, sizes, stamp, made)
    return path


def read_stamp(path: str | Path) -> Stamp | None:
    """Return the stamp of a label file that is still as this program wrote it; None for any other file.

    Raises
    ------
    InputError
        If a stamped file is damaged.
    """
    stamp = Stamp.read(Path(path))
    if stamp is None or stamp.labels != Stamp.pixels(read_labels(path)):
        return None
    return stamp


def doubt_masks(labels: Mapping[str, Array]) -> str:
    """Say which label images, by name, may be masks: only 0 and 1, in several pieces; or nothing.

    They are not refused, since one object may lie in pieces. Labels with unknown pixels, below 0, are no masks.
    """
    from scipy import ndimage

    def pieces(one: Array) -> int:
        return int(ndimage.label(one > 0, np.ones((3,) * one.ndim))[1])

    masks = [
        name for name, one in labels.items() if one.max(initial=0) == 1 and one.min(initial=0) == 0 and pieces(one) > 1
    ]
    if not masks:
        return ""
    return (
        f"{len(masks)} of {len(labels)} label images have only the id 1, in several separate pieces, which count as "
        f"one object: {listed(masks)}; {WANTED}. If they are masks, number the objects. {_NUMBER_THEM}"
    )


def _check_not_colors(labels: Array, shape: Sequence[int] | None, name: str) -> None:
    if labels.ndim < 3 or labels.shape[-1] not in (3, 4):
        return
    if labels.shape == tuple(shape or ()):
        return
    if labels.ndim == len(shape) + 1 if shape is not None else min(labels.shape[-3:-1]) > labels.shape[-1]:
        raise InputError(
            f"{name} is a colour picture, shape {labels.shape}, not a label image; {WANTED}. "
            "Export the labels themselves, not their picture. If each object has a colour of its own, convert it: "
            "numpy.unique(picture.reshape(-1, picture.shape[-1]), axis=0, return_inverse=True)[1]"
            ".reshape(picture.shape[:-1]), then see that the background is 0."
        )


def _check_whole_numbers(labels: Array, name: str) -> None:
    if labels.dtype.kind == "b":
        raise InputError(f"{name} is a yes-or-no mask; {WANTED}. {_NUMBER_THEM}")
    if labels.dtype.kind == "f":
        if not np.isfinite(labels).all():
            raise InputError(
                f"{name} is in floating point with NaN or infinity; {WANTED}. Export it again as integers."
            )
        whole = np.array_equal(labels, np.round(labels))
        what_to_do = "labels.astype('int32') converts it." if whole else "It may be an image or a probability map."
        raise InputError(f"{name} is in floating point ({labels.dtype}); {WANTED}. {what_to_do}")
    if labels.dtype.kind not in "ui":
        raise InputError(f"{name} holds {labels.dtype}; {WANTED}.")
    if labels.size and int(labels.min()) < 0:
        raise InputError(
            f"{name} has negative values, down to {int(labels.min())}; {WANTED}. Set what is no object to 0."
        )


def _check_not_mask(labels: Array, name: str) -> None:
    if not labels.size or int(labels.max()) not in (255, 65535) or ((labels != 0) & (labels != labels.max())).any():
        return
    from scipy import ndimage

    pieces = ndimage.label(labels)[1]
    if pieces > 1:
        raise InputError(
            f"{name} is a mask, only 0 and {int(labels.max())}, with {pieces} separate pieces; {WANTED}. {_NUMBER_THEM}"
        )


_NUMBER_THEM = "If no two objects touch, scipy.ndimage.label(mask)[0] numbers them."
