"""The whole loop in a real viewer: open, run, correct by mouse, retrain, compare, keep; and what can go wrong."""

import json

import numpy as np
import pytest
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_instseg.io.projects import read_project
from napari_instseg.projects.retraining import Length
from napari_instseg.training.trainer import Trainer
from napari_instseg.widgets.projects.closing import is_closing

LONG_S = 800


MOVE_MS = 20
"""Between two moves of the mouse; napari passes on no more than it draws, and makes a click of a quicker stroke."""


class Hand:
    """The user's mouse over the canvas."""

    def __init__(self, window):
        self.window, self.qtbot, self.viewer = window, window.qtbot, window.viewer
        self.canvas = window.viewer.window._qt_viewer.canvas.native
        self.camera = getattr(window.viewer, "scene", window.viewer).camera  # moved there by napari 0.9

    def at(self, y, x):
        size = np.array([self.canvas.height(), self.canvas.width()])
        place = (np.array([y, x]) - np.array(self.camera.center[-2:])) * self.camera.zoom + size / 2
        return QPoint(round(place[1]), round(place[0]))

    def accept(self, y, x):
        self.window.point(self.canvas, self.at(y, x) + QPoint(1, 1))
        self.window.point(self.canvas, self.at(y, x))
        self.qtbot.wait(20)
        self.qtbot.keyClick(self.canvas, Qt.Key_A)
        annotation = self.window.dock.annotating.annotation
        self.qtbot.waitUntil(lambda: annotation.labels[y, x] in annotation.accepted)

    def draw(self, y, x, radius):
        """Draw around a place with the button held."""
        self.qtbot.keyClick(self.canvas, Qt.Key_W)
        turns = np.linspace(0, 2 * np.pi, 24)
        places = [self.at(y + radius * np.sin(t), x + radius * np.cos(t)) for t in turns]
        self.window.point(self.canvas, places[0])
        self.qtbot.mousePress(self.canvas, Qt.MouseButton.LeftButton, pos=places[0])
        left = Qt.MouseButton.LeftButton
        for place in places:
            moved = QMouseEvent(
                QEvent.Type.MouseMove,
                QPointF(place),
                QPointF(self.canvas.mapToGlobal(place)),
                left,
                left,
                Qt.NoModifier,
            )
            QApplication.sendEvent(self.canvas, moved)
            self.qtbot.wait(MOVE_MS)
        self.qtbot.mouseRelease(self.canvas, Qt.MouseButton.LeftButton, pos=places[-1])
        self.qtbot.keyClick(self.canvas, Qt.Key_Escape)
        self.qtbot.wait(20)


@pytest.fixture
def project(tmp_path):
    return tmp_path / "my project"


@pytest.fixture
def work(window, disks):
    """The window after a run over bright disks, two of which are too faint to be found."""
    image, count = disks()
    for y, x in ((15, 45), (75, 105)):
        part = image[y - 8 : y + 9, x - 8 : x + 9]
        part[part > 0] = 40
    window.viewer.window.resize(1300, 900)
    window.viewer.window.show()
    window.qtbot.wait(50)
    window.viewer.add_image(image, name="cells")
    window.dock.segment._run.click()
    window.wait(LONG_S)
    window.viewer.reset_view()
    window.qtbot.wait(50)
    window.count = count
    window.section = window.dock.retrain
    window.retraining = window.dock.retrainer.retraining
    for name, value in (("batch_size", 1), ("patch_size", 48), ("augmentation", "gentle")):
        window.section.form.changed.emit(name, value)
    return window


def correct_three(work):
    """Accept one object and draw two that were missed, by mouse and keys."""
    hand = Hand(work)
    hand.accept(15, 15)
    hand.draw(15, 45, 6)
    hand.draw(75, 105, 6)
    work.qtbot.waitUntil(lambda: work.dock.retrainer.idle and work.section._start.isEnabled(), timeout=LONG_S * 1000)


def wait_for(work, state):
    work.qtbot.waitUntil(lambda: work.retraining.state == state, timeout=LONG_S * 1000)
    work.qtbot.waitUntil(lambda: work.dock.retrainer.idle or work.retraining.running, timeout=LONG_S * 1000)


def in_sight(widget):
    """Whether all of a widget can be seen."""
    return widget.visibleRegion().boundingRect() == widget.rect()


