"""Seconds and memory of decoding: cold, and after each parameter's change, for every clusterer and for coloring."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.benchmarks import baselines
from napari_instseg.benchmarks.scenes import Scene, simulate_scene
from napari_instseg.core.errors import InputError
from napari_instseg.core.events import Event, Progress, Result
from napari_instseg.core.method import Stage
from napari_instseg.core.params import Params
from napari_instseg.decoding.coloring import ColoringDecode, coloring_stages
from napari_instseg.decoding.embedding import EmbeddingDecode, embedding_stages
from napari_instseg.decoding.pipeline import Pipeline

COLD_RUNS = 5
VIEW = 1024
"""Side of what is in view of a larger image, in pixels."""

Outputs = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Subject:
    """One way to decode, what it reads, and how far its sliders are moved."""

    name: str
    outputs: tuple[str, ...]
    params: Params
    stages: Callable[[Any], Sequence[Stage]]
    sliders: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Row:
    """One measurement; times in seconds."""

    subject: str
    what: str
    size: int
    objects: int
    dims: int
    median: float
    p95: float
    mebibytes: float | None = None
    """Highest extra memory of one cold decode, as Python's allocators saw it."""
    agreement: float | None = None
    """Adjusted Rand index with the decoder named by the subject, over the foreground."""
    found: int | None = None
    """Objects, or clusters of a baseline."""
    cpu: float | None = None
    """Median seconds that the process's threads worked, all together: what is left to compare on a busy machine."""

    def to_dict(self) -> dict[str, Any]:
        """Give the row as JSON-ready values."""
        return asdict(self)


def read_rows(path: Path) -> list[Row]:
    """Read rows that were written as JSON.

    Raises
    ------
    InputError
        If the file holds something else.
    """
    try:
        return [Row(**row) for row in json.loads(path.read_text("utf-8"))]
    except (ValueError, TypeError):
        raise InputError(
            f"'{path}' does not hold rows of `instseg benchmark decode`. Name another file, or leave --resume out."
        ) from None


def subjects(n_objects: int) -> tuple[Subject, ...]:
    """Everything that is measured, set up for so many objects."""
    shared = {"min_size": (10, 100), "min_score": (0.0, 0.9), "foreground_threshold": (0.3, 0.7)}
    embedding = ("embedding", "foreground", "seediness")

    def clusterer(name: str, sliders: Mapping[str, tuple[float, float]], **values: Any) -> Subject:
        params = EmbeddingDecode(clusterer=name, **values)
        return Subject(name, embedding, params, embedding_stages, {**sliders, **shared})

    k = min(n_objects, 2000)
    return (
        clusterer("mean-shift", {"bandwidth": (0.25, 1.0)}),
        clusterer("hdbscan", {"min_cluster_size": (60, 600)}),
        clusterer("k-means", {}, n_clusters=k),
        clusterer("seeded growth", {"similarity": (0.2, 0.8)}, n_seeds=100),
        Subject(
            "coloring",
            ("colors",),
            ColoringDecode(),
            coloring_stages,
            {"min_size": (10, 100), "merge_distance": (1, 30), "min_score": (0.0, 0.9)},
        ),
    )


