"""`instseg segment` for images of any size, and `merge` and `status` of what it began."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_instseg.cli.console import Follower, in_words, keeping, say, show_table, write_json
from napari_instseg.cli.options import JsonOption
from napari_instseg.core.errors import InputError, InstsegError, ParameterError

if TYPE_CHECKING:
    from napari_instseg.scale.run import JobOutcome

LARGE = 2**26
"""Images with more pixels than this are segmented region by region."""

FORMATS = ("auto", "tiff", "ome-zarr")

FormatOption = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="[auto|tiff|ome-zarr]",
        help="What is written. OME-Zarr is the default for OME-Zarr, slides, plates and images above 64 megapixels.",
    ),
]
WorkersOption = Annotated[
    int, typer.Option("--workers", min=1, max=1024, help="Processes on this machine, for images of any size.")
]
SchedulerOption = Annotated[
    str | None,
    typer.Option("--scheduler", metavar="ADDRESS", help="A dask scheduler whose workers see the same files."),
]
SlurmOption = Annotated[
    str | None,
    typer.Option("--slurm", metavar="OPTIONS", help='As for sbatch: "--partition gpu --time 2:00:00 --mem 16G".'),
]
JobOption = Annotated[
    int | None, typer.Option("--job", min=0, help="Only this part of the blocks, 0 to N-1 or 1 to N; see --jobs.")
]
JobsOption = Annotated[
    int | None, typer.Option("--jobs", metavar="N", min=1, help="Number of parts; then join them: instseg merge DIR.")
]
WellOption = Annotated[str | None, typer.Option("--well", help="Only this well of a plate, such as B03.")]
EverywhereOption = Annotated[bool, typer.Option("--everywhere", help="Also look where a slide is glass.")]
LevelOption = Annotated[
    int | None, typer.Option("--pyramid-level", min=0, help="Level of a pyramid.", show_default="what suits the model")
]
PixelSizeOption = Annotated[
    float | None, typer.Option("--pixel-size", min=1e-6, help="Read the level with pixels of so many micrometres.")
]
InsideOption = Annotated[bool, typer.Option("--inside", help="Write the labels into the OME-Zarr image itself.")]


@dataclass(frozen=True)
class LargeOptions:
    """What is asked of images of any size."""

    format: str = "auto"
    workers: int = 1
    scheduler: str | None = None
    slurm: str | None = None
    job: int | None = None
    jobs: int | None = None
    well: str | None = None
    everywhere: bool = False
    level: int | None = None
    pixel_size: float | None = None
    inside: bool = False
    overwrite: bool = False
    axes: str | None = None
    wish: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Check what fits together.

        Raises
        ------
        ParameterError
            If something does not.
        """
        if self.format not in FORMATS:
            raise ParameterError(f"The format is '{self.format}'; expected one of {', '.join(FORMATS)}.")
        if (self.job is None) != (self.jobs is None):
            raise ParameterError("--job and --jobs go together, as in --job 0 --jobs 10.")
        if self.job is not None and self.jobs is not None and self.job > self.jobs:
            raise ParameterError(f"The job is {self.job} of {self.jobs}; expected 0 to {self.jobs - 1}.")
        if self.format == "tiff" and self.wanted:
            raise ParameterError("--workers, --scheduler, --slurm, --job, --well and --inside need --format ome-zarr.")

    @property
    def wanted(self) -> bool:
        """Whether anything is asked that only works region by region."""
        chosen = (self.scheduler, self.slurm, self.job, self.well, self.level, self.pixel_size)
        return self.workers > 1 or self.inside or any(one is not None for one in chosen)


def split_images(images: Sequence[Path], options: LargeOptions) -> tuple[list[str], list[Path]]:
    """Tell which images are to be segmented region by region, and which are read whole."""
    from napari_instseg.io.large import is_large

    large, small = [], []
    for path in images:
        # what was typed as a URL lost a slash as a path
        text = re.sub(r"^([a-z][a-z0-9+.-]+):/+(?=[^/])", r"\1://", str(path).replace("\\", "/"))
        text = text if "://" in text else str(path)
        if is_large(text):
            if options.format == "tiff":
                raise ParameterError(f"'{text}' is not read whole, so no TIFF is written. Leave --format out.")
            large.append(text)
        elif (
            options.format != "tiff"
            and os.path.isfile(path)  # which, unlike Path.is_file, is no error where the name is too long
            and (options.format == "ome-zarr" or options.wanted or _has_many_pixels(path))
        ):
            large.append(text)
        elif os.path.isdir(path) and (options.format == "ome-zarr" or options.wanted):
            large += [str(file) for file in sorted(path.iterdir()) if is_large(str(file)) or _is_tiff(file)]
        else:
            small.append(path)
    return large, small


def _is_tiff(path: Path) -> bool:
    return path.suffix.lower() in (".tif", ".tiff") and not path.name.startswith(".")


def _has_many_pixels(path: Path) -> bool:
    """Return whether a TIFF has more pixels than are read whole; what cannot be told is for the reader of files."""
    if not _is_tiff(path):
        return False
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            return page.imagelength * page.imagewidth > LARGE
    except Exception:  # whatever is wrong with it, its reader says so in words
        return False


