"""Segments a huge image and prints the highest memory of this process: `python -m ... MODEL SIZE`, run by `predict`."""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from napari_instseg.benchmarks.predict import crowded_image
from napari_instseg.inference.model import load_model

TILE = 1024
"""Side of the simulated image that is repeated, in pixels."""


def peak_memory() -> float:
    """Return the highest resident memory of this process so far, in GiB."""
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset) / 2**30
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # kibibytes on Linux, bytes on macOS
    return peak / (2**30 if sys.platform == "darwin" else 2**20)


def main(name: str, size: int) -> None:
    """Segment and print one line of JSON."""
    repeats = -(-size // TILE)
    image = np.tile(crowded_image(TILE, TILE**2 // 2097), (repeats, repeats))[:size, :size]
    start = time.perf_counter()
    segmentation = load_model(name).segment(image)
    values = {
        "gibibytes": peak_memory(),
        "seconds": time.perf_counter() - start,
        "objects": segmentation.n_objects,
    }
    sys.stdout.write(json.dumps(values) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
