"""The image is changed after it was opened: its pixels, place, name, the model chosen for it; and the first view."""

import numpy as np
import pytest

TURNED = {
    "rotate": {"rotate": 30, "scale": (1, 2)},
    "shear": {"shear": (0.5,), "translate": (4, 5)},
    "affine": {"affine": np.array([[0.5, 0.3, 5], [0, 2, 9], [0, 0, 1.0]]), "scale": (2, 1)},
}
CORNERS = ((0, 0), (100, 7), (13, 100))


def lies_on(layer, image, corners=CORNERS, start=None):
    first = np.zeros(2) if start is None else np.asarray(start)
    return all(
        np.allclose(layer.data_to_world(np.asarray(corner) - first), image.data_to_world(corner)) for corner in corners
    )


@pytest.fixture
def shown(window, disks):
    """The window with an image called A, segmented."""
    image, window.count = disks()
    window.image = window.viewer.add_image(image, name="A")
    window.run()
    return window


def choose(window, name):
    choice = window.dock.segment.image._image
    choice.setCurrentIndex(choice.findText(name))
    choice.activated.emit(choice.findText(name))


def test_new_data_of_an_image_that_is_not_chosen_are_what_is_segmented(shown, disks):
    shown.viewer.add_image(disks()[0], name="B")
    shown.image.data = shown.image.data[:60, :90]
    choose(shown, "A")
    assert shown.state.source.shape == (60, 90)
    shown.run()
    assert shown.state.results.shape == (60, 90)
    assert shown.state.results.n_objects == 6


def test_data_changed_in_place_are_another_image(shown):
    shown.image.data[:60] = 0
    shown.image.data = shown.image.data
    shown.run()
    assert shown.state.results.n_objects == shown.count // 2


@pytest.mark.parametrize("move", TURNED.values(), ids=TURNED)
@pytest.mark.parametrize("before", [True, False], ids=["opened so", "changed later"])
def test_results_lie_on_their_image_however_it_is_turned(window, disks, move, before):
    image = window.viewer.add_image(disks()[0], name="A", **(move if before else {}))
    window.run()
    if not before:
        for name, value in move.items():
            setattr(image, name, value)
    window.dock.look.views._boxes["foreground"][1].click()
    window.wait()
    annotating = window.dock.annotating
    annotating.accept((15, 15))
    window.wait()
    for name in ("A objects", "A foreground", "A accepted"):
        assert lies_on(window.viewer.layers[name], image), name
    window.dock.segment.diameter._measure.click()
    assert lies_on(window.viewer.layers["example object"], image)
    window.dock.segment.diameter._measure.click()
    window.dock.corrector.tools.take("rectangle")
    assert lies_on(window.viewer.layers["complete region"], image)
    window.dock.corrector.tools.put_down()
    window.dock.look.why_section.open()
    window.dock.explorer.select(1)
    window.wait()
    outline = window.viewer.layers["A selected object"]
    at = np.argwhere(window.labels("A").data == 1).min(axis=0) - 1
    inside = np.argwhere(outline.data).min(axis=0) - 1
    np.testing.assert_allclose(outline.data_to_world(inside), image.data_to_world(at))


def test_comparison_layers_lie_on_their_image(shown):
    from napari_instseg.projects.comparison import CompareOrder, find_changes

    shown.image.rotate = 30
    labels = shown.labels("A").data
    state = shown.state
    layers = shown.dock.retrainer._layers
    layers.show(find_changes(CompareOrder(state.source, state.reading, ()), labels, np.roll(labels, 40)))
    shown.qtbot.waitUntil(lambda: layers.idle)
    assert all(lies_on(shown.viewer.layers[f"A {name}"], shown.image) for name in ("before", "after", "changed"))
    layers.clear()


def test_a_scale_set_after_opening_is_told_and_keeps_the_corrections(shown):
    annotating = shown.dock.annotating
    annotating.accept((15, 15))
    shown.dock.segment.diameter.chosen.emit(12.0)
    shown.image.scale, shown.image.units = (0.5, 0.5), ("um", "um")
    box = shown.dock.segment.diameter._box
    assert box.text() == "6.0 µm"
    assert shown.labels("A").units == shown.image.units
    assert lies_on(shown.labels("A"), shown.image)
    shown.run()
    assert [layer.name for layer in shown.viewer.layers if "objects" in layer.name] == ["A objects"]
    assert len(annotating.annotation.accepted) == 1
    assert shown.state.results.source.pixel_size == 0.5


