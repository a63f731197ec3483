"""Make the pictures of docs/correct.md: the tools of the Correct section on a sample, with a shipped model.

Needs a display, or `sh scripts/with_display.sh .venv/bin/python scripts/pictures_correct.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
from PIL import Image
from screenshots import DOCK, IMAGES, PLUGIN, _horizontal, wait, work

from napari_instseg.widgets.camera import look_at
from napari_instseg.widgets.dock import WIDTH, SegmentDock

SAMPLE, MODEL = "nuclei-crowded", "discriminative-nuclei"
SIZE = 1250, 820
SEEN_PX = 18
"""Side of what is taken for an object when the view moves, in pixels."""


class Studio:
    """A window after a run, of which pictures are taken."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.viewer = viewer = napari.Viewer(title="napari")
        viewer.window.resize(*SIZE)
        viewer.open_sample(PLUGIN, SAMPLE)
        outer, dock = viewer.window.add_plugin_dock_widget(PLUGIN, DOCK)
        assert isinstance(dock, SegmentDock)
        self.dock = dock
        viewer.window._qt_window.resizeDocks([outer], [WIDTH], _horizontal())
        wait(lambda: dock.controller.idle)
        dock.segment.model.chosen.emit(MODEL)
        wait(lambda: dock.controller.idle)
        dock.segment.run.emit()
        work(dock)
        for section in dock.findChildren(type(dock._tune_section)):
            if section.parent() is dock._tune_section.parent():
                section._button.setChecked(section._button.text() == "Correct")
        self.correcting, self.tools = dock.corrector.correcting, dock.corrector.tools
        self.layer = dock.layers.labels_layer(dock.controller.results)
        viewer.layers.selection.active = self.layer

    def by_size(self) -> list[tuple[int, np.ndarray]]:
        """Give ids and middles of the objects, the largest first, those at the border left out."""
        table = self.dock.controller.results.table()
        height, width = self.layer.data.shape
        inside = table[
            (table.y_min > 40) & (table.x_min > 40) & (table.y_max < height - 40) & (table.x_max < width - 40)
        ]
        rows = inside.sort_values("area", ascending=False)
        return [(int(row.label), np.array([row.centroid_y, row.centroid_x])) for row in rows.itertuples()]

    def look_at(self, place: np.ndarray, side: float = SEEN_PX) -> None:
        """Move the view to a place."""
        look_at(self.viewer, self.layer, place, side)
        wait(lambda: self.dock.controller.idle)

    def take(self, name: str) -> None:
        """Keep what the window looks like."""
        wait(lambda: self.dock.layers.idle and self.dock.corrector.idle)
        picture = np.asarray(self.viewer.screenshot(canvas_only=False, flash=False))[..., :3]
        path = self.folder / f"{name}.png"
        Image.fromarray(picture).quantize(128).save(path, optimize=True)
        print(f"{path.name}: {path.stat().st_size // 1024} kB", flush=True)


def grow(studio: Studio) -> None:
    """What would grow from the pointer, in an object that two nuclei make up."""
    _, middle = studio.by_size()[0]
    studio.look_at(middle)
    studio.tools.take("grow")
    studio.tools._show_growth((middle[0], middle[1] + 6))
    studio.take("correct-grow")
    studio.tools.put_down()


def split(studio: Studio) -> None:
    """A line across the largest object, and the two that it makes."""
    label, middle = studio.by_size()[0]
    studio.look_at(middle)
    inside = np.argwhere(studio.layer.data == label)
    along = np.linalg.svd(inside - inside.mean(axis=0), full_matrices=False)[2][0]
    reach = np.abs((inside - middle) @ along).max() / 2
    ends = [tuple(middle - along * reach), tuple(middle + along * reach)]
    studio.tools.take("split")
    studio.tools._show_stroke(ends)
    studio.take("correct-split-line")
    studio.tools._stroke(ends)
    studio.tools.put_down()
    studio.take("correct-split")


def accept(studio: Studio) -> None:
    """Accepted objects, and a region in which every object is right."""
    objects = studio.by_size()
    center = np.array(studio.layer.data.shape) / 2
    studio.look_at(center, 40)
    near = sorted(objects, key=lambda each: float(np.abs(each[1] - center).max()))[:12]
    for _label, middle in near[::2]:
        studio.correcting.accept(tuple(middle))
    low, high = center - np.array([60, 120]), center + np.array([20, -40])
    studio.correcting.mark([tuple(low), (low[0], high[1]), tuple(high), (high[0], low[1])])
    studio.take("correct-known")


def doubtful(studio: Studio) -> None:
    """The most doubtful object, found by Next."""
    studio.dock.corrector._asked("next")
    studio.take("correct-next")


PICTURES: tuple[Callable[[Studio], None], ...] = (grow, split, accept, doubtful)


def main() -> None:
    """Make all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=IMAGES)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    studio = Studio(options.out)
    for picture in PICTURES:
        picture(studio)
    studio.viewer.close()


if __name__ == "__main__":
    main()
