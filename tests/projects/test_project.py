"""An open project saves every edit, knows its images again, and keeps versions of the model."""

import errno
import os

import numpy as np
import pytest
import tifffile

from napari_instseg.core.errors import InputError, ProjectError
from napari_instseg.data.stains import unmix
from napari_instseg.io import projects
from napari_instseg.projects.project import Project
from napari_instseg.projects.recent import Recent
from napari_instseg.session.annotation import Annotation
from napari_instseg.session.identity import axes_of
from napari_instseg.session.source import Source, readings


@pytest.fixture
def opened(tmp_path, loop):
    project = Project(tmp_path / "project", loop, create=True)
    yield project
    project.close()


def source(seed=0, shape=(20, 30), **how):
    return Source(np.random.default_rng(seed).integers(0, 255, shape).astype(np.uint8), "cells", **how)


def corrected(shape=(20, 30)):
    labels = np.zeros(shape, np.int32)
    labels[..., 2:8, 2:8], labels[..., 12:18, 5:9] = 1, 2
    return Annotation(labels)


def follow(project, image, corrections, **how):
    """Take an image as an example, and give it once it is saved."""
    name = project.follow(image, readings(image)[0], corrections, **how)
    project.flush()
    return next(e for e in project.spec.examples if e.name == name)


def test_every_edit_is_on_disk_soon(opened, loop):
    image, corrections = source(), corrected()
    example = follow(opened, image, corrections, diameter=6.0)
    for ids in ((1,), (2,)):
        corrections.accept(*ids)
        opened.flush()
        on_disk = opened.corrections(example.name)
        assert on_disk.accepted == corrections.accepted
    corrections.undo()
    opened.flush()
    assert opened.corrections(example.name).accepted == {1}
    training, _ = projects.read_edits(opened.folder, example.name)
    np.testing.assert_array_equal(training, corrections.training_labels())
    (((pair, diameter),)) = projects.project_pairs(opened.folder)
    assert diameter == 6.0
    np.testing.assert_array_equal(pair.read().image, image.array)


def test_reopened_it_is_as_it_was(tmp_path, loop):
    project = Project(tmp_path / "project", loop, create=True)
    image, corrections = source(), corrected()
    name = follow(project, image, corrections).name
    corrections.accept(2)
    project.use("coloring-nuclei")
    project.close()
    again = Project(tmp_path / "project", loop)
    other = source()  # the same values, opened anew
    assert again.find(other, readings(other)[0]).name == name
    assert again.find(source(1), readings(other)[0]) is None
    found = again.corrections(name)
    np.testing.assert_array_equal(found.labels, corrections.labels)
    assert found.accepted == {2}
    assert again.model == "coloring-nuclei"
    again.close()


def test_other_corrections_of_an_image_overwrite_nothing(opened):
    image, first, second = source(), corrected(), corrected()
    first.accept(1)
    second.accept(2)
    name = follow(opened, image, first).name
    other = follow(opened, image, second, anew=True).name
    assert other != name
    assert opened.corrections(name).accepted == {1}
    assert opened.corrections(other).accepted == {2}


def test_an_image_file_is_referred_to_and_what_a_file_does_not_hold_is_copied(tmp_path, opened):
    image = source()
    np.save(tmp_path / "cells.npy", image.array)
    from_file = Source(image.array, "cells", path=str(tmp_path / "cells.npy"))
    ref = follow(opened, from_file, corrected()).image
    assert ref.path == "../cells.npy"
    changed = Source(image.array + 1, "brighter", path=str(tmp_path / "cells.npy"))
    ref = follow(opened, changed, corrected()).image
    assert ref.path == "images/brighter.npy"
    np.testing.assert_array_equal(opened.image("brighter"), image.array + 1)


