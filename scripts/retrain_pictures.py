"""Make the pictures of docs/retrain.md: a user's whole loop on a real image, from the first run to a kept model.

Needs a display, or `sh scripts/with_display.sh .venv/bin/python scripts/retrain_pictures.py`. The image is
scikit-image's coins; what the user draws around is found by a watershed of its edges.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.settings import get_settings
from PIL import Image
from qtpy.QtWidgets import QApplication, QScrollArea, QWidget
from screenshots import DOCK, IMAGES, PLUGIN, wait
from skimage import filters, measure, segmentation

from napari_instseg.projects.retraining import Length
from napari_instseg.widgets.dock import WIDTH, SegmentDock

MODEL, DIAMETER = "discriminative-cells", 50
"""A model of another kind of image, which does badly on coins, and the size of a coin in pixels."""
CORRECTED = 0.75
"""Part of the image, from the top, in which the user sets all right: three of the four rows of coins."""
SIZE = (1250, 900)


def true_coins(image: np.ndarray) -> np.ndarray:
    """Return the coins of `skimage.data.coins`."""
    markers = np.zeros_like(image, dtype=np.int32)
    markers[image < 30], markers[image > 150] = 1, 2
    inside = segmentation.watershed(filters.sobel(image), markers) == 2
    labels = measure.label(inside)
    sizes = np.bincount(labels.ravel())
    labels[np.isin(labels, np.flatnonzero(sizes < 500))] = 0
    return labels


class Tutorial:
    """The window, and the steps of the tutorial in it; without a folder for them, no pictures are taken."""

    def __init__(self, out: Path | None) -> None:
        get_settings().appearance.theme = "dark"
        self.out = out
        self.viewer = napari.Viewer(title="napari")
        self.viewer.window.resize(*SIZE)
        self.viewer.open_sample(PLUGIN, "coins")
        outer, dock = self.viewer.window.add_plugin_dock_widget(PLUGIN, DOCK)
        assert isinstance(dock, SegmentDock)
        self.dock: SegmentDock = dock
        self._outer = outer
        self._fit()
        self._wait()

    def prepare(self, project: Path) -> None:
        """Find the objects, make a project and correct some."""
        dock = self.dock
        dock.segment.model.chosen.emit(MODEL)
        dock.segment.diameter.chosen.emit(DIAMETER)
        dock.segment.run.emit()
        self._wait()
        self._take("retrain-1-run", "Segment")
        dock.retrain.project.made.emit(project)
        self._correct()
        self._take("retrain-2-corrected", "Correct")

    def run(self, project: Path, steps: int) -> None:
        """Do all steps and take a picture after each."""
        self.prepare(project)
        dock, section = self.dock, self.dock.retrain
        section.set_length(Length(steps, None))
        section._start.click()
        retraining = dock.retrainer.retraining
        wait(lambda: retraining.step >= steps * 2 // 3 or retraining.state == "to judge")
        self._take("retrain-3-learning", "Retrain")
        wait(lambda: retraining.state == "to judge" and dock.retrainer.idle)
        print(retraining.version.words, flush=True)
        self._take("retrain-4-judge", "Retrain", last=section._back)
        section._keep.click()
        self._wait()
        self._take("retrain-5-kept", "Segment", "Retrain")
        self.close()

    def close(self) -> None:
        """Close the window and all that belongs to it."""
        self.dock.retrainer.release()
        self.viewer.close()

    def _correct(self) -> None:
        image = np.asarray(self.viewer.layers[0].data)
        truth = true_coins(image)
        annotating = self.dock.annotating
        border = round(CORRECTED * len(image))
        for label in np.unique(annotating.annotation.labels[:border]):
            if label:
                annotating.delete(tuple(np.argwhere(annotating.annotation.labels == label)[0]))
        for label in np.unique(truth[:border]):
            if label:
                outline = measure.find_contours(np.pad(truth == label, 1), 0.5)[0] - 1
                annotating.draw([tuple(point) for point in outline[::3]])
        right = image.shape[1] - 1
        annotating.mark([(0, 0), (0, right), (border, right), (border, 0)])
        self._wait()

    def _wait(self) -> None:
        dock = self.dock
        wait(lambda: dock.idle and dock.retrainer.idle)

    def _fit(self) -> None:
        from qtpy.QtCore import Qt

        self.viewer.window._qt_window.resizeDocks([self._outer], [WIDTH], Qt.Orientation.Horizontal)

    def _take(self, name: str, *sections: str, last: QWidget | None = None) -> None:
        """Unfold sections, scroll so far that a widget is seen, and take a picture."""
        if self.out is None:
            return
        dock: Any = self.dock
        for section in dock.findChildren(type(dock._retrain_section)):
            if section.parent() is dock._retrain_section.parent():
                section._button.setChecked(section._button.text() in sections)
        self.viewer.reset_view()
        for _ in range(20):
            QApplication.processEvents()
        for area in dock.findChildren(QScrollArea) if last is not None else ():
            if area.isAncestorOf(last):
                area.ensureWidgetVisible(last)
                QApplication.processEvents()
        picture = self.viewer.screenshot(canvas_only=False, flash=False)
        path = self.out / f"{name}.png"
        Image.fromarray(np.asarray(picture)[..., :3]).quantize(256, kmeans=1).save(path, optimize=True)
        print(f"{path.name}: {path.stat().st_size // 1024} kB", flush=True)


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=IMAGES)
    parser.add_argument("--steps", type=int, default=60)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        Path.home = lambda: Path(place).resolve()  # type: ignore[method-assign]  # so that it is ~/coins project
        Tutorial(options.out).run(Path(place) / "coins project", options.steps)


if __name__ == "__main__":
    main()
