"""The meaning of an array's dimensions, in letters: T time, C channel, Z, Y, X."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.core.method import Array

LETTERS = "TCZYX"
FEW = 4
"""A dimension as short as this is taken for channels where nothing says what it is."""
MANY = 64
"""More channels than this no array is taken to have."""

_NAMES = {
    "R": "positions",
    "I": "pages",
    "Q": "an axis without a name",
    "A": "angles",
    "P": "phases or positions",
    "H": "lifetimes",
    "E": "wavelengths",
    "L": "exposures",
    "V": "events",
    "M": "tiles of a mosaic",
    "J": "columns",
    "K": "rows",
}
_LIKE_CHANNELS = "EH"
_LIKE_TIME = "RPMVJK"


def guess_axes(shape: Sequence[int]) -> str:
    """Guess the axes of an array of which nothing is known but its shape.

    A last dimension of 3 or 4 is colour, another one that is far shorter than those before it is channels, what is left
    is Z, then T. Dimensions of length one are to be left out before.

    Parameters
    ----------
    shape : sequence of int
        Two to four dimensions.

    Raises
    ------
    InputError
        If there are fewer or more dimensions, since then no guess is safe.
    """
    if len(shape) == 2:
        return "YX"
    if len(shape) == 3:
        if _is_last_channels(shape):
            return "YXC"
        return "CYX" if shape[0] <= FEW else "ZYX"
    if len(shape) == 4:
        if shape[-1] > 2 and _is_last_channels(shape[1:]):
            return "ZYXC"
        if shape[1] <= FEW:
            return "ZCYX"
        return "CZYX" if shape[0] <= FEW else "TZYX"
    raise InputError(
        f"The array has {len(shape)} dimensions, shape {tuple(shape)}; expected 2 to 4, such as (Y, X), (Y, X, C) "
        'or (Z, Y, X). Name its axes, as in axes="TZCYX", or pick one channel or time point first.'
    )


def _is_last_channels(shape: Sequence[int]) -> bool:
    """Return whether (a, b, c) is more likely b columns of c channels than a images of c columns."""
    last, rest = shape[-1], min(shape[:-1])
    return last < rest if last <= FEW else last <= MANY and 4 * last <= rest


def stack_letters(count: int, taken: str = "") -> str:
    """Return the letters of stack axes that have no name: Z of one, T and Z of two, as far as they are free.

    This is the only place that decides it. The result is shorter than `count` where letters run out.

    Parameters
    ----------
    count : int
        Number of axes.
    taken : str
        Letters that other axes have.
    """
    free = "".join(letter for letter in "TZ" if letter not in taken)
    return free[max(0, len(free) - count) :]


def settle_axes(array: Array, axes: str) -> tuple[Array, str, tuple[str, ...]]:
    """Return every axis one of our letters, from names as `tifffile` has them; those that are known stay.

    Axes of length one go first. S, the samples of a picture, becomes a last C. Positions and what else is no space
    becomes T or Z, whichever is free; where neither is, two axes become one.

    Parameters
    ----------
    array : array
    axes : str
        A letter for each dimension: ours, S, or another.

    Returns
    -------
    array : array
    axes : str
        Of T, C, Z, Y, X, one for each dimension of the array.
    notes : tuple of str
        What was decided, in words.
    """
    notes: list[str] = []
    kept = [i for i, letter in enumerate(axes) if letter in "YX" or array.shape[i] != 1]
    array, axes = array.reshape([array.shape[i] for i in kept]), "".join(axes[i] for i in kept)
    if "S" in axes:
        at = axes.index("S")
        array, axes = np.moveaxis(array, at, -1), axes.replace("S", "") + "S"
        if "C" in axes:
            array = np.moveaxis(array, axes.index("C"), -2)
            counts = array.shape[-2:]
            array, axes = array.reshape(*array.shape[:-2], -1), axes.replace("C", "").replace("S", "")
            axes = axes[: axes.index("Y")] + "C" + axes[axes.index("Y") :]
            array = np.moveaxis(array, -1, axes.index("C"))
            notes.append(f"{counts[0]} channels of {counts[1]} samples each: {counts[0] * counts[1]} channels")
        else:
            axes = axes.replace("S", "C")
    unknown = [letter for letter in axes if letter not in LETTERS]
    if unknown and set(unknown) == {"Q"} and set(axes) <= set("QYX") and len(axes) <= 4:
        guessed = guess_axes(array.shape)
        return array, guessed, (f"the file does not name its axes; taken as {guessed} by their lengths",)
    while unknown:
        place = next(i for i, letter in enumerate(axes) if letter not in LETTERS)
        letter = axes[place]
        word = _NAMES.get(letter, f"axis {letter}")
        free = _free(letter, axes)
        if free:
            axes = axes[:place] + free + axes[place + 1 :]
            notes.append(f"{word} ({array.shape[place]}) read as {free}")
        else:
            array, axes = _join(array, axes, place)
            notes.append(f"{word} read together with T, one after the other")
        unknown.remove(letter)
    return array, axes, tuple(notes)


def _free(letter: str, axes: str) -> str:
    if letter in _LIKE_CHANNELS and "C" not in axes:
        return "C"
    order = "TZ" if letter in _LIKE_TIME else "ZT"
    return next((one for one in order if one not in axes), "")


def _join(array: Array, axes: str, place: int) -> tuple[Array, str]:
    """Make one axis, T, of an axis and T."""
    array = np.moveaxis(array, (place, axes.index("T")), (0, 1))
    rest = axes[:place] + axes[place + 1 :]
    return array.reshape(-1, *array.shape[2:]), "T" + rest.replace("T", "", 1)


def check_axes(axes: str, ndim: int) -> str:
    """Return `axes` in capitals, if they can be those of an array of `ndim` dimensions.

    Raises
    ------
    InputError
        If a letter is unknown or there twice, Y or X is missing, or the number of letters is not `ndim`.
    """
    axes = axes.upper()
    strange = sorted(set(axes) - set(LETTERS))
    if strange or len(set(axes)) != len(axes) or not {"Y", "X"} <= set(axes):
        raise InputError(f"The axes are '{axes}'; expected Y and X, and T, C or Z at most once each, as in 'CYX'.")
    if len(axes) != ndim:
        raise InputError(f"The axes '{axes}' name {len(axes)} dimensions, the array has {ndim}; expected one each.")
    return axes


def to_channels(array: Array, axes: str, spatial: str = "YX") -> tuple[Array, str]:
    """Bring an image into the order that networks read, (stack..., C, *spatial).

    Parameters
    ----------
    array : array
        One dimension per letter of `axes`.
    axes : str
        Its axes, such as ``"ZYXC"``.
    spatial : {"YX", "ZYX"}
        What a network looks at together; the other axes but C are a stack of independent images.

    Returns
    -------
    array : array
        A view, with a channel dimension of 1 if there was none.
    stack : str
        The letters of the stack's dimensions, in the order of the array; labels have the axes ``stack + spatial``.

    Raises
    ------
    InputError
        If the axes do not fit the array or a spatial axis is missing.
    """
    axes = check_axes(axes, array.ndim)
    missing = [letter for letter in spatial if letter not in axes]
    if missing:
        raise InputError(
            f"The image has the axes {axes}; expected {spatial}, as the model sees {len(spatial)}-d images. "
            f"Choose a {len(axes.replace('C', ''))}-d model, or say which axis is {' and '.join(missing)}."
        )
    if "C" not in axes:
        array, axes = array[None], "C" + axes
    stack = "".join(letter for letter in axes if letter != "C" and letter not in spatial)
    return array.transpose([axes.index(letter) for letter in stack + "C" + spatial]), stack
