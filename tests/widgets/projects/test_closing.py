"""The X of the dock ends it, hiding does not, and a dock that is opened anew goes on with what is there."""

import gc
import threading

import numpy as np
import pytest

from napari_instseg.io.projects import read_project
from napari_instseg.projects.retraining import Length

LONG_MS = 800_000


def accept(window, count):
    """Accept the first so many objects of the image."""
    annotating = window.dock.annotating
    labels = annotating.annotation.labels
    for label in [label for label in np.unique(labels)[1:] if label not in annotating.annotation.accepted][:count]:
        annotating.accept(np.argwhere(labels == label)[0])


def names(window):
    return [layer.name for layer in window.viewer.layers]


@pytest.fixture
def project(window, disks, tmp_path):
    """The window after a run and two accepted objects, with a project open."""
    window.viewer.add_image(disks()[0], name="cells")
    window.run()
    window.dock.retrain.project.made.emit(tmp_path / "project")
    accept(window, 2)
    window.qtbot.waitUntil(lambda: window.dock.retrainer.idle)
    return tmp_path / "project"


def test_the_x_ends_the_dock_and_a_new_one_goes_on(window, project):
    old = {thread for thread in threading.enumerate() if thread.name.startswith("instseg")}
    layer, kept = window.labels("cells"), window.labels("cells").data.copy()
    window.qtbot.wait(150)
    again = window.reopened()
    assert names(window) == ["cells", "cells objects"]
    window.qtbot.waitUntil(lambda: not any(thread.is_alive() for thread in old))
    retrain, retrainer = again.dock.retrain, again.dock.retrainer
    retrain.project.opened.emit(project)
    assert retrainer.project is not None, retrain._told.text()
    again.run()
    assert names(again)[:2] == ["cells", "cells objects"]
    assert "cells objects [1]" not in names(again)
    assert again.labels("cells") is layer
    corrections = again.dock.annotating.annotation
    assert len(corrections.accepted) == 2
    np.testing.assert_array_equal(layer.data > 0, kept > 0)
    accept(again, 1)
    again.qtbot.waitUntil(lambda: retrainer.idle)
    assert [example.name for example in read_project(project).examples] == ["cells"]
    assert len(retrainer.project.corrections("cells").accepted) == 3
    # what napari's brush paints is taken note of once
    layer.data_setitem((np.array([0]), np.array([0])), 99)
    again.qtbot.wait(50)
    assert again.dock.annotating.undo_title == "paint"
    again.dock.corrector._asked("undo")
    assert again.dock.annotating.undo_title == "accept"
    window.viewer.layers["cells"].name = "other"  # nothing of the first dock listens any more
    gc.collect()
    window.qtbot.wait(50)
    again.dock.end()


def test_hiding_and_floating_do_not_end_it(window, project):
    holder = window.dock.parent()
    holder.title.hide_button.click()
    holder.setVisible(True)
    holder.setFloating(True)
    holder.setFloating(False)
    other = window.viewer.window.add_dock_widget(window.dock.retrain.__class__(), name="other", tabify=True)
    other.raise_()
    window.qtbot.wait(50)
    assert window.dock.retrainer.project is not None
    accept(window, 1)
    window.qtbot.waitUntil(lambda: window.dock.retrainer.idle)
    assert len(window.dock.retrainer.project.corrections("cells").accepted) == 3


@pytest.mark.timeout(1000)
def test_closing_while_it_learns_pauses_it_without_blocking_the_window(window, project):
    section, retraining = window.dock.retrain, window.dock.retrainer.retraining
    accept(window, 4)
    for name, value in (("batch_size", 1), ("patch_size", 48), ("augmentation", "gentle")):
        section.form.changed.emit(name, value)
    section.set_length(Length(100_000, None))
    section._start.click()
    window.qtbot.waitUntil(lambda: retraining.step >= 2, timeout=LONG_MS)
    job, reached = retraining._job, retraining.step
    again = window.reopened()
    again.dock.retrain.project.opened.emit(project)  # at once, while the last step may still be learnt
    window.qtbot.waitUntil(lambda: again.dock.retrainer.project is not None, timeout=LONG_MS)
    assert not job.running
    assert again.dock.retrainer.retraining.state == "paused"
    curve = again.dock.retrain.curves.losses["foreground"]
    assert [step for step, _ in curve[:2]] == [1, 2], "what it has learnt is shown"
    go_on, steps = again.dock.retrainer.retraining, []
    go_on.learnt.connect(lambda step, values: steps.append(step))
    again.dock.retrain._resume.click()
    window.qtbot.waitUntil(lambda: any(step > reached for step in steps), timeout=LONG_MS)
    assert min(steps) > 1, "it goes on from its checkpoint"
    again.close()
    window.qtbot.waitUntil(lambda: go_on.ended, timeout=LONG_MS)
    window.qtbot.wait(100)


def test_a_project_that_is_closed_and_opened_goes_on_with_the_same_example(window, project):
    retrainer = window.dock.retrainer
    for count in (3, 4):
        retrainer.open_project(None)
        accept(window, 1)  # also what was done meanwhile
        retrainer.open_project(project)
        window.qtbot.waitUntil(lambda: retrainer.idle)
        assert [example.name for example in read_project(project).examples] == ["cells"]
        assert len(retrainer.project.corrections("cells").accepted) == count


def test_going_to_another_image_and_back_makes_no_second_example(window, project, disks):
    image = window.dock.segment.image
    window.viewer.add_image(disks()[0][:90], name="other")
    window.run()
    image.choose(window.viewer.layers["cells"])
    window.run()
    window.qtbot.waitUntil(lambda: window.dock.retrainer.idle)
    assert [example.name for example in read_project(project).examples] == ["cells"]
    assert len(window.dock.annotating.annotation.accepted) == 2


def test_corrections_that_the_project_does_not_know_are_kept_beside_its_own(window, project):
    retrainer = window.dock.retrainer
    retrainer.open_project(None)
    from napari_instseg.projects.project import Project

    elsewhere = Project(project, lambda call: None)  # another window changes it meanwhile
    theirs = elsewhere.corrections("cells")
    results = window.state.results
    elsewhere.follow(results.source, results.reading, theirs)
    theirs.reject(*theirs.accepted)
    elsewhere.close()
    retrainer.open_project(project)
    window.qtbot.waitUntil(lambda: retrainer.idle)
    assert [example.name for example in read_project(project).examples] == ["cells", "cells-2"]
    assert "kept beside them as 'cells-2'" in window.dock.retrain._told.text()


def test_a_project_that_was_deleted_is_told_and_can_be_made_anew(window, project):
    import shutil

    shutil.rmtree(project)
    accept(window, 1)
    window.qtbot.waitUntil(lambda: window.dock.retrainer.idle)
    window.qtbot.wait(50)
    facts = window.dock.retrain.project._facts.text()
    assert facts.startswith("NOT SAVED")
    assert "not there any more" in facts
    assert "NOT SAVED" in window.state.status.message
    assert not project.exists()
    window.dock.retrain.project.made.emit(project)
    window.qtbot.waitUntil(lambda: window.dock.retrainer.idle)
    assert [example.name for example in read_project(project).examples] == ["cells"]
    assert len(window.dock.retrainer.project.corrections("cells").accepted) == 3


def test_double_clicking_an_example_chooses_its_image(window, project, disks):
    window.viewer.add_image(disks()[0][:90], name="other")
    assert window.state.source.name == "other"
    window.dock.retrain.project.example_opened.emit("cells")
    assert window.state.source.name == "cells"
    assert window.dock.segment.image._image.currentText() == "cells"