@pytest.mark.timeout(2000)
def test_the_whole_loop(work, project, brightness):
    section = work.section
    assert not section._start.isEnabled()
    assert "project first" in section._start.toolTip()
    section.project.made.emit(project)
    assert "Correct or accept" in section._start.toolTip()
    correct_three(work)
    corrections = work.dock.annotating.annotation
    assert len(corrections.accepted) == 3
    work.dock._retrain_section.open()
    section.set_length(Length(20, None))
    section._start.click()
    assert not section._start.isVisibleTo(section)
    wait_for(work, "to judge")
    assert sorted(step for step, _ in section.curves.losses["foreground"]) == list(range(1, 21))
    assert section.curves.scores["held out"][-1][0] == 20
    names = [layer.name for layer in work.viewer.layers]
    assert {"cells before", "cells after", "cells changed"} <= set(names)
    assert len(np.unique(work.viewer.layers["cells before"].data)) - 1 == work.count - 2
    buttons = (section._keep, section._both, section._back, section._compare)
    work.qtbot.waitUntil(lambda: all(in_sight(one) for one in buttons), timeout=60_000)
    version = work.retraining.version
    assert section._verdict.text() == version.words
    assert version.words not in work.state.status.message, "the line at the foot is short"
    # three objects tell nothing: Enter neither keeps nor discards
    assert "too few objects to tell" in version.words
    assert not section._keep.isDefault()
    assert not section._back.isDefault()
    section._keep.click()
    work.wait(LONG_S)
    folder = project / "versions" / "bright-v2"
    models = work.dock.segment.model._choice
    assert "bright-v2" in [models.itemText(row) for row in range(models.count())]
    assert work.state.model == str(folder)
    assert "3 corrected objects" in work.dock.segment.model._card.text() or "corrected objects" in (
        folder / "README.md"
    ).read_text(encoding="utf-8")
    assert work.labels("cells").data[75, 105] > 0, "corrected objects survive the new run"
    assert "cells before" not in [layer.name for layer in work.viewer.layers]
    assert work.dock.segmenting.suggestion.suggested != work.state.model
    assert "Suggested" not in work.dock.segment.image._look.text()
    assert [v.state for v in read_project(project).versions] == ["kept"]


@pytest.mark.timeout(2000)
def test_paused_rolled_back_and_the_window_stays_usable(work, project, turns, monkeypatch):
    section = work.section
    section.project.made.emit(project)
    correct_three(work)
    section.set_length(Length(100_000, None))
    section._start.click()
    work.qtbot.waitUntil(lambda: work.retraining.step >= 3, timeout=LONG_S * 1000)
    turns.asked_in(monkeypatch, Trainer, "learn")
    reached = work.retraining.step
    work.qtbot.waitUntil(lambda: work.retraining.step >= reached + 10, timeout=LONG_S * 1000)
    assert len(turns.given) >= 5  # what is learnt is told a few steps later
    assert all(turns.given), "the window had no turn during a step"
    section._pause.click()
    wait_for(work, "paused")
    # closed and opened again it shows how far it came, and for how long it was to learn
    course = section.curves.losses["foreground"][:]
    section.project.opened.emit(None)
    section.set_length(Length(None, 5.0))
    assert section.curves.isHidden()
    section.project.opened.emit(project)
    assert work.retraining.state == "paused"
    # the step that was under way at the pause may not have been told
    again = section.curves.losses["foreground"]
    np.testing.assert_allclose(again[: len(course)], course, rtol=1e-6)
    assert len(course) <= len(again) == work.retraining.step <= len(course) + 1
    assert section.length == Length(100_000, None)
    assert section._resume.isVisibleTo(section)
    assert "Learning is paused" in section._told.text()
    assert not section._finish.hasFocus(), "the next press of Space would end the learning"
    section._finish.click()
    wait_for(work, "to judge")
    section._back.click()
    assert work.retraining.state == "idle"
    assert work.state.status.message == "The old model stays; the new one is deleted."
    assert work.viewer.layers.selection.active is work.labels("cells")
    assert read_project(project).versions == ()
    assert not (project / "versions" / "bright-v2").exists()


@pytest.mark.timeout(2000)
def test_reopened_with_one_click(work, project, make_napari_viewer_proxy, qtbot, tmp_path, brightness):
    work.section.project.made.emit(project)
    work.dock.segment.diameter.chosen.emit(14.0)
    work.run()
    correct_three(work)
    labels = work.labels("cells").data.copy()
    accepted = set(work.dock.annotating.annotation.accepted)
    # a second window is told, and changes nothing
    from napari_instseg.widgets.dock import SegmentDock

    second = SegmentDock(work.viewer, presets=tmp_path / "presets")
    second.retrain.project.opened.emit(project)
    assert "open in another window" in second.retrain._told.text()
    assert second.retrain.project._choice.currentText() != project.name
    assert second.retrainer.project is None
    # closed and opened anew, as after a restart
    work.section.project.opened.emit(None)
    assert work.dock.retrainer.project is None
    work.viewer.layers.clear()
    work.dock.segment.diameter.chosen.emit(None)
    work.qtbot.wait(50)
    recent = second.retrainer._recent.read()
    assert recent == [project.resolve()]
    work.section.project.opened.emit(recent[0])
    assert work.section.project._list.count() == 1
    work.section.project.example_opened.emit("cells")
    work.wait(LONG_S)
    again = work.dock.annotating.annotation
    assert again.accepted == accepted
    names = [layer.name for layer in work.viewer.layers]
    assert names.index("cells accepted") > names.index("cells objects"), "or their outlines would be hidden"
    assert work.state.diameter == 14, "objects are found at the size that was said when they were corrected"
    work.dock.segment.diameter.chosen.emit(15.0)
    work.qtbot.waitUntil(lambda: read_project(project).examples[0].diameter == 15, timeout=10_000)
    np.testing.assert_array_equal(work.labels("cells").data, labels)
    second.deleteLater()
    qtbot.wait(100)


