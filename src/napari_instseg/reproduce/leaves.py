"""The seven post-processings of clusternet on leaf rosettes, and two other methods (Jaffe, Ben-Moshe 2019, table 1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from napari_instseg.core.events import Event, Result
from napari_instseg.core.method import Array
from napari_instseg.inference.prediction import Prediction
from napari_instseg.metrics import evaluate_labels
from napari_instseg.refining.clusternet import draw_segments
from napari_instseg.reproduce.drawing import Panel, colored, panels, shown
from napari_instseg.reproduce.learning import FLIPS, START, Course, Effort, diameter, predict
from napari_instseg.reproduce.material import Picture, cvppp, simulated
from napari_instseg.reproduce.report import Report, command_line

FULL = Effort(images=400, tests=40, steps=4000, side=256, batch=8)
QUICK = Effort(images=150, tests=10, steps=500, side=256)
LEAVES = 10
"""Of a simulated plant."""
CVPPP_ZOOM = 0.5
"""Of the challenge's images, as in the coloring paper; the crops then hold whole plants of its A1."""
CVPPP_SIDE = 288

SMALLEST = 12
"""Leaves, in pixels."""

MERGED = {"bandwidth": 1.0, "merge_alike": 1.5}
"""How discriminative decodes: a loss above zero leaves fragments, which are merged as the shipped models do."""

POSTPROCESSINGS = {
    "HDBSCAN": "none",
    "HDBSCAN + random field": "random field",
    "HDBSCAN + ClusterNet": "clusternet",
    "HDBSCAN + random field + ClusterNet": "random field, clusternet",
    "HDBSCAN + ClusterNet + random field": "clusternet, random field",
    "HDBSCAN + random field + ClusterNet + random field": "random field, clusternet, random field",
}
"""The rows of table 1 and the refinement that each one is here."""
TRUE_MEANS = "true means + ClusterNet"

Numbers = tuple[float | str, float | str, float | str]
PAPER: dict[str, Numbers] = {
    "HDBSCAN": (0.8084, 0.9034, 0.9),
    "HDBSCAN + random field": (0.7769, 0.9, 0.9),
    "HDBSCAN + ClusterNet": (0.8232, 0.9499, 0.85),
    "HDBSCAN + random field + ClusterNet": (0.8194, 0.9494, 0.9),
    "HDBSCAN + ClusterNet + random field": (0.8122, 0.9256, 0.95),
    "HDBSCAN + random field + ClusterNet + random field": (0.8052, 0.9229, 1.1),
    TRUE_MEANS: (0.8776, 0.9561, 0.0),
    "discriminative, mean-shift": (0.842, "", 1.0),
    "coloring": (0.804, "", 2.0),
}
"""SBD, FBD and |DiC|: of its table 1; coloring's of its own paper's table 1."""


def run(*, quick: bool = False, seed: int = 0, scale: float = 1.0, data: Path | None = None) -> Iterator[Event]:
    """Train three methods on rosettes and score them.

    See `napari_instseg.reproduce.Experiment.run`.
    """
    budget = (QUICK if quick else FULL).times(scale)
    if data is None:
        size = {"height": budget.side, "width": budget.side, "count": LEAVES}
        learnt, tests = simulated("rosettes", budget.images, budget.tests, seed, size)
        zoom, known, crop = 1.0, None, budget.side
    else:
        learnt, tests = cvppp(data, budget.images, budget.tests, seed)
        zoom, known, crop = CVPPP_ZOOM, diameter(learnt), CVPPP_SIDE
    course = Course(budget, 3 * budget.steps, seed)
    networks: dict[str, dict[str, Any]] = {
        "clusternet": {"dimensions": 16},
        "discriminative": {},
        "coloring": {},
    }
    found: dict[str, list[Array]] = {}
    for method, network in networks.items():
        model = yield from course.learn(
            method,
            learnt,
            zoom=zoom,
            start=START,
            network=network,
            loss={"average": "objects"} if method == "coloring" else {},
            training={"patch_size": crop},
            augmentation=FLIPS if data is None else {**FLIPS, "rotation": 180, "scale": 0.2},
            decode=MERGED if method == "discriminative" else {},
        )
        predictions = yield from predict(model, tests, known)
        if method == "clusternet":
            found |= _postprocessed(predictions, tests)
        else:
            title = "coloring" if method == "coloring" else "discriminative, mean-shift"
            found[title] = [prediction.decode(min_size=SMALLEST).labels for prediction in predictions]
    rows = [_row(title, labels, tests) for title, labels in found.items()]
    differs = (
        f"{'images of the folder' if data else f'simulated rosettes of {budget.side} px with {LEAVES} leaves'} "
        f"({len(learnt)} to learn from, {len(tests)} scored) instead of CVPPP A1; {budget.steps} steps of "
        f"{budget.batch} crops for each model; 16 embedding dimensions instead of 32 for clusternet; small residual "
        f"U-Nets told where pixels lie, begun with the trunk of {START}, instead of the papers' networks; "
        "the foreground is told by a head of its own, while the background is clustered in the paper; ClusterNet is "
        "trained together with the embedding. SBD and FBD as shares, not in %."
    )
    command = command_line("leaves", quick=quick, seed=seed, scale=scale, data=data)
    yield Result(Report("leaves", "Leaves: seven post-processings", rows, differs, _draw(found, tests), command))


def _postprocessed(predictions: Sequence[Prediction], tests: Sequence[Picture]) -> dict[str, list[Array]]:
    """Return the labels of each image after each of the seven post-processings."""
    found = {
        title: [prediction.decode(refinement=steps, min_size=SMALLEST).labels for prediction in predictions]
        for title, steps in POSTPROCESSINGS.items()
    }
    found[TRUE_MEANS] = [
        draw_segments(test.labels, prediction.outputs["embedding"], prediction.helpers["clusternet"])
        for prediction, test in zip(predictions, tests, strict=True)
    ]
    return found


def _row(title: str, found: Sequence[Array], tests: Sequence[Picture]) -> dict[str, Any]:
    report = evaluate_labels(zip((test.labels for test in tests), found, strict=True))
    paper = PAPER[title]
    return {
        "post-processing": title,
        "SBD": float(report["sbd"]),
        "FBD": float(report["fbd"]),
        "|DiC|": float(report["abs_dic"]),
        "paper: SBD": paper[0],
        "paper: FBD": paper[1],
        "paper: |DiC|": paper[2],
    }


def _draw(found: dict[str, list[Array]], tests: Sequence[Picture]) -> Figure:
    titles = (
        "HDBSCAN",
        "HDBSCAN + random field",
        "HDBSCAN + ClusterNet",
        TRUE_MEANS,
        "discriminative, mean-shift",
        "coloring",
    )
    rows: list[list[Panel]] = []
    for index, test in enumerate(tests[:3]):
        row: list[Panel] = [("image", shown(test.image, test.axes)), ("truth", colored(test.labels))]
        rows.append(row + [(title, colored(found[title][index])) for title in titles])
    return panels(rows, 2.4)
