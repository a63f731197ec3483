"""Objects that follow the sliders, in a real viewer."""

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QObject, QPoint, Qt
from qtpy.QtWidgets import QStyle, QStyleOptionSlider

from napari_instseg.core.params import Params, choice, flag, text, tunable
from napari_instseg.widgets.parameter_form import ParameterForm


def drag(qtbot, slider, positions):
    """Drag the handle of a slider with the mouse, as a hand does."""
    option = QStyleOptionSlider()
    slider.initStyleOption(option)
    handle = slider.style().subControlRect(
        QStyle.ComplexControl.CC_Slider, option, QStyle.SubControl.SC_SliderHandle, slider
    )
    at = handle.center()
    qtbot.mousePress(slider, Qt.MouseButton.LeftButton, pos=at)
    for x in positions:
        qtbot.mouseMove(slider, QPoint(int(x), at.y()))
        qtbot.wait(5)
    qtbot.mouseRelease(slider, Qt.MouseButton.LeftButton, pos=QPoint(int(positions[-1]), at.y()))


@pytest.fixture
def tuned(window, disks):
    """The window after a run over disks, whose parameters can be moved."""
    image, count = disks()
    y, x = np.indices(image.shape)
    image[(y % 30 - 15) ** 2 + (x % 30 - 15) ** 2 <= 4] += 60  # the disks' cores are brighter
    window.viewer.add_image(image, name="cells")
    window.viewer.window.resize(1400, 1000)
    window.run()
    window.count = count
    return window


def test_fifty_moves_of_the_real_slider_end_with_the_labels_of_the_last_value(tuned, turns, qtbot, monkeypatch):
    slider = tuned.row("foreground_threshold").slider
    tuned.viewer.window.show()
    qtbot.wait(100)
    prediction = next(iter(tuned.state.results.predictions.values()))
    turns.asked_in(monkeypatch, prediction.pipeline, "run")
    positions = [slider.width() * part for part in np.linspace(0.3, 0.9, 50)]
    drag(qtbot, slider, positions)
    tuned.wait()
    value = tuned.state.parameters.foreground_threshold
    assert value > 0.6
    assert turns.given
    assert all(turns.given), "the window had no turn while it decoded"
    monkeypatch.undo()
    prediction = next(iter(tuned.state.results.predictions.values()))
    expected = prediction.decode(foreground_threshold=value)
    labels = tuned.labels("cells")
    np.testing.assert_array_equal(labels.data > 0, expected.labels > 0)
    assert len(labels.features) == expected.n_objects
    assert len(tuned.viewer.layers) == 2
    assert "after" in tuned.dock.tune._facts.text()


class Events(QObject):
    """Notes the types of events that reach a widget."""

    def __init__(self, widget):
        super().__init__(widget)
        self.types = []
        widget.installEventFilter(self)

    def eventFilter(self, watched, event):
        self.types.append(event.type())
        return False


def test_a_new_count_neither_lays_out_the_dock_nor_draws_boxes_anew(tuned, qtbot):
    tuned.viewer.window.show()
    tune, row = tuned.dock.tune, tuned.row("min_size")
    qtbot.wait(200)
    section, box = Events(tune), Events(row._box)
    tune.show_outcome(12345, 0.123)
    row.show_value(row._box.value())
    qtbot.wait(100)
    assert QEvent.Type.LayoutRequest not in section.types
    assert QEvent.Type.Paint not in box.types
    facts = tune._facts
    assert facts.fontMetrics().horizontalAdvance(facts.text()) <= facts.width()


def test_undo_redo_reset_and_presets(tuned):
    tune, form = tuned.dock.tune, tuned.dock.tune.form
    own = tuned.state.parameters
    row = form.rows["min_size"]
    assert not tune._undo.isEnabled()
    row._box.setValue(1000)
    tuned.qtbot.waitUntil(tune._undo.isEnabled, timeout=5000)
    tuned.wait()
    assert tuned.labels("cells").data.max() == 0
    tune._undo.click()
    tuned.wait()
    assert tuned.state.parameters == own
    assert row._box.value() == own.min_size
    assert len(np.unique(tuned.labels("cells").data)) - 1 == tuned.count
    tune._redo.click()
    assert tuned.state.parameters.min_size == 1000
    tune._presets.setEditText("large ones")
    tune._save.click()
    tune._reset.click()
    assert tuned.state.parameters == own
    assert not tune._reset.isEnabled()
    tune._presets.activated.emit(tune._presets.findText("large ones"))
    assert tuned.state.parameters.min_size == 1000
    tune._presets.setEditText("large ones")
    tune._delete.click()
    assert tune._presets.count() == 0
    tuned.wait()


def test_objects_follow_only_when_applied_if_not_live(tuned):
    tune = tuned.dock.tune
    tune._live.setChecked(False)
    tune.form.rows["min_size"]._box.setValue(1000)
    tuned.wait()
    assert tuned.labels("cells").data.max() > 0
    assert not tune._apply.isHidden()
    tune._apply.click()
    tuned.wait()
    assert tuned.labels("cells").data.max() == 0