def test_images_to_remember_are_chosen_for_each_model(work, project, tmp_path, monkeypatch):
    from skimage.io import imsave

    section = work.section
    choice = section._remember
    texts = lambda: [choice.itemText(row) for row in range(choice.count())]  # noqa: E731
    assert not choice.isEnabled(), "there is no project that would keep it"
    section.project.made.emit(project)
    assert texts() == ["nothing", "a folder…"]
    real = tmp_path / "real ones"

    def choose(row, folder):
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *how, **more: str(folder or ""))
        choice.setCurrentIndex(row)
        choice.activated.emit(row)

    choose(1, tmp_path)
    assert "There is no folder" in section._told.text()
    assert choice.currentText() == "nothing"
    for kind in ("images", "labels"):
        (real / kind).mkdir(parents=True)
        imsave(real / kind / "a.png", np.eye(32, dtype=np.uint8), check_contrast=False)
    choose(1, real)
    assert texts() == ["nothing", "real ones", "a folder…"]
    assert choice.currentText() == "real ones"
    choose(2, None)  # the dialog was closed
    assert choice.currentText() == "real ones"
    own = work.state.model
    assert work.dock.retrainer.project.remembered(own) == real
    # it is of that model only
    work.session.choose_model("discriminative-nuclei")
    work.qtbot.waitUntil(lambda: texts() == ["simulated images", "a folder…"], timeout=10_000)
    work.session.choose_model(own)
    work.qtbot.waitUntil(lambda: choice.currentText() == "real ones", timeout=10_000)
    choose(0, None)
    assert texts() == ["nothing", "a folder…"]
    assert read_project(project).remembered == {}


def test_a_newer_project_is_told_and_not_touched(work, project):
    project.mkdir()
    (project / "project.json").write_text(json.dumps({"format": 50, "new": 1}))
    work.section.project.opened.emit(project)
    assert "layout 50" in work.section._told.text()
    assert work.dock.retrainer.project is None
    assert json.loads((project / "project.json").read_text()) == {"format": 50, "new": 1}


def test_label_files_are_added_behind_the_window(work, project, tmp_path, monkeypatch):
    from tifffile import imwrite

    rng = np.random.default_rng(0)
    labels = np.zeros((2000, 2000), np.uint16)
    labels[100:400, 100:400], labels[1000:1900, 700:900] = 1, 2
    for name in "abc":
        imwrite(tmp_path / f"{name}.tif", rng.integers(0, 255, labels.shape, np.uint8))
        imwrite(tmp_path / f"{name}_masks.tif", labels)
    imwrite(tmp_path / "d_masks.tif", labels[:100])
    imwrite(tmp_path / "d.tif", labels)
    choice, retrainer = work.section.project, work.dock.retrainer

    def add(images, masks):
        asked = iter([images, masks])
        answer = lambda *how, **more: ([str(tmp_path / f"{name}.tif") for name in next(asked)], "")  # noqa: E731
        monkeypatch.setattr(QFileDialog, "getOpenFileNames", answer)
        work.qtbot.mouseClick(choice._import, Qt.MouseButton.LeftButton)

    def wait():
        work.qtbot.waitUntil(lambda: retrainer.idle, timeout=60_000)

    def rows():
        return [choice._list.item(row).text() for row in range(choice._list.count())]

    choice.made.emit(project)
    add("ab", ("b_masks", "a_masks"))
    assert retrainer.importing.running
    assert not choice._importing.isHidden(), "it can be stopped"
    wait()
    assert choice._importing.isHidden()
    assert rows() == ["a", "b"]
    assert "2 of 2 images with labels added" in work.section._told.text()
    known = retrainer.project.corrections("b")
    np.testing.assert_array_equal(known.labels, labels)
    assert known.complete.all()

    add("c", ())  # the second dialog was closed
    add("cd", ("c_masks",))
    assert "'d.tif' of the 2 images chosen has no label file" in work.section._told.text()
    add("dc", ("c_masks", "d_masks"))
    wait()
    assert "(100, 2000)" in work.section._told.text()
    assert "0 of 2 images with labels added" in work.section._told.text()
    assert rows() == ["a", "b"]

    add("ca", ("c_masks", "a_masks"))
    work.qtbot.mouseClick(choice._stop, Qt.MouseButton.LeftButton)
    retrainer.open_project(None)
    assert "stop the adding of labels first" in work.section._told.text()
    wait()
    assert rows() in (["a", "b"], ["a", "b", "c"]), "after the file that was being read"
    add("b", ("b_masks",))
    retrainer.leave()
    work.qtbot.waitUntil(lambda: not is_closing(project), timeout=60_000)
    assert len(read_project(project).examples) == len(list((project / "edits").glob("*.npz")))