def test_the_objects_are_called_after_their_image(shown, disks):
    layer = shown.labels("A")
    shown.image.name = "new"
    assert layer.name == "new objects"
    shown.run()
    assert [each.name for each in shown.viewer.layers] == ["new", "new objects"]
    shown.viewer.add_image(disks()[0], name="A")  # another one under the old name
    shown.run()
    assert [each.name for each in shown.viewer.layers] == ["new", "new objects", "A", "A objects"]
    assert shown.viewer.layers["new objects"] is layer


@pytest.mark.parametrize("other", ["discriminative-cells", "coloring-nuclei"])
def test_values_of_another_model_do_not_decode_what_this_one_said(shown, other, brightness):
    before = shown.labels("A").data.copy()
    shown.dock.segment.model.chosen.emit(other)
    assert "Run to see what this model finds" in shown.state.status.message
    assert shown.dock.segment._run.text().startswith("Run  (")
    parameters = shown.state.parameters
    shown.session.say("")
    shown.dock.tune.changed.emit("min_size", int(parameters.min_size) + 400)
    shown.wait()
    assert "Run to see what this model finds" in shown.state.status.message
    np.testing.assert_array_equal(shown.labels("A").data, before)
    assert "Run to see" in shown.dock.tune._fit.toolTip()
    shown.dock.corrector._asked("next")
    assert "Run to see" in shown.state.status.message
    shown.dock.segment.model.chosen.emit(brightness)  # back to the one that was run
    shown.dock.tune.changed.emit("foreground_threshold", 0.6)
    shown.wait()
    assert shown.state.status.message == f"{shown.count} objects."


def test_a_model_of_the_same_method_has_outputs_of_its_own(shown, brightness, tmp_path):
    import shutil

    twin = tmp_path / "twin"
    shutil.copytree(brightness, twin)
    before = shown.labels("A").data.copy()
    shown.dock.segment.model.chosen.emit(str(twin))
    shown.dock.tune.changed.emit("min_size", 4000)
    shown.wait()
    np.testing.assert_array_equal(shown.labels("A").data, before)
    shown.dock.tune.changed.emit("min_size", 20)
    shown.run()
    shown.dock.tune.changed.emit("min_size", 4000)
    shown.wait()
    assert not shown.labels("A").data.any()


class Lazy:
    """An array that is read from disk: it counts what was read, and by which thread."""

    def __init__(self, array):
        self.array, self.read = array, []
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim

    def __getitem__(self, where):
        import threading

        taken = self.array[where]
        self.read.append((taken.size, threading.current_thread().name))
        return taken


def test_an_image_that_is_not_in_memory_is_looked_at_in_a_thread(make_napari_viewer_proxy, qtbot, tmp_path):
    import dask.array as da

    from napari_instseg.widgets.dock import SegmentDock

    dock = SegmentDock(make_napari_viewer_proxy(), presets=tmp_path / "presets")
    session = dock.session
    y, x = np.indices((300, 300))
    bright = (np.hypot(y % 30 - 15, x % 30 - 15) < 7) * np.float32(1)
    viewer = dock.segment.image._viewer
    viewer.add_image(1 - bright / 2, name="dark on bright")
    suits = session.state.model
    assert suits
    viewer.add_image(da.from_array(bright), name="lazy")
    qtbot.waitUntil(lambda: dock.idle)
    qtbot.wait(20)
    assert session.state.source.name == "lazy"
    assert dock.segmenting.suggestion.look.background == "dark"
    fluorescent = session.state.model
    viewer.add_image(bright, name="in memory")
    assert session.state.model == fluorescent
    dock.end()


def test_what_is_read_of_a_large_image_to_look_at_it_is_a_part():
    from napari_instseg.segmenting.suggestion import MOST_SIDE, middle_of
    from napari_instseg.session.source import Source, readings

    lazy = Lazy(np.zeros((2, 3, MOST_SIDE + 40, 70), np.uint8))
    source = Source(lazy, "large")
    for reading in (*readings(source), *readings(source, 3)):
        lazy.read.clear()
        middle = middle_of(source, reading)
        assert middle.ndim == len(reading.letters)
        assert [size for size, _ in lazy.read] == [middle.size]
        assert middle.size <= MOST_SIDE * 70 * 3


def test_an_image_that_is_removed_ends_its_run(window, disks):
    image, _ = disks((1024, 2048), 60, 20)
    layer = window.viewer.add_image(image, name="large")
    window.viewer.add_image(disks()[0], name="small")
    choose(window, "large")
    window.dock.segment._run.click()
    window.viewer.layers.remove(layer)
    window.wait(300)
    assert window.state.status.message == "Cancelled: its image was removed."
    assert [each.name for each in window.viewer.layers] == ["small"]


