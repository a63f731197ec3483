"""Corrections in a real viewer, by real mouse and key events."""

import sys
from importlib import import_module
from itertools import pairwise

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication

# What is bright is found as connected pieces; the brightness itself is the embedding, so that touching disks of
# different brightness are one object for the decoder and two for the edits.
SHADES = '''
"""Shades: pieces of what is bright, and the brightness as an embedding."""

import numpy as np

from napari_instseg.core.method import Method, Output, Stage
from napari_instseg.core.params import Params, tunable
from napari_instseg.losses.params import ForegroundLoss
from napari_instseg.networks.params import NetworkParams


class Decode(Params):
    level: float = tunable(0.2, 0.0, 1.0, step=0.01, title="Level", help="Higher: fewer objects.")
    bandwidth: float = tunable(0.2, 0.05, 5.0, title="Bandwidth", help="Of the embedding.")


def build(params, in_channels, ndim, classes):
    import torch

    class Shades(torch.nn.Module):
        stride, halo, coordinates = 8, 8, False

        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.tensor([1.0]))

        def forward(self, image, coordinates=None):
            return {"embedding": image.mean(1, keepdim=True) * self.weight}

    return Shades()


def compute_loss(raw, target, params):
    return {"none": raw["embedding"].sum() * 0}


def activate(raw, offset):
    return {"embedding": raw["embedding"], "foreground": (raw["embedding"] > 0.1).float()}


def components(data, params):
    from scipy import ndimage

    labels, number = ndimage.label(data["embedding"][0] > params.level)
    labels = labels.astype(np.int32)
    score = ndimage.mean(data["embedding"][0], labels, range(1, number + 1)) if number else []
    return {"labels": labels, "score": np.clip(np.asarray(score, np.float32), 0, 1)}


METHOD = Method(
    name="shades", title="Shades", reference="nobody, 2026", summary="For tests.",
    network=NetworkParams, loss=ForegroundLoss, decode=Decode,
    outputs=(
        Output("embedding", "Embedding", "Brightness, (1, Y, X)."),
        Output("foreground", "Foreground", "Probability, (Y, X).", "map"),
    ),
    build=build, compute_loss=compute_loss, activate=activate,
    stages=lambda params: (Stage("components", ("level",), components),),
)
'''
HEIGHT, WIDTH = 120, 180


@pytest.fixture
def shades(tmp_path, monkeypatch):
    package = import_module("napari_instseg.methods")
    folder = tmp_path / "more_methods"
    folder.mkdir()
    (folder / "shades.py").write_text(SHADES)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    package.methods.cache_clear()
    from napari_instseg.inference.model import Model
    from napari_instseg.io.models import ModelSpec

    spec = ModelSpec(
        name="shades",
        method="shades",
        diameter=20,
        title="Shades",
        intended_use="Tests.",
        normalization={"low": 0.0, "high": 100.0},
    )
    yield str(Model(spec).save(tmp_path / "shades"))
    sys.modules.pop("napari_instseg.methods.shades", None)
    package.methods.cache_clear()


