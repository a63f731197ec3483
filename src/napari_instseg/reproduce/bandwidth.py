"""Mean-shift's bandwidth against coloring's size threshold, off their best, and seconds (Kulikov et al. 2018, 4.1)."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from napari_instseg.core.events import Event, Progress, Result
from napari_instseg.core.method import Array
from napari_instseg.data.samples import SAMPLES, load_sample
from napari_instseg.decoding.segmentation import Segmentation
from napari_instseg.inference.model import load_model
from napari_instseg.inference.prediction import Prediction
from napari_instseg.metrics import evaluate_labels
from napari_instseg.reproduce.drawing import colored, shown
from napari_instseg.reproduce.learning import predict
from napari_instseg.reproduce.material import Picture, annotated
from napari_instseg.reproduce.report import Report, command_line
from napari_instseg.reproduce.timing import cpu_seconds

FACTORS = (0.8, 1.0, 1.2)
VALUES = 16
"""So many are tried on the way to the best one."""
QUICK_TESTS, TESTS = 12, 1000
TIMED_POINTS = 2000
"""Foreground pixels that scikit-learn's mean-shift is given; its time grows about with the square."""

PAPER_KMEANS, PAPER_SCIKIT_SECONDS = 0.91, 30.0


@dataclass(frozen=True)
class Contender:
    """One of the two ways that are compared, and the paper's numbers."""

    title: str
    model: str
    parameter: str
    lowest: float
    highest: float
    paper: tuple[float | str, ...]
    """SBD at `FACTORS`."""
    seconds: float | str
    """Of the paper's decoding."""


KINDS = (
    Contender("discriminative, mean-shift", "discriminative-nuclei", "bandwidth", 0.4, 4.1, (0.78, 0.84, 0.79), ""),
    Contender("coloring", "coloring-nuclei", "min_size", 4.0, 400.0, ("", 0.87, ""), 0.05),
)


@dataclass(frozen=True)
class Sweep:
    """The mean SBD over the images at each value of a parameter."""

    values: Sequence[float]
    scores: Sequence[float]
    best: float


def run(*, quick: bool = False, seed: int = 0, scale: float = 1.0, data: Path | None = None) -> Iterator[Event]:
    """Decode the shipped nuclei models with many bandwidths and size thresholds.

    See `napari_instseg.reproduce.Experiment.run`; nothing is drawn at random. A `scale` below 1 takes fewer images and
    values.
    """
    tests = _pictures(max(round((QUICK_TESTS if quick else TESTS) * scale), 1), data)
    number = max(round(VALUES * scale), 3)
    rows: list[dict[str, Any]] = []
    sweeps, predictions = [], []
    for kind in KINDS:
        predictions.append((yield from predict(load_model(kind.model), tests)))
        sweep = yield from _sweep(kind, number, predictions[-1], tests)
        sweeps.append(sweep)
        seconds = median(cpu_seconds(partial(_decode_anew, prediction)) for prediction in predictions[-1])
        for factor, paper in zip(FACTORS, kind.paper, strict=True):
            value = _allowed(kind, sweep.best * factor)
            score = _score(predictions[-1], tests, {kind.parameter: value})
            row = _row(kind.title, kind.parameter, value, factor, score, paper)
            rows.append({**row, "decoding, CPU s": seconds, "paper: decoding s": kind.seconds})
    embedded = predictions[0]
    rows += [_oracle(embedded, tests), _scikit(embedded, sweeps[0].best)]
    differs = (
        f"{len(tests)} {'images of the folder' if data else 'bundled samples'} of nuclei and the shipped nuclei "
        "models, instead of leaves and networks trained on them; as there, the best value is chosen on the images that "
        "are scored. Mean-shift is this package's; scikit-learn's is timed on every n-th foreground pixel of one image."
        " Decoding times are processor seconds, the median over the images, without the network."
    )
    command = command_line("bandwidth", quick=quick, seed=seed, scale=scale, data=data)
    crowded = int(np.argmax([len(np.unique(test.labels)) for test in tests]))
    figure = _draw(sweeps, tests[crowded], embedded[crowded])
    yield Result(Report("bandwidth", "Bandwidth against size threshold", rows, differs, figure, command))


def _pictures(most: int, data: Path | None) -> list[Picture]:
    """Return annotated nuclei: those that the folder holds out, or the samples."""
    if data is not None:
        return annotated(data, 0, most)[1]
    found = []
    for name, sample in SAMPLES.items():
        if sample.recipe is not None and sample.recipe.kind == "nuclei":
            image, labels, _ = load_sample(name)
            assert labels is not None
            found.append(Picture(name, image, "YX" if image.ndim == 2 else "YXC", labels))
    return found[:most]


