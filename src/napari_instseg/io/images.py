"""Images from files: TIFF, OME-TIFF, PNG, JPEG and NPY, with their axes and pixel size."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.core.method import Array
from napari_instseg.data.axes import check_axes, guess_axes
from napari_instseg.io.tiff import read_tiff

SUFFIXES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".npy")
"""Names by which images are found in a folder."""

_SIGNATURES = {
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"\x93NUMPY": "NPY",
}


@dataclass(frozen=True)
class Image:
    """An image as its file has it.

    Parameters
    ----------
    array : array
        One dimension per letter of `axes`.
    axes : str
        Letters of T (time), C (channel), Z, Y, X. The colours of a picture are a last C.
    scale : tuple of float
        Pixel size along each axis in `unit`; 1 for T, for C, and where the file says nothing.
    unit : {"µm", "pixel"}
        Lengths in other units are converted to micrometres; ``"pixel"`` where the file says nothing.
    path : Path, optional
        The file that it is from.
    """

    array: Array
    axes: str
    scale: tuple[float, ...]
    unit: str = "pixel"
    path: Path | None = None


def read_image(path: str | Path, axes: str | None = None) -> Image:
    """Read an image; the format is told by the file's content, not by its name.

    Axes of length 1 are left out, and so is the transparency of a picture. The values are the file's own.
    Of a TIFF with several images the first is read, at full resolution.

    Parameters
    ----------
    path : str or Path
        A TIFF, OME-TIFF, PNG, JPEG or NPY file.
    axes : str, optional
        One letter of T, C, Z, Y, X per dimension as stored, instead of what the file says or its shape suggests.

    Raises
    ------
    InputError
        If the file is missing, empty, damaged, or not an image, or the axes are not those of its dimensions.
    """
    return _read(Path(path), palette="colors", axes=axes)


def read_indexed(path: str | Path) -> Image:
    """Read an image of which the values are names, not intensities: a palette's indices, not its colours.

    Raises
    ------
    InputError
        If the file is missing, empty, damaged, not an image, or a JPEG, which changes values.
    """
    path = Path(path)
    if file_format(path) == "JPEG":
        raise InputError(
            f"'{path}' is a JPEG, which blurs ids; expected labels as TIFF, PNG or NPY. Export them again."
        )
    return _read(path, palette="indices")


def file_format(path: Path) -> str:
    """Tell the format of an image file, ``"TIFF"``, ``"PNG"``, ``"JPEG"`` or ``"NPY"``, by its first bytes.

    Raises
    ------
    InputError
        If the file is missing, empty, cannot be opened, or is of no such format.
    """
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except FileNotFoundError:
        link = f" (a link to '{path.readlink()}')" if path.is_symlink() else ""
        raise InputError(f"There is no file '{path}'{link}. Check the name and the folder.") from None
    except OSError as error:
        folder = os.path.isdir(path)  # which is no error where the name is too long
        what = "a folder, not an image file" if folder else f"a file that cannot be opened ({error.strerror})"
        raise InputError(f"'{path}' is {what}. Choose an image file that you may read.") from None
    if not start:
        raise InputError(f"'{path}' is empty (0 bytes). Copy or export it again.")
    for signature, name in _SIGNATURES.items():
        if start.startswith(signature):
            return name
    raise InputError(f"'{path}' is not an image; expected TIFF, OME-TIFF, PNG, JPEG or NPY. Convert it, e.g. in Fiji.")


def _read(path: Path, palette: Literal["colors", "indices"], axes: str | None = None) -> Image:
    name = file_format(path)
    scale: dict[str, float] = {}
    try:
        if name == "TIFF":
            array, said, scale = read_tiff(path)
        elif name == "NPY":
            array, said = _read_npy(path), ""
        else:
            array, said = _read_picture(path, palette)
    except (MemoryError, InputError):
        raise
    except Exception as error:  # the decoders raise whatever occurs to them: struct.error, KeyError, SyntaxError, ...
        detail = str(error).rstrip(".") or type(error).__name__
        raise InputError(f"'{path}' is damaged or cut off: {name} with {detail}. Copy or export it again.") from error
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    try:
        axes = axes or said
        axes = check_axes(axes, array.ndim) if axes else guess_axes(array.shape)
    except InputError as error:
        raise InputError(f"'{path}': {error}") from None
    kept = [i for i, letter in enumerate(axes) if letter in "YX" or array.shape[i] != 1]
    array = array.reshape([array.shape[i] for i in kept])
    axes = "".join(axes[i] for i in kept)
    return Image(array, axes, tuple(scale.get(letter, 1.0) for letter in axes), "µm" if scale else "pixel", path)


def _read_npy(path: Path) -> Array:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
    raise InputError(
        f"'{path}' holds Python objects, stored as a pickle, which could run code, so it is not opened; expected "
        "numbers. Save the image itself, numpy.save(path, image), as an array of one number type."
    )


def _read_picture(path: Path, palette: Literal["colors", "indices"]) -> tuple[Array, str]:
    from PIL import Image as Pillow

    try:
        with Pillow.open(path) as picture:
            if picture.mode == "P" and palette == "indices":
                return np.asarray(picture), "YX"
            plain = picture.mode not in ("P", "CMYK", "YCbCr", "LAB", "HSV")
            array = np.asarray(picture if plain else picture.convert("RGB"))
    except Pillow.DecompressionBombError:
        raise InputError(f"'{path}' is too large for a PNG or JPEG reader. Save it as TIFF.") from None
    if _is_16_bit_color(path):
        import imagecodecs

        array = imagecodecs.imread(path)  # Pillow cuts these to 8 bits
    if array.ndim == 2:
        return array, "YX"
    if palette == "colors" and array.shape[-1] in (2, 4):
        array = array[..., :-1]  # transparency is no intensity
    return array, "YXC"


def _is_16_bit_color(path: Path) -> bool:
    with path.open("rb") as file:
        header = file.read(26)
    return header.startswith(b"\x89PNG") and header[24] == 16 and header[25] != 0
