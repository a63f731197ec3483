"""Make the pictures of docs/inspect.md: every inspect layer, the lens, the plot with a lasso, the list with reasons.

Needs a display, or `sh scripts/with_display.sh .venv/bin/python scripts/inspect_pictures.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from PIL import Image
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtTest import QTest
from screenshots import DOCK, IMAGES, PLUGIN, WIDTH, SegmentDock, _horizontal, wait, work

SIZE = (1300, 1000)
"""Width and height of the window in pixels."""
TILE = 300
"""Side of one picture in the sheet of layers."""
Open = tuple[napari.Viewer, SegmentDock]


def open_and_run(sample: str, model: str, **changes: Any) -> Open:
    """Open a sample, segment it with a shipped model, and leave only the Look section open."""
    viewer = napari.Viewer(title="napari")
    viewer.window.resize(*SIZE)
    viewer.open_sample(PLUGIN, sample)
    outer, dock = viewer.window.add_plugin_dock_widget(PLUGIN, DOCK)
    assert isinstance(dock, SegmentDock)
    viewer.window._qt_window.resizeDocks([outer], [WIDTH], _horizontal())
    wait(lambda: dock.idle)
    dock.segment.model.chosen.emit(model)
    wait(lambda: dock.idle)
    dock.segment.run.emit()
    work(dock)
    for name, value in changes.items():
        form = dock.tune.form
        assert form is not None
        form.rows[name].changed.emit(name, value)
        work(dock)
    for section in dock.findChildren(type(dock._tune_section)):
        if section.parent() is dock._tune_section.parent():
            section._button.setChecked(section._button.text() == "Look")
    viewer.layers[-1].contour = 1
    viewer.layers[-1].opacity = 1
    viewer.reset_view()
    wait(lambda: True)
    return viewer, dock


def on_canvas(viewer: napari.Viewer, pixel: tuple[int, ...]) -> QPoint:
    """Return the place of a pixel on the canvas."""
    layer = viewer.layers[0]
    world = np.asarray(layer.data_to_world(pixel))[-2:]
    camera, canvas = viewer.scene.camera, viewer.window._qt_viewer.canvas.native
    y, x = (world - np.asarray(camera.center)[-2:]) * camera.zoom + np.array([canvas.height(), canvas.width()]) / 2
    return QPoint(round(x), round(y))


def point_at(viewer: napari.Viewer, pixel: tuple[int, ...], *, click: bool = False) -> None:
    """Move the mouse over a pixel of the image, and click there."""
    canvas, place = viewer.window._qt_viewer.canvas.native, on_canvas(viewer, pixel)
    QTest.mouseMove(canvas, place)
    wait(lambda: True)
    if click:
        QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, place)
        wait(lambda: True)


def middle_of(dock: SegmentDock, label: int) -> tuple[int, ...]:
    """Return the pixel of an object that lies deepest in it."""
    from scipy import ndimage

    results = dock.session.state.results
    assert results is not None
    depth = ndimage.distance_transform_edt(results.slices[()].labels == label)
    return tuple(int(at) for at in np.unravel_index(depth.argmax(), depth.shape))


def save(viewer: napari.Viewer, path: Path) -> Path:
    """Keep what the window looks like."""
    picture = viewer.screenshot(canvas_only=False, flash=False)
    Image.fromarray(np.asarray(picture)[..., :3]).quantize(256).save(path, optimize=True)
    return path


def layers(viewer: napari.Viewer, dock: SegmentDock, folder: Path, name: str) -> Path:
    """Show each view by itself, one after the other, as tiles of one sheet."""
    from PIL import ImageDraw

    tiles = []
    for view, box in list(dock.look.views._boxes.values()):
        if not box.isEnabled():
            continue
        box.click()
        work(dock)
        made = dock.layers.find(dock.session.state.results, view)
        assert made is not None, view.name
        made.opacity = 0.9
        tile = Image.fromarray(np.asarray(viewer.screenshot(canvas_only=True, flash=False))[..., :3])
        side = min(tile.size)
        left, top = (tile.width - side) // 2, (tile.height - side) // 2
        tile = tile.crop((left, top, left + side, top + side)).resize((TILE, TILE))
        ImageDraw.Draw(tile).text((8, 6), view.title, fill="white", font_size=16, stroke_width=2, stroke_fill="black")
        tiles.append(tile)
        box.click()
        work(dock)
    columns = 3
    sheet = Image.new("RGB", (columns * TILE, -(-len(tiles) // columns) * TILE))
    for place, tile in enumerate(tiles):
        sheet.paste(tile, (place % columns * TILE, place // columns * TILE))
    path = folder / f"inspect-layers-{name}.png"
    sheet.quantize(256).save(path, optimize=True)
    return path


def colors(viewer: napari.Viewer, dock: SegmentDock, folder: Path, name: str) -> Path:
    """Show each view of a colouring, with an object selected, so that its halo is there too."""
    dock.explorer.select(neighbours(dock)[0])
    work(dock)
    return layers(viewer, dock, folder, name)


def lens(viewer: napari.Viewer, dock: SegmentDock, folder: Path, name: str) -> Path:
    """Hold one pixel, then click one in a neighbouring object."""
    dock.look.lens.toggle()
    near, far = neighbours(dock)
    viewer.scene.camera.zoom *= 2
    viewer.scene.camera.center = tuple(float(at) for at in viewer.layers[0].data_to_world(middle_of(dock, near)))
    wait(lambda: True)
    point_at(viewer, middle_of(dock, near), click=True)
    point_at(viewer, middle_of(dock, far), click=True)
    work(dock)
    return save(viewer, folder / f"inspect-lens-{name}.png")


def neighbours(dock: SegmentDock) -> tuple[int, int]:
    """Return two objects near the middle that touch each other."""
    from napari_instseg.decoding.components import find_contacts

    results = dock.session.state.results
    assert results is not None
    labels = results.slices[()].labels
    lower, higher, faces = find_contacts(labels)
    middle = [np.hypot(*(np.array(middle_of(dock, int(label))) - np.array(labels.shape) / 2)) for label in lower]
    best = np.where(np.array(middle) < min(labels.shape) / 4, faces, 0).argmax()
    return int(lower[best]), int(higher[best])


def why(viewer: napari.Viewer, dock: SegmentDock, folder: Path, name: str) -> Path:
    """Go to the fourth of the least certain objects."""
    dock.look.why_section.open()
    work(dock)
    for _ in range(4):
        dock.explorer.step(1)
        work(dock)
    return save(viewer, folder / f"inspect-why-{name}.png")


def plot(viewer: napari.Viewer, dock: SegmentDock, folder: Path, name: str) -> Path:
    """Draw a lasso around the densest heap."""
    dock.look.plot_section.open()
    work(dock)
    canvas = dock.look.plot.canvas
    made = dock.explorer._plot
    assert made is not None
    cells = made.cells_of(made.labels == neighbours(dock)[0])
    row, column = (float(np.median(places)) for places in np.nonzero(cells))
    ring = [(row + 16 * np.sin(a), column + 16 * np.cos(a)) for a in np.linspace(0, 6, 24)]
    points = [canvas._from_cell(place) for place in ring]
    drag(canvas, points)
    work(dock)
    return save(viewer, folder / f"inspect-plot-{name}.png")


def show(dock: SegmentDock, *names: str) -> None:
    """Tick views by their names, the last on top."""
    for name in names:
        dock.look.views._boxes[name][1].click()
        work(dock)


def arrows(viewer: napari.Viewer, dock: SegmentDock, folder: Path, name: str) -> Path:
    """Show where pixels point, near the middle of the image."""
    show(dock, "arrows")
    viewer.scene.camera.zoom *= 2
    wait(lambda: True)
    return save(viewer, folder / f"inspect-displacements-{name}.png")


def seeds(viewer: napari.Viewer, dock: SegmentDock, folder: Path, name: str) -> Path:
    """Show the pixels that objects were grown from, and how good a seed each pixel was thought to be."""
    show(dock, "foreground", "seeds")
    viewer.scene.camera.zoom *= 1.5
    wait(lambda: True)
    return save(viewer, folder / f"inspect-seeds-{name}.png")


def strips(viewer: napari.Viewer, dock: SegmentDock, folder: Path, name: str) -> Path:
    """Show the sliders with the number of objects along each."""
    for section in dock.findChildren(type(dock._tune_section)):
        if section.parent() is dock._tune_section.parent():
            section._button.setChecked(section is dock._tune_section)
    wait(lambda: dock.tuner.idle)
    work(dock)
    return save(viewer, folder / f"tuning-{name}.png")


def drag(widget: Any, points: list[QPointF]) -> None:
    """Draw with the left button held."""
    places = [point.toPoint() for point in points]
    QTest.mousePress(widget, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, places[0])
    for place in places[1:]:
        QTest.mouseMove(widget, place)
        wait(lambda: True) if place == places[-1] else None
    QTest.mouseRelease(widget, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, places[-1])


Steps = Callable[[napari.Viewer, SegmentDock, Path, str], Path]
GROWTH = {"clusterer": "seeded growth", "n_seeds": 150, "similarity": 0.2}
"""Half the distance at which this model puts objects apart is a similarity of about .2."""

SCENES: dict[str, tuple[str, str, dict[str, Any], tuple[Steps, ...]]] = {
    "embedding": ("nuclei-crowded", "discriminative-nuclei", {}, (lens, why, plot, layers)),
    "colors": ("nuclei-crowded", "coloring-nuclei", {}, (lens, colors)),
    "places": ("nuclei-crowded", "semiconv-nuclei", {}, (arrows,)),
    "growth": ("nuclei-crowded", "discriminative-nuclei", GROWTH, (seeds,)),
    "strips": ("nuclei-crowded", "discriminative-nuclei", {}, (strips,)),
}
"""For each name: sample, model, changes under Tune, and what is done."""


def tidy(viewer: napari.Viewer, dock: SegmentDock) -> None:
    """Fold what a step unfolded, and remove what it added."""
    look = dock.look
    if look.lens.on:
        look.lens.toggle()
    look.plot.canvas.lassoed.emit(None)
    dock.explorer.select(0)
    for section in (look.why_section, look.plot_section):
        section._button.setChecked(False)
    viewer.reset_view()
    work(dock)


def main() -> None:
    """Make all pictures, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("names", nargs="*", help=f"only these: {', '.join(SCENES)}")
    parser.add_argument("--out", type=Path, default=IMAGES)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name, (sample, model, changes, steps) in SCENES.items():
        if options.names and name not in options.names:
            continue
        viewer, dock = open_and_run(sample, model, **changes)
        for step in steps:
            path = step(viewer, dock, options.out, name)
            print(f"{path.name}: {path.stat().st_size // 1024} kB", flush=True)
            tidy(viewer, dock)
        viewer.close()


if __name__ == "__main__":
    main()
