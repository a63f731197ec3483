"""A look inside, in a real viewer: the mouse over the canvas, the list, the plot; with outputs made by hand."""

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtWidgets import QCheckBox

from napari_instseg.inference.prediction import Prediction
from napari_instseg.session.results import Results
from napari_instseg.session.source import take_plane

from ...work import count_calls

A, A2, B, C = (15, 15), (22, 20), (15, 55), (15, 95)
"""Two pixels of the first square, one of the second, which is a little like it, one of the third, which is not."""


def outputs_of(shape=(60, 120)):
    """Three squares, 0.5 and 6 apart in the embedding, and three of one colour and another below them."""
    embedding = np.random.default_rng(0).normal(0, 0.02, (3, *shape)).astype(np.float32)
    foreground = np.zeros(shape, np.float32)
    colors = np.full((4, *shape), 0.02, np.float32)
    colors[0] = 0.94
    for place, (value, color) in enumerate(((0.0, 1), (0.5, 2), (6.0, 1))):
        part = (slice(5, 25), slice(5 + 40 * place, 25 + 40 * place))
        embedding[(0, *part)] += value
        foreground[part] = 0.9 - 0.1 * place
        colors[(slice(None), *part)] = 0.05
        colors[(color, *part)] = 0.85
    return {"discriminative": {"embedding": embedding, "foreground": foreground}, "coloring": {"colors": colors}}


@pytest.fixture
def looked(window):
    """The window as after a run of a method, whose network said what is given; no network runs."""

    def look(method="discriminative", slices=1, **parameters):
        parameters = {"min_size": 10, "fill_holes": False, **parameters}
        image = np.random.default_rng(1).random((60, 120)).astype(np.float32)
        image = image if slices == 1 else np.stack([image] * slices)
        scale = (4, 0.5, 0.5)[-image.ndim :]
        window.viewer.add_image(image, name="cells", scale=scale, units=["um"] * image.ndim)
        window.viewer.window.resize(1300, 1000)
        window.viewer.window.show()  # a hidden canvas gets no mouse events
        window.dock.look.parentWidget().open()
        window.dock.segment.model.chosen.emit(f"{method}-nuclei")
        session, state = window.session, window.state
        session.update(parameters=state.parameters.changed(**parameters))
        results, parameters = (
            Results(state.source, state.reading, state.spec, model=state.model),
            session.state.parameters,
        )
        session.update(results=results)
        for index in [()] if slices == 1 else [(n,) for n in range(slices)]:
            assert take_plane(state.source, state.reading, index)[0].shape == (60, 120)
            prediction = Prediction(method, outputs_of()[method])
            proposal = results.propose(index, prediction.pipeline.run(parameters), parameters)
            results = session.take(results, proposal, prediction)
        window.wait()
        window.viewer.reset_view()
        window.qtbot.wait(150)
        return window

    return look


def on_canvas(window, pixel):
    """The place of a pixel of the image on the canvas, and the canvas."""
    viewer = window.viewer
    world = np.asarray(viewer.layers["cells"].data_to_world((0,) * (viewer.dims.ndim - 2) + tuple(pixel)))[-2:]
    camera, canvas = getattr(viewer, "scene", viewer).camera, viewer.window._qt_viewer.canvas.native
    y, x = (world - np.asarray(camera.center)[-2:]) * camera.zoom + np.array([canvas.height(), canvas.width()]) / 2
    return canvas, QPoint(round(x), round(y))


def hover(window, pixel):
    canvas, place = on_canvas(window, pixel)
    window.point(canvas, place + QPoint(1, 1))
    window.qtbot.wait(30)
    window.point(canvas, place)
    window.qtbot.wait(60)
    window.wait()


def click(window, pixel):
    hover(window, pixel)
    canvas, place = on_canvas(window, pixel)
    window.qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=place)
    window.qtbot.wait(60)
    window.wait()


