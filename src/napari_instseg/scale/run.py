"""The way of a job: blocks, comparisons, one decision, regions, pyramid, table. It goes on wherever it was stopped."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_instseg.core.errors import InputError, OutputError
from napari_instseg.core.events import Event, Message, Metric, Progress, Result
from napari_instseg.inference.size import AUTO
from napari_instseg.inference.stitch import resolve
from napari_instseg.io.atomic import write_bytes
from napari_instseg.io.large import find_places, open_source
from napari_instseg.io.lock import held
from napari_instseg.io.sources import ImageSource
from napari_instseg.scale.executors import Cluster, Executor, Pool, Serial, Task
from napari_instseg.scale.job import DONE, Job, Unit, check_same, level_shapes
from napari_instseg.scale.plan import Wish, find_kind_of, plan, read_preview
from napari_instseg.scale.store import check_free, copy_plate, create
from napari_instseg.scale.table import write_tables
from napari_instseg.scale.work import (
    do_block,
    do_level,
    do_pairs,
    do_region,
    read_evidence,
    read_facts,
    save_resolution,
)

ATTEMPTS = 2
"""How often a block is tried."""


@dataclass(frozen=True)
class JobOutcome:
    """What became of a job.

    Attributes
    ----------
    store : Path
        The OME-Zarr that has the labels.
    table : Path
        The CSV file; the Parquet file lies beside it.
    labels : str
        Name of the label image.
    objects : int
    blocks : int
        Blocks that are segmented.
    failed : dict of str to str
        Why the others are not, by their place.
    megapixels, seconds : float
        Of the blocks of this run.
    """

    store: Path
    table: Path
    labels: str
    objects: int
    blocks: int
    failed: dict[str, str]
    megapixels: float
    seconds: float


def segment_large(
    source: str | Path | Sequence[ImageSource],
    model: str,
    store: str | Path,
    client: Any = None,
    *,
    workers: int = 1,
    well: str | None = None,
    axes: str | None = None,
    part: tuple[int, int] | None = None,
    overwrite: bool = False,
    table: str | Path | None = None,
    **wish: Any,
) -> Iterator[Event]:
    """Segment an image of any size, or a plate, into an OME-Zarr; the same call goes on where it was stopped.

    Parameters
    ----------
    source : str or Path
        OME-Zarr (folder, ``.ozx``, URL), a slide or another TIFF; or sources that `instseg` opened.
    model : str
        Name or folder; ``"auto"``: the shipped one for this kind of image, told by the first source that is not empty.
    store : str or Path
        The OME-Zarr that gets ``labels/<model>``; made if missing.
    client : distributed.Client, optional
        A dask cluster whose workers see the same files.
    workers : int
        Processes on this machine, without a client.
    well : str, optional
        Only this one of a plate.
    axes : str, optional
        Of the image, where it does not say.
    part : (int, int), optional
        Only every n-th block, (which, of how many), and no joining: see `merge`.
    overwrite : bool
        Replace labels that are there, and start anew.
    table : str or Path, optional
        The CSV file; ``tables/<name>.csv`` beside the store by default.
    **wish
        Fields of `napari_instseg.scale.plan.Wish`: diameter, level, pixel_size, channels, decode, everywhere, ...

    Yields
    ------
    Message, Progress, Metric
        What is done, in blocks, with objects so far and megapixels per second.
    Result
        At last: a `JobOutcome`; None after a part.

    Raises
    ------
    InstsegError
        If the image or the model cannot be used, or the store is another's.
    """
    store = Path(store)
    sources = (
        [open_source(place, axes) for place in find_places(str(source), well)]
        if isinstance(source, str | Path)
        else list(source)
    )
    if str(model) == AUTO:
        kind = find_kind_of(sources)
        yield Message(kind.warning or f"The image is taken for {kind.words}: {kind.model}.", warning=not kind.known)
        model = kind.model
    job = plan(sources, store, Wish(model=str(model), **wish))
    yield from (Message(note) for note in job.notes)
    executor: Executor = Cluster(client) if client is not None else Pool(workers) if workers > 1 else Serial()
    name = "run" if part is None else f"part-{part[0]}-of-{part[1]}"
    with alone(job.folder, name):
        if overwrite and part is None:
            forget(job)
        gone_on = check_same(job)
        check_free(job, overwrite)
        if not gone_on:
            job.write()
        write_bytes(job.folder / "table.json", json.dumps(str(table or default_table(store))).encode())
        failed = yield from segment_units(job, executor, part)
        if part is not None:
            yield from (Message(f"{where}: {why}", warning=True) for where, why in failed.items())
            yield Result(None)
            return
        yield from join(job, executor, failed)


def merge(folder: Path, workers: int = 1) -> Iterator[Event]:
    """Join the blocks that parts of a job left; those that are missing are named.

    Parameters
    ----------
    folder : Path
        Of the job, see `find_jobs`.
    workers : int
    """
    job = Job.read(folder)
    with alone(folder, "run"):
        missing = {_where(job, unit): "not segmented yet" for unit in job.blocks() if not _is_done(job, unit)}
        if len(missing) == len(job.blocks()) and missing:
            raise InputError(f"No block of '{job.store}' is segmented yet. Run its parts first: instseg segment --job.")
        yield from join(job, Pool(workers) if workers > 1 else Serial(), missing)


@contextmanager
def alone(folder: Path, name: str) -> Iterator[None]:
    """Keep a second run from the same work; what ended in whatever way holds nothing.

    Raises
    ------
    OutputError
        If another run is at it.
    """
    path = folder / f"{name}.lock"
    words = f"Another run is writing there ('{path}' is held). Wait until it is done, or choose another folder."
    with held(path, OutputError, lambda: words):
        yield


def forget(job: Job) -> None:
    """Throw away what was begun before."""
    for path in job.folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.suffix != ".lock":
            path.unlink()


def default_table(store: Path) -> Path:
    """Return where the table of a store's objects goes."""
    return store.parent / "tables" / f"{store.name.removesuffix('.zarr')}.csv"


