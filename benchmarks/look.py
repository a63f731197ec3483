"""Move the mouse over a real viewer with the lens on, and print how long the lens, the plot and the reasons take.

Run it on a display, or under a virtual one: ``scripts/with_display.sh python benchmarks/look.py``. The predictions are
those of a seeded scene, as in ``live.py``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from live import COLORS, OBJECTS, window
from qtpy.QtWidgets import QApplication

from napari_instseg import Prediction
from napari_instseg.benchmarks.scenes import simulate_scene
from napari_instseg.benchmarks.subjects import outputs_for
from napari_instseg.widgets.dock import SegmentDock

MOVES = 50


def until(done: Callable[[], bool]) -> None:
    """Let the event loop turn until something is so."""
    while not done():
        QApplication.processEvents()


def move(dock: SegmentDock) -> dict[str, float]:
    """Move over the image's diagonal; give milliseconds from a move to the picture on the screen."""
    lens, image = dock.explorer.lens, dock.segment.image.layer
    dock.look.lens.toggle()
    canvas = dock.segment.image._viewer.window._qt_viewer.canvas._scene_canvas
    drawn: list[float] = []
    canvas.events.draw.connect(lambda _: drawn.append(time.perf_counter()), position="last")
    late: list[float] = []
    for place in np.linspace(0.1, 0.9, MOVES):
        position = tuple(place * side for side in image.data.shape)
        begin = time.perf_counter()
        lens.hover(position)
        until(lambda: lens.answers.idle)
        shown = time.perf_counter()
        until(lambda shown=shown: bool(drawn) and drawn[-1] > shown)
        late.append(1000 * (drawn[-1] - begin))
    dock.look.lens.toggle()
    late = late[5:]  # what is compiled and uploaded once
    return {"median": float(np.median(late)), "p95": float(np.percentile(late, 95)), "worst": max(late)}


def once(ask: Callable[[], None], done: Callable[[], bool]) -> float:
    """Return the milliseconds until something is done."""
    begin = time.perf_counter()
    ask()
    until(done)
    return 1000 * (time.perf_counter() - begin)


def measure(method: str, size: int) -> dict[str, float]:
    """Look inside one prediction."""
    scene = simulate_scene((size, size), OBJECTS * size**2 // 1024**2, n_colors=COLORS)
    image = (255 * np.clip(scene.outputs["foreground"], 0, 1)).astype(np.uint8)
    with window(image, Prediction(method, outputs_for(method, scene))) as dock:
        explorer, look = dock.explorer, dock.look
        found = {f"lens {name}": value for name, value in move(dock).items()}
        found["plot"] = once(look.plot_section.open, lambda: explorer._plot is not None and explorer.idle)
        found["list"] = once(look.why_section.open, lambda: look.why.table.rowCount() > 0)
        until(lambda: explorer.idle)
        labels = [look.why.table.label_at(row) for row in range(5)]
        first, all_of_it = [], []
        for label in labels:
            begin = time.perf_counter()
            explorer.select(label)
            until(lambda label=label: f"Object {label}:" in look.why._reason.text())
            first.append(1000 * (time.perf_counter() - begin))
            until(lambda: explorer._reasons.idle)
            all_of_it.append(1000 * (time.perf_counter() - begin))
        found["first facts"] = first[0]
        found["facts"] = float(np.median(first[1:]))
        found["what would change it"] = float(np.median(all_of_it[1:]))
    return found


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--methods", nargs="+", default=["discriminative", "coloring"])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    table = {method: measure(method, options.size) for method in options.methods}
    for method, found in table.items():
        print(f"{method}, {options.size} x {options.size} (ms)")
        for name, value in found.items():
            print(f"  {name:24}{value:8.0f}")
    if options.json:
        options.json.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