def test_changes_during_a_run_are_caught_up_with(tuned):
    tuned.dock.segment._run.click()
    tuned.row("min_size")._box.setValue(1000)
    tuned.wait()
    assert tuned.labels("cells").data.max() == 0


def test_another_image_in_mid_flight_is_harmless(tuned, disks):
    for size in range(1, 40):
        tuned.row("min_size")._box.setValue(size)
    tuned.viewer.add_image(disks((60, 90))[0], name="other")
    tuned.wait()
    tuned.run()
    assert tuned.labels("other").data.max() == 6


def test_a_method_added_as_one_file_has_its_form(window):
    rows = window.dock.tune.form.rows
    assert list(rows) == ["foreground_threshold", "min_size", "sizes", "invert"]
    assert "Higher: smaller objects." in rows["foreground_threshold"].toolTip()
    assert rows["min_size"]._box.suffix() == " px"
    assert rows["min_size"]._title.text() == "Smallest object"
    sizes = rows["sizes"]._choice
    sizes.activated.emit(sizes.findText("any"))
    assert rows["min_size"].isHidden()
    sizes.activated.emit(sizes.findText("limited"))
    assert not rows["min_size"].isHidden()
    assert rows["invert"].parent() is not rows["sizes"].parent(), "parameters for experts are folded away"


def test_sizes_are_told_in_micrometres(tuned, disks):
    tuned.viewer.add_image(disks()[0], name="scaled", scale=(0.5, 0.5), units=("um", "um"))
    assert tuned.row("min_size")._size.text() == "5 µm²"


class Everything(Params):
    """One parameter of each kind."""

    even: float = tunable(5.0, 0.0, 10.0, step=0.5, title="Even", help="h")
    bent: int = tunable(30, 0, 5000, unit="px", title="Bent", help="h")
    word: str = text("abc", title="Word", help="h")
    yes: bool = flag(True, title="Yes", help="h")


def test_every_kind_of_parameter_shows_its_value_and_tells_its_change(qtbot):
    form = ParameterForm(Everything)
    qtbot.addWidget(form)
    said = []
    form.changed.connect(lambda name, value: said.append((name, value)))
    form.show_values(Everything(even=2.5, bent=400, word="x", yes=False))
    assert said == []
    assert form.rows["even"]._box.value() == 2.5
    assert form.rows["bent"]._box.text() == "400 px"
    assert form.rows["word"]._line.text() == "x"
    assert not form.rows["yes"]._box.isChecked()
    form.rows["even"]._box.setValue(7)
    form.rows["bent"].slider.setValue(1000)
    form.rows["word"]._line.setText("y")
    form.rows["word"]._line.editingFinished.emit()
    form.rows["yes"]._box.click()
    assert said == [("even", 7.0), ("bent", 5000), ("word", "y"), ("yes", True)]
    assert type(said[1][1]) is int


def test_choice_is_declared(qtbot):
    from typing import Literal

    class Chosen(Params):
        way: Literal["a", "b"] = choice("b", title="Way", help="h")

    form = ParameterForm(Chosen)
    qtbot.addWidget(form)
    assert form.rows["way"]._choice.currentText() == "b"


def test_every_method_fits_the_width_of_the_dock_and_controls_of_the_last_one_vanish(window):
    from qtpy.QtWidgets import QScrollArea

    from napari_instseg.methods import methods
    from napari_instseg.widgets.dock import WIDTH
    from napari_instseg.widgets.parameter_form import ParameterForm

    dock = window.dock
    dock._tune_section.open()
    scroll = dock.findChild(QScrollArea)
    for method in methods().values():
        dock.tune.show_values(method.decode())
        dock.look.views.show_views(method.inspect)
        shown = [form for form in dock.findChildren(ParameterForm) if not form.isHidden()]
        assert [form.params for form in shown] == [method.decode]
        room = WIDTH - scroll.verticalScrollBar().sizeHint().width()
        assert scroll.widget().minimumSizeHint().width() <= room, method.name


def strip_under(window, name):
    """Wait for the strip of a parameter, computed to its end."""
    row = window.row(name)
    window.viewer.window.show()
    window.wait()
    window.qtbot.waitUntil(lambda: window.dock.tuner.idle and row.strip.strip is not None, timeout=30_000)
    return row.strip


def click_strip(window, view, share):
    from qtpy.QtTest import QTest

    place = QPoint(round(view.x_at(share)), view.height() // 2)
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=place)