def benchmark_decode(
    sizes: Sequence[int] = (1024,),
    objects: Sequence[int] = (480,),
    dims: Sequence[int] = (8,),
    *,
    changes: int = 50,
    only: Sequence[str] = (),
    with_baselines: bool = True,
    seed: int = 0,
    rows: list[Row] | None = None,
) -> Iterator[Event]:
    """Measure decoding on simulated predictions.

    Parameters
    ----------
    sizes, objects, dims : sequence of int
        Sides of square images in pixels, numbers of objects for 1024 x 1024 (scaled with the area for other sides), and
        embedding dimensions; every combination is measured.
    changes : int
        Positions along each slider.
    only : sequence of str
        Names of subjects; all if empty.
    with_baselines : bool
        Also measure what one would use otherwise, on images up to 512 x 512, in this process.
    seed : int
    rows : list of Row, optional
        Rows of an earlier run: what they tell of is not measured again, and new ones are appended as they come.

    Yields
    ------
    Progress
        After each subject.
    Result
        A list of `Row`.
    """
    cases = [(size, max(n * size**2 // 1024**2, 1), d) for size in sizes for n in objects for d in dims]
    rows = [] if rows is None else rows
    todo = [
        (case, subject)
        for case in cases
        for subject in subjects(case[1])
        if (not only or subject.name in only)
        # colours have no dimensions: once is enough
        and ("embedding" in subject.outputs or case[2] == min(dims))
    ]
    known = {(row.subject, row.size, row.objects, row.dims) for row in rows}
    scene: tuple[Any, Scene] | None = None
    for done, (case, subject) in enumerate(todo):
        yield Progress(done, len(todo), "decoders on simulated predictions")
        if (subject.name, *case) in known:
            continue
        if scene is None or scene[0] != case:
            size, n, d = case
            scene = case, simulate_scene((size, size), n, d, seed=seed, n_colors=9 if d == min(dims) else 0)
        measured = list(_measure(subject, scene[1], case, changes))
        if with_baselines and case[0] <= baselines.LARGEST:
            measured += _measure_baselines(subject, scene[1], case)
        rows += measured
    yield Progress(len(todo), len(todo), "decoders on simulated predictions")
    yield Result(rows)


def _measure(subject: Subject, scene: Scene, case: tuple[int, int, int], changes: int) -> Iterator[Row]:
    outputs = {name: scene.outputs[name] for name in subject.outputs}

    def new() -> Pipeline:
        return Pipeline(outputs, subject.stages)

    pipeline = new()
    found = pipeline.run(subject.params)  # compiles what is not compiled yet
    cold = [_seconds(lambda: new().run(subject.params)) for _ in range(COLD_RUNS)]
    peak = _peak_mebibytes(new, subject.params)
    yield Row(subject.name, "cold", *case, **_summary(cold), mebibytes=peak, found=found.n_objects)
    if case[0] > VIEW:
        corner = (case[0] - VIEW) // 2
        window = (slice(corner, corner + VIEW),) * 2
        view = [_seconds(lambda: new().run(subject.params, window=window)) for _ in range(COLD_RUNS)]
        yield Row(subject.name, "in view, cold", *case, **_summary(view))
    for name, (low, high) in subject.sliders.items():
        kind = type(getattr(subject.params, name))
        steps = [subject.params.changed(**{name: kind(value)}) for value in np.linspace(low, high, changes)]
        yield Row(subject.name, name, *case, **_summary([_slide(pipeline, params) for params in steps]))


def _measure_baselines(subject: Subject, scene: Scene, case: tuple[int, int, int]) -> Iterator[Row]:
    """Compare clusters with clusters: no smallest size, nothing split or absorbed."""
    for name, run in baselines.BASELINES.get(subject.name, {}).items():
        kept: list[Any] = []
        seconds = _summary([_seconds(lambda: kept.append(run(scene.outputs)))])  # noqa: B023  called at once
        labels, pixels = kept[0]
        plain: dict[str, Any] = {"min_size": 0, "absorb": False}
        if "connected" in type(subject.params).model_fields:
            plain["connected"] = False
        ours = Pipeline({n: scene.outputs[n] for n in subject.outputs}, subject.stages)
        own = ours.run(subject.params.changed(**plain)).labels
        yield Row(
            subject.name,
            f"baseline: {name}",
            *case,
            **seconds,
            agreement=baselines.agreement(own.ravel()[pixels], labels),
            found=len(np.unique(labels)),
        )


def _seconds(run: Callable[[], Any]) -> tuple[float, float]:
    """Give the seconds on the clock, and those that the process's threads worked."""
    start, worked = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - start, time.process_time() - worked


def _slide(pipeline: Pipeline, params: Params) -> tuple[float, float]:
    return _seconds(lambda: pipeline.run(params))


def _summary(seconds: Sequence[tuple[float, float]]) -> dict[str, Any]:
    clock, cpu = np.transpose(seconds)
    return {"median": float(np.median(clock)), "p95": float(np.percentile(clock, 95)), "cpu": float(np.median(cpu))}


def _peak_mebibytes(new: Callable[[], Pipeline], params: Params) -> float:
    tracemalloc.start()
    new().run(params)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20
