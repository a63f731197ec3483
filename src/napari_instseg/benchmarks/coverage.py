"""How often the intervals of `metrics.audit` hold the truth, in drawn populations whose truth is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from napari_instseg.metrics.audit import LEVELS, AuditSample, Frame

QUANTITIES = ("precision", "recall", "count", "area")


@dataclass(frozen=True)
class Population:
    """A kind of segmentation.

    Parameters
    ----------
    name : str
    found : int
        Objects.
    wrong, merged, split : float
        Mean shares of the objects; objects of a low score are wrong more often.
    missed : float
        Missed objects per cell.
    clumped : float
        Missed objects lie in clumps: their numbers per cell scatter so many times as much as by chance.
    cells : int
    """

    name: str
    found: int
    wrong: float
    merged: float
    split: float
    missed: float
    clumped: float
    cells: int


POPULATIONS = (
    Population("nearly all right", 400, 0.01, 0.005, 0.005, 0.02, 1.0, 120),
    Population("good", 400, 0.05, 0.03, 0.02, 0.2, 1.0, 120),
    Population("middling", 400, 0.12, 0.08, 0.05, 0.8, 1.0, 120),
    Population("poor", 400, 0.3, 0.1, 0.1, 2.0, 1.0, 120),
    Population("missed in clumps", 400, 0.05, 0.03, 0.02, 0.6, 3.0, 120),
    Population("few objects", 80, 0.08, 0.05, 0.02, 0.3, 1.0, 40),
    Population("a plate", 20000, 0.05, 0.03, 0.02, 0.2, 1.5, 6000),
)


def measure_coverage(
    populations: tuple[Population, ...] = POPULATIONS,
    samples: tuple[tuple[int, int], ...] = ((40, 20), (80, 40)),
    repeats: int = 1000,
    seed: int = 0,
) -> Iterator[dict[str, Any]]:
    """Yield, for each population and size of sample, the share of intervals that hold the truth, and their mean width.

    Parameters
    ----------
    populations : tuple of Population
    samples : tuple of (objects, places)
    repeats : int
        Populations of each kind, each judged once.
    seed : int
    """
    for number, population in enumerate(populations):
        for objects, places in samples:
            rng = np.random.default_rng((seed, number, objects))
            held, width = dict.fromkeys(QUANTITIES, 0), dict.fromkeys(QUANTITIES, 0.0)
            for _ in range(repeats):
                sample, truth = judge(population, objects, places, rng)
                found = sample.estimate(seed=int(rng.integers(2**31)))
                for name in QUANTITIES:
                    interval = getattr(found, name)
                    rounding = 1e-9 * abs(truth[name])
                    held[name] += bool(interval.low - rounding <= truth[name] <= interval.high + rounding)
                    width[name] += (interval.high - interval.low) / repeats
            yield {
                "population": asdict(population),
                "objects": objects,
                "places": places,
                "repeats": repeats,
                "coverage": {name: held[name] / repeats for name in QUANTITIES},
                "width": width,
            }


def judge(
    population: Population, objects: int, places: int, rng: np.random.Generator
) -> tuple[AuditSample, dict[str, float]]:
    """Draw a population, judge a sample of it, and give the truth of all of it too."""
    n = population.found
    score, area = rng.beta(4, 2, n), rng.lognormal(5.5, 0.5, n)
    bad = population.wrong + population.merged + population.split
    # the worse half by score holds most errors, and merged ones are large
    risk = np.clip((1 - score) ** 2 / ((1 - score) ** 2).mean() * bad, 0, 1)
    is_bad = rng.uniform(size=n) < risk
    kinds = np.array(["wrong", "merged", "split"])[
        rng.choice(3, n, p=np.array([population.wrong, population.merged, population.split]) / bad)
    ]
    verdicts = np.where(is_bad, kinds, "right")
    area = np.where(verdicts == "merged", area * 1.9, np.where(verdicts == "split", area * 0.5, area))
    parts = 2 + (rng.uniform(size=n) < 0.15)
    holds = np.select([verdicts == "right", verdicts == "merged", verdicts == "split"], [1, parts, 1 / parts], 0)
    if population.clumped > 1:
        shape = population.missed / (population.clumped - 1)
        missed = rng.poisson(rng.gamma(shape, population.clumped - 1, population.cells))
    else:
        missed = rng.poisson(population.missed, population.cells)
    thirds = [np.searchsorted(np.quantile(v, np.arange(1, LEVELS) / LEVELS), v) for v in (score, area)]
    frame = Frame(
        np.zeros(n, np.int64), np.arange(1, n + 1), area, thirds[0] * LEVELS + thirds[1],
        np.zeros((population.cells, 5), np.int64),
    )  # fmt: skip
    sample = frame.draw(objects, places, int(rng.integers(2**31)))
    for position in sample.objects:
        sample = sample.judged(str(verdicts[position]), int(parts[position]))
    for position in sample.cells:
        sample = sample.counted(int(missed[position]))
    right = verdicts == "right"
    true = float(holds.sum() + missed.sum())
    truth = {
        "precision": float(right.mean()),
        "recall": float(right.sum() / true),
        "count": true,
        "area": float(area[right].mean()),
    }
    return sample, truth
