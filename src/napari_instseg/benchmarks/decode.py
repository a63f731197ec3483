"""Seconds and memory of decoding: cold, and after each parameter's change, for every clusterer and for coloring."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.benchmarks import baselines
from napari_instseg.benchmarks.scenes import Scene, simulate_scene
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

    def to_dict(self) -> dict[str, Any]:
        """Give the row as JSON-ready values."""
        return asdict(self)


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

    Yields
    ------
    Progress
    Result
        A list of `Row`.
    """
    cases = [(size, max(n * size**2 // 1024**2, 1), d) for size in sizes for n in objects for d in dims]
    rows: list[Row] = []
    for done, (size, n, d) in enumerate(cases):
        yield Progress(done, len(cases), "simulated predictions")
        scene = simulate_scene((size, size), n, d, seed=seed, n_colors=9 if d == min(dims) else 0)
        for subject in subjects(n):
            if (only and subject.name not in only) or not set(subject.outputs) <= set(scene.outputs):
                continue
            rows += _measure(subject, scene, (size, n, d), changes)
            if with_baselines and size <= baselines.LARGEST:
                rows += _measure_baselines(subject, scene, (size, n, d))
    yield Progress(len(cases), len(cases), "simulated predictions")
    yield Result(rows)


def _measure(subject: Subject, scene: Scene, case: tuple[int, int, int], changes: int) -> Iterator[Row]:
    outputs = {name: scene.outputs[name] for name in subject.outputs}

    def new() -> Pipeline:
        return Pipeline(outputs, subject.stages)

    pipeline = new()
    found = pipeline.run(subject.params)  # compiles what is not compiled yet
    cold = [_seconds(lambda: new().run(subject.params)) for _ in range(COLD_RUNS)]
    yield Row(subject.name, "cold", *case, *_summary(cold), _peak_mebibytes(new, subject.params), None, found.n_objects)
    if case[0] > VIEW:
        corner = (case[0] - VIEW) // 2
        window = (slice(corner, corner + VIEW),) * 2
        view = [_seconds(lambda: new().run(subject.params, window=window)) for _ in range(COLD_RUNS)]
        yield Row(subject.name, "in view, cold", *case, *_summary(view))
    for name, (low, high) in subject.sliders.items():
        kind = type(getattr(subject.params, name))
        steps = [subject.params.changed(**{name: kind(value)}) for value in np.linspace(low, high, changes)]
        yield Row(subject.name, name, *case, *_summary([_slide(pipeline, params) for params in steps]))


def _measure_baselines(subject: Subject, scene: Scene, case: tuple[int, int, int]) -> Iterator[Row]:
    """Compare clusters with clusters: no smallest size, nothing split or absorbed."""
    for name, run in baselines.BASELINES.get(subject.name, {}).items():
        start = time.perf_counter()
        labels, pixels = run(scene.outputs)
        seconds = time.perf_counter() - start
        plain: dict[str, Any] = {"min_size": 0, "absorb": False}
        if "connected" in type(subject.params).model_fields:
            plain["connected"] = False
        ours = Pipeline({n: scene.outputs[n] for n in subject.outputs}, subject.stages)
        own = ours.run(subject.params.changed(**plain)).labels
        yield Row(
            subject.name,
            f"baseline: {name}",
            *case,
            seconds,
            seconds,
            None,
            baselines.agreement(own.ravel()[pixels], labels),
            len(np.unique(labels)),
        )


def _seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _slide(pipeline: Pipeline, params: Params) -> float:
    return _seconds(lambda: pipeline.run(params))


def _summary(seconds: Sequence[float]) -> tuple[float, float]:
    return float(np.median(seconds)), float(np.percentile(seconds, 95))


def _peak_mebibytes(new: Callable[[], Pipeline], params: Params) -> float:
    tracemalloc.start()
    new().run(params)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20
