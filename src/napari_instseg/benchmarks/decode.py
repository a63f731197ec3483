"""Seconds and memory of decoding: cold, and after each parameter's change, for every clusterer and every method."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from napari_instseg.benchmarks import baselines
from napari_instseg.benchmarks.scenes import Scene, simulate_scene
from napari_instseg.benchmarks.subjects import Subject, outputs_for, sample_for, subject_of, subjects
from napari_instseg.core.errors import InputError
from napari_instseg.core.events import Event, Progress, Result
from napari_instseg.core.params import Params
from napari_instseg.data.samples import load_sample
from napari_instseg.decoding.pipeline import Pipeline
from napari_instseg.inference.model import load_model
from napari_instseg.zoo import shipped

COLD_RUNS = 5
VIEW = 1024
"""Side of what is in view of a larger image, in pixels."""


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
    sample: str = ""
    """Sample that the subject, a shipped model, has predicted; `objects` are those found. Empty: simulated."""

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON-ready values."""
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


def benchmark_decode(
    sizes: Sequence[int] = (1024,),
    objects: Sequence[int] = (480,),
    dims: Sequence[int] = (8,),
    *,
    changes: int = 50,
    only: Sequence[str] = (),
    with_baselines: bool = True,
    seed: int = 0,
    seconds: float | None = None,
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
    seconds : float, optional
        After so many seconds nothing further is begun, so that a busy machine can be had in slices.
    rows : list of Row, optional
        Rows of an earlier run: what they tell of is not measured again, and new ones are appended as they come.

    Yields
    ------
    Progress
        After each row.
    Result
        A list of `Row`.
    """
    start = time.perf_counter()
    cases = [(size, max(n * size**2 // 1024**2, 1), d) for size in sizes for n in objects for d in dims]
    rows = [] if rows is None else rows
    known = {(row.subject, row.what, row.size, row.objects, row.dims) for row in rows}
    todo = [
        (case, subject, measurement)
        for case in cases
        for subject in subjects(case[1])
        if (not only or subject.name in only)
        # colours have no dimensions: once is enough
        and (subject.method != "coloring" or case[2] == min(dims))
        for measurement in _measurements(subject, case, changes, with_baselines)
    ]
    scene: tuple[Any, Scene] | None = None
    bench: tuple[Any, Bench] | None = None
    for done, (case, subject, measurement) in enumerate(todo):
        yield Progress(done, len(todo), "measurements of decoding on simulated predictions")
        if (subject.name, measurement.what, *case) in known:
            continue
        if seconds is not None and time.perf_counter() - start > seconds:
            break
        if scene is None or scene[0] != case:
            size, n, d = case
            scene = case, simulate_scene((size, size), n, d, seed=seed, n_colors=9 if d == min(dims) else 0)
        if bench is None or bench[0] != (subject.name, case):
            outputs = outputs_for(subject.method, scene[1])
            new = partial(Pipeline, outputs, subject.stages)
            bench = (subject.name, case), Bench(subject, new, case, scene[1])
        rows.append(measurement.measure(bench[1]))
    else:
        yield Progress(len(todo), len(todo), "measurements of decoding on simulated predictions")
    yield Result(rows)


def benchmark_samples(
    *, changes: int = 50, only: Sequence[str] = (), seconds: float | None = None, rows: list[Row] | None = None
) -> Iterator[Event]:
    """Measure the decoding of what every shipped model says of a sample of its kind.

    Parameters
    ----------
    changes, seconds, rows
        As for `benchmark_decode`.
    only : sequence of str
        Names of models; all if empty.

    Yields
    ------
    Progress
        After each model.
    Result
        A list of `Row`.
    """
    start = time.perf_counter()
    rows = [] if rows is None else rows
    known = {row.subject for row in rows if row.sample}
    names = [name for name in shipped() if not only or name in only]
    for done, name in enumerate(names):
        yield Progress(done, len(names), "shipped models, decoding what they say of a sample")
        if name in known:
            continue
        if seconds is not None and time.perf_counter() - start > seconds:
            break
        sample = sample_for(name)
        image, _, about = load_sample(sample)
        prediction = load_model(name).predict(image, diameter=about.diameter)
        subject = subject_of(name, prediction)
        dims = len(prediction.outputs["embedding"]) if "embedding" in prediction.outputs else 0
        bench = Bench(subject, prediction.new_pipeline, (max(prediction.shape), 0, dims))
        bench.case = (bench.case[0], bench.found, dims)
        made = [one.measure(bench) for one in _measurements(subject, bench.case, changes, with_baselines=False)]
        rows += [replace(row, sample=sample) for row in made]
    else:
        yield Progress(len(names), len(names), "shipped models, decoding what they say of a sample")
    yield Result(rows)


class Bench:
    """One subject and a prediction that it has decoded once, so that everything is compiled.

    Parameters
    ----------
    subject : Subject
    new : callable
        Gives a pipeline that remembers nothing.
    case : (int, int, int)
        Side of the image, objects, dimensions.
    scene : Scene, optional
        What the baselines run on.
    """

    def __init__(
        self, subject: Subject, new: Callable[[], Pipeline], case: tuple[int, int, int], scene: Scene | None = None
    ) -> None:
        self.subject, self.new, self.case, self.scene = subject, new, case, scene
        self.pipeline = self.new()
        self.found = self.pipeline.run(subject.params).n_objects

    def row(self, what: str, **numbers: Any) -> Row:
        """Return a row of the table."""
        return Row(self.subject.name, what, *self.case, **numbers)


@dataclass(frozen=True)
class Measurement:
    """One row that is to be measured."""

    what: str
    measure: Callable[[Bench], Row]


def _measurements(
    subject: Subject, case: tuple[int, int, int], changes: int, with_baselines: bool
) -> Iterator[Measurement]:
    yield Measurement("cold", _cold)
    if case[0] > VIEW:
        yield Measurement("in view, cold", _in_view)
    for name in subject.sliders:
        yield Measurement(name, partial(_slide, name=name, changes=changes))
    if with_baselines and case[0] <= baselines.LARGEST:
        for name in baselines.BASELINES.get(subject.name, {}):
            yield Measurement(f"baseline: {name}", partial(_baseline, name=name))


def _cold(bench: Bench) -> Row:
    params = bench.subject.params
    seconds = [_seconds(lambda: bench.new().run(params)) for _ in range(COLD_RUNS)]
    return bench.row("cold", **_summary(seconds), mebibytes=_peak_mebibytes(bench.new, params), found=bench.found)


def _in_view(bench: Bench) -> Row:
    corner = (bench.case[0] - VIEW) // 2
    window = (slice(corner, corner + VIEW),) * 2
    seconds = [_seconds(lambda: bench.new().run(bench.subject.params, window=window)) for _ in range(COLD_RUNS)]
    return bench.row("in view, cold", **_summary(seconds))


def _slide(bench: Bench, name: str, changes: int) -> Row:
    params = bench.subject.params
    low, high = bench.subject.sliders[name]
    kind = type(getattr(params, name))
    steps = [params.changed(**{name: kind(value)}) for value in np.linspace(low, high, changes)]
    bench.pipeline.run(params)
    return bench.row(name, **_summary([_run(bench.pipeline, step) for step in steps]))


def _baseline(bench: Bench, name: str) -> Row:
    """Compare clusters with clusters: no smallest size, nothing split or absorbed."""
    subject, kept = bench.subject, []
    scene = bench.scene
    assert scene is not None
    run = baselines.BASELINES[subject.name][name]
    seconds = _summary([_seconds(lambda: kept.append(run(scene.outputs)))])
    labels, pixels = kept[0]
    plain: dict[str, Any] = {"min_size": 0, "absorb": False}
    if "connected" in type(subject.params).model_fields:
        plain["connected"] = False
    own = bench.new().run(subject.params.changed(**plain)).labels
    return bench.row(
        f"baseline: {name}",
        **seconds,
        agreement=baselines.agreement(own.ravel()[pixels], labels),
        found=len(np.unique(labels)),
    )


def _seconds(run: Callable[[], Any]) -> tuple[float, float]:
    """Return the seconds on the clock, and those that the process's threads worked."""
    start, worked = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - start, time.process_time() - worked


def _run(pipeline: Pipeline, params: Params) -> tuple[float, float]:
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