def test_a_channel_of_a_stack(opened):
    image = source(shape=(5, 3, 20, 30), axis_labels=("t", "c", "y", "x"))
    reading = next(r for r in readings(image) if r.channel_axis == 1)
    assert axes_of(reading, None) == "TCYX"
    labels = np.zeros((5, 20, 30), np.int32)
    labels[2, 4:9, 4:9] = 7
    corrections = Annotation(labels)
    corrections.accept(7)
    name = opened.follow(image, reading, corrections, channel=2)
    opened.flush()
    (example,) = opened.spec.examples
    assert example.name == name
    ((pair, _),) = projects.project_pairs(opened.folder)
    found = pair.read()
    assert found.axes == example.image.axes == "TYX"
    np.testing.assert_array_equal(found.image, image.array[:, 2])
    assert set(np.unique(found.labels[2])) == {-1, 0, 7}
    assert set(np.unique(found.labels[0])) == {-1}
    wide = source(shape=(2, 2, 9, 20, 30))
    with pytest.raises(InputError, match="3 axes of independent images"):
        axes_of(readings(wide)[0], None)


def test_a_stain_of_a_picture_is_copied_and_known_again(tmp_path, opened):
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "tissue.tif", picture)
    image = Source(picture, "tissue", rgb=True, path=str(tmp_path / "tissue.tif"))
    (reading,) = readings(image)
    names = {c: opened.follow(image, reading, corrected(), channel=c) for c in (None, 2, "haematoxylin")}
    opened.flush()
    examples = {c: next(e for e in opened.spec.examples if e.name == name) for c, name in names.items()}
    assert [e.image.axes for e in examples.values()] == ["YXC", "YX", "YX"]
    assert [e.image.path for e in examples.values()][:2] == ["../tissue.tif"] * 2
    assert examples["haematoxylin"].image.path.startswith("images/")
    np.testing.assert_array_equal(opened.image(names[2]), picture[..., 2])
    unmixed = opened.image(names["haematoxylin"])
    np.testing.assert_array_equal(unmixed, unmix(picture, "haematoxylin"))
    for channel, example in examples.items():
        assert opened.find(image, reading, channel).name == example.name
    copy = Source(unmixed, "copy")
    assert opened.find(copy, readings(copy)[0]).name == names["haematoxylin"]


def test_label_files_become_examples_in_which_all_is_known(tmp_path, opened):
    image, labels = source().array, corrected().labels
    np.save(tmp_path / "a.npy", image)
    np.save(tmp_path / "a labels.npy", labels)
    example = opened.import_labels(tmp_path / "a.npy", tmp_path / "a labels.npy")
    np.testing.assert_array_equal(projects.read_edits(opened.folder, example.name)[0], labels)
    assert opened.corrections(example.name).complete.all(), "also when it is corrected on"
    assert opened.count() == 2
    np.save(tmp_path / "b labels.npy", labels[:10])
    with pytest.raises(InputError, match=r"shape \(10, 30\)"):
        opened.import_labels(tmp_path / "a.npy", tmp_path / "b labels.npy")


def test_a_full_disk_is_told_and_the_next_edit_is_saved_again(opened, loop, monkeypatch):
    told = []
    opened.saved.connect(lambda waiting, problem: told.append(problem))
    corrections = corrected()
    name = follow(opened, source(), corrections).name
    loop.run_waiting()
    told.clear()
    true_fsync = os.fsync

    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    corrections.accept(1)
    opened.flush()
    loop.run_until(lambda: told)
    assert "disk is full" in told[0]
    assert opened.corrections(name).accepted == set()
    monkeypatch.setattr(os, "fsync", true_fsync)
    corrections.accept(2)
    opened.flush()
    loop.run_until(lambda: len(told) == 2)
    assert told[1] == ""
    assert opened.corrections(name).accepted == {1, 2}


def test_two_windows_on_one_project(opened, loop):
    with pytest.raises(ProjectError, match="open in another window"):
        Project(opened.folder, loop)


