"""A project folder is whole at every moment, and says in words what is wrong with it."""

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from napari_instseg.core.errors import InputError, ModelError, OutputError, ProjectError
from napari_instseg.io import projects
from napari_instseg.io.project_lock import opened_alone
from napari_instseg.io.projects import ExampleSpec
from napari_instseg.zoo import find_model

IMAGE = np.arange(24, dtype=np.uint16).reshape(4, 6)
LABELS = np.where(IMAGE > 12, 3, -1).astype(np.int32)


@pytest.fixture
def folder(tmp_path):
    """A project with one copied image."""
    place = tmp_path / "my projéct"
    spec = projects.create_project(place, "coloring-nuclei")
    example = ExampleSpec(name="a", image=projects.copy_image(place, "a", IMAGE, "YX"), diameter=7.5)
    projects.write_edits(place, "a", LABELS, {"accepted": np.array([3]), "complete": LABELS > 0})
    projects.write_project(place, spec.model_copy(update={"examples": (example,)}))
    return place


def test_what_was_written_is_read_again(folder):
    spec = projects.read_project(folder)
    assert spec.model == "coloring-nuclei"
    ((pair, diameter),) = projects.project_pairs(folder)
    example = pair.read()
    assert (pair.name, diameter, example.axes) == ("a", 7.5, "YX")
    np.testing.assert_array_equal(example.image, IMAGE)
    np.testing.assert_array_equal(example.labels, LABELS)
    training, arrays = projects.read_edits(folder, "a")
    np.testing.assert_array_equal(training, LABELS)
    assert arrays.keys() == {"accepted", "complete"}
    np.testing.assert_array_equal(arrays["complete"], LABELS > 0)


def test_a_referenced_image_is_found_where_it_moved_together_with_the_project(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    np.save(home / "cells.npy", np.stack([IMAGE, IMAGE + 1, IMAGE + 2, IMAGE + 5, IMAGE + 7]))
    projects.create_project(home / "project")
    ref = projects.refer_to_image(home / "project", home / "cells.npy", (1, None, None), "YX")
    assert ref.path == "../cells.npy"
    example = ExampleSpec(name="cells", image=ref)
    np.testing.assert_array_equal(projects.read_example_image(home / "project", example), IMAGE + 1)
    home.rename(tmp_path / "elsewhere")
    np.testing.assert_array_equal(projects.read_example_image(tmp_path / "elsewhere" / "project", example), IMAGE + 1)


@pytest.mark.parametrize("path", ["a" * 300, "a/" * 3000, "round", "locked/away.npy"])
def test_an_image_at_a_place_that_no_system_can_look_at_is_missed(folder, path):
    if path == "round":
        try:
            (folder / "round").symlink_to(folder / "round")
        except OSError:  # Windows lets only some users make links
            (folder / "round").write_bytes(b"")
    if path.startswith("locked"):
        (folder / "locked").mkdir(mode=0o000)
    spec = projects.read_project(folder)
    image = spec.examples[0].image.model_copy(update={"path": path})
    example = spec.examples[0].model_copy(update={"image": image})
    with pytest.raises(InputError, match=r"is gone|is not the file that was added"):
        projects.read_example_image(folder, example)
    changed = spec.model_copy(update={"remembered": {"coloring-nuclei": projects.StoredPath(path=path)}})
    assert projects.find_remembered(folder, changed, "coloring-nuclei") is not None
    assert projects.name_model(folder, path) == path
    with pytest.raises(ModelError, match="No model"):
        find_model(path)


def test_a_moved_image_is_missed_and_can_be_shown(tmp_path):
    np.save(tmp_path / "cells.npy", IMAGE)
    np.save(tmp_path / "other.npy", IMAGE + 1)
    projects.create_project(tmp_path / "project")
    ref = projects.refer_to_image(tmp_path / "project", tmp_path / "cells.npy", (None, None), "YX")
    example = ExampleSpec(name="cells", image=ref)
    (tmp_path / "cells.npy").rename(tmp_path / "moved.npy")
    with pytest.raises(InputError, match=r"'cells' is gone: it was at .*cells\.npy.*say where it is"):
        projects.read_example_image(tmp_path / "project", example)
    with pytest.raises(InputError, match="content differs"):
        projects.relocate(tmp_path / "project", example, tmp_path / "other.npy")
    found = projects.relocate(tmp_path / "project", example, tmp_path / "moved.npy")
    np.testing.assert_array_equal(projects.read_example_image(tmp_path / "project", found), IMAGE)


def test_a_changed_image_is_noticed_even_with_the_same_time_and_size(tmp_path):
    path = tmp_path / "cells.npy"
    np.save(path, IMAGE)
    projects.create_project(tmp_path / "project")
    ref = projects.refer_to_image(tmp_path / "project", path, (None, None), "YX")
    before = path.stat()
    np.save(path, IMAGE[::-1].copy())
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(InputError, match="content changed"):
        projects.read_example_image(tmp_path / "project", ExampleSpec(name="cells", image=ref))


def test_a_newer_project_is_refused_and_not_touched(folder):
    path = folder / "project.json"
    path.write_text(json.dumps({"format": 99, "made_by": "napari-instseg 9.0", "what": "is new"}))
    before = path.read_bytes()
    with pytest.raises(ProjectError, match=r"layout 99, made by napari-instseg 9\.0.*Update"):
        projects.read_project(folder)
    assert path.read_bytes() == before


def test_a_project_of_an_older_layout_is_read_and_written_in_the_present_one(folder):
    path = folder / "project.json"
    values = json.loads(path.read_text())
    del values["remembered"]
    path.write_text(json.dumps({**values, "format": 1, "made_by": "napari-instseg 0.0.1"}))
    old = projects.read_project(folder)
    assert old.remembered == {}
    projects.write_project(folder, old.model_copy(update={"model": "coloring-nuclei"}))
    written = json.loads(path.read_text())
    assert written["format"] == projects.FORMAT
    assert "0.0.1" not in written["made_by"]
    assert len(projects.read_project(folder).examples) == len(old.examples)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1, "examples": 3}', '{"format": 1, "strange": 0}'])