def segment_units(
    job: Job, executor: Executor, part: tuple[int, int] | None = None
) -> Generator[Event, None, dict[str, str]]:
    """Segment the blocks that are not done; return why the others could not be.

    Returns
    -------
    dict of str to str
        By the generator: the words for each block that failed, by its place.
    """
    units = job.blocks()
    if part is not None:
        units = [unit for number, unit in enumerate(units) if number % part[1] == part[0] % part[1]]
    left = [unit for unit in units if not _is_done(job, unit)]
    if len(left) < len(units):
        yield Message(f"{len(units) - len(left)} of {len(units)} blocks are there already; going on.")
    objects, pixels, start = 0, 0, time.perf_counter()
    done = len(units) - len(left)
    failed: dict[Unit, str] = {}
    yield Progress(done, len(units), "blocks")
    for _ in range(ATTEMPTS):
        failed = {}
        for number, outcome in executor.run(do_block, [(str(job.folder), unit) for unit in left]):
            if isinstance(outcome, str):
                failed[left[number]] = outcome
                continue
            done += 1
            objects += outcome["objects"]
            pixels += outcome["pixels"]
            rate = pixels / 1e6 / max(time.perf_counter() - start, 1e-9)
            yield Metric(done, {"objects": objects, "Mpx/s": rate})
            yield Progress(done, len(units), "blocks")
        left = list(failed)
        if not left:
            break
    write_bytes(
        job.folder / "speed.json",
        json.dumps({"megapixels": pixels / 1e6, "seconds": time.perf_counter() - start}).encode(),
    )
    return {_where(job, unit): why for unit, why in failed.items()}


def _is_done(job: Job, unit: Unit) -> bool:
    return job.file("blocks", unit).exists()


def _where(job: Job, unit: Unit) -> str:
    piece = job.pieces[unit.piece]
    core = job.grid(unit.piece).cores[unit.number]
    scale = [old / new for old, new in zip(piece.shape, piece.seen, strict=True)]
    place = ", ".join(
        f"{letter} {round(part.start * factor)}:{round(part.stop * factor)}"
        for letter, part, factor in zip("ZYX"[-len(core) :], core, scale, strict=True)
    )
    stack = "".join(
        f"{letter} {at}, " for letter, at in zip(piece.stack, piece.place_in_stack(unit.image), strict=True)
    )
    well = f"well {piece.place.well}, field {piece.place.field}, " if piece.place.well else ""
    return f"block at {well}{stack}{place}"


