"""Segments a folder of images and prints what it took: `python -m ... FOLDER MODEL OUT`, run by `scale`."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from napari_instseg.benchmarks.huge_image import peak_memory
from napari_instseg.cli.main import main as instseg


def main(folder: str, model: str, out: str) -> None:
    """Segment and print one line of JSON."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as elsewhere:
        told = Path(elsewhere) / "told.json"
        code = instseg(["segment", folder, "--model", model, "--out", out, "--overwrite", "--json", str(told)])
        if code:
            raise SystemExit(code)
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