def object_at(window, pixel, index=()):
    return int(window.state.results.slices[index].labels[pixel])


def words(window):
    return window.dock.look.lens._words.text()


def test_another_clusterer_has_other_views_to_see(looked):
    window = looked(bandwidth=1.0)
    box = window.dock.look.views._boxes["seeds"][1]
    assert not box.isEnabled()
    window.dock.tuning.change(clusterer="seeded growth")
    window.wait()
    window.qtbot.waitUntil(box.isEnabled)


def test_the_lens_follows_the_mouse_and_compares_two_clicked_pixels(looked):
    window = looked(bandwidth=1.0)
    layers = window.viewer.layers
    active = layers.selection.active
    window.dock.look.lens.toggle()
    hover(window, A)
    lens = layers["cells lens"]
    assert lens.data[A] == 100
    assert lens.data[A2] >= 99
    assert 80 < lens.data[B] < 95
    assert lens.data[C] == lens.data[0, 0] == 0
    np.testing.assert_allclose(lens.scale, layers["cells"].scale)
    assert lens.units == layers["cells"].units
    assert f"in object {object_at(window, A)}" in words(window)
    hover(window, C)
    assert layers["cells lens"] is lens, "the layer is refreshed, not made again"
    assert lens.data[C] == 100
    assert lens.data[A] == 0
    click(window, A)
    hover(window, C)
    assert lens.data[A] == 100, "the pixel is held"
    assert "different objects" in words(window)
    click(window, A2)
    assert "bandwidth 1: same object" in words(window)
    np.testing.assert_array_equal(layers["cells lens points"].data, [A, A2])
    np.testing.assert_allclose(layers["cells lens points"].scale, layers["cells"].scale)
    click(window, B)
    assert "cells lens points" not in layers, "a third click lets go"
    assert layers.selection.active is active
    window.dock.look.lens.toggle()
    window.wait()
    assert "cells lens" not in layers
    hover(window, A)
    assert "cells lens" not in layers


def test_the_lens_follows_the_parameters_and_the_colours(looked):
    window = looked("coloring")
    window.dock.look.lens.toggle()
    click(window, A)
    click(window, C)
    assert "Same colour with probability 0.73: alike, yet different objects" in words(window)
    assert "do not touch" in words(window)
    assert window.viewer.layers["cells lens"].data[C] == pytest.approx(73, abs=1)
    window.dock.look.lens.toggle()


def test_dragging_pans_and_painting_paints_while_the_lens_is_on(looked):
    window = looked()
    window.dock.look.lens.toggle()
    canvas, place = on_canvas(window, A)
    window.qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=place)
    for step in range(10, 60, 10):
        window.point(canvas, place + QPoint(step, 0))
        window.qtbot.wait(10)
    window.qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=place + QPoint(50, 0))
    assert window.dock.explorer.lens._pins == []
    labels = window.labels("cells")
    window.viewer.layers.selection.active = labels
    labels.mode = "paint"
    click(window, A)
    assert window.dock.explorer.lens._pins == []
    labels.mode = "pan_zoom"


def test_a_clicked_object_is_outlined_and_explained(looked):
    window = looked(bandwidth=1.0)
    look = window.dock.look
    click(window, A)
    assert "cells selected object" not in window.viewer.layers, "nobody asked about it"
    look.why_section.open()
    window.wait()
    click(window, A)
    label = object_at(window, A)
    assert window.dock.explorer.selected == label
    assert window.labels("cells").selected_label == label
    outline = window.viewer.layers["cells selected object"]
    assert outline.data.sum() == 400
    np.testing.assert_allclose(outline.translate, (1.5, 1.5))  # two pixels around the object, half a um each
    reason = look.why._reason.text()
    assert f"Object {label}: 400 px (100 µm²)" in reason
    assert f"Nearest in the embedding: object {object_at(window, B)}, 0.5 away" in reason
    assert "Foreground threshold above" in reason
    assert "vanishes" in reason
    window.labels("cells").selected_label = object_at(window, C)
    window.wait()
    assert f"Object {object_at(window, C)}:" in look.why._reason.text()
    assert window.viewer.layers["cells selected object"] is outline
    click(window, (45, 60))
    assert "cells selected object" not in window.viewer.layers