def join(job: Job, executor: Executor, failed: dict[str, str]) -> Iterator[Event]:
    """Put the blocks that are there together, and write labels, pyramid and table."""
    there = [unit for unit in job.blocks() if _is_done(job, unit)]
    key = hashlib.sha256("\n".join(map(str, there)).encode()).hexdigest()[:12]
    speed = _speed(job)
    finished = job.folder / DONE
    start = time.perf_counter()
    known = json.loads(finished.read_text(encoding="utf-8")) if finished.is_file() else {}
    table = Path(json.loads((job.folder / "table.json").read_text(encoding="utf-8")))
    if known.get("key") == key and Path(job.store).exists() and table.is_file():
        yield Message(f"'{job.store}' is whole already; nothing was done.")
        objects = int(known["objects"])
    else:
        folder = str(job.folder)
        yield from _all(executor, do_pairs, [(folder, unit, key) for unit in there], "comparisons")
        count = _resolve_all(job, there, key)
        sources = [open_source(piece.place, piece.axes) for piece in job.pieces]
        same_store = [Path(piece.place.path).absolute() == Path(job.store).absolute() for piece in job.pieces]
        create(job, sources, count, [None if s else read_preview(o) for o, s in zip(sources, same_store, strict=True)])
        if job.pieces[0].place.well and not same_store[0]:
            copy_plate(job, job.pieces[0].place)
        for level in range(max(len(level_shapes(piece.shape)) for piece in job.pieces)):
            units = [
                Unit(number, image, region)
                for number, piece in enumerate(job.pieces)
                if level < len(level_shapes(piece.shape))
                for image in range(piece.images)
                for region in range(len(job.regions(number, level)))
            ]
            if level == 0:
                yield from _all(executor, do_region, [(folder, unit, key) for unit in units], "regions")
                objects = write_tables(job, key, table)
            else:
                yield from _all(executor, do_level, [(folder, unit, key, level) for unit in units], f"level {level}")
        record = {"key": key, "objects": objects, "blocks": len(there), "failed": failed, "store": job.store}
        write_bytes(finished, (json.dumps(record | {"joining": time.perf_counter() - start}, indent=1) + "\n").encode())
        if not failed:
            for path in job.folder.iterdir():
                if path.is_dir() and path.name != "blocks":
                    shutil.rmtree(path, ignore_errors=True)
    yield Result(
        JobOutcome(
            Path(job.store), table, job.labels, objects, len(there), failed, speed["megapixels"], speed["seconds"]
        )
    )


def _speed(job: Job) -> dict[str, float]:
    try:
        found: dict[str, float] = json.loads((job.folder / "speed.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"megapixels": 0.0, "seconds": 0.0}
    return found


def _all(executor: Executor, task: Task, calls: Sequence[tuple[Any, ...]], what: str) -> Generator[Event, None, Any]:
    """Do calls that must not fail.

    Raises
    ------
    OutputError
        If one fails again and again.
    """
    left = list(calls)
    done = 0
    for _ in range(ATTEMPTS):
        again, words = [], ""
        for number, outcome in executor.run(task, left):
            if isinstance(outcome, str):
                again.append(left[number])
                words = outcome
            else:
                done += 1
                yield Progress(done, len(calls), what)
        left = again
        if not left:
            return
    raise OutputError(
        f"{len(left)} of {len(calls)} {what} could not be written: {words} The blocks are kept; run again to go on."
    )


def _resolve_all(job: Job, there: Sequence[Unit], key: str) -> int:
    """Decide for each image of each piece; give the highest id."""
    known = set(there)
    start = 0
    for number, piece in enumerate(job.pieces):
        for image in range(piece.images):
            units = [Unit(number, image, block) for block in range(len(job.grid(number)))]
            facts = [read_facts(job.file("blocks", unit)) if unit in known else None for unit in units]
            evidence = [
                one
                for unit in units
                if unit in known
                for one in read_evidence(job.file(f"pairs-{key}", unit), unit.number)
            ]
            resolution = resolve(facts, evidence)
            save_resolution(job.file(f"resolved-{key}", f"{number}-{image}"), resolution, start)
            start += resolution.count
    return start
