"""Segments an image of any size and prints what it took: `python -m ... IMAGE MODEL STORE WORKERS`, run by `scale`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from napari_instseg.benchmarks.huge_image import peak_memory
from napari_instseg.core.events import Progress, Result
from napari_instseg.inference.model import load_model
from napari_instseg.inference.runner import Runner
from napari_instseg.scale.job import DONE, Job, work_folder
from napari_instseg.scale.run import segment_large
from napari_instseg.scale.simulate import part


def main(image: str, model: str, store: str, workers: int) -> None:
    """Segment and print one line of JSON."""
    seen, run = [0], Runner.__call__

    def counted(self: Runner, tile: Any, *place: Any) -> Any:
        seen[0] += int(np.prod(tile.shape[1:]))
        return run(self, tile, *place)

    # what is compiled and loaded once is no cost of a pixel
    load_model(model).segment(part(0, 0, 0)[0][:256, :256])
    start, begun, blocks_done, blocks_seconds = time.perf_counter(), time.process_time(), 0.0, 0.0
    objects = failed = 0
    with patch.object(Runner, "__call__", counted):
        for event in segment_large(image, model, store, workers=workers):
            if isinstance(event, Progress) and event.what == "blocks":
                blocks_done, blocks_seconds = time.process_time(), time.perf_counter() - start
            elif isinstance(event, Result):
                objects, failed = event.value.objects, len(event.value.failed)
    if failed:
        raise SystemExit(f"{failed} blocks could not be segmented")
    folder = work_folder(Path(store))
    job = Job.read(folder)
    values = {
        "gibibytes": peak_memory(),
        "seen": seen[0],
        "read": sum(piece.images * int(np.prod(piece.seen)) for piece in job.pieces),
        "processor_seconds": time.process_time() - begun,
        "joining_processor_seconds": time.process_time() - blocks_done,
        "blocks_seconds": blocks_seconds,
        "joining_seconds": json.loads((folder / DONE).read_text(encoding="utf-8"))["joining"],
        "objects": objects,
    }
    sys.stdout.write(json.dumps(values) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
