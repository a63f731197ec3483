"""Drag the real sliders of the dock in a real viewer, and print how long objects take to follow.

Run it on a display, or under a virtual one: ``scripts/with_display.sh python benchmarks/live.py``. The prediction is
that of a seeded scene, so that the decoders are measured and not the network.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, QPoint, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QStyle, QStyleOptionSlider

from napari_instseg import Prediction
from napari_instseg.io.models import ModelSpec
from napari_instseg.methods import get_method
from napari_instseg.widgets.dock import SegmentDock
from napari_instseg.widgets.parameters import NumberRow
from napari_instseg.workspace.results import Results
from napari_instseg.workspace.source import readings

MOVES = 50
SPACING = 46  # pixels between objects: 484 of them in 1024 x 1024


def scene(method: str, side: int) -> tuple[np.ndarray[Any, Any], Prediction]:
    """Make an image of disks, and what a good network says of it."""
    y, x = np.indices((side, side))
    row, column = y // SPACING, x // SPACING
    rng = np.random.default_rng(0)
    radius = rng.uniform(12, 22, (side // SPACING + 1, side // SPACING + 1))[row, column]
    inside = (y % SPACING - SPACING // 2) ** 2 + (x % SPACING - SPACING // 2) ** 2 < radius**2
    identity = np.where(inside, 1 + row * (side // SPACING + 1) + column, 0)
    noise = rng.normal(0, 0.02, (side, side)).astype(np.float32)
    foreground = np.clip(np.where(inside, 0.95, 0.05) + noise, 0, 1).astype(np.float32)
    if method == "coloring":
        color = np.where(inside, 1 + (row % 2) * 2 + column % 2, 0)
        logits = np.eye(5, dtype=np.float32)[color] * 4 + rng.normal(0, 0.2, (side, side, 5)).astype(np.float32)
        colors = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        outputs = {"colors": np.ascontiguousarray(np.moveaxis(colors, -1, 0))}
    else:
        means = rng.normal(0, 1.5, (int(identity.max()) + 1, 8)).astype(np.float32)
        embedding = means[identity] + rng.normal(0, 0.1, (side, side, 8)).astype(np.float32)
        outputs = {"embedding": np.ascontiguousarray(np.moveaxis(embedding, -1, 0)), "foreground": foreground}
    return (foreground * 255).astype(np.uint8), Prediction(method, outputs)


@contextmanager
def window(image: np.ndarray[Any, Any], prediction: Prediction) -> Iterator[SegmentDock]:
    """Open a viewer with the dock, as if a network had just given this prediction."""
    viewer = napari.Viewer()
    viewer.window.resize(1600, 1000)
    dock = SegmentDock(viewer)
    viewer.window.add_dock_widget(dock, name="Segment")
    viewer.add_image(image, name="scene")
    controller = dock.controller
    spec = ModelSpec(name="scene", method=prediction.method, diameter=34)
    controller.models["scene"] = spec
    controller.choose_model("scene")
    source = controller.workspace.source
    results = controller.results = Results(source, readings(source)[0], spec)
    results.remember((), prediction)
    dock._tune_section.open()
    controller.tuning.apply()
    wait_idle(dock)
    try:
        yield dock
    finally:
        controller.close()
        viewer.close()


def wait_idle(dock: SegmentDock) -> None:
    """Let the event loop turn until nothing is decoded or waits to be shown."""
    while not (dock.controller.idle and dock.layers.idle):
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 5)
        time.sleep(0.001)
    QTest.qWait(50)


def drag(dock: SegmentDock, row: NumberRow) -> dict[str, float]:
    """Drag a slider through its range by mouse events; give milliseconds.

    Latencies from a move to the refreshed layer; processor time of the window's thread for each update, drawing
    included; and the gaps of its event loop.
    """
    slider, latencies, stamps = row.slider, [], [time.perf_counter()]
    dock.controller.found.connect(
        lambda _, plane: latencies.append(time.perf_counter() - plane.asked) if plane.asked else None
    )
    pulse = QTimer()
    pulse.timeout.connect(lambda: stamps.append(time.perf_counter()))
    pulse.start(1)
    option = QStyleOptionSlider()
    slider.initStyleOption(option)
    handle = slider.style().subControlRect(
        QStyle.ComplexControl.CC_Slider, option, QStyle.SubControl.SC_SliderHandle, slider
    )
    y = handle.center().y()
    busy = time.thread_time()
    QTest.mousePress(slider, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, handle.center())
    for x in np.linspace(0.1, 0.6, MOVES) * slider.width():
        QTest.mouseMove(slider, QPoint(int(x), y))
        QTest.qWait(40)
    QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(int(x), y))
    wait_idle(dock)
    pulse.stop()
    busy = time.thread_time() - busy
    dock.controller.found.disconnect()
    dock.controller.found.connect(dock._show_found)
    gaps = np.diff(stamps)
    dock.controller.tuning.reset()
    wait_idle(dock)
    if not latencies:
        return {}
    return {
        "updates": len(latencies),
        "median": 1000 * float(np.median(latencies)),
        "p95": 1000 * float(np.percentile(latencies, 95)),
        "window": 1000 * busy / len(latencies),
        "gap_p95": 1000 * float(np.percentile(gaps, 95)),
        "gap_max": 1000 * float(gaps.max()),
    }


def main() -> None:
    """Measure every visible slider of the methods, print a table, and write it as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=["coloring", "discriminative"])
    parser.add_argument("--size", type=int, default=1024, help="side of the scene in pixels")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments = parser.parse_args()
    QApplication.instance() or napari.qt.get_qapp()
    table = {}
    print(
        f"{'method':16}{'parameter':22}{'updates':>8}{'median':>9}{'95 %':>9}{'window':>9}"
        f"{'gap 95 %':>10}{'gap max':>9}  (ms)"
    )
    for method in arguments.methods:
        get_method(method)
        with window(*scene(method, arguments.size)) as dock:
            for name, row in dock.tune.form.rows.items():
                if not isinstance(row, NumberRow) or not row.isVisible():
                    continue
                found = table[f"{method}.{name}"] = drag(dock, row)
                if found:
                    print(
                        f"{method:16}{name:22}{found['updates']:8d}{found['median']:9.0f}{found['p95']:9.0f}{found['window']:9.0f}"
                        f"{found['gap_p95']:10.0f}{found['gap_max']:9.0f}",
                        flush=True,
                    )
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
