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

from napari_instseg.data.samples import load_sample
from napari_instseg.widgets.dock import WIDTH, SegmentDock

SAMPLE, MODEL = "nuclei-crowded", "discriminative-nuclei"
SIZE = 1250, 820
ZOOM = 4.5
"""Pixels of the screen for a pixel of the sample."""


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
        wait(lambda: dock.idle)
        dock.segment.model.chosen.emit(MODEL)
        wait(lambda: dock.idle)
        dock.segment.run.emit()
        work(dock)
        for section in dock.findChildren(type(dock._tune_section)):
            if section.parent() is dock._tune_section.parent():
                section._button.setChecked(section._button.text() == "Correct")
        self.annotating, self.tools = dock.annotating, dock.corrector.tools
        self.layer = dock.layers.labels_layer(dock.session.state.results)
        viewer.layers.selection.active = self.layer
        self.truth = load_sample(SAMPLE)[1]
        self.camera = getattr(viewer, "scene", viewer).camera

    def joined(self) -> list[np.ndarray]:
        """Return the middles of two true nuclei that make up one object, the first such object of the image."""
        found = self.layer.data
        for label in np.unique(found[found > 0]):
            under, counts = np.unique(self.truth[found == label], return_counts=True)
            whole = [t for t, n in zip(under, counts, strict=True) if t and n > 0.7 * (self.truth == t).sum()]
            if len(whole) == 2 and counts[under > 0].sum() > 0.9 * counts.sum() and len(under) <= 3:
                return [np.argwhere(self.truth == t).mean(axis=0) for t in whole]
        raise LookupError("the model joined no two nuclei of the sample")

    def right(self, near: np.ndarray) -> dict[int, np.ndarray]:
        """Give ids and middles of objects that agree with the truth, the nearest to a place first."""
        found, middles = self.layer.data, {}
        for label in np.unique(found[found > 0]):
            own = found == label
            true = self.truth == np.bincount(self.truth[own]).argmax()
            if (own & true).sum() > 0.8 * (own | true).sum():
                middles[int(label)] = np.argwhere(own).mean(axis=0)
        return dict(sorted(middles.items(), key=lambda item: float(np.hypot(*(item[1] - near)))))

    def faultless(self, right: dict[int, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return two corners of a region around a right object in which every object is right."""
        found = self.layer.data
        for reach in (45, 38, 32, 26, 20):
            for middle in right.values():
                low, high = np.round(middle - reach).astype(int), np.round(middle + reach).astype(int)
                if (low < 0).any() or (high > found.shape).any():
                    continue
                box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
                missed = (self.truth[box] > 0) & ~np.isin(found[box], list(right))
                if set(np.unique(found[box]).tolist()) - {0} <= set(right) and missed.sum() < 0.02 * missed.size:
                    return low, high
        raise LookupError("there is no region of the sample in which every object is right")

    def look_at(self, place: np.ndarray) -> None:
        """Move the view to a place."""
        self.camera.zoom = ZOOM
        self.camera.center = tuple(place)
        wait(lambda: self.dock.idle)

    def take(self, name: str) -> None:
        """Keep what the window looks like."""
        wait(lambda: self.dock.layers.idle and self.dock.corrector.idle)
        picture = np.asarray(self.viewer.screenshot(canvas_only=False, flash=False))[..., :3]
        path = self.folder / f"{name}.png"
        Image.fromarray(picture).save(path, optimize=True)
        print(f"{path.name}: {path.stat().st_size // 1024} kB", flush=True)


def grow(studio: Studio) -> None:
    """What would grow from the pointer, in one of two nuclei that were taken for one."""
    first, second = studio.joined()
    studio.look_at((first + second) / 2)
    studio.tools.take("grow")
    studio.tools._show_growth(tuple(first))
    studio.take("correct-grow")
    studio.tools.put_down()


def split(studio: Studio) -> None:
    """A line from one nucleus to the other, and the two objects that it makes."""
    ends = studio.joined()
    studio.look_at((ends[0] + ends[1]) / 2)
    studio.tools.take("split")
    studio.tools._show_stroke([tuple(end) for end in ends])
    studio.take("correct-split-line")
    studio.tools._stroke([tuple(end) for end in ends])
    studio.tools.put_down()
    studio.take("correct-split")


def accept(studio: Studio) -> None:
    """Accepted objects, and a region in which every object is right."""
    right = studio.right(np.array(studio.layer.data.shape) / 2)
    low, high = studio.faultless(right)
    studio.look_at((low + high) / 2)
    for middle in list(studio.right((low + high) / 2).values())[:6]:
        studio.annotating.accept(tuple(middle))
    studio.annotating.mark([tuple(low), (low[0], high[1]), tuple(high), (high[0], low[1])])
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