def restarted(work, monkeypatch):
    """The window of a program that was started anew."""
    from napari_instseg.projects import unsaved

    work.viewer.layers.clear()
    made = work.reopened()
    work.qtbot.wait(100)
    monkeypatch.setattr(unsaved, "_own", set())
    made.dock.retrainer._offer_rest()
    return made


@pytest.mark.timeout(2000)
def test_corrections_without_a_project_are_offered_at_the_next_start(work, monkeypatch):
    Hand(work).accept(15, 15)
    assert work.dock.rest.isHidden()
    work.qtbot.waitUntil(lambda: work.dock.retrainer.idle)
    again = restarted(work, monkeypatch)
    rest = again.dock.rest
    assert rest.isVisible()
    assert "Corrections of an image from" in rest._text.text()
    work.qtbot.mouseClick(rest._open, Qt.MouseButton.LeftButton)
    again.wait(LONG_S)
    assert rest.isHidden()
    assert [layer.name for layer in again.viewer.layers][:2] == ["cells", "cells objects"]
    annotation = again.dock.annotating.annotation
    assert len(annotation.accepted) == 1
    assert annotation.labels[15, 15] in annotation.accepted
    assert [e.name for e in again.dock.retrainer.project.spec.examples] == ["cells"]
    again.dock.end()


@pytest.mark.timeout(2000)
def test_they_are_discarded_at_the_second_press_only(work, monkeypatch):
    Hand(work).accept(15, 15)
    work.qtbot.waitUntil(lambda: work.dock.retrainer.idle)
    again = restarted(work, monkeypatch)
    rest = again.dock.rest
    folder = rest._rest.folder
    work.qtbot.mouseClick(rest._discard, Qt.MouseButton.LeftButton)
    assert rest._discard.text() == "Sure?"
    assert folder.exists()
    work.qtbot.mouseClick(rest._discard, Qt.MouseButton.LeftButton)
    assert not folder.exists()
    assert rest.isHidden()
    again.dock.end()


def test_a_new_project_takes_what_was_in_none(work, project):
    Hand(work).accept(15, 15)
    kept = work.dock.retrainer._unsaved.project.folder
    work.section.project.made.emit(project)
    work.qtbot.waitUntil(lambda: work.dock.retrainer.idle)
    assert not kept.exists()
    assert len(work.dock.retrainer.project.corrections("cells").accepted) == 1


@pytest.mark.timeout(2000)
def test_a_project_whose_model_is_another_now_shows_what_that_finds(work, project, tmp_path, brightness):
    from napari_instseg.inference.model import load_model

    work.section.project.made.emit(project)
    Hand(work).accept(15, 15)
    work.qtbot.waitUntil(lambda: work.dock.retrainer.idle)
    found = work.labels("cells").data.copy()
    model = load_model(brightness)
    model.spec = model.spec.model_copy(update={"name": "strict", "decode": {"min_size": 5000}})
    strict = str(model.save(tmp_path / "strict"))
    work.dock.retrainer.project.use(strict)
    # reopened: it finds nothing, so there is only what was accepted
    work.section.project.opened.emit(None)
    work.viewer.layers.clear()
    work.qtbot.wait(50)
    work.section.project.opened.emit(project)
    assert work.state.model == strict
    work.section.project.example_opened.emit("cells")
    work.wait(LONG_S)
    annotation = work.dock.annotating.annotation
    assert np.unique(work.labels("cells").data).tolist() == [0, *annotation.accepted]
    assert "had been found by 'bright'" in work.section._told.text()
    assert "Shown are those of 'strict', and your 1 corrected one." in work.section._told.text()
    work.qtbot.waitUntil(lambda: work.dock.retrainer.idle)
    assert read_project(project).examples[0].model == strict
    # and back: what this model found
    work.dock.segment.model.chosen.emit(brightness)
    work.run()
    np.testing.assert_array_equal(work.labels("cells").data > 0, found > 0)
    work.qtbot.waitUntil(lambda: read_project(project).examples[0].model == brightness, timeout=10_000)