def segment_large_images(paths: Sequence[str], model: str, out: Path, options: LargeOptions) -> dict[str, Any]:
    """Segment images region by region, one after the other, and say what was found.

    Returns
    -------
    dict
        JSON-ready: ``images`` and ``failed``, as `segment` writes them.
    """
    from napari_instseg.io.sources import stem_of
    from napari_instseg.scale.run import segment_large

    stems = [stem_of(path) for path in paths]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise InputError(f"Several images are called '{twice[0]}', so their results would be. Use two folders.")
    client = _client(options)
    rows: list[dict[str, Any]] = []
    bad: dict[str, str] = {}
    parted = False
    with Follower() as follower, keeping(lambda: "Blocks that are whole are kept; the same command goes on."):
        for path, stem in zip(paths, stems, strict=True):
            store = Path(path) if options.inside else out / f"{stem}.zarr"
            part = None if options.job is None or options.jobs is None else (options.job, options.jobs)
            start = time.perf_counter()
            try:
                found: JobOutcome | None = follower.run(
                    segment_large(
                        path,
                        model,
                        store,
                        client,
                        workers=options.workers,
                        well=options.well,
                        axes=options.axes,
                        part=part,
                        overwrite=options.overwrite,
                        table=out / "tables" / f"{stem}.csv",
                        everywhere=options.everywhere,
                        level=options.level,
                        pixel_size=options.pixel_size,
                        **options.wish,
                    )
                )
            except InstsegError as error:
                bad[stem] = str(error)
                continue
            if found is None:
                parted = True
                continue
            rows.append(_row(stem, path, found, time.perf_counter() - start))
            bad |= {f"{stem}, {where}": why for where, why in found.failed.items()}
    if client is not None:
        client.close()
    if parted:
        say(f"A part is done. When all are: instseg merge '{out}'")
    return {"images": rows, "failed": bad}


def _row(stem: str, path: str, found: JobOutcome, seconds: float) -> dict[str, Any]:
    rate = found.megapixels / found.seconds if found.seconds else 0.0
    return {
        "name": stem,
        "image": path,
        "objects": found.objects,
        "seconds": round(seconds, 3),
        "megapixels_per_second": round(rate, 4),
        "store": str(found.store),
        "labels": f"labels/{found.labels}",
        "table": str(found.table),
        "blocks": found.blocks,
        "failed_blocks": len(found.failed),
    }


def _client(options: LargeOptions) -> Any:
    if options.scheduler is None and options.slurm is None:
        return None
    from napari_instseg.scale.executors import connect, start_slurm

    if options.scheduler is not None:
        client = connect(options.scheduler)
    else:
        client = start_slurm(str(options.slurm), options.workers)
    say(f"Watch the cluster at {client.dashboard_link}")
    return client


def report(found: Mapping[str, Any], json: Path | None) -> None:
    """Print what was found and what failed."""
    rows, bad = found["images"], found["failed"]
    if rows:
        show_table(
            ("image", "objects", "seconds", "Mpx/s", "labels"),
            [
                (
                    row["name"],
                    row["objects"],
                    float(row["seconds"]),
                    float(row["megapixels_per_second"]),
                    f"{row['store']}/{row['labels']}",
                )
                for row in rows
            ],
            json=json,
        )
    for where, why in bad.items():
        say(f"Error in {where}: {why}", "red")


def register(app: typer.Typer, arguments: Sequence[str]) -> None:
    """Add the commands that look after what `segment` began."""
    app.command("merge")(in_words(merge))
    app.command("status")(in_words(status))


FolderArgument = Annotated[Path, typer.Argument(metavar="DIR", help="The folder that --out named.")]


def merge(folder: FolderArgument, workers: WorkersOption = 1, json: JsonOption = None) -> None:
    """Join the parts that `instseg segment --job I --jobs N` made: labels, pyramid and table."""
    from napari_instseg.scale.job import find_jobs
    from napari_instseg.scale.run import merge as join_parts

    rows: list[dict[str, Any]] = []
    bad: dict[str, str] = {}
    with Follower() as follower, keeping(lambda: "The blocks are kept; the same command goes on."):
        for job in find_jobs(folder):
            start = time.perf_counter()
            try:
                found: JobOutcome = follower.run(join_parts(job, workers))
            except InstsegError as error:
                bad[job.name] = str(error)
                continue
            rows.append(_row(job.name, str(job), found, time.perf_counter() - start))
            bad |= {f"{job.name}, {where}": why for where, why in found.failed.items()}
    report({"images": rows, "failed": bad}, json)
    write_json(json, {"images": rows, "failed": bad})
    if bad:
        raise typer.Exit(1)


def status(folder: FolderArgument, json_file: JsonOption = None) -> None:
    """Say how far the work in a folder is: blocks that are done, objects, what failed."""
    from napari_instseg.scale.job import DONE, Job, find_jobs
    from napari_instseg.scale.work import read_facts

    rows = []
    for one in find_jobs(folder):
        job = Job.read(one)
        units = job.blocks()
        there = [unit for unit in units if job.file("blocks", unit).exists()]
        done: dict[str, Any] = {}
        if (one / DONE).is_file():
            done = json.loads((one / DONE).read_text(encoding="utf-8"))
        joined = bool(done) and done.get("blocks") == len(there)
        seen = sum(int((read_facts(job.file("blocks", unit)).core_size > 0).sum()) for unit in there)
        rows.append(
            {
                "name": one.name,
                "blocks": len(units),
                "done": len(there),
                "objects": done["objects"] if joined else seen,
                "state": "whole" if joined and len(there) == len(units) else "joined in part" if joined else "begun",
                "store": job.store,
            }
        )
    show_table(
        ("image", "blocks done", "of", "objects", "state", "store"),
        [(row["name"], row["done"], row["blocks"], row["objects"], row["state"], row["store"]) for row in rows],
        json=json_file,
    )
    write_json(json_file, {"jobs": rows})
