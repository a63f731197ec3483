"""What napari's File > Open Sample calls: a function for each sample, named after it."""

from __future__ import annotations

from functools import partial
from typing import Any


def open_sample(name: str) -> list[tuple[Any, dict[str, Any], str]]:
    """Return a sample as napari's layer data: the image."""
    from napari_instseg.data.samples import load_sample
    from napari_instseg.widgets.images import SUGGESTED

    image, _, sample = load_sample(name)
    rgb = image.ndim == 3 and image.shape[-1] == 3
    suggested = {"model": sample.model or "", "diameter": sample.diameter, "channel": sample.stain}
    return [(image, {"name": sample.title, "rgb": rgb, "metadata": {SUGGESTED: suggested}}, "image")]


def __getattr__(name: str) -> Any:
    from napari_instseg.data.samples import SAMPLES

    sample = name.replace("_", "-")
    if sample not in SAMPLES:
        raise AttributeError(f"there is no sample '{sample}'")
    return partial(open_sample, sample)
