"""The meaning of an array's dimensions, in letters: T time, C channel, Z, Y, X."""

from __future__ import annotations

from collections.abc import Sequence

from napari_instseg.core.errors import InputError
from napari_instseg.core.method import Array

LETTERS = "TCZYX"
FEW = 4
"""A dimension as short as this is taken for channels where nothing says what it is."""


def guess_axes(shape: Sequence[int]) -> str:
    """Guess the axes of an array of which nothing is known but its shape.

    A last dimension of 3 or 4 is colour, another short one is channels, what is left is Z, then T.

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
        if shape[-1] <= FEW < min(shape[:2]):
            return "YXC"
        return "CYX" if shape[0] <= FEW else "ZYX"
    if len(shape) == 4:
        if shape[-1] in (3, 4) and min(shape[1:3]) > FEW:
            return "ZYXC"
        if shape[1] <= FEW:
            return "ZCYX"
        return "CZYX" if shape[0] <= FEW else "TZYX"
    raise InputError(
        f"The array has {len(shape)} dimensions, shape {tuple(shape)}; expected 2 to 4, such as (Y, X), (Y, X, C) "
        'or (Z, Y, X). Name its axes, as in axes="TZCYX", or pick one channel or time point first.'
    )


def check_axes(axes: str, ndim: int) -> str:
    """Give `axes` in capitals, if they can be those of an array of `ndim` dimensions.

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
