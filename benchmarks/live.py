"""Drag the real sliders of the dock in a real viewer, and print how long objects take to follow on the screen.

Run it on a display, or under a virtual one: ``scripts/with_display.sh python benchmarks/live.py``. The predictions are
those of a seeded scene, so that decoding and drawing are measured and not a network; ``--first-run`` measures the gaps
of the event loop while a shipped model runs for the first time in this process.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, QPoint, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QStyle, QStyleOptionSlider

from napari_instseg import Prediction
from napari_instseg.benchmarks.scenes import simulate_scene
from napari_instseg.benchmarks.subjects import SETTINGS, outputs_for
from napari_instseg.io.models import ModelSpec
from napari_instseg.methods import methods
from napari_instseg.session.results import Results
from napari_instseg.session.source import readings
from napari_instseg.session.state import State
from napari_instseg.widgets.dock import SegmentDock
from napari_instseg.widgets.parameter_form import NumberRow

WINDOW = (1200, 800)
MOVES = 50
MOVE_MS = 40
PULSE_MS = 5
OBJECTS = 480  # in 1024 x 1024
COLORS = 9
COLUMNS = ("updates", "median", "p95", "decode", "window", "gap_p95", "gap_max")
"""Objects shown while dragging; milliseconds from the slider's move to the drawing, of decoding alone, of
the window's processor time per update, and between two turns of the event loop."""


@contextmanager
def window(image: np.ndarray[Any, Any], prediction: Prediction) -> Iterator[SegmentDock]:
    """Open a viewer with the dock, as if a network had just given this prediction."""
    viewer = napari.Viewer()
    viewer.window.resize(*WINDOW)
    dock = SegmentDock(viewer)
    viewer.window.add_dock_widget(dock, name="Segment")
    viewer.add_image(image, name="scene")
    session = dock.session
    spec = ModelSpec(name="scene", method=prediction.method, diameter=30, decode=SETTINGS.get(prediction.method, {}))
    session.offer_models({**session.state.models, "scene": spec})
    session.choose_model("scene")
    source = session.state.source
    results = Results(source, readings(source)[0], spec, model="scene")
    session.update(results=results.with_prediction((), prediction))
    dock._tune_section.open()
    dock.tuning.apply()
    wait_idle(dock)
    try:
        yield dock
    finally:
        dock.stop()
        viewer.close()


def wait_idle(dock: SegmentDock) -> None:
    """Let the event loop turn until nothing is decoded or waits to be shown."""
    while not (dock.idle and dock.layers.idle):
        turn(10)
    turn(100)


def turn(milliseconds: int) -> None:
    """Let the event loop turn for a while, asleep while there is nothing to do; QTest.qWait would take a processor."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


class Watch:
    """Times the objects from the slider's move to the next drawing of the canvas, and the gaps of the event loop."""

    def __init__(self, dock: SegmentDock) -> None:
        self.latencies: list[float] = []
        self.decoding: list[float] = []
        self._asked: list[float] = []
        self._session = dock.session
        self._canvas = canvas_of(dock)
        self._stamps: list[float] = []
        self._pulse = QTimer()
        self._pulse.timeout.connect(lambda: self._stamps.append(time.perf_counter()))

    def __enter__(self) -> Watch:
        self._session.changed.connect(self._redraw)
        # after the canvas's own handler
        self._canvas.events.draw.connect(self._drawn, position="last")
        self._stamps.append(time.perf_counter())
        self._pulse.start(PULSE_MS)
        self._busy = time.thread_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.busy = time.thread_time() - self._busy
        self._pulse.stop()
        self._canvas.events.draw.disconnect(self._drawn)
        self._session.changed.disconnect(self._redraw)

    @property
    def gaps(self) -> np.ndarray[Any, Any]:
        """Milliseconds between two turns of the event loop."""
        return 1000 * np.diff(self._stamps)

    def _redraw(self, before: State, now: State) -> None:
        made = now.found_since(before)
        if made is not None and made.asked:
            self._asked.append(made.asked)
            self.decoding.append(made.decoding)

    def _drawn(self, event: object = None) -> None:
        now = time.perf_counter()
        self.latencies += [now - asked for asked in self._asked]
        self._asked.clear()


