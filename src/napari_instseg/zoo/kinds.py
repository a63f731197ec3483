"""What kind of image it is, told by a small classifier over its look, and the shipped model for each kind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.data.look import FEATURES, measure_look

LEARNT = Path(__file__).parent / "kinds.json"
"""What `scripts/train_kinds.py` wrote."""
WIDE, YEAST = "discriminative-any-size", "discriminative-yeast"
KINDS: Mapping[str, tuple[str, str]] = {
    "fluorescent nuclei": ("nuclei in fluorescence", WIDE),
    "stained nuclei": ("stained nuclei, or nuclei in bright field", WIDE),
    "yeast": ("yeast in phase contrast", YEAST),
    "adherent cells": ("cells in phase contrast", "discriminative-cells"),
    "worms": ("worms in bright field", "discriminative-shapes"),
    "bacteria": ("bacteria", "semiconv-shapes"),
    "leaves": ("plant leaves from above", "discriminative-leaves"),
}
"""In words, and the shipped model that is best on it."""
MOST_SIDE = 2048
"""Of the middle of an image, by which its kind is told, in pixels."""
SURE = 0.7
"""Least probability with which a kind is taken for sure."""


@dataclass(frozen=True)
class KindOfImage:
    """What an image was taken for.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    probability : float
        0 to 1, among the kinds.
    distance : float
        From the images of that kind which the classifier has learnt from; compare with `farthest`.
    farthest : float
        19 in 20 images of known kinds are no farther.
    """

    kind: str
    probability: float
    distance: float
    farthest: float

    @property
    def model(self) -> str:
        """Name of the shipped model for it."""
        return KINDS[self.kind][1]

    @property
    def known(self) -> bool:
        """Whether it looks like the images that the models learnt from."""
        return self.distance <= self.farthest and self.probability >= SURE

    @property
    def words(self) -> str:
        """Say the kind."""
        return KINDS[self.kind][0]

    @property
    def warning(self) -> str:
        """Say what is doubtful; empty where nothing is."""
        if self.distance > self.farthest:
            return (
                f"None of the models knows images like this one for sure; it is taken for {self.words}. Look closely; "
                "if many objects are wrong, correct ten of them and retrain, or choose another model."
            )
        if self.probability < SURE:
            return (
                f"It is not certain what this image shows; it is taken for {self.words}. If not, choose another model."
            )
        return ""


def middle_of(image: Any, axes: str) -> npt.NDArray[Any]:
    """Read the part of an image by which its kind is told, (C, Y, X); of a stack, of its middle.

    Channels of detectors, which stand before Y and X, are no colours: their mean is taken.

    Parameters
    ----------
    image : array
        Or anything that is read by slicing it.
    axes : str
        One letter of T, C, Z, Y, X per dimension.
    """
    where: list[slice | int] = []
    for letter, size in zip(axes, image.shape, strict=True):
        start = max((size - MOST_SIDE) // 2, 0)
        part = slice(start, start + MOST_SIDE) if letter in "YX" else slice(None)
        where.append(part if letter in "CYX" else size // 2)
    kept = [letter for letter in axes if letter in "CYX"]
    read = np.asarray(image[tuple(where)])
    if "C" not in kept:
        read, kept = read[None], ["C", *kept]
    channels: npt.NDArray[Any] = read.transpose([kept.index(letter) for letter in "CYX"])
    if axes.endswith("C") and len(channels) >= 3:
        return channels[:3]
    return channels if len(channels) == 1 else channels.mean(axis=0, keepdims=True, dtype=np.float64)


def tell_kind(channels: npt.NDArray[Any], learnt: Mapping[str, Any] | None = None) -> KindOfImage:
    """Tell what kind of image it is.

    Parameters
    ----------
    channels : array (C, Y, X)
        Three channels are taken for red, green and blue.
    learnt : mapping, optional
        Another classifier than the shipped one.
    """
    known = _arrays() if learnt is None else {name: _array(value) for name, value in learnt.items()}
    look = np.clip((measure_look(channels) - known["middle"]) / known["spread"], -5, 5)
    scores = known["matrix"][:, :-1] @ look + known["matrix"][:, -1]
    odds = np.exp(scores - scores.max())
    best = int(scores.argmax())
    away = (look - known["means"][best]) @ known["root"]
    return KindOfImage(
        str(known["kinds"][best]),
        float(odds[best] / odds.sum()),
        float(np.sqrt((away**2).mean())),
        float(known["farthest"]),
    )


@cache
def _arrays() -> Mapping[str, Any]:
    values = json.loads(LEARNT.read_text(encoding="utf-8"))
    assert values["features"] == list(FEATURES)
    return {name: _array(value) for name, value in values.items()}


def _array(value: Any) -> Any:
    return np.asarray(value)
