"""The images of an experiment: simulated with exact truth, or from a folder that the user has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InputError
from napari_instseg.core.method import Array
from napari_instseg.data.pairs import Example, Pair, split_pairs
from napari_instseg.data.simulate import KINDS, simulate
from napari_instseg.io.images import read_image
from napari_instseg.io.labels import read_labels
from napari_instseg.io.pairs import open_split


@dataclass(frozen=True)
class Picture:
    """An image and what is true of it.

    Parameters
    ----------
    name : str
    image : array
        One dimension per letter of `axes`.
    axes : str
        Letters of C, Y, X.
    labels : int32 array (Y, X)
        0 background, one id per object; where objects cover each other, that of the one on top.
    masks : bool array (n, Y, X), optional
        The whole of each object, covered parts included.
    """

    name: str
    image: Array
    axes: str
    labels: npt.NDArray[np.int32]
    masks: npt.NDArray[np.bool_] | None = None

    @property
    def truth(self) -> Array:
        """The masks where they are known, else the labels."""
        return self.labels if self.masks is None else self.masks

    @property
    def pair(self) -> Pair:
        """The picture as what is learnt from."""
        return Pair(self.name, partial(Example, self.image, self.axes, self.labels))


Split = tuple[list[Picture], list[Picture]]
"""Pictures to learn from, and pictures to score on."""


def simulated(
    kind: str, images: int, tests: int, seed: int, values: Mapping[str, Any], *, overlapping: bool = False
) -> Split:
    """Simulate pictures to learn from and others to score on.

    Parameters
    ----------
    kind : str
        One of `napari_instseg.data.simulate.KINDS`.
    images, tests : int
    seed : int
    values : mapping
        Parameters of the kind that are not the default.
    overlapping : bool
        Keep the whole masks of covered objects.
    """
    params = KINDS[kind].params(**values)

    def draw(number: int, stream: int) -> Iterator[Picture]:
        for index, scene in enumerate(simulate(kind, n=number, seed=stream, params=params)):
            axes = "YX" if scene.image.ndim == 2 else "YXC"
            yield Picture(str(index), scene.image, axes, scene.labels, scene.masks if overlapping else None)

    return list(draw(images, 2 * seed)), list(draw(tests, 2 * seed + 1))


def annotated(folder: Path, images: int, tests: int) -> Split:
    """Read a folder with `images` and `labels`; `val.txt`, or else a tenth of the images, is held out and scored on.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    learnt, held_out = open_split(folder)
    return [_read(pair) for pair in evenly(learnt, images)], [_read(pair) for pair in evenly(held_out, tests)]


def cvppp(folder: Path, images: int, tests: int, seed: int) -> Split:
    """Read a folder of the CVPPP leaf challenge, such as A1: ``NAME_rgb.png`` with ``NAME_label.png``.

    A quarter, drawn by the seed, is held out.

    Raises
    ------
    InputError
        If there are no such images, or one has no labels or labels of another shape.
    """
    paths = sorted(folder.glob("*_rgb.png"))
    if not paths:
        raise InputError(
            f"'{folder}' has no file named *_rgb.png; expected images of the CVPPP leaf challenge such as "
            "plant001_rgb.png, each with its plant001_label.png. Choose the folder A1 of its training images."
        )
    pairs = [Pair(path.name.removesuffix("_rgb.png"), partial(_read_plant, path)) for path in paths]
    learnt, held_out = split_pairs(pairs, 0.25, seed)
    return [_read(pair) for pair in evenly(learnt, images)], [_read(pair) for pair in evenly(held_out, tests)]


def _read_plant(path: Path) -> Example:
    image = read_image(path).array[..., :3]
    labels = path.with_name(path.name.replace("_rgb.png", "_label.png"))
    return Example(image, "YXC", read_labels(labels, image.shape[:2], image=f"'{path}'"))


def _read(pair: Pair) -> Picture:
    example = pair.read()
    return Picture(pair.name, example.image, example.axes, example.labels)


def evenly(items: Sequence[Any], most: int) -> list[Any]:
    """Choose at most so many, spread evenly."""
    number = min(len(items), most)
    return [items[index * len(items) // number] for index in range(number)]
