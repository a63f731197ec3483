"""Worms from their binary foreground: Mask R-CNN plain and semi-convolutional, and others (Novotny et al., table 1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from napari_instseg.core.errors import InputError
from napari_instseg.core.events import Event, Result
from napari_instseg.core.method import Array
from napari_instseg.io.images import read_image
from napari_instseg.metrics import Detections, coco_ap, evaluate_labels
from napari_instseg.reproduce.drawing import Panel, colored, panels
from napari_instseg.reproduce.learning import (
    FLIPS,
    REGIONS_START,
    START,
    TINY,
    Course,
    Effort,
    compare,
    compare_regions,
    diameter,
    predict,
)
from napari_instseg.reproduce.material import Picture, Split, annotated, simulated
from napari_instseg.reproduce.report import Report, command_line

FULL = Effort(images=1000, tests=100, steps=6000, side=320, batch=8)
QUICK = Effort(images=60, tests=25, steps=600, side=192)
ZOOM, QUICK_ZOOM = 1.0, 0.5
"""How large the networks see the worms; the scores are at the size of the images."""
MASKS = "masks_overlapping"
"""Folder beside `images` and `labels`: for each image a stack of masks (n, Y, X), covered parts included."""
REGION_STEPS = 1 / 2
"""Of the other methods': a step of Mask R-CNN takes several times as long."""
REGIONS = {"anchor": 16, "finest": "2"}
"""A worm seen at half its size is five pixels wide: with cells of four, neither Mask R-CNN outlines it."""

PAPER = {
    "Mask R-CNN": "the baseline",
    "semi-convolutional Mask R-CNN": "better in all measures, more so at higher IoU",
}
"""In words: the numbers of table 1 are a picture in the text that we have."""

AUGMENTATION = {**FLIPS, "rotation": 180, "scale": 0.1, "elastic": 0.1, "intensity": 0, "noise": 0}


@dataclass(frozen=True)
class Way:
    """One way to find worms: the method, what its network and decoding are told, and whether its steps are heavy."""

    method: str
    network: Mapping[str, Any]
    decode: Mapping[str, Any]
    heavy: bool = False

    @property
    def by_regions(self) -> bool:
        """Whether it finds masks that may overlap."""
        return self.method == "semiconv_rcnn"


WHOLE = {"connected": False, "min_size": 60}
"""What crosses a worm cuts it in two: pieces of one cluster stay one object."""
METHODS: Mapping[str, Way] = {
    "Mask R-CNN": Way("semiconv_rcnn", {"dimensions": 0, **REGIONS}, {"min_size": 60}, heavy=True),
    "semi-convolutional Mask R-CNN": Way("semiconv_rcnn", {"dimensions": 8, **REGIONS}, {"min_size": 60}, heavy=True),
    "semiconv": Way("semiconv", {"dimensions": 8}, WHOLE),
    "discriminative": Way("discriminative", {"dimensions": 8}, {**WHOLE, "bandwidth": 1.0, "merge_alike": 1.5}),
    "clusternet": Way("clusternet", {"dimensions": 16}, WHOLE),
    "metric": Way("metric", {"dimensions": 16}, WHOLE, heavy=True),
    "coloring": Way("coloring", {}, {"min_size": 60, "merge_distance": 12.0, "merge_measure": "gap"}),
}
"""The rows of the table."""