def test_the_first_view_of_an_empty_viewer(make_napari_viewer_proxy, tmp_path):
    from napari_instseg.widgets.dock import SegmentDock

    dock = SegmentDock(make_napari_viewer_proxy(), presets=tmp_path / "presets")
    segment = dock.segment
    assert all(row.isHidden() for row in segment.image._rows.values())
    assert segment.image._image.placeholderText() == "no image is open"
    assert segment.model._choice.count() == len(dock.session.state.models) > 0
    assert "no model" not in segment.model._choice.placeholderText()
    assert not segment._run.isEnabled()
    assert "Open an image" in segment._run.toolTip()
    assert not segment.diameter._measure.isEnabled()
    dock.end()


def test_undoing_an_accept_shows_its_slice(window, disks):
    image, _ = disks()
    window.viewer.add_image(np.stack([image] * 4), name="stack")

    def go(step):
        window.viewer.dims.set_current_step(0, step)
        window.qtbot.wait(150)

    for step in (1, 3):
        go(step)
        window.run()
    window.dock.annotating.accept((3, 15, 15))
    assert len(window.dock.annotating.annotation.accepted) == 1
    go(1)
    window.dock.annotating.accept((1, 45, 45))
    go(0)
    steps = []
    for name in ("undo", "undo", "redo"):
        window.dock.corrector._asked(name)
        steps.append(window.viewer.dims.current_step[0])
        go(0)
    assert steps == [1, 3, 3]


def test_a_tool_whose_layer_is_deleted_is_put_down(shown):
    tools, section = shown.dock.corrector.tools, shown.dock.correct
    tools.take("rectangle")
    section.show_tool(tools.tool)
    shown.viewer.layers.remove("complete region")
    assert tools.tool == ""
    assert not section.buttons["rectangle"].isChecked()
    tools.take("grow")
    shown.viewer.layers.remove("A objects")
    assert tools.tool == ""
    shown.qtbot.wait(200)
    assert [layer.name for layer in shown.viewer.layers] == ["A"]


def test_tools_say_that_they_work_in_slices(window, disks):
    window.viewer.add_image(np.stack([disks()[0]] * 3), name="stack")
    window.run()
    tools = window.dock.corrector.tools
    tools.take("grow")
    assert tools.tool == "grow"
    window.viewer.dims.ndisplay = 3
    assert tools.tool == ""
    assert "flat display" in window.state.status.message
    window.session.say("")
    window.dock.corrector._asked("draw")
    assert tools.tool == ""
    assert "flat display" in window.state.status.message
    assert not window.dock.correct.buttons["draw"].isChecked()
    window.viewer.dims.ndisplay = 2


@pytest.mark.filterwarnings("error")
def test_very_large_values_are_looked_at_without_a_warning():
    from napari_instseg.segmenting.appearance import look_at

    image = np.zeros((64, 64))
    image[10:20, 10:20] = 1e300
    assert look_at(image, "YX") == look_at(image / 1e300, "YX")
    assert look_at(-image, "YX").background == "bright"


def test_the_image_that_is_selected_is_worked_on_and_its_results_come_back(window, disks):
    image, count = disks()
    first = window.viewer.add_image(image, name="first")
    window.run()
    window.dock.segment.diameter.chosen.emit(11.0)
    second = window.viewer.add_image(image[:60], name="second")
    assert window.state.source.name == "second"
    assert window.state.diameter is None, "the size of another image"
    assert not window.dock.export._all.isEnabled()
    window.viewer.layers.selection.active = first
    assert window.state.source.name == "first"
    assert window.state.diameter == 11.0
    assert window.state.results.n_objects == count
    assert window.dock.export._all.isEnabled()
    window.viewer.layers.selection.active = second
    assert window.state.source.name == "second"
    assert not window.state.has_objects


def test_a_view_from_the_side_is_no_place_to_correct_in(window, disks):
    image, _ = disks()
    window.viewer.add_image(np.stack([image] * 3), name="stack")
    window.run()
    window.dock.correct.asked.emit("draw")
    assert window.dock.corrector.tools.tool == "draw"
    window.viewer.dims.order = (1, 0, 2)
    assert window.dock.corrector.tools.tool == "", "the tool is left when the axes are rolled"
    window.dock.correct.asked.emit("draw")
    assert window.dock.corrector.tools.tool == ""
    assert "from the front" in window.state.status.message
    window.viewer.dims.order = (0, 1, 2)
    window.dock.correct.asked.emit("draw")
    assert window.dock.corrector.tools.tool == "draw"
