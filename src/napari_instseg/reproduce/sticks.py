"""Crossing sticks: a discriminative embedding against Mask R-CNN (De Brabandere et al. 2017, figure 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib.figure import Figure

from napari_instseg.core.events import Event, Result
from napari_instseg.core.method import Array
from napari_instseg.metrics import Detections, coco_ap, evaluate_labels
from napari_instseg.reproduce.drawing import Panel, colored, panels, shown
from napari_instseg.reproduce.learning import REGIONS_START, START, Course, Effort, compare, compare_regions, predict
from napari_instseg.reproduce.material import Picture, simulated
from napari_instseg.reproduce.report import Report, command_line

FULL = Effort(images=1000, tests=50, steps=12000, side=320, batch=8)
QUICK = Effort(images=300, tests=20, steps=3000, side=160)
STICKS = 10
LENGTH, THICKNESS = 0.5, 0.05
"""Of the image's side."""
BASELINE_STEPS = 1 / 5
"""Of the embedding's: a step of Mask R-CNN takes about five times as long."""


def run(*, quick: bool = False, seed: int = 0, scale: float = 1.0) -> Iterator[Event]:
    """Train both on the same images for about the same time.

    See `napari_instseg.reproduce.Experiment.run`.
    """
    budget = (QUICK if quick else FULL).times(scale)
    side = budget.side
    scene = {"height": side, "width": side, "count": STICKS, "length": LENGTH * side, "thickness": THICKNESS * side}
    learnt, tests = simulated("sticks", budget.images, budget.tests, seed, scene)
    baseline_steps = max(round(budget.steps * BASELINE_STEPS), 2)
    course = Course(budget, budget.steps + baseline_steps, seed)
    # what crosses a stick cuts it in two: pieces of one cluster stay one object; a loss above zero leaves fragments,
    # which are merged as the shipped models do
    whole = {"connected": False, "min_size": 12, "bandwidth": 1.0, "merge_alike": 1.5}
    model = yield from course.learn("discriminative", learnt, start=START, decode=whole)
    predictions = yield from predict(model, tests)
    found = [prediction.decode() for prediction in predictions]
    labels = {"discriminative": [one.labels for one in found]}
    compared = {"discriminative": [compare(test, one) for test, one in zip(tests, found, strict=True)]}
    model = yield from course.learn(
        "semiconv_rcnn",
        learnt,
        steps=baseline_steps,
        start=REGIONS_START,
        network={"dimensions": 0, "anchor": 16},
        training={"batch_size": max(budget.batch // 2, 1)},
    )
    predictions = yield from predict(model, tests)
    labels["Mask R-CNN"] = [prediction.decode(min_size=12).labels for prediction in predictions]
    compared["Mask R-CNN"] = [compare_regions(*both) for both in zip(tests, predictions, strict=True)]
    steps = {"discriminative": budget.steps, "Mask R-CNN": baseline_steps}
    rows = [
        {**_row(name, labels[name], compared[name], tests), "steps": steps[name], "training s": round(seconds)}
        for name, seconds in zip(labels, course.seconds, strict=True)
    ]
    differs = (
        f"simulated wooden sticks of our own, {STICKS} on {side} x {side} px ({len(learnt)} images to learn from, "
        f"{len(tests)} scored by the parts that can be seen); a small U-Net told where pixels lie, begun with the "
        f"trunk of {START}; Mask R-CNN is torchvision's with a small ResNet, begun with {REGIONS_START}, for about the "
        "same time, which is much less than what it is usually given. The paper shows pictures of its own method only, "
        "without numbers."
    )
    command = command_line("sticks", quick=quick, seed=seed, scale=scale, data=None)
    yield Result(Report("sticks", "Crossing sticks", rows, differs, _draw(labels, tests), command))


def _row(
    name: str, labels: Sequence[Array], compared: Sequence[Detections], tests: Sequence[Picture]
) -> dict[str, Any]:
    report = evaluate_labels(zip((test.labels for test in tests), labels, strict=True))
    in_words = {"discriminative": "handled without problems", "Mask R-CNN": "exceedingly hard for methods with boxes"}
    return {
        "method": name,
        **{f"COCO {key}": value for key, value in coco_ap(compared).items()},
        "TP/(TP+FP+FN) at 0.5": float(report["ap"]["0.5"]),
        "SBD": float(report["sbd"]),
        "paper (in words)": in_words[name],
    }


def _draw(found: dict[str, list[Array]], tests: Sequence[Picture]) -> Figure:
    rows: list[list[Panel]] = []
    for index, test in enumerate(tests[:3]):
        row: list[Panel] = [("image", shown(test.image, test.axes)), ("truth", colored(test.labels))]
        rows.append(row + [(name, colored(labels[index])) for name, labels in found.items()])
    return panels(rows)