def run(*, quick: bool = False, seed: int = 0, scale: float = 1.0, data: Path | None = None) -> Iterator[Event]:
    """Train every method on binary worms and score it by COCO's average precision.

    See `napari_instseg.reproduce.Experiment.run`; a `scale` below `TINY` also takes fewer methods.
    """
    budget = (QUICK if quick else FULL).times(scale)
    if data is None:
        learnt, tests = simulated("worms", budget.images, budget.tests, seed, {"look": "binary"}, overlapping=True)
    else:
        learnt, tests = binary(data, budget)
    methods = dict(list(METHODS.items())[:3]) if scale < TINY else METHODS
    steps = {name: _steps(way, budget) for name, way in methods.items()}
    course = Course(budget, sum(steps.values()), seed)
    known, zoom = diameter(learnt), QUICK_ZOOM if quick else ZOOM
    rows, labels = [], {}
    for name, way in methods.items():
        model = yield from course.learn(
            way.method,
            learnt,
            steps=steps[name],
            zoom=zoom,
            start=REGIONS_START if way.by_regions else START,
            network=way.network,
            training={"batch_size": max(budget.batch // 2, 1)} if way.heavy else {},
            augmentation=AUGMENTATION,
        )
        predictions = yield from predict(model, tests, known)
        found = [prediction.decode(**way.decode) for prediction in predictions]
        labels[name] = [one.labels for one in found]
        if way.by_regions:
            compared = [compare_regions(*both) for both in zip(tests, predictions, strict=True)]
        else:
            compared = [compare(*both) for both in zip(tests, found, strict=True)]
        rows.append(
            {**_row(name, labels[name], compared, tests), "steps": steps[name], "training s": round(course.seconds[-1])}
        )
    differs = (
        f"{'BBBC010' if data else 'simulated worms'}, {len(learnt)} images to learn from and {len(tests)} scored (the "
        "paper: BBBC010, 50 and 50), by their whole masks, which label images cannot hold where worms cross; seen at "
        f"{zoom:g} of their size; {budget.steps} steps begun with the trunk of {START} ({steps['Mask R-CNN']} for "
        f"the Mask R-CNNs, begun with {REGIONS_START}, with a small ResNet instead of a ResNet-101). The numbers of "
        "the paper's table are not in the text that we have, only what it says of them."
    )
    command = command_line("worms", quick=quick, seed=seed, scale=scale, data=data)
    title = "Worms from their binary foreground"
    yield Result(Report("worms", title, rows, differs, _draw(labels, tests), command))


def binary(folder: Path, budget: Effort) -> Split:
    """Read a folder such as BBBC010: its images become the foreground of its labels, its truth the whole masks.

    Raises
    ------
    InputError
        If it cannot be read, or a stack of masks is missing or of another shape.
    """
    return (
        [_foreground(picture, folder) for picture in annotated(folder, budget.images, 0)[0]],
        [_foreground(picture, folder) for picture in annotated(folder, 0, budget.tests)[1]],
    )


def _foreground(picture: Picture, folder: Path) -> Picture:
    path = folder / MASKS / f"{picture.name}.tif"
    masks = read_image(path).array > 0
    if masks.ndim == 2:  # a single worm
        masks = masks[None]
    if masks.shape[1:] != picture.labels.shape:
        raise InputError(
            f"'{path}' has the shape {masks.shape}; expected (n, {', '.join(map(str, picture.labels.shape))}), one "
            "mask per object of its label image."
        )
    return Picture(picture.name, np.where(picture.labels > 0, np.uint8(255), np.uint8(0)), "YX", picture.labels, masks)


def _steps(way: Way, budget: Effort) -> int:
    return max(round(budget.steps * REGION_STEPS), 2) if way.by_regions else budget.steps


def _row(
    name: str, labels: Sequence[Array], compared: Sequence[Detections], tests: Sequence[Picture]
) -> dict[str, Any]:
    report = evaluate_labels(zip((test.labels for test in tests), labels, strict=True))
    return {
        "method": name,
        **{f"COCO {key}": value for key, value in coco_ap(compared).items()},
        "TP/(TP+FP+FN) at 0.5": float(report["ap"]["0.5"]),
        "its mean, 0.5 to 0.9": float(report["mean_ap"]),
        "paper (in words)": PAPER.get(name, "not tried"),
    }


def _draw(found: dict[str, list[Array]], tests: Sequence[Picture]) -> Figure:
    rows: list[list[Panel]] = []
    for index, test in enumerate(tests[:2]):
        row: list[Panel] = [("image", test.image), ("truth", colored(test.labels))]
        rows.append(row + [(name, colored(labels[index])) for name, labels in found.items()])
    return panels(rows, 2.6)