def _sweep(
    kind: Contender, number: int, predictions: Sequence[Prediction], tests: Sequence[Picture]
) -> Generator[Event, None, Sweep]:
    values = [_allowed(kind, value) for value in np.geomspace(kind.lowest, kind.highest, number).tolist()]
    scores = []
    for done, value in enumerate(values):
        yield Progress(done, number, f"values of {kind.parameter}")
        scores.append(_score(predictions, tests, {kind.parameter: value}))
    yield Progress(number, number, f"values of {kind.parameter}")
    return Sweep(values, scores, values[int(np.argmax(scores))])


def _allowed(kind: Contender, value: float) -> float:
    return round(value) if kind.parameter == "min_size" else value


def _score(predictions: Sequence[Prediction], tests: Sequence[Picture], changes: dict[str, Any]) -> float:
    """Return the mean SBD."""
    pairs = (
        (test.labels, prediction.decode(**changes).labels) for prediction, test in zip(predictions, tests, strict=True)
    )
    return float(evaluate_labels(pairs)["sbd"])


def _row(
    method: str, parameter: str, value: float | str, factor: float | str, score: float | str, paper: float | str
) -> dict[str, Any]:
    return {
        "method": method,
        "parameter": parameter,
        "value": value,
        "times best": factor,
        "SBD": score,
        "paper: SBD": paper,
    }


def _decode_anew(prediction: Prediction) -> Segmentation:
    return _fresh(prediction).decode()


def _oracle(predictions: Sequence[Prediction], tests: Sequence[Picture]) -> dict[str, Any]:
    """Cluster by k-means into the true number of objects, none of which are merged again."""
    pairs = []
    seconds = []
    for prediction, test in zip(predictions, tests, strict=True):
        number = max(len(np.unique(test.labels[test.labels > 0])), 1)
        pairs.append((test.labels, _k_means(prediction, number).labels))
        seconds.append(cpu_seconds(partial(_k_means, prediction, number)))
    row = _row("discriminative, k-means", "n_clusters", "true", "", float(evaluate_labels(pairs)["sbd"]), PAPER_KMEANS)
    return {**row, "decoding, CPU s": median(seconds), "paper: decoding s": ""}


def _k_means(prediction: Prediction, number: int) -> Segmentation:
    return _fresh(prediction).decode(clusterer="k-means", n_clusters=number, connected=False, merge_alike=0.0)


def _scikit(predictions: Sequence[Prediction], bandwidth: float) -> dict[str, Any]:
    """Time scikit-learn's mean-shift, as the paper used it, on some pixels of the image of median foreground."""
    from sklearn.cluster import MeanShift

    inside = [prediction.outputs["foreground"] >= 0.5 for prediction in predictions]
    chosen = np.argsort([mask.sum() for mask in inside])[len(inside) // 2]
    points = np.asarray(predictions[chosen].outputs["embedding"], np.float32)[:, inside[chosen]].T
    points = points[:: -(-len(points) // TIMED_POINTS) or 1]
    seconds = cpu_seconds(lambda: MeanShift(bandwidth=bandwidth).fit(points))
    row = _row(f"scikit-learn MeanShift, {len(points)} pixels", "bandwidth", bandwidth, 1.0, "", "")
    return {**row, "decoding, CPU s": seconds, "paper: decoding s": PAPER_SCIKIT_SECONDS}


def _fresh(prediction: Prediction) -> Prediction:
    """Return the prediction without what its decoder remembers."""
    return Prediction(prediction.method, prediction.outputs, prediction.defaults, prediction.helpers)


def _draw(sweeps: Sequence[Sweep], test: Picture, prediction: Prediction) -> Figure:
    """Draw the scores over the values relative to the best, and one image at `FACTORS` of the bandwidth."""
    figure = Figure(figsize=(15, 3.6), layout="constrained")
    curves, *others = figure.subplots(1, 5, width_ratios=(1.6, 1, 1, 1, 1))
    for kind, sweep in zip(KINDS, sweeps, strict=True):
        relative = np.asarray(sweep.values) / sweep.best
        curves.semilogx(relative, sweep.scores, ".-", label=f"{kind.title}: {kind.parameter}, best {sweep.best:.3g}")
    for factor in FACTORS:
        curves.axvline(factor, color="0.8", zorder=0)
    curves.set_xlabel("value over the best one")
    curves.set_ylabel("SBD")
    curves.legend(fontsize=7, loc="lower center")
    images: list[tuple[str, Array]] = [("image", shown(test.image, test.axes))]
    for factor in FACTORS:
        labels = prediction.decode(bandwidth=sweeps[0].best * factor).labels
        images.append((f"bandwidth x {factor:g}: {labels.max()} objects", colored(labels)))
    for axes, (title, image) in zip(others, images, strict=True):
        axes.imshow(image, cmap="gray", interpolation="nearest")
        axes.set_title(title, fontsize=9)
        axes.set_axis_off()
    return figure
