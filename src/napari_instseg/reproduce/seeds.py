"""AP^r against alpha, AP^r and average recall against the number of seeds (Fathi et al. 2017, tables 2 and 3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from napari_instseg.core.events import Event, Progress, Result
from napari_instseg.inference.model import load_model
from napari_instseg.inference.prediction import Prediction
from napari_instseg.metrics import ap_r, average_recall
from napari_instseg.reproduce.drawing import colored, shown
from napari_instseg.reproduce.learning import TINY, compare, predict
from napari_instseg.reproduce.material import Picture, annotated, simulated
from napari_instseg.reproduce.report import Report, command_line

MODEL = "metric-nuclei"
TESTS, QUICK_TESTS, SIMULATED = 1000, 12, 100
"""Images at most, and how many are simulated at most."""
NUCLEI = {"height": 256, "width": 256, "count": 40}
"""Of a simulated image."""

ALPHAS = {0.1: 0.614, 0.2: 0.617, 0.3: 0.621, 0.4: 0.616, 0.5: 0.616, 0.6: 0.615}
"""Alpha, and the paper's mAP^r at IoU 0.5 (table 2)."""
NUMBERS = {
    10: (0.597, 0.558),
    20: (0.607, 0.585),
    30: (0.607, 0.610),
    40: (0.609, 0.630),
    50: (0.612, 0.652),
    60: (0.613, 0.667),
    70: (0.611, 0.684),
    80: (0.611, 0.698),
    90: (0.610, 0.708),
    100: (0.610, 0.719),
    200: (0.614, 0.774),
    500: (0.615, 0.822),
    1000: (0.617, 0.836),
}
"""Number of seeds, and the paper's mAP^r and average recall at IoU 0.5 (table 3)."""
ALPHA = 0.2
"""Of table 3."""
SEEDS = 100
"""Of table 2, as the paper takes by default."""


def run(*, quick: bool = False, seed: int = 0, scale: float = 1.0, data: Path | None = None) -> Iterator[Event]:
    """Decode the shipped metric model's prediction of nuclei with many settings.

    See `napari_instseg.reproduce.Experiment.run`; a `scale` below `TINY` also takes fewer settings.
    """
    most = max(round((QUICK_TESTS if quick else TESTS) * scale), 2)
    if data is None:
        _, tests = simulated("nuclei", 0, min(most, SIMULATED), seed, NUCLEI)
    else:
        _, tests = annotated(data, 0, most)
    model = load_model(MODEL)
    predictions = yield from predict(model, tests)
    keep = slice(None, None, 3 if scale < TINY else None)
    settings: list[tuple[str, float, int, tuple[float, float | str]]]
    settings = [("alpha", alpha, SEEDS, (paper, "")) for alpha, paper in list(ALPHAS.items())[keep]]
    settings += [("number of seeds", ALPHA, number, both) for number, both in list(NUMBERS.items())[keep]]
    rows = []
    for done, (swept, alpha, number, paper) in enumerate(settings):
        yield Progress(done, len(settings), "settings")
        rows.append({"swept": swept, "alpha": alpha, "seeds": number, **_scores(predictions, tests, alpha, number)})
        rows[-1] |= {"paper: mAP^r 0.5": paper[0], "paper: AR 0.5": paper[1]}
    yield Progress(len(settings), len(settings), "settings")
    objects = sum(len(np.unique(test.labels)) - 1 for test in tests) / len(tests)
    dimensions = model.spec.network["dimensions"]
    differs = (
        f"{'images that the folder holds out' if data else 'simulated nuclei'} ({len(tests)} scored, {objects:.0f} "
        f"objects in each) of one class instead of PASCAL VOC 2012 with 20; the shipped {MODEL}, a small residual "
        f"U-Net with {dimensions} embedding dimensions trained on nuclei, instead of DeepLab on a ResNet-101 with 64; "
        "a pixel belongs to one mask only, and seeds that an earlier mask holds make none, while the paper's proposals "
        "overlap. Where images hold more objects than seeds, these bound the recall."
    )
    command = command_line("seeds", quick=quick, seed=seed, scale=scale, data=data)
    crowded = int(np.argmax([len(np.unique(test.labels)) for test in tests]))
    figure = _draw(rows, tests[crowded], predictions[crowded])
    yield Result(Report("seeds", "Seeds: their diversity and their number", rows, differs, figure, command))


def _scores(predictions: Sequence[Prediction], tests: Sequence[Picture], alpha: float, number: int) -> dict[str, float]:
    compared = [
        compare(test, prediction.decode(diversity=alpha, n_seeds=number))
        for test, prediction in zip(tests, predictions, strict=True)
    ]
    scores = {f"AP^r {threshold}": ap_r(compared, threshold) for threshold in (0.5, 0.6, 0.7)}
    return {**scores, "AR 0.5": average_recall(compared, (number,), (0.5,))[number]}


def _draw(rows: Sequence[Mapping[str, Any]], test: Picture, prediction: Prediction) -> Figure:
    """Draw both sweeps beside the paper's, and one image with few and with many seeds."""
    figure = Figure(figsize=(15, 3.8), layout="constrained")
    alphas, numbers, *others = figure.subplots(1, 5, width_ratios=(1.4, 1.4, 1, 1, 1))
    columns = (("AP^r 0.5", "-"), ("AP^r 0.7", "-"), ("AR 0.5", "-"), ("paper: mAP^r 0.5", ":"), ("paper: AR 0.5", ":"))
    for axes, swept, key in ((alphas, "alpha", "alpha"), (numbers, "number of seeds", "seeds")):
        chosen = [row for row in rows if row["swept"] == swept]
        for column, style in columns:
            if all(row[column] != "" for row in chosen):
                axes.plot([row[key] for row in chosen], [row[column] for row in chosen], f".{style}", label=column)
        axes.set_xlabel(swept)
        axes.set_ylim(0, 1)
        axes.legend(fontsize=7)
    numbers.set_xscale("log")
    axes, few, many = others
    axes.imshow(shown(test.image, test.axes), cmap="gray")
    axes.set_title("image", fontsize=9)
    for panel, number in ((few, 20), (many, 200)):
        found = prediction.decode(diversity=ALPHA, n_seeds=number)
        panel.imshow(colored(found.labels), interpolation="nearest")
        panel.set_title(f"{number} seeds: {found.n_objects} objects", fontsize=9)
    for panel in others:
        panel.set_axis_off()
    return figure
