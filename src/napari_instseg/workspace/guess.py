"""What an image looks like, in words, and which model suits it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from napari_instseg.core.method import Array
from napari_instseg.io.models import ModelSpec

SAMPLE_SIDE = 256


@dataclass(frozen=True)
class Look:
    """The look of an image.

    Parameters
    ----------
    colored : bool
        Whether its channels differ.
    dark : bool
        Whether the background is darker than what stands out from it.
    flat : bool
        Whether all pixels have one value.
    """

    colored: bool
    dark: bool
    flat: bool = False

    @property
    def words(self) -> str:
        """The look in a few words."""
        if self.flat:
            return "all pixels have the same value"
        kind = "colour" if self.colored else "grey"
        return f"{kind}, {'bright objects on dark' if self.dark else 'dark objects on bright'}"


def look_at(image: Array, axes: str) -> Look:
    """Judge an image by a thin sample of its pixels.

    The background is the commoner side: the median lies nearer to it than to the middle of the range.

    Parameters
    ----------
    image : array
    axes : str
        Its axes in letters, such as ``"YXC"``.
    """
    step = [
        slice(None) if letter == "C" else slice(None, None, _step(size))
        for letter, size in zip(axes, image.shape, strict=True)
    ]
    sample = np.nan_to_num(np.asarray(image[tuple(step)], dtype=np.float32))
    channels = np.moveaxis(sample, axes.index("C"), 0) if "C" in axes else sample[None]
    grey = channels.mean(axis=0)
    low, middle, high = np.percentile(grey, [1, 50, 99])
    spread = float(np.ptp(channels))
    if spread == 0:
        return Look(colored=False, dark=True, flat=True)
    difference = float(np.ptp(channels, axis=0).mean()) if len(channels) > 1 else 0.0
    return Look(colored=difference > 0.02 * spread, dark=bool(middle < (low + high) / 2))


def _step(size: int) -> int:
    return max(1, size // SAMPLE_SIDE)


def suggest_model(look: Look, specs: Mapping[str, ModelSpec]) -> str | None:
    """Choose the model that scores best on data of that look, by the names of the data in the cards.

    Colour wants stained tissue, grey on dark fluorescence, and grey on bright phase contrast or bright field. If none
    was scored on such data, one whose title names it is chosen, else the one that scores best at all; None without any.
    """
    grey = ("fluoresc",) if look.dark else ("phase contrast", "bright field")
    wanted = ("histolog", "stain") if look.colored else grey

    def rank(name: str) -> tuple[float, bool, float]:
        spec = specs[name]
        scores = {score.data.lower(): score.mean_ap for score in spec.scores}
        fitting = [mean_ap for data, mean_ap in scores.items() if any(word in data for word in wanted)]
        named = any(word in spec.title.lower() for word in wanted)
        return max(fitting, default=-1.0), named, max(scores.values(), default=0.0)

    return max(sorted(specs), key=rank, default=None)
