"""Make the pictures of docs/window.md: the real window, samples opened as a user does, the shipped models.

Needs a display, or `sh scripts/with_display.sh .venv/bin/python scripts/screenshots.py`. Pictures of real nuclei are
made if `--dsb2018` says where the images of the 2018 Data Science Bowl (BBBC038, CC0 1.0) are; they are held-out ones.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.settings import get_settings
from PIL import Image
from qtpy.QtWidgets import QApplication

from napari_instseg.widgets.dock import WIDTH, SegmentDock

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
PLUGIN, DOCK = "napari-instseg", "Segment"
PATIENCE_S = 1800


@dataclass(frozen=True)
class Shot:
    """What a picture shows."""

    name: str
    sample: str
    """Name of a sample, or the first characters of the name of a real image."""
    model: str
    size: tuple[int, int] = (1400, 900)
    """Width and height of the window in pixels."""
    changes: dict[str, Any] = field(default_factory=dict)
    """Sliders to move after the run."""
    views: tuple[str, ...] = ()
    """Names of views to tick under Look."""
    sections: tuple[str, ...] = ("Segment", "Tune")
    """Sections that are unfolded."""
    diameter: float | None = None
    """Typical object diameter in pixels, if the user typed another than the sample's."""
    theme: str = "dark"
    real: str = ""
    """The set that the image is of, if it is not a sample: one of `SETS`."""


SETS = {"dsb2018": "nuclei", "usiigaci": "cells"}
"""Real images, and what their layer is called."""
SMALL = (1000, 760)
SHOTS = (
    Shot("window-nuclei", "nuclei", "discriminative-nuclei", changes={"min_size": 60}),
    Shot(
        "window-tissue", "nuclei-stained", "discriminative-nuclei", views=("foreground",), sections=("Segment", "Look")
    ),
    Shot(
        "window-embedding",
        "nuclei-crowded",
        "discriminative-nuclei",
        (1250, 820),
        views=("pca",),
        sections=("Segment", "Look"),
    ),
    Shot(
        "window-seediness",
        "nuclei-crowded",
        "metric-nuclei",
        (1250, 820),
        views=("seediness",),
        sections=("Segment", "Look"),
    ),
    Shot("sample-coins", "coins", "discriminative-nuclei", SMALL),
    Shot("sample-ihc", "ihc", "discriminative-nuclei", SMALL),
    Shot("sample-nuclei-crowded", "nuclei-crowded", "clusternet-nuclei", SMALL, theme="light"),
    Shot("sample-bacteria", "bacteria", "semiconv-shapes", SMALL),
    Shot("sample-bacteria-phase", "bacteria-phase", "semiconv-shapes", SMALL),
    Shot("sample-worms", "worms", "discriminative-shapes", SMALL),
    Shot("sample-worms-binary", "worms-binary", "discriminative-shapes", SMALL),
    Shot("sample-rosette", "rosette", "discriminative-leaves", SMALL),
    Shot("sample-rosette-young", "rosette-young", "semiconv-leaves", SMALL),
    Shot("sample-sticks", "sticks", "discriminative-shapes", SMALL),
    Shot("sample-dots", "dots", "semiconv_rcnn-nuclei", SMALL, diameter=16),
    Shot("window-real", "a90cad45551d", "discriminative-nuclei", real="dsb2018"),
    Shot("window-real-colors", "3f9fc8e63f87", "coloring-nuclei", real="dsb2018"),
    Shot("window-real-cells", "train_set16", "discriminative-cells", real="usiigaci"),
)
SEEN_THROUGH = 0.4
"""Opacity of a view's layer."""


def wait(ready: Callable[[], bool]) -> None:
    """Let the event loop turn until something is so."""
    end = time.monotonic() + PATIENCE_S
    calm = 0
    while calm < 20:
        QApplication.processEvents()
        time.sleep(0.02)
        calm = calm + 1 if ready() else 0
        if time.monotonic() > end:
            raise TimeoutError("the window did not become idle")


def take(shot: Shot, images: Path | None, folder: Path) -> Path:
    """Do a user's steps in a new window and keep what it looks like."""
    get_settings().appearance.theme = shot.theme
    viewer = napari.Viewer(title="napari")
    viewer.window.resize(*shot.size)
    if shot.real:
        (path,) = images.glob(f"{shot.sample}*")
        viewer.open(path, name=SETS[shot.real])
    else:
        viewer.open_sample(PLUGIN, shot.sample)
    outer, dock = viewer.window.add_plugin_dock_widget(PLUGIN, DOCK)
    assert isinstance(dock, SegmentDock)
    viewer.window._qt_window.resizeDocks([outer], [WIDTH], _horizontal())
    wait(lambda: dock.idle)
    dock.segment.model.chosen.emit(shot.model)
    wait(lambda: dock.idle)
    if shot.diameter is not None:
        dock.segment.diameter.chosen.emit(shot.diameter)
    dock.segment.run.emit()
    work(dock)
    for name, value in shot.changes.items():
        form = dock.tune.form
        assert form is not None
        form.rows[name].changed.emit(name, value)
        form.rows[name].settled.emit()
        work(dock)
    for name in shot.views:
        dock.look.views._boxes[name][1].click()
        work(dock)
    for section in dock.findChildren(type(dock._tune_section)):
        if section.parent() is dock._tune_section.parent():
            section._button.setChecked(section._button.text() in shot.sections)
    viewer.reset_view()
    if shot.views:
        # outlines on top, the view below them, the image below both: all three are seen
        viewer.layers[-1].contour, viewer.layers[-1].opacity = 1, 1
        viewer.layers[-2].opacity = SEEN_THROUGH
    viewer.layers.selection.active = viewer.layers[-1]
    wait(lambda: dock.layers.idle)
    picture = viewer.screenshot(canvas_only=False, flash=False)
    viewer.close()
    path = folder / f"{shot.name}.png"
    Image.fromarray(np.asarray(picture)[..., :3]).save(path, optimize=True)
    return path


def work(dock: SegmentDock) -> None:
    """Wait until all that was asked for is on the screen."""
    wait(lambda: dock.idle and dock.explorer.idle and dock.layers.idle)


def _horizontal() -> Any:
    from qtpy.QtCore import Qt

    return Qt.Orientation.Horizontal


def main() -> None:
    """Make all pictures, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="only these pictures")
    for name in SETS:
        parser.add_argument(f"--{name}", type=Path, help="folder that holds images/")
    parser.add_argument("--out", type=Path, default=IMAGES)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for shot in SHOTS:
        place = getattr(options, shot.real) if shot.real else None
        if shot.real and not place:
            print(f"{shot.name}: needs --{shot.real}", flush=True)
        elif not options.names or shot.name in options.names:
            path = take(shot, place / "images" if place else None, options.out)
            print(f"{path.name}: {path.stat().st_size // 1024} kB", flush=True)


if __name__ == "__main__":
    main()