def test_examples_are_removed_and_their_edits_stay(opened):
    corrections = corrected()
    name = follow(opened, source(), corrections).name
    opened.flush()
    opened.remove(name)
    assert not opened.spec.examples
    assert (opened.folder / "edits" / f"{name}.npz").exists()
    corrections.accept(1)
    opened.flush()
    # a name is never used twice, so that the edits of another image are not overwritten
    assert follow(opened, source(1), corrected()).name == f"{name}-2"
    with pytest.raises(ProjectError, match="no example 'nobody'"):
        opened.image("nobody")


def test_versions_are_counted_kept_and_deleted(tmp_path, opened, loop):
    first = opened.start_version("coloring-nuclei")
    assert first.name == "coloring-nuclei-v2"
    assert opened.unfinished() == first
    folder = opened.version_folder(first.name)
    (folder / "training").mkdir(parents=True)
    opened.settle_version(first.name, state="kept", words="better")
    second = opened.start_version(str(folder))
    assert second.name == "coloring-nuclei-v3"
    opened.settle_version(second.name, state="rejected")
    assert [v.name for v in opened.kept()] == [first.name]
    # one whose making had not begun is forgotten when the project is opened again
    opened.start_version("coloring-nuclei")
    opened.close()
    again = Project(opened.folder, loop)
    assert [v.name for v in again.spec.versions] == [first.name]
    again.close()


def pairs_in(folder, names=("a", "b")):
    """A folder of annotated images of noise."""
    for number, name in enumerate(names):
        for kind, array in (("images", source(number).array), ("labels", corrected().labels.astype(np.uint16))):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(folder / kind / f"{name}.tif", array)
    return folder


def test_what_a_model_is_to_remember_is_named_by_model_and_moves_with_the_project(tmp_path, opened, loop):
    from napari_instseg.training.replay import open_replay

    nuclei = pairs_in(tmp_path / "nuclei")
    assert open_replay(opened.folder, "coloring-nuclei") is None
    opened.remember("coloring-nuclei", nuclei)
    with pytest.raises(InputError, match="There is no folder"):
        opened.remember("coloring-nuclei", tmp_path)
    assert opened.remembered("coloring-nuclei") == nuclei
    assert opened.remembered("coloring-cells") is None
    learn, judge = open_replay(opened.folder, "coloring-nuclei")
    assert sorted(pair.name for pair in (*learn, *judge)) == ["a", "b"]
    assert learn
    assert judge
    # a model of the project is known by its place in it, so that the project can be moved together with the images
    own = opened.version_folder(opened.start_version("coloring-nuclei").name)
    (own / "training").mkdir(parents=True)
    opened.settle_version(own.name, state="kept")
    opened.remember(str(own), nuclei)
    opened.close()
    (tmp_path / "elsewhere").mkdir()
    for folder in (opened.folder, nuclei):
        folder.rename(tmp_path / "elsewhere" / folder.name)
    moved = Project(tmp_path / "elsewhere" / opened.folder.name, loop)
    assert moved.remembered(str(moved.version_folder("coloring-nuclei-v2"))).samefile(tmp_path / "elsewhere/nuclei")
    moved.remember("coloring-nuclei", None)
    assert moved.remembered("coloring-nuclei") is None
    # the images alone moved: that is told, with where they were
    (tmp_path / "elsewhere" / "nuclei").rename(tmp_path / "gone")
    with pytest.raises(InputError, match=r"There is no folder.*nuclei"):
        open_replay(moved.folder, str(moved.version_folder("coloring-nuclei-v2")))
    moved.close()


def test_recent_projects_are_offered_while_they_exist(tmp_path, opened):
    recent = Recent(tmp_path / "config")
    assert recent.read() == []
    projects.create_project(tmp_path / "other")
    recent.add(tmp_path / "other")
    recent.add(opened.folder)
    recent.add(tmp_path / "gone")
    assert recent.read() == [opened.folder.resolve(), (tmp_path / "other").resolve()]