def test_a_damaged_project_is_told(folder, content):
    (folder / "project.json").write_text(content)
    with pytest.raises(ProjectError, match="damaged"):
        projects.read_project(folder)


def test_folders_that_are_no_project_or_taken(folder, tmp_path):
    with pytest.raises(ProjectError, match="no project"):
        projects.read_project(tmp_path)
    with pytest.raises(ProjectError, match="is a project already"):
        projects.create_project(folder)
    with pytest.raises(ProjectError, match="is not empty"):
        projects.create_project(tmp_path)
    (folder / "edits" / "a.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(ProjectError, match=r"a\.npz' is damaged"):
        projects.read_edits(folder, "a")
    with pytest.raises(ProjectError, match="edits of example 'b' are missing"):
        projects.read_edits(folder, "b")


def test_a_full_disk_leaves_what_was_written_before(folder, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="disk is full"):
        projects.write_edits(folder, "a", LABELS * 0, {})
    with pytest.raises(OutputError, match="disk is full"):
        projects.write_project(folder, projects.ProjectSpec())
    monkeypatch.undo()
    np.testing.assert_array_equal(projects.read_edits(folder, "a")[0], LABELS)
    assert len(projects.read_project(folder).examples) == 1
    assert not list(folder.glob(".*.npz"))


HOLD = """
import sys, time
from napari_instseg.io.project_lock import opened_alone
with opened_alone(sys.argv[1]):
    print("open", flush=True)
    time.sleep(600)
"""


def test_a_second_window_is_told_who_has_it_and_a_killed_one_leaves_no_lock(folder):
    with opened_alone(folder):
        words = f"open in another window .process {os.getpid()} on .*, since 20"
        with pytest.raises(ProjectError, match=words), opened_alone(folder):
            raise AssertionError
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline().strip() == "open"
    with pytest.raises(ProjectError, match=f"process {other.pid}"), opened_alone(folder):
        raise AssertionError
    other.kill()
    other.communicate()
    with opened_alone(folder):
        pass
    assert not (folder / ".opened-by.json").exists()


def edited(folder, change):
    """Change what project.json says, as somebody else may have."""
    values = json.loads((folder / "project.json").read_text(encoding="utf-8"))
    change(values)
    (folder / "project.json").write_text(json.dumps(values), encoding="utf-8")


@pytest.mark.parametrize("name", ["../../outside", "..", "/outside", "a/../../b", "C:\\outside", "a\x00", ""])
def test_names_that_lead_out_of_the_folder_are_refused(folder, name):
    edited(folder, lambda values: values["examples"][0].update(name=name))
    with pytest.raises(ProjectError, match=r"damaged \(examples\.0\.name: .*cannot be"):
        projects.read_project(folder)
    version = {"name": name, "start": "coloring-nuclei", "state": "kept"}
    edited(folder, lambda values: values.update(examples=[], versions=[version]))
    with pytest.raises(ProjectError, match=r"damaged \(versions\.0\.name: .*cannot be"):
        projects.read_project(folder)


def test_two_of_one_name_are_refused(folder):
    edited(folder, lambda values: values.update(examples=2 * values["examples"]))
    with pytest.raises(ProjectError, match="two examples have the same name"):
        projects.read_project(folder)


def test_nothing_is_written_behind_a_link(folder, tmp_path):
    outside = tmp_path / "outside"
    (folder / "edits").rename(outside)
    before = (outside / "a.npz").read_bytes()
    (folder / "edits").symlink_to(outside)
    with pytest.raises(ProjectError, match="leads out of the project"):
        projects.write_edits(folder, "a", LABELS * 0, {})
    with pytest.raises(ProjectError, match="leads out of the project"):
        projects.inside(folder, "edits", "..", "..")
    assert [(path.name, path.read_bytes()) for path in outside.iterdir()] == [("a.npz", before)]
    np.testing.assert_array_equal(projects.read_edits(folder, "a")[0], LABELS)


def test_a_lock_that_is_a_link_empties_nothing(folder, tmp_path):
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("years of work", encoding="utf-8")
    (folder / ".lock").symlink_to(thesis)
    with pytest.raises(ProjectError, match=r"\.lock' is a link"), opened_alone(folder):
        raise AssertionError
    assert thesis.read_text(encoding="utf-8") == "years of work"


def test_opening_deletes_nothing(folder):
    left = folder / "edits" / f".{'0f' * 16}.npz"
    left.write_bytes(b"whatever it is")
    (folder / "versions" / "old").mkdir(parents=True)
    before = sorted(folder.rglob("*"))
    with opened_alone(folder):
        assert set(before) <= set(folder.rglob("*"))
    assert set(before) <= set(folder.rglob("*"))


WRONG_EDITS = {
    "labels of another shape": {"edits_labels": LABELS[:2]},
    "labels of another kind": {"edits_labels": LABELS.astype(float)},
    "a mask of numbers": {"edits_complete": LABELS},
    "a structured mask": {"edits_complete": np.zeros(LABELS.shape, [("a", bool)])},
    "objects in text": {"edits_accepted": np.array(["a"])},
    "ids above 2^31": {"edits_accepted": np.array([2**40])},
    "ids below 1": {"edits_accepted": np.array([0, -4])},
    "five axes in space": {"edits_ndim": np.array(5)},
    "a highest id of 2^63": {"edits_highest": np.array(2**63 - 1)},
    "training of floats": {"training": LABELS * 1.0},
    "training of one axis": {"training": LABELS.ravel()},
    "training below -1": {"training": LABELS - 5},
    "something else": {"other": LABELS},
}


@pytest.mark.parametrize("arrays", WRONG_EDITS.values(), ids=WRONG_EDITS)
def test_edits_that_are_wrong_are_damaged(folder, arrays):
    np.savez(folder / "edits" / "a.npz", **{"training": LABELS, **arrays})
    with pytest.raises(ProjectError, match=r"a\.npz' is damaged .*; restore it"):
        projects.read_edits(folder, "a")


@pytest.mark.parametrize("take", [[9, None], [None], [-1, None], [None, None, None]])
def test_a_part_of_an_image_that_is_not_there(folder, take):
    edited(folder, lambda values: values["examples"][0]["image"].update(take=take))
    ((pair, _),) = projects.project_pairs(folder)
    with pytest.raises(InputError, match="there is no such part"):
        pair.read()


def test_a_file_whose_name_is_not_utf8_is_refused(tmp_path):
    with pytest.raises(InputError, match="not UTF-8"):
        projects.refer_to(tmp_path, tmp_path / "z\udcff.tif")
