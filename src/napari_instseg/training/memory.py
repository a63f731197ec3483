"""Images of a model's own training kind, kept so that it does not forget them while it learns new ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_instseg.core.method import Array
from napari_instseg.data.axes import guess_axes, to_channels
from napari_instseg.data.pairs import Pair
from napari_instseg.data.samples import SAMPLES, load_sample
from napari_instseg.training.material import UNKNOWN, Labels, Plane, read_written, write_planes
from napari_instseg.zoo import shipped

FOLDER = "memory"
"""In a model folder."""
MOST = 100
"""Planes that are kept in a model folder; of more the newest."""
LARGEST = 4 * 2**20
"""Larger planes are not kept, in pixels."""


def read_memory(model: str | Path) -> tuple[Plane, ...]:
    """Give the stored images of a model's own training kind.

    Parameters
    ----------
    model : str or Path
        A model folder, which may hold some; or a shipped name, such as ``"coloring-nuclei"``, for which they are the
        simulated samples of that kind.

    Returns
    -------
    tuple of Plane
        Empty if nothing is stored. Part of the planes is for learning, part for judging.
    """
    if str(model) not in shipped():
        return read_written(Path(model) / FOLDER)
    kind = str(model).rsplit("-", 1)[-1]
    planes = []
    for sample in SAMPLES.values():
        if sample.recipe is not None and sample.recipe.kind == kind:
            image, labels, _ = load_sample(sample.name)
            assert labels is not None
            channels, _ = to_channels(image, guess_axes(image.shape))
            planes += _halves(f"sample {sample.name}", channels, labels)
    return tuple(planes)


def remember(
    learn: Sequence[Pair], judge: Sequence[Pair], ndim: int, most: int = 48, diameter: float | None = None
) -> tuple[Plane, ...]:
    """Take annotated images of a model's own training kind.

    Parameters
    ----------
    learn, judge : sequence of Pair
        Those to learn from, and those to judge by.
    ndim : {2, 3}
    most : int
        At most so many of each, evenly chosen.
    diameter : float, optional
        Typical object diameter in the images, in pixels, where they are to be rescaled to what the model knows.
    """
    planes = []
    for pairs, judges in ((learn, False), (judge, True)):
        for pair in pairs[:: -(-len(pairs) // most)] if pairs and most else ():
            example = pair.read()
            channels, stack = to_channels(example.image, example.axes, "ZYX"[-ndim:])
            if not stack and example.labels.size <= LARGEST:
                unknown = np.full_like(example.labels, UNKNOWN)
                known = (unknown, example.labels) if judges else (example.labels, unknown)
                classes = None if judges else example.classes
                planes.append(Plane(pair.name, channels, *known, diameter, classes))
    return tuple(planes)


def write_memory(folder: Path, memory: Sequence[Plane], learnt: Sequence[Plane]) -> None:
    """Keep in a model folder what the model knew before and what it learnt now.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    new = [plane for plane in learnt if plane.learn.size <= LARGEST]
    write_planes(folder / FOLDER, [*memory, *new][-MOST:])


def _halves(name: str, image: Array, labels: Labels) -> list[Plane]:
    """Divide a sample: the left part teaches, the right part judges."""
    middle = image.shape[-1] // 2
    unknown = np.full_like(labels, UNKNOWN)
    parts = ((slice(0, middle), True), (slice(middle, None), False))
    planes = []
    for part, teaches in parts:
        own, none = labels[..., part], unknown[..., part]
        planes.append(Plane(name, image[..., part], *((own, none) if teaches else (none, own))))
    return planes
