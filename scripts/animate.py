"""Make docs/images/tuning.gif: sliders of the real window are dragged, and the objects follow.

Needs a display, or `sh scripts/with_display.sh .venv/bin/python scripts/animate.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import napari
import numpy as np
from PIL import Image
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from screenshots import DOCK, IMAGES, PLUGIN, wait

from napari_instseg.core.scale import share_of
from napari_instseg.widgets.dock import SegmentDock
from napari_instseg.widgets.parameter_form import NumberRow

SAMPLE, MODEL = "nuclei", "discriminative-nuclei"
SIZE = (1060, 700)
"""Of the window, in pixels."""
WIDTH = 660
"""Of the picture, in pixels."""
COLORS = 160
FRAME_MS, PAUSE_MS = 200, 1400
LIMIT_BYTES = 1_500_000
DRAGS = (
    ("merge_alike", (0.35, 0.25, 0.15, 0.08, 0.0, 0.15, 0.3, 0.5, 0.7, 0.85, 1.0)),
    ("min_size", (0.36, 0.42, 0.48, 0.54, 0.48, 0.42, 0.36)),
)
"""Sliders, and the shares of their way that they are dragged to."""


def prepare() -> tuple[napari.Viewer, SegmentDock]:
    """Open the sample, run the model, and show the Tune section with its strips."""
    viewer = napari.Viewer(title="napari")
    viewer.window.resize(*SIZE)
    viewer.open_sample(PLUGIN, SAMPLE)
    _, dock = viewer.window.add_plugin_dock_widget(PLUGIN, DOCK)
    assert isinstance(dock, SegmentDock)
    for panel in (viewer.window._qt_viewer.dockLayerList, viewer.window._qt_viewer.dockLayerControls):
        panel.hide()
    wait(lambda: dock.idle)
    dock.segment.model.chosen.emit(MODEL)
    dock.segment.run.emit()
    wait(lambda: dock.idle and dock.layers.idle)
    for section in dock.findChildren(type(dock._tune_section)):
        if section.parent() is dock._tune_section.parent():
            section._button.setChecked(section is dock._tune_section)
    viewer.reset_view()
    wait(lambda: dock.idle and dock.layers.idle and dock.tuner.idle)
    return viewer, dock


def film(viewer: napari.Viewer, dock: SegmentDock) -> tuple[list[Any], list[int]]:
    """Drag the sliders; give a picture and its duration in milliseconds at each step."""
    frames, durations = [picture(viewer)], [PAUSE_MS]
    for name, shares in DRAGS:
        row = dock.tune.form.rows[name] if dock.tune.form is not None else None
        assert isinstance(row, NumberRow)
        for share in shares:
            row.slider.setSliderDown(True)
            row.slider.setSliderPosition(round(share * row.slider.maximum()))
            wait(lambda: dock.idle)
            frames.append(picture(viewer))
            durations.append(FRAME_MS)
        row.slider.setSliderDown(False)
        wait(lambda: dock.idle and dock.layers.idle and dock.tuner.idle)
        own = share_of(row.parameter, getattr(dock.tuning.own, name))
        first, last = row.strip.strip.stable or (own, own)
        if not first <= own <= last:
            first = last = own
        place = QPoint(round(row.strip.x_at((first + last) / 2)), row.strip.height() // 2)
        QTest.mouseClick(row.strip, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
        wait(lambda: dock.idle and dock.layers.idle and dock.tuner.idle)
        frames.append(picture(viewer))
        durations.append(PAUSE_MS)
    return frames, durations


def picture(viewer: napari.Viewer) -> Image.Image:
    """Take the window as it is, at the size of the film."""
    shot = Image.fromarray(np.asarray(viewer.screenshot(canvas_only=False, flash=False))[..., :3])
    return shot.resize((WIDTH, round(shot.height * WIDTH / shot.width)), Image.Resampling.LANCZOS)


def write(frames: Sequence[Any], durations: Sequence[int], path: Path) -> None:
    """Write the film with one palette for all frames, so that what does not move takes no room."""
    sheet = Image.new("RGB", (frames[0].width, frames[0].height * len(frames)))
    for place, frame in enumerate(frames):
        sheet.paste(frame, (0, place * frame.height))
    palette = sheet.quantize(COLORS, method=Image.Quantize.MEDIANCUT)
    flat = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    flat[0].save(path, save_all=True, append_images=flat[1:], duration=list(durations), loop=0, optimize=False)


def main() -> None:
    """Make the film."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=IMAGES / "tuning.gif")
    options = parser.parse_args()
    viewer, dock = prepare()
    frames, durations = film(viewer, dock)
    dock.stop()
    viewer.close()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    write(frames, durations, options.out)
    size = options.out.stat().st_size
    print(f"{options.out.name}: {len(frames)} frames, {size // 1000} kB")
    if size > LIMIT_BYTES:
        raise SystemExit(f"It is larger than {LIMIT_BYTES // 1000} kB: use fewer frames or colours.")


if __name__ == "__main__":
    main()
