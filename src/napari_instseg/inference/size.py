"""How large the objects of an image are, found before the full run by a few looks with the network itself.

A network is most certain of what is foreground where it sees objects at the size that it learnt. So a part of the image
is looked at, resized as if its objects had one of a few sizes that lie far apart; the most certain look tells by the
objects that it finds how large they are, and a second look at that size confirms it. Cellpose (Stringer et al. 2021)
regresses the size from the features of one look instead, and does not check it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_instseg.core.method import Array
from napari_instseg.inference.prediction import Prediction
from napari_instseg.inference.rescale import LIMITS, own_parameters, resize
from napari_instseg.io.models import ModelSpec

AUTO, OWN = "auto", "model"
"""Words for a diameter: found by itself, or that of the images which the model learnt from."""
LADDER = (5.0, 2.0, 5 / 6, 1 / 3)
"""Sizes that are looked at first, in diameters of the objects that the network knows; coarse looks come first."""
SIDE = 448
"""Of the part that is looked at, in pixels of the network."""
AGREE = 1.15
"""Sizes this close together, as a factor, are one."""
LOOKS = 3
"""Most looks that confirm."""
CRUMB = 0.1
"""Objects below this share of the middle area, weighed by area, are not counted."""
PRESUMED_BONUS = 0.05
"""So much more certain another size has to be than the one that the model presumes."""
CONTRADICTED = 0.2
"""So much less counts a size at an end of the ladder if the next look finds objects that lie on its other side."""
ALIKE, ALIKE_BONUS = 1.25, 0.05
"""So much more counts a size for every other look that finds it within this factor."""
SURE, UNSURE = 0.75, 0.5
"""Confidence from which on a size is taken as found, and below which it is doubtful."""

Predict = Callable[[Array], Prediction]


@dataclass(frozen=True)
class Look:
    """What one look found: the size that objects were taken to have, the one that they had, and how certain it was."""

    assumed: float
    diameter: float
    certainty: float
    objects: int
    centre: tuple[float, float] | None = None
    """Where in the image most was found, in pixels."""


@dataclass(frozen=True)
class Size:
    """A typical object diameter that was found.

    Parameters
    ----------
    diameter : float
        In pixels of the image.
    confidence : float
        0 to 1: how certain the network is of what it sees at that size, less where another size is as likely.
    found : bool
        False where no look found any object, or the model cannot tell: the diameter is then that which it presumes.
    looks : sequence of Look
    """

    diameter: float
    confidence: float
    found: bool
    looks: Sequence[Look] = ()

    def words(self, micrometres: float | None = None) -> str:
        """Say the size, with its length where the image has `micrometres` per pixel."""
        if not self.found:
            why = "no object was found at any size" if self.looks else "it has learnt objects of one size only"
            return f"{self.diameter:.0f} px, the model's own: {why}"
        length = f" ({self.diameter * micrometres:.3g} um)" if micrometres else ""
        doubt = "" if self.confidence >= UNSURE else ", not certain"
        return f"about {self.diameter:.0f} px{length}, found by itself{doubt}"


def find_size(channels: Array, spec: ModelSpec, predict: Predict) -> Size:
    """Find the typical diameter of the objects of an image.

    Parameters
    ----------
    channels : array (C, Y, X)
    spec : ModelSpec
        Of a 2-d model.
    predict : callable
        Runs the network on (C, y, x) as it is, normalised as the whole image is; gives a prediction that has a
        ``foreground``.

    Returns
    -------
    Size
    """
    presumed = spec.presumed_diameter
    looks: list[Look] = []
    where: tuple[float, float] | None = None
    for ratio in LADDER:
        at = where or busiest(channels, SIDE * ratio)
        looks.append(_look(channels, spec, predict, ratio * spec.diameter, at))
        if looks[-1].centre is not None and looks[-1].certainty >= UNSURE:
            where = looks[-1].centre
    best = max(looks, key=lambda look: _worth(look, presumed) + _support(look, looks))
    if not best.objects:
        return Size(presumed, 0.0, False, looks)
    for _ in range(LOOKS):
        again = _look(channels, spec, predict, best.diameter, best.centre or where)
        looks.append(again)
        settled = max(again.diameter / best.diameter, best.diameter / again.diameter) < AGREE if again.objects else True
        if again.objects and again.certainty >= best.certainty - PRESUMED_BONUS:
            best = again
        if settled:
            break
    # what lies beyond could not be looked at; a little within, as the size may be rounded
    smallest, largest = (spec.diameter / limit for limit in reversed(LIMITS))
    diameter = float(np.clip(best.diameter, 1.05 * smallest, 0.95 * largest))
    return Size(diameter, _confidence(best, looks), True, looks)


def _worth(look: Look, presumed: float) -> float:
    """Return how much speaks for a look: its certainty, less where it finds objects at the edge of what it can see."""
    if not look.objects:
        return -1.0
    off = abs(np.log(look.diameter / look.assumed))
    near = abs(np.log(look.diameter / presumed)) < np.log(AGREE)
    few = 0.15 if look.objects < 3 else 0.0
    return float(look.certainty - 0.2 * max(off - np.log(1.6), 0.0) - few + PRESUMED_BONUS * near)


def _support(look: Look, looks: Sequence[Look]) -> float:
    """Return what other looks say of a size: those that find it, too, speak for it.

    Of the largest or smallest size it speaks against it if the next one finds objects that lie on its other side.
    """
    others = [other for other in looks if other is not look and other.objects > 1]
    if not others:
        return 0.0
    alike = [
        abs(np.log(other.diameter / look.diameter)) < np.log(ALIKE) for other in others if other.certainty > UNSURE
    ]
    sizes = [other.assumed for other in looks]
    next_one = min(others, key=lambda other: abs(np.log(other.assumed / look.assumed)))
    away = np.log(look.diameter / next_one.assumed) * np.log(next_one.diameter / next_one.assumed) < 0
    against = look.assumed in (max(sizes), min(sizes)) and next_one.objects > 2 and away
    return float(ALIKE_BONUS * sum(alike) - CONTRADICTED * against)


def _confidence(best: Look, looks: Sequence[Look]) -> float:
    """Return the certainty, less as much as looks that are as certain tell other sizes."""
    others = [look for look in looks if look.objects > 2 and look.certainty > best.certainty - 0.1]
    apart = max((abs(np.log(look.diameter / best.diameter)) for look in others), default=0.0)
    return float(np.clip(best.certainty - 0.3 * max(apart - np.log(1.4), 0.0), 0.0, 1.0))


def _look(
    channels: Array, spec: ModelSpec, predict: Predict, assumed: float, where: tuple[float, float] | None
) -> Look:
    """Look at a part as if objects were `assumed` pixels across."""
    factor = float(np.clip(spec.diameter / assumed, *LIMITS))
    shape = channels.shape[1:]
    size = [min(int(np.ceil(SIDE / factor)), side) for side in shape]
    middle = where or tuple(side / 2 for side in shape)
    start = [int(np.clip(at - part / 2, 0, side - part)) for at, part, side in zip(middle, size, shape, strict=True)]
    part = channels[:, start[0] : start[0] + size[0], start[1] : start[1] + size[1]]
    seen = resize(np.ascontiguousarray(part), tuple(max(1, round(side * factor)) for side in size))
    prediction = predict(seen)
    labels = prediction.pipeline.run(own_parameters(spec, spec.diameter)).labels
    found = prediction.outputs["foreground"]
    inside = labels > 0
    if not inside.any():
        return Look(assumed, assumed, 0.0, 0)
    certainty = float(np.abs(2 * found[inside] - 1).mean())
    areas = _areas(labels)
    places = np.argwhere(inside)
    mean = np.median(places, axis=0) / factor + start
    return Look(
        assumed, float(2 * np.sqrt(np.median(areas) / np.pi)) / factor, certainty, len(areas), (mean[0], mean[1])
    )


def _areas(labels: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return the areas of objects, without crumbs, and without those that the border cuts where there are others."""
    count = np.bincount(labels.ravel(), minlength=2)
    cut = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    whole = np.ones(len(count), bool)
    whole[cut] = False
    whole[0] = False
    areas = count[whole & (count > 0)] if (whole & (count > 0)).sum() > 2 else count[1:][count[1:] > 0]
    order = np.sort(areas)
    middle = order[np.searchsorted(np.cumsum(order), order.sum() / 2)]
    kept: npt.NDArray[np.int64] = areas[areas >= CRUMB * middle]
    return kept


def busiest(channels: Array, side: float) -> tuple[float, float] | None:
    """Return the middle of the square of a large image in which values differ most; None if it is not larger."""
    shape = channels.shape[1:]
    if max(shape) <= side:
        return None
    step = max(1, int(side) // 64)
    grey = channels[:, ::step, ::step].mean(axis=0, dtype=np.float32)
    part = [min(int(side) // step, length) for length in grey.shape]
    starts = [
        np.unique(np.linspace(0, length - size, 4).astype(int)) for length, size in zip(grey.shape, part, strict=True)
    ]
    corners = [(y, x) for y in starts[0] for x in starts[1]]
    best = max(corners, key=lambda at: float(grey[at[0] : at[0] + part[0], at[1] : at[1] + part[1]].std()))
    return (best[0] + part[0] / 2) * step, (best[1] + part[1] / 2) * step