def drag(dock: SegmentDock, row: NumberRow) -> dict[str, float]:
    """Drag a slider to and fro by mouse events; give milliseconds, see `COLUMNS`."""
    slider = row.slider
    option = QStyleOptionSlider()
    slider.initStyleOption(option)
    handle = slider.style().subControlRect(
        QStyle.ComplexControl.CC_Slider, option, QStyle.SubControl.SC_SliderHandle, slider
    )
    at = handle.center()
    way = at.x() / slider.width() + 0.25 * np.sin(np.linspace(0, 2 * np.pi, MOVES))
    with Watch(dock) as watch:
        QTest.mousePress(slider, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
        for share in np.clip(way, 0.02, 0.98):
            QTest.mouseMove(slider, QPoint(int(share * slider.width()), at.y()))
            turn(MOVE_MS)
        QTest.mouseRelease(slider, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, at)
        wait_idle(dock)
    dock.tuning.reset()
    wait_idle(dock)
    if not watch.latencies:
        return {}
    late = 1000 * np.array(watch.latencies)
    numbers = (
        len(late),
        np.median(late),
        np.percentile(late, 95),
        1000 * np.median(watch.decoding),
        1000 * watch.busy / len(late),
        np.percentile(watch.gaps, 95),
        watch.gaps.max(),
    )
    return {name: float(number) for name, number in zip(COLUMNS, numbers, strict=True)}


def napari_alone(dock: SegmentDock) -> dict[str, float]:
    """Refresh the layer of objects as it is, and wait for the drawing: what napari and the display take themselves."""
    layer = dock.layers.labels_layer(dock.session.state.results)
    canvas = canvas_of(dock)
    drawn: list[float] = []
    watch = canvas.events.draw.connect(lambda event: drawn.append(time.perf_counter()), position="last")
    late = []
    for _ in range(MOVES):
        drawn.clear()
        start = time.perf_counter()
        layer.refresh(extent=False, thumbnail=False, highlight=False)
        while not drawn:
            QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 5)
        late.append(1000 * (drawn[0] - start))
    canvas.events.draw.disconnect(watch)
    return {"updates": MOVES, "median": float(np.median(late)), "p95": float(np.percentile(late, 95))}


def canvas_of(dock: SegmentDock) -> Any:
    """Return what draws the viewer's layers."""
    return dock.segment.image._viewer.window._qt_viewer.canvas._scene_canvas


def measure(names: Sequence[str], size: int) -> dict[str, dict[str, float]]:
    """Drag every slider in sight of each method, and print a line each."""
    scene = simulate_scene((size, size), OBJECTS * size**2 // 1024**2, n_colors=COLORS)
    image = (255 * np.clip(scene.outputs["foreground"], 0, 1)).astype(np.uint8)
    print(f"{'method':16}{'parameter':22}" + "".join(f"{name:>9}" for name in COLUMNS) + "  (ms)")
    table = {}
    for method in names:
        settings = SETTINGS.get(method, {})
        with window(image, Prediction(method, outputs_for(method, scene), settings)) as dock:
            for name, row in dock.tune.form.rows.items():
                if not isinstance(row, NumberRow) or not row.isVisible():
                    continue
                table[f"{method}.{name}"] = show(method, name, drag(dock, row))
            table[f"{method}: napari alone"] = show(method, "(napari alone)", napari_alone(dock))
    return table


def show(method: str, name: str, found: dict[str, float]) -> dict[str, float]:
    """Print a line of the table."""
    print(f"{method:16}{name:22}" + "".join(f"{found[key]:9.0f}" for key in COLUMNS if key in found), flush=True)
    return found


def first_run(model: str, size: int) -> dict[str, float]:
    """Run a shipped model for the first and the second time in this process; give the longest gaps of the loop."""
    scene = simulate_scene((size, size), OBJECTS * size**2 // 1024**2)
    image = (255 * np.clip(scene.outputs["foreground"], 0, 1)).astype(np.uint8)
    viewer = napari.Viewer()
    dock = SegmentDock(viewer)
    viewer.window.add_dock_widget(dock, name="Segment")
    viewer.add_image(image, name="scene")
    dock.session.choose_model(model)
    turn(300)
    found = {}
    for number in ("first", "second"):
        with Watch(dock) as watch:
            start = time.perf_counter()
            dock.segmenting.run()
            wait_idle(dock)
            found[f"{number}_seconds"] = time.perf_counter() - start
        found[f"{number}_gap_max"] = float(watch.gaps.max())
        print(
            f"{model}, {number} run: {found[f'{number}_seconds']:.1f} s, longest gap of the event loop "
            f"{watch.gaps.max():.0f} ms, 95 % below {np.percentile(watch.gaps, 95):.0f} ms",
            flush=True,
        )
    dock.stop()
    viewer.close()
    return found


def main() -> None:
    """Measure, print a table, and write it as JSON if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=list(methods()))
    parser.add_argument("--size", type=int, default=1024, help="side of the scene in pixels")
    parser.add_argument("--first-run", metavar="MODEL", help="measure the first Run of this model instead")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments = parser.parse_args()
    QApplication.instance() or napari.qt.get_qapp()
    if arguments.first_run:
        table: dict[str, Any] = first_run(arguments.first_run, arguments.size)
    else:
        table = measure(arguments.methods, arguments.size)
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