def test_a_strip_appears_under_the_slider_and_a_click_goes_there(tuned):
    view = strip_under(tuned, "min_size")
    counts = {point.value: point.n_objects for point in view.strip.points}
    assert counts[0] == tuned.count
    assert counts[5000] == 0
    assert view.strip.stable[0] == 0
    own = tuned.state.parameters.min_size
    click_strip(tuned, view, 0.9)
    assert tuned.state.parameters.min_size > 1000
    assert tuned.row("min_size")._box.value() == tuned.state.parameters.min_size
    tuned.wait()
    assert tuned.labels("cells").data.max() == 0
    assert view.valid, "its own parameter leaves a strip as it is"
    tuned.dock.tune._undo.click()
    assert tuned.state.parameters.min_size == own
    tuned.row("foreground_threshold")._box.setValue(0.9)
    assert not view.valid
    tuned.qtbot.waitUntil(lambda: view.valid and tuned.dock.tuner.idle, timeout=30_000)
    assert view.strip.belongs_to(tuned.state.parameters)
    view.grab()  # it is drawn without complaint


def test_strips_are_computed_only_for_what_is_seen_and_go_with_the_image(tuned, disks):
    view = strip_under(tuned, "foreground_threshold")
    assert not view.isHidden()
    assert tuned.row("sizes").parameter.kind == "choice"
    tuned.viewer.add_image(disks((60, 90))[0], name="other")
    assert view.isHidden()
    assert view.strip is None


def draw_truth(window, name="mine", ids=(2, 3)):
    """Draw some objects as they should be, into a layer of one's own."""
    objects = window.labels("cells").data
    window.viewer.add_labels(np.where(np.isin(objects, ids), objects, 0), name=name)
    choice = window.dock.tune.truth._choice
    choice.activated.emit(choice.findText(name))


def test_fit_raises_the_score_as_one_step_that_can_be_undone(tuned):
    assert not tuned.dock.tune._fit.isEnabled()
    draw_truth(tuned)
    tuned.row("min_size")._box.setValue(3000)
    tuned.row("foreground_threshold")._box.setValue(0.98)
    tuned.wait()
    tuned.qtbot.waitUntil(lambda: tuned.dock.tune._undo.isEnabled(), timeout=5000)
    detuned = tuned.state.parameters
    assert tuned.labels("cells").data.max() == 0
    found = []
    tuned.dock.tuning.fitted.connect(lambda fit, _: found.append(fit))
    tuned.dock.tune._fit.click()
    assert tuned.state.running
    tuned.wait()
    assert found[0].before.mean_ap == 0
    assert found[0].after.mean_ap == 1
    assert found[0].n_objects == 2
    assert "0.00 before, 1.00 now" in tuned.dock.tune._fit_note.text()
    assert len(np.unique(tuned.labels("cells").data)) - 1 == tuned.count
    assert tuned.state.parameters == found[0].parameters
    tuned.dock.tune._undo.click()
    tuned.wait()
    assert tuned.state.parameters == detuned
    assert tuned.labels("cells").data.max() == 0


def test_what_was_accepted_is_fitted_to(tuned):
    annotating = tuned.dock.annotating
    for label in (4, 7, 9):
        assert annotating.accept_object(label, ())
    assert tuned.dock.tune._fit.isEnabled()
    tuned.row("min_size")._box.setValue(3000)
    tuned.wait()
    found = []
    tuned.dock.tuning.fitted.connect(lambda fit, _: found.append(fit))
    tuned.dock.tune._fit.click()
    tuned.wait()
    assert found[0].n_objects == 3
    assert (found[0].before.mean_ap, found[0].after.mean_ap) == (0, 1)


def test_fitting_can_be_cancelled_and_leaves_the_values(tuned):
    draw_truth(tuned)
    before = tuned.state.parameters
    tuned.dock.tune._fit.click()
    tuned.dock.status._cancel.click()
    tuned.wait()
    assert "Cancelled" in tuned.state.status.message
    assert tuned.state.parameters == before


def test_true_objects_give_a_score_and_painting_another(tuned):
    draw_truth(tuned)
    view = strip_under(tuned, "min_size")
    tuned.qtbot.waitUntil(
        lambda: tuned.dock.tuner.idle and view.strip is not None and view.strip.points[0].score == 1,
        timeout=30_000,
    )
    layer = tuned.viewer.layers["mine"]
    half = np.nonzero(layer.data == 2)
    layer.data_setitem((half[0][::2], half[1][::2]), 0)
    tuned.qtbot.waitUntil(
        lambda: tuned.dock.tuner.idle and view.strip is not None and 0 < view.strip.points[0].score < 1, timeout=30_000
    )
    tuned.viewer.layers.remove("mine")
    assert not tuned.dock.tune.truth.chosen
    assert not tuned.dock.tune._fit.isEnabled()
    assert "Labels layer" in tuned.dock.tune._fit.toolTip()


def test_tooltips_tell_what_reset_gives(tuned):
    tuned.dock.tuning.change(min_size=77)
    own = tuned.dock.tuning.own
    assert f"min_size: {own.min_size} px unless changed" in tuned.row("min_size").toolTip()
    tuned.dock.segment.diameter.chosen.emit(24.0)
    grown = tuned.dock.tuning.own
    tuned.dock.tuning.reset()
    assert tuned.state.parameters == grown
    assert f"min_size: {grown.min_size} px unless changed" in tuned.row("min_size").toolTip()
