"""Segments a folder of images and prints what it took: `python -m ... FOLDER MODEL OUT`, run by `scale`."""

from __future__ import annotations

import json
import runpy
import sys
import tempfile
import time
from pathlib import Path

from napari_instseg.benchmarks.huge_image import peak_memory


def main(folder: str, model: str, out: str) -> None:
    """Segment and print one line of JSON."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as elsewhere:
        told = Path(elsewhere) / "told.json"
        sys.argv = ["instseg", "segment", folder, "--model", model, "--out", out, "--overwrite", "--json", str(told)]
        try:  # the command as it is, in this process, whose memory is asked for
            runpy.run_module("napari_instseg", run_name="__main__")
        except SystemExit as end:
            if end.code:
                raise
        objects = sum(image["objects"] for image in json.loads(told.read_text(encoding="utf-8"))["images"])
    values = {
        "gibibytes": peak_memory(),
        "seconds": time.perf_counter() - start,
        "processor_seconds": time.process_time(),
        "objects": objects,
    }
    sys.stdout.write(json.dumps(values) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3])