def test_the_list_goes_from_the_least_certain_object_on_and_moves_the_view(looked):
    window = looked(slices=3)
    why = window.dock.look.why
    window.dock.explorer.step(1)
    window.wait()
    table = why.table
    assert table.rowCount() == 9
    scores = [float(table.data(table.index(row, 1))) for row in range(9)]
    assert scores == sorted(scores)
    seen = []
    for _ in range(9):
        why._next.click()
        window.qtbot.wait(150)
        window.wait()
        index = window.state.index
        label = window.dock.explorer.selected
        mask = window.state.results.slices[index].labels == label
        seen.append(label)
        centre = np.array(np.nonzero(mask)).mean(axis=1) * 0.5
        camera = getattr(window.viewer, "scene", window.viewer).camera
        np.testing.assert_allclose(np.asarray(camera.center)[-2:], centre, atol=0.3)
        outline = window.viewer.layers["cells selected object"]
        assert outline.translate[0] == 4 * index[0]
    assert len(set(seen)) == 9
    why._previous.click()
    assert window.dock.explorer.selected == seen[-2]
    table.sort(2, Qt.SortOrder.DescendingOrder)
    areas = [int(table.data(table.index(row, 2))) for row in range(9)]
    assert areas == sorted(areas, reverse=True)


def test_five_thousand_objects_are_listed_without_a_view_for_each(qtbot):
    from qtpy.QtWidgets import QWidget

    from napari_instseg.inspecting.why import Listed
    from napari_instseg.widgets.inspecting.object_list import WhyPart

    part, work = WhyPart(), {}
    qtbot.addWidget(part)
    part.show()
    for count in (50, 5000):
        rng = np.random.default_rng(0)
        listed = Listed(np.arange(1, count + 1), rng.random(count), rng.integers(1, 999, count), rng.random((count, 2)))

        def look(listed=listed):
            part.show_objects(listed, 7)
            for _ in range(10):
                part.step(1)
            part.table.sort(2)

        work[count] = count_calls(look), len(part.findChildren(QWidget))
    assert work[5000][1] == work[50][1]
    assert work[5000][0] < 20 * work[50][0]
    assert part.table.label_at(0) == listed.label[listed.area.argmin()]


def drag(window, canvas, corners):
    points = [canvas._from_cell(corner).toPoint() for corner in corners]
    window.qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=points[0])
    for point in points[1:]:
        window.qtbot.mouseMove(canvas, point)
        window.qtbot.wait(5)
    window.qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=points[-1])
    window.wait()


def test_a_lasso_in_the_plot_finds_its_pixels_in_the_image_and_the_other_way_round(looked):
    window = looked()
    look, explorer = window.dock.look, window.dock.explorer
    look.plot_section.open()
    window.wait()
    canvas, plot = look.plot.canvas, explorer._plot
    labels = window.state.results.slices[()].labels
    own = labels == labels[C]
    rows, columns = np.nonzero(plot.cells_of(own))
    low, high = np.array([rows.min(), columns.min()]) - 4, np.array([rows.max(), columns.max()]) + 4
    drag(window, canvas, [low, (low[0], high[1]), high, (high[0], low[1]), low])
    lasso = window.viewer.layers["cells lasso"]
    np.testing.assert_array_equal(lasso.data, own)
    np.testing.assert_allclose(lasso.scale, (0.5, 0.5))
    assert look.plot._note.text() == f"400 pixels in 1 object: {labels[C]}."
    drag(window, canvas, [(5.0, 5.0)])
    assert "cells lasso" not in window.viewer.layers
    click(window, C)
    np.testing.assert_array_equal(canvas._lit, plot.cells_of(own))
    # zoomed in on the first square, only its heap is lit
    explorer.select(0)
    look.plot._in_view.click()
    camera = getattr(window.viewer, "scene", window.viewer).camera
    camera.center, camera.zoom = (7.5, 7.5), 60
    window.qtbot.wait(200)
    first = plot.cells_of(labels == labels[A])
    assert canvas._lit[first].any()
    assert not canvas._lit[plot.cells_of(own)].any()
    projection = look.plot._projection
    projection.activated.emit(projection.findText("Two random directions"))
    window.wait()
    assert explorer._plot.projection == "random"


