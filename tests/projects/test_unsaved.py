"""Corrections that are in no project outlive the program, and go into the first project that is made."""

import numpy as np
import pytest

from napari_instseg.io.projects import read_project
from napari_instseg.projects import unsaved as module
from napari_instseg.projects.project import Project
from napari_instseg.projects.unsaved import Kept, Unsaved
from napari_instseg.session.annotation import Annotation
from napari_instseg.session.source import Source, readings


@pytest.fixture
def restart(monkeypatch):
    """Forget what belongs to this process, as another one does."""
    return lambda: monkeypatch.setattr(module, "_own", set())


def kept(name="cells", value=0):
    labels = np.zeros((40, 50), np.int32)
    labels[5:12, 5:12], labels[20:30, 20:30] = 1, 2
    source = Source(np.full((40, 50), value, np.uint8) + (labels > 0), name)
    return Kept(source, readings(source)[0], Annotation(labels), None, 12.0, "bright")


@pytest.fixture
def made(tmp_path, loop):
    problems, all_made = [], []

    def make():
        all_made.append(Unsaved(loop, problems.append, tmp_path))
        return all_made[-1]

    yield make
    assert not problems
    for one in all_made:
        if one.project is not None:
            one.project.close()


def test_they_are_offered_to_the_next_start_and_become_a_project(made, tmp_path, restart, loop):
    one, cells = made(), kept()
    assert one.left() == []
    one.keep(cells)
    cells.corrections.accept(2)
    assert one.project.flush()
    assert made().left() == [], "this program has them still"
    restart()
    assert made().left() == [], "another window has them open"
    one.project.close()
    one.project = None
    restart()
    another = made()
    (rest,) = another.left()
    assert rest.images == 1
    assert "Corrections of an image from " in rest.words
    folder = another.rescue(rest)
    assert made().left() == []
    project = Project(folder, loop)
    example = project.find(cells.source, cells.reading)
    assert example.diameter == 12
    assert example.model == "bright"
    assert project.corrections(example.name).accepted == {2}
    project.close()


def test_discarded_they_are_gone(made, restart):
    one = made()
    one.keep(kept())
    assert one.project.flush()
    one.project.close()
    one.project = None
    restart()
    (rest,) = one.left()
    one.discard(rest)
    assert not rest.folder.exists()
    assert one.left() == []


def test_a_new_project_takes_all_of_them_and_nothing_is_left(made, tmp_path, loop):
    one, cells, others = made(), kept(), kept("others", 7)
    one.keep(cells)
    one.keep(others)
    folder = one.project.folder
    project = Project(tmp_path / "mine", loop, create=True)
    one.move_into(project)
    assert project.flush()
    cells.corrections.accept(1)
    assert project.flush()
    assert {e.name for e in read_project(tmp_path / "mine").examples} == {"cells", "others"}
    assert project.corrections("cells").accepted == {1}
    assert one.project is None
    assert not folder.exists()
    project.close()


def test_one_of_two_that_a_project_takes_leaves_the_other(made, restart):
    one, cells, others = made(), kept(), kept("others", 7)
    one.keep(cells)
    one.keep(others)
    assert one.project.flush()
    one.drop(cells.corrections)
    assert [e.name for e in read_project(one.project.folder).examples] == ["others"]


def test_a_dock_that_is_opened_again_goes_on_in_the_same_folder(made, restart):
    one, cells = made(), kept()
    one.keep(cells)
    folder = one.project.folder
    one.project.close()
    one.project = None
    two = made()
    two.keep(cells)
    assert two.project.folder == folder
    assert two.project.flush()
    assert len(two.project.spec.examples) == 1
    assert cells.corrections.saved_as == (), "they are no project's"
