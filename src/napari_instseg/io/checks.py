"""Images that cannot be segmented are refused in words; the others get a plain number type."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.core.method import Array
from napari_instseg.data.axes import check_axes, guess_axes

EXACT = 2**24
"""Whole numbers up to here are exact in float32."""

TINIEST, LARGEST = 1e-30, 1e38
"""Ranges of values between these stay what they are in float32."""


def check_image(
    array: Array, axes: str | None = None, name: str = "The image", *, is_part: bool = False
) -> tuple[Array, str]:
    """Check that an image can be segmented.

    Parameters
    ----------
    array : array
        Any real number type: boolean, integers of any width, floating point.
    axes : str, optional
        One letter of T, C, Z, Y, X per dimension; guessed for 2 to 4 dimensions.
    name : str
        How the messages name it, such as its file.
    is_part : bool
        Whether it is a part of a larger image: it may be constant, as background is, and 1 pixel wide or high, and its
        numbers stay what they are, so that they mean the same in all parts.

    Returns
    -------
    array : array of uint8, uint16 or float32
        The image itself where it has one of these types. Numbers too large for float32 to tell apart are
        counted from their minimum.
    axes : str
        Its axes in capitals.

    Raises
    ------
    InputError
        If it is no numeric array, complex, empty, 1 pixel wide or high, constant, holds NaN or infinity, or its
        axes are wrong or cannot be guessed.
    """
    array = as_array(array, name)
    if axes is not None and not isinstance(axes, str):
        raise InputError(f"The axes of {name} are {axes!r}; expected a text of one letter per dimension, as in 'CYX'.")
    if array.dtype.kind == "c":
        raise InputError(f"{name} holds complex numbers; expected real ones. Take the magnitude, numpy.abs(image).")
    if array.dtype.kind not in "buif":
        raise InputError(f"{name} holds {array.dtype}, not numbers; expected integers or floating point.")
    if array.ndim < 2:
        raise InputError(f"{name} has {array.ndim} dimensions; expected at least (Y, X).")
    if array.size == 0:
        raise InputError(f"{name} is empty, shape {array.shape}; expected at least 2 x 2 pixels.")
    try:
        axes = check_axes(axes, array.ndim) if axes else guess_axes(array.shape)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    if not is_part and 1 in (array.shape[axes.index("Y")], array.shape[axes.index("X")]):
        raise InputError(
            f"{name} is 1 pixel wide or high, shape {array.shape} read as {axes}; expected at least 2 x 2 pixels. "
            "Check the order of its axes."
        )
    return _plain_numbers(array, name, is_part), axes


def as_array(values: Any, name: str) -> Array:
    """Return values as an array.

    Raises
    ------
    InputError
        If they are rows of different lengths, or nothing that can be an array.
    """
    try:
        return np.asarray(values)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{name} is no array ({error}); expected rows of equal length.") from None


def _plain_numbers(array: Array, name: str, is_part: bool) -> Array:
    low, high = array.min(), array.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        bad = array.size - np.count_nonzero(np.isfinite(array))
        raise InputError(
            f"{name} has {bad} pixels that are NaN or infinite; expected finite numbers. "
            "Replace them, for example by numpy.nan_to_num(image)."
        )
    if low == high and not is_part:
        raise InputError(
            f"{name} is constant: every pixel is {low}, so there is nothing to segment. "
            "Check the channel, the exposure, or that the file was exported as it should."
        )
    if array.dtype == bool:
        return array.view(np.uint8)
    if array.dtype in (np.uint8, np.uint16):
        return array
    low, high = float(low), float(high)
    if not (is_part and low == high) and not TINIEST < high - low < LARGEST:
        raise InputError(f"{name} ranges from {low:g} to {high:g}; expected a range that single precision can hold.")
    if is_part or max(abs(low), abs(high)) <= EXACT:
        return array.astype(np.float32, copy=False)
    return (array.astype(np.float64) - low).astype(np.float32)