def test_the_plot_has_the_colours_of_the_objects(looked):
    window = looked()
    window.dock.look.plot_section.open()
    window.wait()
    plot, canvas = window.dock.explorer._plot, window.dock.look.plot.canvas
    labels = window.state.results.slices[()].labels
    color = window.labels("cells").colormap.map(np.array([labels[C]]))[0][:3]
    row, column = plot.place(C)
    shown = canvas._picture[row, column].astype(float)
    np.testing.assert_allclose(shown / shown.max(), color / color.max(), atol=0.03)
    window.qtbot.wait(50)
    place = canvas._from_cell((row, column))
    painted = canvas.grab().toImage().pixelColor((place * canvas.devicePixelRatioF()).toPoint())
    assert painted.red() + painted.green() + painted.blue() > 60
    assert canvas._to_cells(QPointF(place)) == pytest.approx((row, column))


def test_the_halo_follows_the_selection(looked):
    window = looked("coloring")
    views = window.dock.look.views
    box = views._boxes["halo"][1]
    assert not box.isEnabled()
    assert "Select an object first" in box.toolTip()
    window.dock.look.why_section.open()
    click(window, A)
    assert box.isEnabled()
    box.click()
    window.wait()
    halo = window.viewer.layers["cells halo of the selected object"]
    np.testing.assert_allclose(halo.data[A], 0.85)
    assert halo.data[C] == 0
    click(window, C)
    np.testing.assert_allclose(halo.data[C], 0.85)
    assert halo.data[A] == 0


def test_what_is_not_there_is_said(looked):
    window = looked("coloring")
    window.dock.look.views._boxes["shared_color"][1].click()
    window.wait()
    assert "Touching, same colour: there is none" in window.state.status.message


def test_another_image_clears_the_marks_of_the_one_before(looked, disks):
    window = looked()
    window.dock.look.why_section.open()
    window.dock.look.plot_section.open()
    window.dock.look.lens.toggle()
    click(window, A)
    assert window.dock.explorer.selected
    window.viewer.add_image(disks()[0], name="other")
    window.wait()
    names = [layer.name for layer in window.viewer.layers]
    assert not [name for name in names if "lens" in name or "selected" in name]
    assert window.dock.explorer.selected == 0
    assert not window.dock.look.lens.on
    assert "Run the segmentation first" in window.dock.look.lens._switch.toolTip()


def test_deleting_layers_while_looking_is_harmless(looked):
    window = looked()
    window.dock.look.why_section.open()
    window.dock.look.plot_section.open()
    window.dock.look.lens.toggle()
    click(window, A)
    for layer in list(window.viewer.layers)[1:]:
        window.viewer.layers.remove(layer)
    assert "cells lens" not in window.viewer.layers
    click(window, C)  # the pixel that is held since the first click is shown again
    assert window.viewer.layers["cells lens"].data[A] == 100
    assert len(window.viewer.layers["cells lens points"].data) == 2
    window.viewer.layers.clear()
    window.wait()
    assert window.dock.explorer.selected == 0


def test_every_box_has_words(looked):
    window = looked()
    boxes = window.dock.look.findChildren(QCheckBox)
    assert all(box.toolTip() for box in boxes)
