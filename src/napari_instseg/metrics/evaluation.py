"""All label scores of a data set, image by image and pooled: what `instseg evaluate` and validation report."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike

from napari_instseg.core.errors import InputError
from napari_instseg.metrics.leaves import dic, fbd, sbd
from napari_instseg.metrics.matching import Counts, count
from napari_instseg.metrics.overlap_table import overlap

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""IoU thresholds of the published tables of nuclei, cells and worms."""

MATCHED_AT = 0.5
"""IoU at which precision, recall, F1, SQ and PQ are counted."""


class Scores(TypedDict):
    """Scores of one image, or pooled ones of a data set; plain numbers, ready for JSON."""

    ap: dict[str, float]
    """TP / (TP + FP + FN) by IoU threshold, written as ``"0.5"``."""
    mean_ap: float
    """Mean of `ap` over the thresholds."""
    pq: float
    sq: float
    f1: float
    precision: float
    recall: float
    sbd: float
    fbd: float
    dic: float
    abs_dic: float
    true_objects: int
    predicted_objects: int


class ImageScores(Scores):
    """Scores of one image, with its name."""

    image: str


class Evaluation(Scores):
    """Pooled scores of a data set, and those of each image."""

    images: list[ImageScores]


def evaluate_labels(
    pairs: Iterable[tuple[ArrayLike, ArrayLike]],
    names: Iterable[str] | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
) -> Evaluation:
    """Score predicted against true label images.

    Parameters
    ----------
    pairs : iterable of (truth, prediction)
        Label images of one shape per pair, 2-d or 3-d; only one pair is held at a time. True pixels of label -1 are
        left out of every score.
    names : iterable of str, optional
        Names of the images, for the report and for errors; numbered from 1 when left out.
    thresholds : sequence of float
        IoU thresholds of `ap`, each in (0, 1].

    Returns
    -------
    Evaluation
        Pooled scores and, as `images`, those of each image. `ap`, `pq`, `sq`, `f1`, `precision` and `recall` are
        pooled by summing counts over images; `sbd`, `fbd`, `dic` and `abs_dic` by averaging over images. Without
        objects in truth and prediction these are all 1 (`dic` and `abs_dic` 0), with objects in one of the two only
        they are 0.

    Raises
    ------
    InputError
        When a pair cannot be compared, there is no pair, or a threshold is out of its range.
    """
    if not thresholds:
        raise InputError("Found no IoU threshold; expected at least one, for example 0.5.")
    named = zip(pairs, map(str, itertools.count(1)), strict=False) if names is None else zip(pairs, names, strict=True)
    wanted = dict.fromkeys((MATCHED_AT, *thresholds))
    pooled = {threshold: Counts(threshold) for threshold in wanted}
    leaf_scores: list[tuple[float, float, int, int]] = []
    images: list[ImageScores] = []
    for pair, name in named:
        truth, prediction = _check_two(pair, name)
        try:
            table = overlap(truth, prediction)
            counts = {threshold: count(table, threshold) for threshold in wanted}
        except InputError as error:
            raise InputError(f"Image {name}: {error}") from error
        difference = dic(table)
        leaf_scores.append((sbd(table), fbd(table), difference, abs(difference)))
        scores = _scores(counts, thresholds, leaf_scores[-1])
        images.append({**scores, "image": name})
        pooled = {threshold: pooled[threshold] + counts[threshold] for threshold in wanted}
    if not images:
        raise InputError("Found no pair of label images to compare; expected at least one. Check the folder.")
    return {**_scores(pooled, thresholds, np.mean(leaf_scores, axis=0).tolist()), "images": images}


def _check_two(pair: Any, name: str) -> tuple[ArrayLike, ArrayLike]:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise InputError(
            f"Pair {name} is a {type(pair).__name__}; expected (truth, prediction), two label images of one shape. Of "
            "one image: evaluate_labels([(truth, prediction)])."
        )
    return pair[0], pair[1]


def _scores(counts: Mapping[float, Counts], thresholds: Sequence[float], leaf_scores: Sequence[float]) -> Scores:
    """Write counts by threshold and (SBD, FBD, DiC, |DiC|) under their names."""
    ap = {f"{threshold:g}": counts[threshold].ap for threshold in thresholds}
    matched = counts[MATCHED_AT]
    return {
        "ap": ap,
        "mean_ap": float(np.mean(list(ap.values()))),
        "pq": matched.pq,
        "sq": matched.sq,
        "f1": matched.f1,
        "precision": matched.precision,
        "recall": matched.recall,
        "sbd": leaf_scores[0],
        "fbd": leaf_scores[1],
        "dic": leaf_scores[2],
        "abs_dic": leaf_scores[3],
        "true_objects": matched.n_true,
        "predicted_objects": matched.n_pred,
    }
