"""Seconds of network and decoding on a crowded image, and the peak memory on a huge one."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InstsegError
from napari_instseg.core.events import Event, Message, Progress, Result

RECORDED = (
    ("StarDist 0.9.2, grid 2", 0.67, 0.45),
    ("Cellpose 3", 7.7, 3.1),
)
"""Seconds of network and decoding of other tools for such an image, measured once on two cores without a GPU."""


@dataclass(frozen=True)
class Timing:
    """How long something takes on one image, median over the repetitions, in seconds."""

    name: str
    network: float
    decoding: float
    objects: int | None = None
    recorded: bool = False
    """Measured earlier and elsewhere, not in this run."""

    @property
    def total(self) -> float:
        """Seconds in all."""
        return self.network + self.decoding

    def to_dict(self) -> dict[str, Any]:
        """Return the timing as JSON-ready values."""
        return {**asdict(self), "total": self.total}


@dataclass(frozen=True)
class HugeImageCost:
    """What segmenting one huge image takes, in a process of its own."""

    name: str
    size: int
    gibibytes: float
    """Highest resident memory of the whole process, the image itself included."""
    seconds: float
    objects: int


def benchmark_predict(
    models: Sequence[str], *, size: int = 1024, objects: int = 500, repeat: int = 3, memory_size: int = 8192
) -> Iterator[Event]:
    """Measure models on simulated nuclei.

    Parameters
    ----------
    models : sequence of str
        Shipped names or folders.
    size, objects : int
        Side of the image in pixels, and number of nuclei in it.
    repeat : int
        Repetitions; one more that is not counted comes first.
    memory_size : int
        Side of the huge image, in pixels; 0 measures no memory.

    Yields
    ------
    Progress, Message
    Result
        A pair: a list of `Timing`, the classical baseline first, and a list of `HugeImageCost`.
    """
    steps = [*models, "baseline", *(models if memory_size else ())]
    image = crowded_image(size, objects)
    yield Progress(0, len(steps), "measurements")
    timings = [time_baseline(image, repeat)]
    yield Progress(1, len(steps), "measurements")
    for name in models:
        timings.append(time_model(name, image, repeat))
        yield Progress(len(timings), len(steps), "measurements")
    timings += [Timing(name, network, decoding, recorded=True) for name, network, decoding in RECORDED]
    memories: list[HugeImageCost] = []
    for name in models if memory_size else ():
        yield Message(f"Memory of {name} on {memory_size} x {memory_size} pixels, in a process of its own ...")
        memories.append(measure_memory(name, memory_size))
        yield Progress(1 + len(models) + len(memories), len(steps), "measurements")
    yield Result((timings, memories))


def crowded_image(size: int, objects: int) -> npt.NDArray[Any]:
    """Simulate fluorescent nuclei, (size, size), uint16."""
    from napari_instseg.data.simulate import KINDS, simulate

    params = KINDS["nuclei"].params(height=size, width=size, count=objects)
    return next(simulate("nuclei", n=1, seed=0, params=params)).image


def time_model(name: str, image: npt.NDArray[Any], repeat: int) -> Timing:
    """Time a model's network and its decoding."""
    from napari_instseg.inference.model import load_model

    model = load_model(name)
    network, decoding, objects = [], [], 0
    for _ in range(repeat + 1):
        start = time.perf_counter()
        prediction = model.predict(image)
        middle = time.perf_counter()
        objects = prediction.decode().n_objects
        network.append(middle - start)
        decoding.append(time.perf_counter() - middle)
    return Timing(name, median(network[1:]), median(decoding[1:]), objects)


def time_baseline(image: npt.NDArray[Any], repeat: int) -> Timing:
    """Time what one would do without a network: Otsu's threshold, distance transform, watershed, by scikit-image."""
    from scipy import ndimage
    from skimage.feature import peak_local_max
    from skimage.filters import gaussian, threshold_otsu
    from skimage.segmentation import watershed

    def segment() -> int:
        smooth = gaussian(image.astype(np.float32), 1)
        foreground = smooth > threshold_otsu(smooth)
        distance = ndimage.distance_transform_edt(foreground)
        seeds = np.zeros(image.shape, np.int32)
        peaks = peak_local_max(gaussian(distance, 1), min_distance=5, labels=foreground.astype(np.int32))
        seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
        return int(watershed(-distance, seeds, mask=foreground).max())

    seconds, objects = _repeated(segment, repeat)
    return Timing("Otsu + distance watershed (scikit-image)", 0.0, seconds, objects)


def _repeated(call: Callable[[], int], repeat: int) -> tuple[float, int]:
    seconds, value = [], 0
    for _ in range(repeat + 1):
        start = time.perf_counter()
        value = call()
        seconds.append(time.perf_counter() - start)
    return median(seconds[1:]), value


def measure_memory(name: str, size: int) -> HugeImageCost:
    """Segment a huge image in a new process and give the highest memory that it had.

    Raises
    ------
    InstsegError
        If the process fails, as it does when memory runs out.
    """
    done = subprocess.run(
        [sys.executable, "-m", "napari_instseg.benchmarks.huge_image", name, str(size)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise InstsegError(f"Segmenting {size} x {size} pixels with {name} failed: {last}")
    return HugeImageCost(name, size, **json.loads(done.stdout.splitlines()[-1]))
