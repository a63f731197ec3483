"""What images of any size cost: pixels that the network sees, time, memory, workers, joining, and errors at faces."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.benchmarks.faces import compare_at_faces
from napari_instseg.benchmarks.scenes import simulate_scene
from napari_instseg.core.errors import InstsegError, ParameterError
from napari_instseg.core.events import Event, Message, Progress, Result
from napari_instseg.inference.stitch import Blocks
from napari_instseg.scale.simulate import DIAMETER, part, simulate_slide

PARTS = ("sides", "workers", "stacks", "faces")
"""What can be measured, each by itself."""
PLANES = 100
"""Of the stack."""
IMAGES = 500
"""In the folder."""
IMAGE_SIDE = 256
FACES_SIDE, FACES_BLOCK = 2048, 512
"""Of the scenes that are joined, and of their blocks with margins, in pixels."""


@dataclass(frozen=True)
class Row:
    """What one image took, in processes of its own.

    Attributes
    ----------
    what : str
    megapixels : float
    workers : int
    objects : int
    seen_per_pixel : float
        Pixels that the network saw for each pixel of the image; NaN where several processes did it.
    processor_seconds : float
        Of network and decoding, per megapixel, all processors together; NaN where several processes did it.
    seconds : float
        Of network and decoding, per megapixel, by the clock.
    joining : float
        Share of joining, pyramid and table in the whole: of the processor time, or by the clock where several processes
        did it.
    gibibytes : float
        Highest memory of the process that did it; NaN where several did.
    """

    what: str
    megapixels: float
    workers: int
    objects: int
    seen_per_pixel: float
    processor_seconds: float
    seconds: float
    joining: float
    gibibytes: float

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON-ready values."""
        return {name: None if value != value else value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Faces:
    """Objects across the faces of blocks, found exactly in each block and joined in two ways."""

    scene: str
    across: int
    ours_per_1000: float
    by_faces_per_1000: float


def benchmark_scale(
    model: str,
    folder: Path,
    *,
    sides: Sequence[int] = (1024, 2048, 4096, 8192),
    workers_side: int = 4096,
    plane_side: int = 512,
    planes: int = PLANES,
    images: int = IMAGES,
    only: Sequence[str] = (),
    seed: int = 0,
    rows: list[Row] | None = None,
    faces: list[Faces] | None = None,
) -> Iterator[Event]:
    """Measure a model on simulated slides, a stack and a folder of images.

    Parameters
    ----------
    model : str
        Shipped name or folder.
    folder : Path
        Where slides are simulated; those that are there already are taken.
    sides : sequence of int
        Of square slides, in pixels, each segmented by one process.
    workers_side : int
        Of the slide that one worker with one thread, and then two, segment.
    plane_side, planes, images : int
        Side and number of the planes of a stack, and images of a folder; memory is compared with a tenth of them.
    only : sequence of str
        Of `PARTS`; all if empty.
    seed : int
        The same seed gives the same slides.
    rows, faces : list, optional
        Get what is measured as it comes.

    Yields
    ------
    Message, Progress
    Result
        A pair: the list of `Row`, and the list of `Faces`.

    Raises
    ------
    InstsegError
        If something is not known, or a run fails.
    """
    unknown = sorted(set(only) - set(PARTS))
    if unknown:
        raise ParameterError(f"There is no part '{unknown[0]}'; expected {', '.join(PARTS)}.")
    parts = only or PARTS
    rows, faces = [] if rows is None else rows, [] if faces is None else faces
    steps: list[Callable[[], Iterator[Event]]] = []
    if "sides" in parts:
        steps += [_side(model, folder, side, seed, rows) for side in sides]
    if "workers" in parts:
        steps += [_side(model, folder, workers_side, seed, rows, workers) for workers in (1, 2)]
    if "stacks" in parts:
        steps += [_stack(model, folder, count, plane_side, seed, rows) for count in (max(1, planes // 10), planes)]
        steps += [_images(model, folder, count, seed, rows) for count in (max(1, images // 10), images)]
    if "faces" in parts:
        steps += [_faces(name, seed, faces) for name in SCENES]
    for done, step in enumerate(steps):
        yield Progress(done, len(steps), "measurements")
        yield from step()
    yield Progress(len(steps), len(steps), "measurements")
    yield Result((rows, faces))


def _side(
    model: str, folder: Path, side: int, seed: int, rows: list[Row], workers: int = 0
) -> Callable[[], Iterator[Event]]:
    """Measure a slide: by one process with all threads, or by workers that have a thread each."""

    def measure() -> Iterator[Event]:
        slide = folder / f"slide-{side}-{seed}.zarr"
        if not slide.exists():
            yield Message(f"Simulating a slide of {side} x {side} pixels ...")
            being_made = folder / f"making-{side}-{seed}.zarr"
            shutil.rmtree(being_made, ignore_errors=True)
            for event in simulate_slide(being_made, side, seed):
                if isinstance(event, Message):
                    yield event
            being_made.rename(slide)
        threads = f", {workers} worker{'s' if workers > 1 else ''} of one thread" if workers else ""
        yield Message(f"Segmenting {side} x {side} pixels{threads} ...")
        rows.append(_run(f"{side} x {side}{threads}", slide, model, folder, workers))

    return measure


def _stack(
    model: str, folder: Path, planes: int, side: int, seed: int, rows: list[Row]
) -> Callable[[], Iterator[Event]]:
    def measure() -> Iterator[Event]:
        import tifffile

        path = folder / f"stack-{planes}.tif"
        light = _light(side, seed)
        pages = (np.roll(light, 7 * plane, axis=1) for plane in range(planes))
        tifffile.imwrite(path, pages, shape=(planes, side, side), dtype=light.dtype, metadata={"axes": "TYX"})
        yield Message(f"Segmenting a stack of {planes} planes ...")
        rows.append(_run(f"stack of {planes} x {side} x {side}", path, model, folder))

    return measure


def _images(model: str, folder: Path, count: int, seed: int, rows: list[Row]) -> Callable[[], Iterator[Event]]:
    def measure() -> Iterator[Event]:
        import tifffile

        path = folder / f"images-{count}"
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        light = _light(IMAGE_SIDE, seed)
        for number in range(count):
            tifffile.imwrite(path / f"{number:04d}.tif", np.roll(light, 7 * number, axis=1), metadata={"axes": "YX"})
        yield Message(f"Segmenting a folder of {count} images ...")
        told = _child("napari_instseg.benchmarks.many_images", str(path), model, str(folder / f"results-{count}"))
        pixels = count * IMAGE_SIDE**2 / 1e6
        nan = float("nan")
        rows.append(
            Row(
                f"folder of {count} images, {IMAGE_SIDE} x {IMAGE_SIDE}",
                pixels,
                1,
                told["objects"],
                nan,
                told["processor_seconds"] / pixels,
                told["seconds"] / pixels,
                nan,
                told["gibibytes"],
            )
        )

    return measure


def _light(side: int, seed: int) -> npt.NDArray[np.uint16]:
    return part(seed, 0, 0)[0][:side, :side]


def _run(what: str, image: Path, model: str, folder: Path, workers: int = 0) -> Row:
    """Segment an image in a new process.

    Parameters
    ----------
    workers : int
        Of one thread each; 0: one process with all threads.
    """
    store = folder / "result.zarr"
    for left in (store, folder / ".instseg" / "result"):
        shutil.rmtree(left, ignore_errors=True)
    told = _child(
        "napari_instseg.benchmarks.large_image", str(image), model, str(store), str(workers or 1), threads=bool(workers)
    )
    megapixels, several = told["read"] / 1e6, workers > 1
    nan = float("nan")
    return Row(
        what,
        megapixels,
        workers or 1,
        told["objects"],
        nan if several else told["seen"] / told["read"],
        nan if several else (told["processor_seconds"] - told["joining_processor_seconds"]) / megapixels,
        told["blocks_seconds"] / megapixels,
        told["joining_seconds"] / (told["blocks_seconds"] + told["joining_seconds"])
        if several
        else told["joining_processor_seconds"] / told["processor_seconds"],
        nan if several else told["gibibytes"],
    )


def _child(module: str, *arguments: str, threads: bool = False) -> dict[str, Any]:
    environment = {**os.environ, **(dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), "1") if threads else {})}
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise InstsegError(f"Segmenting '{arguments[0]}' with {arguments[1]} failed: {last}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _nuclei(seed: int) -> npt.NDArray[Any]:
    """Nuclei in clusters, parts beside each other."""
    per = FACES_SIDE // 512
    parts = [[part(seed, row, column)[1] for column in range(per)] for row in range(per)]
    for number, labels in enumerate(labels for row in parts for labels in row):
        labels[labels > 0] += 1000 * number
    return np.block(parts)


def _cells(seed: int) -> npt.NDArray[Any]:
    """Cells that touch on all sides."""
    return simulate_scene((FACES_SIDE, FACES_SIDE), FACES_SIDE**2 // 900, 2, seed=seed, coverage=2.0).labels


SCENES: dict[str, Callable[[int], npt.NDArray[Any]]] = {"nuclei in clusters": _nuclei, "cells side by side": _cells}


def _faces(name: str, seed: int, faces: list[Faces]) -> Callable[[], Iterator[Event]]:
    def measure() -> Iterator[Event]:
        truth = SCENES[name](seed)
        # twice a diameter on both sides, as Cellpose's overlap, and what this program's own margin is
        margin = round(4 * DIAMETER)
        found = compare_at_faces(truth, Blocks.split(truth.shape, FACES_BLOCK, margin))
        across = max(found.across, 1)
        faces.append(Faces(name, found.across, 1000 * found.ours / across, 1000 * found.by_faces / across))
        yield Message(f"Joined {name}.")

    return measure