def scene():
    """Two touching disks, of shades .4 and 1; a disk with a hole; a faint one; all on black."""
    y, x = np.indices((HEIGHT, WIDTH))
    image = np.zeros((HEIGHT, WIDTH), np.float32)

    def disk(cy, cx, radius, value):
        image[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = value

    disk(30, 40, 15, 40)
    disk(30, 69, 14, 100)
    disk(80, 40, 15, 80)
    disk(80, 40, 4, 0)
    disk(80, 120, 12, 60)
    disk(30, 140, 12, 12)
    return image


class Hands:
    """The mouse and the keys of a user over the viewer's canvas."""

    def __init__(self, window):
        self.window, self.qtbot, self.viewer = window, window.qtbot, window.viewer
        self.canvas = window.viewer.window._qt_viewer.canvas.native
        self.camera = getattr(window.viewer, "scene", window.viewer).camera  # moved there by napari 0.9

    def at(self, y, x):
        """Where a pixel of the image is on the canvas."""
        camera = self.camera
        center = np.array(camera.center[-2:])
        size = np.array([self.canvas.height(), self.canvas.width()])
        place = (np.array([y, x]) - center) * camera.zoom + size / 2
        return QPoint(round(place[1]), round(place[0]))

    def move(self, y, x):
        self.window.point(self.canvas, self.at(y, x) + QPoint(1, 1))
        self.window.point(self.canvas, self.at(y, x))
        self.qtbot.wait(10)

    def click(self, y, x):
        self.move(y, x)
        self.qtbot.mouseClick(self.canvas, Qt.MouseButton.LeftButton, pos=self.at(y, x))
        self.qtbot.wait(10)

    def drag(self, *places):
        self.move(*places[0])
        self.qtbot.mousePress(self.canvas, Qt.MouseButton.LeftButton, pos=self.at(*places[0]))
        for (y, x), (to_y, to_x) in pairwise(places):
            for part in np.linspace(0, 1, 6)[1:]:
                # the press of the button must be seen by the canvas while it moves
                self._moved_while_pressed(self.at(y + part * (to_y - y), x + part * (to_x - x)))
        self.qtbot.mouseRelease(self.canvas, Qt.MouseButton.LeftButton, pos=self.at(*places[-1]))
        self.qtbot.wait(10)

    def _moved_while_pressed(self, place):
        from qtpy.QtCore import QEvent
        from qtpy.QtGui import QMouseEvent

        left = Qt.MouseButton.LeftButton
        where = QPointF(place)
        event = QMouseEvent(
            QEvent.Type.MouseMove, where, QPointF(self.canvas.mapToGlobal(place)), left, left, Qt.NoModifier
        )
        QApplication.sendEvent(self.canvas, event)
        QApplication.processEvents()

    def wheel(self, notches, y, x):
        place = self.at(y, x)
        event = QWheelEvent(
            QPointF(place),
            QPointF(self.canvas.mapToGlobal(place)),
            QPoint(0, 0),
            QPoint(0, 120 * notches),
            Qt.NoButton,
            Qt.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        QApplication.sendEvent(self.canvas, event)
        self.qtbot.wait(10)

    def press(self, key, modifier=Qt.NoModifier):
        self.qtbot.keyClick(self.canvas, key, modifier)
        self.qtbot.wait(10)


@pytest.fixture
def work(window, shades):
    """The window after a run over the scene, and the user's hands."""
    window.viewer.add_image(scene(), name="cells")
    window.dock.segment.model.chosen.emit(shades)
    window.viewer.window.resize(1300, 900)
    window.viewer.window.show()
    window.run()
    window.viewer.reset_view()
    window.qtbot.wait(50)
    window.hands = Hands(window)
    window.correct = window.dock.correct
    window.annotating = window.dock.annotating
    window.data = lambda: window.labels("cells").data
    return window


def test_the_scene_is_as_the_tests_take_it(work):
    data = work.data()
    assert data[30, 40] == data[30, 69] > 0, "the touching disks are one object"
    assert len(np.unique(data)) - 1 == 3
    assert data[30, 140] == 0


def test_grow_shows_a_preview_that_the_wheel_changes_and_a_click_takes(work):
    hands, data = work.hands, work.data()
    merged = data[30, 40]
    hands.press(Qt.Key_G)
    assert work.correct.buttons["grow"].isChecked()
    hands.move(30, 69)
    preview = work.viewer.layers["cells preview"]
    assert preview.visible
    first = int(preview.data.sum())
    assert abs(first - np.pi * 14**2) < 40
    np.testing.assert_array_equal(work.data(), data), "a preview changes nothing"
    threshold, zoom = work.annotating.threshold, work.hands.camera.zoom
    hands.wheel(1, 30, 69)
    assert work.annotating.threshold < threshold
    assert work.hands.camera.zoom == zoom, "the wheel does not zoom meanwhile"
    hands.wheel(-1, 30, 69)
    hands.click(30, 69)
    data = work.data()
    assert data[30, 69] != data[30, 40] == merged
    assert int((data == data[30, 69]).sum()) == first
    assert data[30, 69] in work.annotating.annotation.accepted
    hands.press(Qt.Key_Escape)
    work.qtbot.waitUntil(lambda: "cells preview" not in work.viewer.layers)
    hands.wheel(1, 30, 69)
    assert work.hands.camera.zoom != zoom


def test_the_layer_of_a_stroke_is_there_before_the_stroke_also_after_another_tool(work):
    hands = work.hands
    assert "cells preview" not in work.viewer.layers
    hands.press(Qt.Key_W)
    there = work.viewer.layers["cells preview"]
    hands.press(Qt.Key_S)
    work.qtbot.wait(200)  # longer than until the layer of a tool that was put down is removed
    assert work.viewer.layers["cells preview"] is there
    hands.press(Qt.Key_Escape)
    work.qtbot.waitUntil(lambda: "cells preview" not in work.viewer.layers)


def test_a_faint_object_that_was_missed_is_grown(work):
    work.hands.press(Qt.Key_G)
    work.hands.click(30, 140)
    label = work.data()[30, 140]
    assert label > 0
    assert (work.data() == label).sum() == (scene() == 12).sum()


def test_split_by_two_clicks_by_a_line_within_and_by_a_line_across(work):
    hands = work.hands
    before = work.data().copy()
    for way in ("clicks", "within", "across"):
        hands.press(Qt.Key_S)
        if way == "clicks":
            hands.click(30, 40)
            hands.click(30, 70)
        elif way == "within":
            hands.drag((30, 40), (30, 70))
        else:
            hands.drag((8, 55), (52, 55))
        data = work.data()
        assert data[30, 40] != data[30, 70], way
        assert {int(data[30, 40]), int(data[30, 70])} <= work.annotating.annotation.accepted
        np.testing.assert_array_equal(data > 0, before > 0)
        if way != "across":
            np.testing.assert_array_equal(data == data[30, 40], scene() == 40)
        hands.press(Qt.Key_Z, Qt.ControlModifier)
        np.testing.assert_array_equal(work.data(), before)
        hands.press(Qt.Key_Escape)


def test_merge_by_a_stroke_and_by_two_clicks(work):
    hands, before = work.hands, work.data().copy()
    hands.press(Qt.Key_J)
    hands.drag((80, 30), (80, 120))
    data = work.data()
    assert data[80, 30] == data[80, 120]
    assert "far apart" in work.state.status.message
    hands.press(Qt.Key_Z, Qt.ControlModifier)
    hands.click(30, 40)
    hands.click(80, 120)
    assert work.data()[30, 40] == work.data()[80, 120] != work.data()[80, 30]
    hands.press(Qt.Key_Z, Qt.ControlModifier)
    np.testing.assert_array_equal(work.data(), before)


def test_keys_act_on_the_object_under_the_pointer(work):
    hands = work.hands
    hands.move(80, 50)
    hands.press(Qt.Key_H)
    assert work.data()[80, 40] > 0
    label = work.data()[80, 50]
    accepted = work.annotating.annotation.accepted
    assert label in accepted, "what was edited is accepted"
    hands.press(Qt.Key_A)
    assert label not in accepted
    hands.press(Qt.Key_A)
    assert label in accepted
    hands.move(80, 120)
    hands.press(Qt.Key_D)
    assert work.data()[80, 120] == 0
    hands.move(110, 170)
    hands.press(Qt.Key_D)
    assert "no object" in work.state.status.message


def test_keys_act_while_the_image_is_selected_too(work):
    window, hands = work, work.hands
    image = window.viewer.layers["cells"]
    window.viewer.layers.selection.active = image
    hands.move(80, 120)
    hands.press(Qt.Key_A)
    assert len(window.session.annotation.accepted) == 1
    window.viewer.layers.selection.active = image
    hands.press(Qt.Key_Z, Qt.ControlModifier)
    assert not window.session.annotation.accepted
    assert window.session.state.source.name == "cells"


def test_buttons_make_clicks_do_the_same_and_drawing_an_outline_makes_an_object(work):
    hands, buttons = work.hands, work.correct.buttons
    buttons["delete"].click()
    hands.click(80, 120)
    assert work.data()[80, 120] == 0
    buttons["draw"].click()
    hands.drag((70, 100), (70, 140), (95, 140), (95, 100))
    label = work.data()[80, 120]
    assert label > 0
    assert abs(int((work.data() == label).sum()) - 25 * 40) < 150
    buttons["draw"].click()
    assert not buttons["draw"].isChecked()
    assert work.dock.tune._facts.text() == f"{len(np.unique(work.data())) - 1} objects", "the count goes with edits"
    camera = tuple(work.hands.camera.center)
    hands.drag((60, 60), (80, 80))
    assert tuple(work.hands.camera.center) != camera, "without a tool, dragging pans again"


def test_no_button_moves_when_a_tool_is_taken(work):
    work.dock._correct_section.open()
    buttons = work.correct.buttons
    places = lambda: [one.mapTo(work.correct, QPoint(0, 0)).y() for one in buttons.values()]  # noqa: E731
    before, known = [], set()
    while before != places():  # until it is laid out
        before = places()
        work.qtbot.wait(500)
    for name, one in buttons.items():
        if one.isCheckable() and one.isEnabled():
            one.click()
            work.qtbot.wait(20)
            known.add(work.correct._hint.text())
            assert places() == before, name
    assert len(known) > 8


def test_napari_s_own_brush_fill_and_eraser_join_the_history_in_order(work):
    layer, hands = work.labels("cells"), work.hands
    states = [work.data().copy()]
    layer.mode = "paint"
    layer.selected_label = 50
    layer.brush_size = 8
    hands.drag((100, 80), (100, 100))
    states.append(work.data().copy())
    layer.mode = "pan_zoom"
    hands.move(80, 50)
    hands.press(Qt.Key_H)
    states.append(work.data().copy())
    layer.mode = "fill"
    layer.selected_label = 51
    hands.click(100, 90)
    states.append(work.data().copy())
    layer.mode = "erase"
    hands.drag((80, 115), (80, 125))
    states.append(work.data().copy())
    assert all((a != b).any() for a, b in pairwise(states))
    assert {50, 51} & work.annotating.annotation.accepted == {51}
    for state in reversed(states[:-1]):
        hands.press(Qt.Key_Z, Qt.ControlModifier)
        np.testing.assert_array_equal(work.data(), state)
    assert not work.correct.buttons["undo"].isEnabled()
    for state in states[1:]:
        hands.press(Qt.Key_Z, Qt.ControlModifier | Qt.ShiftModifier)
        np.testing.assert_array_equal(work.data(), state)


def test_a_stroke_far_from_the_object_with_that_id_is_warned_of(work):
    layer = work.labels("cells")
    layer.selected_label = int(work.data()[30, 40])
    layer.brush_size = 4
    layer.mode = "paint"
    work.hands.drag((112, 170), (112, 175))
    assert "2 places that are far apart" in work.state.status.message


def test_accepted_objects_are_outlined_and_stay_while_sliders_move_the_others(work):
    hands = work.hands
    hands.move(80, 120)
    hands.press(Qt.Key_A)
    label = work.data()[80, 120]
    marks = work.viewer.layers["cells accepted"]
    assert set(np.unique(marks.data)) == {0, 1}
    assert not (marks.data[work.data() != label]).any()
    hands.move(80, 50)
    hands.press(Qt.Key_D)
    work.dock.tuning.change(level=0.95)
    work.wait()
    assert work.data()[80, 120] == label, "accepted, though the slider says that it is too dark"
    assert work.data()[30, 40] == 0, "not accepted, and too dark now"
    work.dock.tuning.change(level=0.2)
    work.wait()
    assert work.data()[30, 40] > 0
    assert work.data()[80, 50] == 0, "deleted stays deleted"
    work.run()
    assert work.data()[80, 120] == label
    assert work.data()[80, 50] == 0
    table = work.state.results.table()
    assert set(table["label"]) == set(np.unique(work.data())) - {0}
    assert float(table.set_index("label").loc[label, "score"]) == 1.0


@pytest.mark.parametrize("kind", ["rectangle", "polygon"])
def test_a_region_is_marked_as_complete_by_a_shape_and_taken_back(work, kind):
    hands, corners = work.hands, [(60, 100), (60, 160), (110, 160), (110, 100)]
    work.correct.buttons[kind].click()
    if kind == "rectangle":
        hands.drag(corners[0], corners[2])
    else:
        for corner in corners:
            hands.click(*corner)
        work.qtbot.mouseDClick(hands.canvas, Qt.MouseButton.LeftButton, pos=hands.at(*corners[-1]))
        work.qtbot.wait(20)
    complete = work.annotating.annotation.complete
    assert abs(int(complete.sum()) - 50 * 60) < 300
    assert complete[80, 120]
    known = work.annotating.annotation.training_labels()
    np.testing.assert_array_equal(known[complete], work.data()[complete])
    assert [layer.name for layer in work.viewer.layers] == ["cells", "cells objects", "cells accepted"]
    assert work.viewer.layers.selection.active is work.labels("cells")
    assert 2 in work.viewer.layers["cells accepted"].data
    work.correct.buttons["unmark"].click()
    hands.drag((50, 90), (118, 170))
    assert not complete.any()
    hands.press(Qt.Key_Z, Qt.ControlModifier)
    assert complete[80, 120]


def test_next_goes_to_the_least_sure_object_and_yes_accepts_it(work):
    hands = work.hands
    scores = work.state.results.table().set_index("label")["score"].sort_values()
    hands.press(Qt.Key_N)
    work.qtbot.waitUntil(lambda: work.dock.corrector.idle, timeout=60_000)
    work.qtbot.wait(20)
    first = int(work.labels("cells").selected_label)
    assert first == scores.index[0]
    y, x = np.argwhere(work.data() == first).mean(axis=0)
    np.testing.assert_allclose(work.hands.camera.center[-2:], (y, x), atol=1)
    hands.press(Qt.Key_Y)
    assert work.annotating.annotation.accepted == {first}
    second = int(work.labels("cells").selected_label)
    assert second == scores.index[1]
    hands.press(Qt.Key_N)
    hands.press(Qt.Key_N)
    assert "last one" in work.state.status.message


def test_undo_goes_to_the_slice_of_the_edit(window, shades):
    window.viewer.add_image(np.stack([scene(), scene(), scene()]), name="stack")
    window.dock.segment.model.chosen.emit(shades)
    window.viewer.window.show()
    window.session.choose_whole_stack(True)
    window.run()
    annotating = window.dock.annotating
    before = window.labels("stack").data.copy()
    assert annotating.delete((2, 80, 120))
    assert annotating.split([(0, 30, 40), (0, 30, 69)])
    assert (window.labels("stack").data[1] == before[1]).all()
    window.viewer.dims.set_point(0, 1)
    window.dock.correct.buttons["undo"].click()
    assert window.viewer.dims.current_step[0] == 0
    window.dock.correct.buttons["undo"].click()
    assert window.viewer.dims.current_step[0] == 2
    np.testing.assert_array_equal(window.labels("stack").data, before)


@pytest.fixture
def hyperstack(window, shades):
    """The window after a run over a stack whose channels come after its slices, as ImageJ has them: Z, C, Y, X."""
    planes = [[np.roll(scene(), 12 * z, axis=1), np.full((HEIGHT, WIDTH), 50, np.float32)] for z in range(3)]
    window.viewer.add_image(np.array(planes), name="cells", axis_labels=("z", "c", "y", "x"), scale=(3, 1, 1, 1))
    window.dock.segment.model.chosen.emit(shades)
    window.viewer.window.resize(1300, 900)
    window.viewer.window.show()
    window.session.choose_channel(0)
    window.session.choose_whole_stack(True)
    window.run()
    window.viewer.reset_view()
    window.qtbot.wait(50)
    window.hands = Hands(window)

    def see(z, c):
        window.viewer.dims.set_current_step(0, z)
        window.viewer.dims.set_current_step(1, c)
        window.qtbot.waitUntil(lambda: window.state.index == (z,))
        window.qtbot.wait(20)
        return np.asarray(window.labels("cells")._slice.image.raw)

    window.see = see
    return window


def test_objects_of_a_hyperstack_lie_in_their_slice_in_every_channel(hyperstack):
    assert hyperstack.state.reading.roles == ("stack", "channel", "plane", "plane")
    assert tuple(hyperstack.viewer.dims.nsteps)[:2] == (3, 2)
    labels = hyperstack.session.annotation.labels
    assert labels.shape == (3, HEIGHT, WIDTH)
    for z, c in ((0, 0), (2, 0), (1, 1), (2, 1)):
        np.testing.assert_array_equal(hyperstack.see(z, c), labels[z])
        assert labels[z].any()


def test_a_hyperstack_is_corrected_in_the_slice_in_view(hyperstack):
    hands, annotating, labels = hyperstack.hands, hyperstack.dock.annotating, hyperstack.session.annotation.labels
    layer, before = hyperstack.labels("cells"), hyperstack.session.annotation.labels.copy()

    def changed():
        return np.flatnonzero((labels != before).any(axis=(1, 2))).tolist()

    hyperstack.see(2, 1)
    hyperstack.dock.correct.buttons["delete"].click()
    hands.click(80, 120 + 24)
    assert changed() == [2]
    assert not labels[2, 80, 120 + 24]
    hands.press(Qt.Key_Escape)
    hyperstack.see(1, 0)
    hands.press(Qt.Key_G)
    hands.move(30, 69 + 12)
    preview = hyperstack.viewer.layers["cells preview"]
    assert np.asarray(preview._slice.image.raw).any(), "the preview is in the slice in view"
    hands.click(30, 69 + 12)
    assert changed() == [1, 2]
    hands.press(Qt.Key_Escape)
    hyperstack.see(0, 0)
    layer.mode = "paint"
    layer.selected_label, layer.brush_size = 77, 6
    hands.drag((100, 150), (100, 160))
    hyperstack.qtbot.wait(50)
    layer.mode = "pan_zoom"
    assert (labels[0] == 77).any()
    assert not (labels[1:] == 77).any()
    hyperstack.see(1, 1)
    hyperstack.dock.correct.buttons["rectangle"].click()
    hands.drag((60, 100), (110, 160))
    assert [plane.any() for plane in hyperstack.session.annotation.complete] == [False, True, False]
    hyperstack.see(0, 0)
    for z in (1, 0, 1, 2):  # region, brush, growth, deletion
        assert annotating.undo_title
        hyperstack.dock.correct.buttons["undo"].click()
        assert hyperstack.viewer.dims.current_step[0] == z
    np.testing.assert_array_equal(labels, before)


def test_a_hyperstack_is_exported_without_its_channels(hyperstack, tmp_path):
    from napari_instseg.io.images import read_image

    hyperstack.dock.export.asked.emit({"labels": tmp_path / "labels.tif"})
    hyperstack.wait()
    found = read_image(tmp_path / "labels.tif")
    assert found.axes == "ZYX"
    np.testing.assert_array_equal(found.array, hyperstack.session.annotation.labels)


def test_channels_that_come_last_are_seen_and_corrected_as_a_picture(window, shades):
    image = np.stack([scene(), np.full((HEIGHT, WIDTH), 50, np.float32)], axis=-1)
    window.viewer.window.resize(1300, 900)
    window.viewer.window.show()
    window.viewer.add_image(image, name="cells")
    window.dock.segment.model.chosen.emit(shades)
    assert window.state.reading.roles == ("plane", "plane", "channel")
    assert tuple(window.viewer.dims.displayed) == (0, 1)
    window.session.choose_channel(0)
    window.run()
    window.qtbot.wait(50)
    labels, layer, hands = window.session.annotation.labels, window.labels("cells"), Hands(window)
    assert labels.shape == (HEIGHT, WIDTH)
    before = labels.copy()
    for channel in (0, 1):
        window.viewer.dims.set_current_step(2, channel)
        window.qtbot.wait(20)
        np.testing.assert_array_equal(np.asarray(layer._slice.image.raw).reshape(labels.shape), labels)
    window.dock.correct.buttons["delete"].click()
    hands.click(80, 120)
    assert not labels[80, 120]
    assert before[80, 120]
    assert (labels != before).sum() == (before == before[80, 120]).sum()
    hands.press(Qt.Key_G)
    hands.click(80, 120)
    assert labels[80, 120]
    hands.press(Qt.Key_Escape)
    window.dock.correct.buttons["rectangle"].click()
    hands.drag((60, 100), (110, 160))
    assert abs(int(window.session.annotation.complete.sum()) - 50 * 60) < 300
    window.viewer.add_image(scene(), name="grey")
    assert window.state.source.name == "grey"
    assert tuple(window.viewer.dims.displayed) == (1, 2), "another image is shown as the viewer shows it"


def test_without_features_words_say_what_to_do_instead(window, disks):
    window.viewer.add_image(disks()[0], name="cells")
    assert not window.dock.correct.buttons["grow"].isEnabled()
    assert "Run" in window.dock.correct.buttons["grow"].toolTip()
    window.run()
    annotating = window.dock.annotating
    assert not annotating.grow((15, 15))
    assert "needs an embedding or colours" in window.state.status.message
    assert annotating.split([(15, 12), (15, 18)]), "the distance in the image alone"
    assert not annotating.delete((500, 500))
    assert "outside the image" in window.state.status.message


def test_deleting_the_layer_loses_nothing_and_renaming_it_leaves_it_to_the_user(work):
    work.hands.move(80, 50)
    work.hands.press(Qt.Key_D)
    work.viewer.layers.remove(work.labels("cells"))
    work.run()
    assert work.data()[80, 50] == 0
    mine = work.labels("cells")
    mine.name = "mine"
    kept = mine.data.copy()
    work.run()
    assert work.labels("cells") is not mine
    work.annotating.delete((80, 120))
    np.testing.assert_array_equal(mine.data, kept)
    assert work.data()[80, 120] == 0


def test_keys_are_listed_in_the_window(work):
    listed = work.dock.keys.bound
    assert {"G", "S", "J", "D", "A", "N", "Y", "Ctrl+Z", "Ctrl+Shift+Z"} <= set(listed)
