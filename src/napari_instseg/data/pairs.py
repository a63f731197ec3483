"""Images and their labels as pairs that are read when they are needed, and their split into training and held out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InputError
from napari_instseg.core.method import Array
from napari_instseg.core.seeds import rng_of


@dataclass(frozen=True)
class Example:
    """An image and what is true of it.

    Parameters
    ----------
    image : array
        One dimension per letter of `axes`.
    axes : str
        Letters of T, C, Z, Y, X.
    labels : array of int32
        The image's shape without C: 0 background, one id per object.
    classes : array of int32, optional
        Of the same shape: the class of each pixel's object, from 1; 0 background.
    """

    image: Array
    axes: str
    labels: npt.NDArray[np.int32]
    classes: npt.NDArray[np.int32] | None = None


@dataclass(frozen=True)
class Pair:
    """An image with labels, by name; ``read()`` gives them, from a file anew each time."""

    name: str
    read: Callable[[], Example]


def split_pairs(
    pairs: Sequence[Pair], held_out: float | Sequence[str], seed: int = 0
) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
    """Split pairs into those to learn from and those held out.

    Parameters
    ----------
    pairs : sequence of Pair
    held_out : float or sequence of str
        A share from 0 to 1, drawn with the seed from the pairs in the order of their names; of two pairs or more at
        least one is kept on either side unless the share is 0 or 1. Or the names of those to hold out.
    seed : int

    Returns
    -------
    train, held_out : tuple of Pair
        Each in the given order.

    Raises
    ------
    InputError
        If a name is not among the pairs or the share is not from 0 to 1.
    """
    if isinstance(held_out, float | int):
        chosen = _draw(sorted(pair.name for pair in pairs), held_out, seed)
    else:
        chosen = set(held_out)
        unknown = sorted(chosen - {pair.name for pair in pairs})
        if unknown:
            known = listed([pair.name for pair in pairs], most=1)
            raise InputError(f"There is no image named {listed(unknown)}; expected names without suffix, of {known}.")
    train = tuple(pair for pair in pairs if pair.name not in chosen)
    return train, tuple(pair for pair in pairs if pair.name in chosen)


def listed(names: Sequence[str], most: int = 5) -> str:
    """Return the first names in quotes, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"'{name}'" for name in names[:most]) + more


def _draw(names: list[str], share: float, seed: int) -> set[str]:
    if not 0 <= share <= 1:
        raise InputError(f"The share to hold out is {share:g}; expected a number from 0 to 1.")
    count = round(share * len(names))
    if 0 < share < 1 and len(names) > 1:
        count = min(max(count, 1), len(names) - 1)
    return {names[i] for i in rng_of(seed).permutation(len(names))[:count]}
