"""What the samples of a TIFF page mean: grey, colours in any colour space, transparency, or detectors.

The formulas are those of the TIFF 6.0 specification, sections 16 (CMYK), 21 (YCbCr) and 23 (CIE L*a*b*).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.core.method import Array

MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE, MASK, CMYK, YCBCR, CIELAB, ICCLAB, ITULAB = 0, 1, 2, 3, 4, 5, 6, 8, 9, 10
COLOR_SAMPLES = {RGB: 3, CMYK: 4, YCBCR: 3, CIELAB: 3, ICCLAB: 3, ITULAB: 3}
_NAMES = {CMYK: "CMYK", YCBCR: "YCbCr", CIELAB: "CIELAB", ICCLAB: "CIELAB (ICC)"}
JPEGS = (6, 7, 33007, 34892)
"""Compressions whose decoder gives RGB for YCbCr."""


@dataclass(frozen=True)
class Meaning:
    """How the samples of a page are to be read.

    Parameters
    ----------
    photometric : int
        The tag's value.
    samples : int
        Number of samples of a pixel.
    alpha : tuple of int
        Which samples the file calls transparency.
    bits : int
        Of a sample.
    colormap : array (3, n), optional
        Of a palette, 16 bits.
    coefficients, reference : tuple of float
        Of YCbCr.
    is_intensity : bool
        Whether a palette's indices are what was measured, and its colours only how they are shown.
    """

    photometric: int
    samples: int
    alpha: tuple[int, ...] = ()
    bits: int = 8
    colormap: Array | None = None
    coefficients: tuple[float, ...] = (0.299, 0.587, 0.114)
    reference: tuple[float, ...] = ()
    is_intensity: bool = False


def meaning_of(page: Any, is_intensity: bool = False) -> Meaning:
    """Return how the samples of a page of `tifffile` are to be read."""
    extra = tuple(int(value) for value in page.extrasamples or ())
    photometric = int(page.photometric) if page.photometric is not None else MIN_IS_BLACK
    samples = int(page.samplesperpixel)
    first = samples - len(extra)
    if photometric == YCBCR and int(page.compression) in JPEGS:
        photometric = RGB
    return Meaning(
        photometric,
        samples,
        tuple(first + i for i, value in enumerate(extra) if value in (1, 2)),
        int(page.bitspersample),
        None if page.colormap is None else np.asarray(page.colormap),
        _fractions(page, "YCbCrCoefficients", 3) or (0.299, 0.587, 0.114),
        _fractions(page, "ReferenceBlackWhite", 6),
        is_intensity,
    )


def to_values(array: Array, meaning: Meaning, colors_are: str = "colors") -> tuple[Array, str, tuple[str, ...]]:
    """Turn stored samples into intensities or colours.

    Parameters
    ----------
    array : array (..., Y, X) or (..., Y, X, S)
        Samples last where there are several.
    meaning : Meaning
    colors_are : {"colors", "indices"}
        ``"indices"`` leaves the values of palettes, and of pictures where 0 is white, as they are stored: labels.

    Returns
    -------
    array : array
    samples : {"", "S", "C"}
        What its last axis is, if it has one beyond Y and X: ``"S"`` red, green and blue, ``"C"`` detectors.
    notes : tuple of str
        What was done, in words.

    Raises
    ------
    InputError
        If the colour space is not one that can be converted.
    """
    notes: list[str] = []
    several = meaning.samples > 1
    if several and meaning.alpha:
        kept = [i for i in range(meaning.samples) if i not in meaning.alpha]
        array = array[..., kept]
        notes.append("transparency left out")
        several = len(kept) > 1
        if not several:
            array = array[..., 0]
    wanted = COLOR_SAMPLES.get(meaning.photometric)
    if wanted is not None and several and array.shape[-1] >= wanted:
        if meaning.photometric != RGB:
            rest = array.shape[-1] - wanted
            array = _to_rgb(array[..., :wanted], meaning)
            notes.append(f"{_NAMES[meaning.photometric]} converted to red, green and blue")
            if rest:
                notes.append(f"{rest} further samples left out")
            return array, "S", tuple(notes)
        if array.shape[-1] == 3:
            return array, "S", tuple(notes)
        found = array.shape[-1]
        if np.ptp(array[..., 3:]) == 0:
            notes.append("the samples beyond red, green and blue, which are constant, left out")
            return array[..., :3], "S", tuple(notes)
        notes.append(f"{found} samples of which none is called transparency: channels")
        return array, "C", tuple(notes)
    if meaning.photometric == PALETTE and not several and colors_are == "colors":
        return _look_up(array, meaning)
    if meaning.photometric == MIN_IS_WHITE and not several and colors_are == "colors":
        turned = _turn(array, meaning.bits)
        notes.append("0 is white in the file: turned over" if turned is not None else "0 is white in the file: kept")
        return array if turned is None else turned, "", tuple(notes)
    return array, "C" if several else "", tuple(notes)


def _turn(array: Array, bits: int) -> Array | None:
    """Return the values with bright and dark changed over; None where there is no largest value."""
    if array.dtype.kind == "b":
        return ~array
    if array.dtype.kind != "u":
        return None
    turned: Array = array.dtype.type(2 ** min(bits, array.dtype.itemsize * 8) - 1) - array
    return turned


def _look_up(array: Array, meaning: Meaning) -> tuple[Array, str, tuple[str, ...]]:
    table = meaning.colormap
    if table is None or meaning.is_intensity:
        note = "the values, not the colours of the colour map, which only shows them"
        return array, "", (note,) if table is not None else ()
    # some writers give 8 bits
    table = (table >> 8 if table.max() > 255 else table).astype(np.uint8)
    largest = int(array.max(initial=0))
    if largest >= table.shape[1]:
        raise InputError(f"has the value {largest}, but a colour map of only {table.shape[1]} colours")
    if (table == table[0]).all():
        return table[0][array], "", ("grey values looked up in the colour map",)
    return table.T[array], "S", ("colours looked up in the colour map",)


def _to_rgb(array: Array, meaning: Meaning) -> Array:
    full = float(np.iinfo(array.dtype).max) if array.dtype.kind in "ui" else 1.0
    if meaning.photometric == CMYK:
        values = array.astype(np.float32) / full
        rgb = (1 - values[..., :3]) * (1 - values[..., 3:4])
    elif meaning.photometric == YCBCR:
        rgb = _from_ycbcr(array.astype(np.float32), meaning, full) / full
    elif meaning.photometric in (CIELAB, ICCLAB):
        rgb = _from_lab(array, meaning.photometric)
    else:
        raise InputError(
            f"is in the colour space ITULAB (photometric interpretation {meaning.photometric}), which cannot be "
            "converted; save it as RGB"
        )
    stored = array.dtype if array.dtype.kind == "u" else np.dtype(np.float32)
    scaled = np.clip(rgb, 0, 1) * (full if stored.kind == "u" else 1.0)
    return (np.rint(scaled) if stored.kind == "u" else scaled).astype(stored)


def _from_ycbcr(values: Array, meaning: Meaning, full: float) -> Array:
    """Return red, green and blue in the range of the samples (TIFF 6.0, section 21)."""
    half = (full + 1) / 2
    black_y, white_y, black_b, white_b, black_r, white_r = meaning.reference or (0, full, half, full, half, full)
    y = (values[..., 0] - black_y) * full / max(white_y - black_y, 1)
    cb = (values[..., 1] - black_b) * (full - half) / max(white_b - black_b, 1)
    cr = (values[..., 2] - black_r) * (full - half) / max(white_r - black_r, 1)
    of_red, of_green, of_blue = meaning.coefficients
    red = cr * (2 - 2 * of_red) + y
    blue = cb * (2 - 2 * of_blue) + y
    green = (y - of_blue * blue - of_red * red) / of_green
    return np.stack([red, green, blue], axis=-1)


def _from_lab(array: Array, photometric: int) -> Array:
    """Return red, green and blue from 0 to 1; L* has the full range of a sample, a* and b* 256 steps of one."""
    from skimage.color import lab2rgb

    wide = array.dtype.itemsize > 1
    signed = array.astype(np.uint16 if wide else np.uint8)
    scale = 256.0 if wide else 1.0
    light = signed[..., 0].astype(np.float32) * 100 / (65535.0 if wide else 255.0)
    if photometric == CIELAB:
        ab = signed[..., 1:].view(np.int16 if wide else np.int8).astype(np.float32) / scale
    else:
        ab = signed[..., 1:].astype(np.float32) / scale - 128
    # white of the file is white of the screen, whichever it was
    lab = np.concatenate([light[..., None], ab], axis=-1)
    rgb: Array = lab2rgb(lab.reshape(-1, 1, 3)).reshape(lab.shape)
    return rgb


def _fractions(page: Any, name: str, wanted: int) -> tuple[float, ...]:
    tag = page.tags.get(name)
    if tag is None:
        return ()
    numbers = [float(value) for value in tag.value]
    if len(numbers) == 2 * wanted:
        numbers = [a / b if b else 0.0 for a, b in zip(numbers[::2], numbers[1::2], strict=True)]
    return tuple(numbers) if len(numbers) == wanted and all(np.isfinite(numbers)) else ()
