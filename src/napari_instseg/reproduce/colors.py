"""Sensitivity of deep coloring to margin and halo weight (Kulikov et al. 2018, figure 3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from napari_instseg.core.events import Event, Result
from napari_instseg.core.method import Array
from napari_instseg.metrics import evaluate_labels
from napari_instseg.reproduce.drawing import colored, shown
from napari_instseg.reproduce.learning import START, TINY, Course, Effort, diameter, predict
from napari_instseg.reproduce.material import Picture, cvppp, simulated
from napari_instseg.reproduce.report import Report, command_line

FULL = Effort(images=200, tests=40, steps=3000, side=256, batch=8)
QUICK = Effort(images=100, tests=20, steps=300, side=192)
HALO_WEIGHTS, QUICK_HALO_WEIGHTS = (1.0, 3.0, 7.0, 16.0, 40.0), (2.0, 7.0, 20.0)
MARGINS, QUICK_MARGINS = (0.25, 0.5, 1.0, 2.0, 3.0), (0.4, 1.0, 2.5)
"""In typical diameters; the paper's margin is about one."""

IN_WORDS = "not overly sensitive to considerable changes around the optimum"


def run(*, quick: bool = False, seed: int = 0, scale: float = 1.0, data: Path | None = None) -> Iterator[Event]:
    """Train one model for each pair of margin and halo weight.

    See `napari_instseg.reproduce.Experiment.run`; a `scale` below `TINY` also takes fewer pairs.
    """
    budget = (QUICK if quick else FULL).times(scale)
    learnt, tests = pictures(budget, seed, data)
    unit = diameter(learnt)
    every = 2 if scale < TINY else 1
    margins = [max(round(factor * unit), 1) for factor in (QUICK_MARGINS if quick else MARGINS)[::every]]
    weights = (QUICK_HALO_WEIGHTS if quick else HALO_WEIGHTS)[::every]
    course = Course(budget, len(margins) * len(weights) * budget.steps, seed)
    rows, found = [], []
    for weight, margin in product(weights, margins):
        loss = {"margin": margin, "halo_weight": weight, "average": "objects"}
        model = yield from course.learn("coloring", learnt, start=START, loss=loss)
        predictions = yield from predict(model, tests)
        found.append([prediction.decode().labels for prediction in predictions])
        report = evaluate_labels(zip((test.labels for test in tests), found[-1], strict=True))
        rows.append(
            {
                "halo weight (mu)": weight,
                "margin, px": margin,
                "margin, diameters": margin / unit,
                "SBD": float(report["sbd"]),
                "|DiC|": float(report["abs_dic"]),
                "paper (in words)": IN_WORDS,
            }
        )
    differs = (
        f"{'images of the folder' if data else 'simulated rosettes'} ({len(learnt)} to learn from, {len(tests)} scored)"
        f" instead of CVPPP A1; {budget.steps} steps of {budget.batch} crops for each model instead of 20000 of 40; a "
        f"residual U-Net of this package, begun with the trunk of {START}; the size threshold is not tuned. "
        "The paper's figure 3 is a picture without numbers; its best validation SBD, in the text, is .87 at margin 21 "
        "px (about one diameter) and mu 7."
    )
    command = command_line("colors", quick=quick, seed=seed, scale=scale, data=data)
    figure = _draw(rows, len(margins), tests[0], [labels[0] for labels in found])
    yield Result(Report("colors", "Margin and halo weight of deep coloring", rows, differs, figure, command))


def pictures(budget: Effort, seed: int, data: Path | None) -> tuple[list[Picture], list[Picture]]:
    """Return leaf rosettes to learn from and to score on."""
    if data is not None:
        return cvppp(data, budget.images, budget.tests, seed)
    size = {"height": budget.side, "width": budget.side, "count": 8}
    return simulated("rosettes", budget.images, budget.tests, seed, size)


def _draw(rows: Sequence[Mapping[str, Any]], columns: int, test: Picture, found: Sequence[Array]) -> Figure:
    """Draw the scores as a map beside one test image as the best and the worst model see it."""
    figure = Figure(figsize=(13, 3.6), layout="constrained")
    score_map, *others = figure.subplots(1, 4, width_ratios=(1.3, 1, 1, 1))
    scores = np.array([row["SBD"] for row in rows])
    grid = scores.reshape(-1, columns)
    score_map.imshow(grid, cmap="viridis", aspect="auto")
    for (y, x), value in np.ndenumerate(grid):
        bright = value > grid.min() + 0.6 * np.ptp(grid)
        score_map.text(x, y, f"{value:.2f}", ha="center", va="center", color="black" if bright else "white")
    score_map.set_xticks(range(columns), [f"{row['margin, px']}" for row in rows[:columns]])
    score_map.set_yticks(range(len(grid)), [f"{row['halo weight (mu)']:g}" for row in rows[::columns]])
    score_map.set_xlabel("margin, px")
    score_map.set_ylabel("halo weight (mu)")
    score_map.set_title("SBD")
    order = np.argsort(scores)
    told = [
        f"{name}: margin {rows[i]['margin, px']} px, mu {rows[i]['halo weight (mu)']:g}"
        for name, i in (("best", order[-1]), ("worst", order[0]))
    ]
    images = [shown(test.image, test.axes), colored(found[order[-1]]), colored(found[order[0]])]
    for axes, title, image in zip(others, ["image", *told], images, strict=True):
        axes.imshow(image, interpolation="nearest")
        axes.set_title(title, fontsize=9)
        axes.set_axis_off()
    return figure
