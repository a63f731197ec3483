"""Images from files: TIFF, OME-TIFF, PNG, JPEG and NPY, with their axes and pixel size."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.core.method import Array
from napari_instseg.data.axes import check_axes, settle_axes
from napari_instseg.io.tiff import TiffImage, read_tiff

SUFFIXES = (
    ".tif",
    ".tiff",
    ".png",
    ".jpg",
    ".jpeg",
    ".npy",
    # TIFF under other names
    ".btf",
    ".tf2",
    ".tf8",
    ".lsm",
    ".stk",
    ".svs",
    ".ndpi",
    ".scn",
    ".qptiff",
    ".flex",
)
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
        Letters of T (time), C (channel), Z, Y, X. The colours of a picture are a last C; channels of several detectors
        are a C elsewhere.
    scale : tuple of float or None
        Step along each axis, in micrometres along Z, Y and X and in seconds along T; None where the file does not say,
        and for C.
    path : Path, optional
        The file that it is from.
    channels : tuple of str
        Names of the channels, where the file has them.
    notes : tuple of str
        How it was read: what was decided, what was left out, and why.
    """

    array: Array
    axes: str
    scale: tuple[float | None, ...]
    path: Path | None = None
    channels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def described(self) -> str:
        """Say in a line how it was read: axes, size, type, scale, and the notes."""
        shape = " x ".join(f"{n}" for n in self.array.shape)
        words = [f"{self.axes} {shape} {self.array.dtype}"]
        known = {letter: step for letter, step in zip(self.axes, self.scale, strict=True) if step is not None}
        lengths = [f"{letter} {step:.4g} µm" for letter, step in known.items() if letter != "T"]
        lengths += [f"T {known['T']:.4g} s"] if "T" in known else []
        words.append("step " + ", ".join(lengths) if lengths else "no scale")
        return "; ".join([*words, *self.notes])


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
        if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
            raise InputError(
                f"'{path}' is a pipe, a socket or a device, not an image file. Choose an image file, or save the image "
                "into one."
            )
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
    try:
        if name == "TIFF":
            found = read_tiff(path, palette)
        elif name == "NPY":
            array = _read_npy(path)
            found = TiffImage(array, "YX" if array.ndim == 2 else "Q" * (array.ndim - 2) + "YX")
        else:
            found = TiffImage(*_read_picture(path, palette))
    except (MemoryError, InputError):
        raise
    except Exception as error:  # the decoders raise whatever occurs to them: struct.error, KeyError, SyntaxError, ...
        detail = str(error).rstrip(".") or type(error).__name__
        raise InputError(f"'{path}' is damaged or cut off: {name} with {detail}. Copy or export it again.") from error
    array, said = found.array, found.axes
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    notes = list(found.notes)
    try:
        if axes:
            array, said = _named(array, said, axes)
        array, said, more = settle_axes(array, said)
    except InputError as error:
        raise InputError(f"'{path}': {error}") from None
    notes += more
    if palette == "colors" and not axes and name == "NPY" and said.endswith("C") and array.shape[-1] == 4:
        if np.ptp(array[..., 3]) == 0:
            array = array[..., :3]
            notes.append("the fourth sample, which is constant, left out as transparency")
        else:
            notes.append("nothing says whether the fourth sample is transparency or a channel: 4 channels")
    scale = tuple(found.scale.get(letter) for letter in said)
    return Image(array, said, scale, path, found.channels, tuple(notes))


def _named(array: Array, said: str, axes: str) -> tuple[Array, str]:
    """Name the axes as the user does, with or without those of length one."""
    bare = [n for n, letter in zip(array.shape, said, strict=True) if letter in "YX" or n != 1]
    if len(axes) != array.ndim and len(axes) == len(bare):
        array = array.reshape(bare)
    return array, check_axes(axes, array.ndim)


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
