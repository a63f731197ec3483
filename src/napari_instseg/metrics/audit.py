"""How right a segmentation is, from a few judgements: what to look at, and precision, recall, count with intervals.

Two samples are judged. **Objects** are drawn at random among the found ones, from groups (strata) of like score and
size; each is right, wrong (nothing is there), merged (holds several) or a piece of a split one. **Places** are cells of
a grid over the images; in each the objects are counted that were missed and have their middle there. Both together say
how many true objects there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InputError

Verdict = Literal["right", "wrong", "merged", "split"]
VERDICTS: tuple[str, ...] = get_args(Verdict)
IN_MERGED = 2
"""True objects in a merged one, and pieces of a split one, where nobody counted them."""
LEVELS = 3
"""Objects are drawn from so many groups by score times so many by size."""
CELL_DIAMETERS = 4.0
SMALLEST_CELL = 32
"""Pixels."""
PRIOR = (1 / 2, 1 / 6, 1 / 6, 1 / 6)
"""Verdicts that are presumed, right against all others as Jeffreys has it."""
DRAWS = 4000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Frame:
    """What is judged: the objects and the places of some images.

    Parameters
    ----------
    image, label : int array (n,)
        Number of the image and id in it, of each found object.
    area : array (n,)
        In pixels.
    stratum : int array (n,)
        The group of each object, from 0.
    cells : int array (m, 5)
        Number of the image, and first and last (excluded) row, then column, of every cell.
    """

    image: npt.NDArray[np.int64]
    label: npt.NDArray[np.int64]
    area: npt.NDArray[np.float64]
    stratum: npt.NDArray[np.int64]
    cells: npt.NDArray[np.int64]

    @staticmethod
    def of(labels: Sequence[npt.NDArray[Any]], scores: Sequence[npt.NDArray[Any] | None] | None = None) -> Frame:
        """List the objects and places of label images.

        Parameters
        ----------
        labels : sequence of int array (Y, X)
        scores : sequence of array, optional
            Of each image, in the order of the ids; None where they are not known.

        Raises
        ------
        InputError
            If an image is no 2-d label image, no object was found, or scores are not one per object.
        """
        image, label, area, score = [], [], [], []
        for number, one in enumerate(labels):
            if one.ndim != 2 or one.dtype.kind not in "iu":
                raise InputError(
                    f"Labels have the shape {one.shape} and the type {one.dtype}; expected whole numbers (Y, X). "
                    "Give a stack plane by plane."
                )
            ids, sizes = np.unique(one[one > 0], return_counts=True)
            given = None if scores is None else scores[number]
            if given is not None and len(given) != len(ids):
                raise InputError(f"Image {number} has {len(ids)} objects and {len(given)} scores; expected as many.")
            image.append(np.full(len(ids), number))
            label.append(ids)
            area.append(sizes)
            score.append(np.zeros(len(ids)) if given is None else np.asarray(given, float))
        areas = np.concatenate(area).astype(float) if area else np.zeros(0)
        if not len(areas):
            raise InputError("There is no object in the labels, so nothing can be judged.")
        side = max(SMALLEST_CELL, round(CELL_DIAMETERS * 2 * float(np.sqrt(np.median(areas) / np.pi))))
        cells = [
            (number, top, bottom, left, right)
            for number, one in enumerate(labels)
            for top, bottom in _pieces(one.shape[0], side)
            for left, right in _pieces(one.shape[1], side)
        ]
        strata = _levels(np.nan_to_num(np.concatenate(score))) * LEVELS + _levels(areas)
        return Frame(
            np.concatenate(image).astype(np.int64),
            np.concatenate(label).astype(np.int64),
            areas,
            np.unique(strata, return_inverse=True)[1].astype(np.int64),
            np.array(cells, np.int64),
        )

    def draw(self, objects: int = 40, places: int = 20, seed: int = 0) -> AuditSample:
        """Draw objects, from every group in proportion to its size, and places; in an order at random.

        Raises
        ------
        InputError
            If fewer than two of either are asked for.
        """
        if min(objects, places) < 2:
            raise InputError(f"{objects} objects and {places} places are too few to judge by; expected 2 or more each.")
        rng = np.random.default_rng(seed)
        sizes = np.bincount(self.stratum)
        drawn = np.concatenate(
            [
                rng.choice(np.flatnonzero(self.stratum == group), count, replace=False)
                for group, count in enumerate(_shares(sizes, min(objects, len(self.area))))
            ]
        )
        cells = rng.choice(len(self.cells), min(places, len(self.cells)), replace=False)
        return AuditSample(self, rng.permutation(drawn), cells)


@dataclass(frozen=True)
class AuditSample:
    """Objects and places to be judged, as positions in the frame, and what was said of them so far.

    Parameters
    ----------
    frame : Frame
    objects, cells : int array
    verdicts : tuple of str
        Of the first objects: "right", "wrong", "merged" or "split".
    parts : tuple of int
        Of each of these: how many true objects a merged one holds, how many pieces a split one has.
    missed : tuple of int
        Of the first cells: objects that were missed.
    """

    frame: Frame
    objects: npt.NDArray[np.int64]
    cells: npt.NDArray[np.int64]
    verdicts: tuple[str, ...] = ()
    parts: tuple[int, ...] = ()
    missed: tuple[int, ...] = ()

    def judged(self, verdict: str, parts: int = IN_MERGED) -> AuditSample:
        """Return the sample with a judgement of the next object.

        Raises
        ------
        InputError
            If all are judged, there is no such verdict, or a merged or split one has fewer than two parts.
        """
        if len(self.verdicts) >= len(self.objects):
            raise InputError(f"All {len(self.objects)} objects are judged.")
        if verdict not in VERDICTS:
            raise InputError(f"An object is '{verdict}'; expected one of {', '.join(VERDICTS)}.")
        if parts < 2:
            raise InputError(f"A {verdict} object has {parts} parts; expected 2 or more.")
        return replace(self, verdicts=(*self.verdicts, verdict), parts=(*self.parts, parts))

    def counted(self, missed: int) -> AuditSample:
        """Return the sample with the number of missed objects of the next place.

        Raises
        ------
        InputError
            If all are judged, or the number is below 0.
        """
        if len(self.missed) >= len(self.cells):
            raise InputError(f"All {len(self.cells)} places are judged.")
        if missed < 0:
            raise InputError(f"{missed} objects were missed; expected 0 or more.")
        return replace(self, missed=(*self.missed, missed))

    def estimate(self, confidence: float = CONFIDENCE, seed: int = 0) -> Estimate:
        """Say how right all objects are, with intervals; see `estimate`."""
        return estimate(self, confidence, seed)


@dataclass(frozen=True)
class Interval:
    """A number, and the limits that hold the true one in 95 of 100 cases."""

    value: float
    low: float
    high: float

    def words(self, digits: int = 2) -> str:
        """Write it as "0.93 (0.84 to 0.97)"."""
        return f"{self.value:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"


@dataclass(frozen=True)
class Estimate:
    """How right a segmentation is.

    Parameters
    ----------
    precision, recall : Interval
        Share of the found objects that are right; share of the true objects that are among these.
    count : Interval
        True objects.
    area : Interval
        Mean area of the right objects, in pixels; NaN where fewer than two are right.
    found, objects, places : int
        Found objects, and how many objects and places were judged.
    """

    precision: Interval
    recall: Interval
    count: Interval
    area: Interval
    found: int
    objects: int
    places: int

    def words(self) -> str:
        """Say it in a sentence."""
        return (
            f"{self.found} objects were found; by {self.objects} judged objects and {self.places} judged places there "
            f"are {self.count.words(0)}. Precision {self.precision.words()}, recall {self.recall.words()}, mean area "
            f"{self.area.words(0)} px; 95 % confidence."
        )


def estimate(sample: AuditSample, confidence: float = CONFIDENCE, seed: int = 0) -> Estimate:
    """Estimate precision, recall, count and mean area, with intervals, from what was judged.

    Objects that were not looked at are filled in at random, many times over, by a Pólya urn of the verdicts, by weights
    of groups, with half an observation of right and of not right before (Jeffreys' prior); missed ones by a Poisson law
    of the rate that the places suggest, wider where their numbers scatter more than that. The limits are quantiles of
    what comes out (Ghosh & Meeden 1997, Bayesian Methods for Finite Population Sampling). For the area: the mean by
    groups, with Student's t on its logarithm.

    Parameters
    ----------
    sample : AuditSample
        With two judged objects and two judged places at least.
    confidence : float
        Between 0 and 1.
    seed : int

    Raises
    ------
    InputError
        If too little was judged.
    """
    frame = sample.frame
    n, m = len(sample.verdicts), len(sample.missed)
    if n < 2 or m < 2:
        raise InputError(f"{n} objects and {m} places are judged; expected 2 of each or more.")
    if not 0 < confidence < 1:
        raise InputError(f"The confidence is {confidence}; expected a number between 0 and 1.")
    rng = np.random.default_rng(seed)
    judged = sample.objects[:n]
    kind = np.array([VERDICTS.index(verdict) for verdict in sample.verdicts])
    holds = np.array([_holds(v, p) for v, p in zip(sample.verdicts, sample.parts, strict=True)])
    groups = _joined(frame.stratum, judged)
    sizes = np.bincount(groups)
    # mean of true objects in a merged one, and in a piece of a split one
    weight_of = [1.0, 0.0, _mean(holds[kind == 2], float(IN_MERGED)), _mean(holds[kind == 3], 1 / IN_MERGED)]
    weights = sizes[groups[judged]] / np.bincount(groups[judged], minlength=len(sizes))[groups[judged]]
    seen = np.bincount(kind, weights, 4) * n / weights.sum()
    rest = len(groups) - n
    filled = _urn(seen + np.array(PRIOR), rest, rng)
    right, true = (kind == 0).sum() + filled[:, 0], holds.sum() + filled @ weight_of
    point_right, point_true = float(weights[kind == 0].sum()), float((weights * holds).sum())
    missed = np.array(sample.missed, float)
    others = len(frame.cells) - m
    excess = float(missed.var(ddof=1) / missed.mean()) if missed.any() else 1.0
    # counts in clumps tell their variance half as well as normal numbers do
    freedom = (m - 1) / 2
    scatter = np.maximum(excess * freedom / rng.chisquare(freedom, DRAWS), 1.0) if missed.any() else np.ones(DRAWS)
    scatter = np.minimum(scatter, max(missed.sum(), 1.0))
    rate = rng.gamma(missed.sum() / scatter + 0.5) * scatter / m
    lost = missed.sum() + scatter * rng.poisson(rate * others / scatter)
    point_lost = float(missed.mean()) * len(frame.cells)
    found = len(frame.area)
    true = np.maximum(true + lost, right)
    everything = max(point_true + point_lost, point_right)
    return Estimate(
        _interval(right / found, point_right / found, confidence),
        _interval(right / np.maximum(true, 1e-9), point_right / everything if everything else 0.0, confidence),
        _interval(true, everything, confidence),
        _mean_area(frame, judged, kind == 0, groups, sizes, confidence),
        found,
        n,
        m,
    )


def _holds(verdict: str, parts: int) -> float:
    return {"right": 1.0, "wrong": 0.0, "merged": float(parts), "split": 1.0 / parts}[verdict]


def _mean(values: npt.NDArray[np.float64], otherwise: float) -> float:
    return float(values.mean()) if len(values) else otherwise


def _urn(weights: npt.NDArray[np.float64], count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Draw (DRAWS, kinds) numbers of `count` objects by a Dirichlet-multinomial law."""
    return rng.multinomial(count, rng.dirichlet(weights, DRAWS))


def _joined(stratum: npt.NDArray[np.int64], judged: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the group of each object; a group of which nobody judged an object is put to the nearest one."""
    seen = np.unique(stratum[judged])
    nearest = np.abs(np.arange(stratum.max() + 1)[:, None] - seen).argmin(axis=1)
    joined: npt.NDArray[np.int64] = nearest[stratum]
    return joined


def _mean_area(
    frame: Frame,
    judged: npt.NDArray[np.int64],
    right: npt.NDArray[np.bool_],
    groups: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.int64],
    confidence: float,
) -> Interval:
    """Return the mean area of right objects, a ratio of stratified means, with Student's t."""
    from scipy.stats import t

    areas, own = frame.area[judged], groups[judged]
    if right.sum() < 2:
        return Interval(float("nan"), float("nan"), float("nan"))
    counts = np.bincount(own, minlength=len(sizes))
    weights = (sizes / np.maximum(counts, 1))[own]
    mean = float((weights * areas * right).sum() / (weights * right).sum())
    residual = np.where(right, areas - mean, 0.0)
    variance, doubt = 0.0, 0.0
    pooled = float(residual.var(ddof=1))
    for group, (size, count) in enumerate(zip(sizes.tolist(), counts.tolist(), strict=True)):
        spread = float(residual[own == group].var(ddof=1)) if count > 1 else pooled
        part = size**2 * (1 - count / size) * spread / count
        variance += part
        doubt += part**2 / max(count - 1, 1)
    freedom = variance**2 / doubt if doubt else 1.0  # Satterthwaite's
    half = float(t.ppf((1 + confidence) / 2, max(freedom, 1.0)) * np.sqrt(variance) / (weights * right).sum())
    return Interval(mean, mean * np.exp(-half / mean), mean * np.exp(half / mean))


def _interval(draws: npt.NDArray[np.float64], value: float, confidence: float) -> Interval:
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2]).tolist()
    return Interval(value, min(low, value), max(high, value))


def _levels(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Put values into `LEVELS` groups of about as many; equal ones into one."""
    limits = np.quantile(values, np.arange(1, LEVELS) / LEVELS)
    return np.searchsorted(limits, values, side="left").astype(np.int64)


def _shares(sizes: npt.NDArray[np.int64], total: int) -> list[int]:
    """Share a sample out in proportion to sizes, so that each group gets one at least where the sample allows."""
    shares = [0] * len(sizes)
    for _ in range(total):
        # the group that has the fewest for its size; empty ones first
        open_ = [g for g in range(len(sizes)) if shares[g] < sizes[g]]
        best = min(open_, key=lambda g: (shares[g] > 0, (shares[g] + 0.5) / sizes[g]))
        shares[best] += 1
    return shares


def _pieces(length: int, side: int) -> list[tuple[int, int]]:
    bounds = np.linspace(0, length, max(1, round(length / side)) + 1).round().astype(int).tolist()
    return list(pairwise(bounds))
