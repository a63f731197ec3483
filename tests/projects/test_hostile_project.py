"""A project from somebody else, or restored from a copy: opening it deletes nothing, and nothing outside is touched."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from napari_instseg.core.errors import ProjectError
from napari_instseg.projects.project import Project
from napari_instseg.session.annotation import Annotation
from napari_instseg.session.source import Source, readings

WRITTEN = Path(__file__).parents[1] / "data_fc4016f" / "project"


@pytest.fixture
def folder(tmp_path):
    """Return a copy of a project with a kept version and one to judge."""
    return shutil.copytree(WRITTEN, tmp_path / "project")


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def edited(folder, change):
    values = json.loads((folder / "project.json").read_text(encoding="utf-8"))
    change(values)
    (folder / "project.json").write_text(json.dumps(values), encoding="utf-8")


def test_opening_changes_nothing_whatever_project_json_names(folder, loop):
    edited(folder, lambda values: values.update(versions=[], examples=[]))  # an older copy
    (folder / "edits" / f".{'0f' * 16}.npz").write_bytes(b"left by a killed write, or not")
    before = contents(folder)
    for _ in range(2):
        Project(folder, loop).close()
    assert contents(folder) == before


def test_a_version_that_was_not_begun_is_not_listed_and_its_files_stay(folder, loop):
    edited(folder, lambda values: values["versions"][1].update(state="running"))
    (folder / "versions" / "model-v3" / "training" / "checkpoint.safetensors").unlink()
    before = contents(folder)
    project = Project(folder, loop)
    assert [version.name for version in project.spec.versions] == ["model-v2"]
    assert project.start_version("model").name == "model-v4"  # not into the folder of another
    project.close()
    assert {path: content for path, content in contents(folder).items() if path in before} | {
        folder / "project.json": before[folder / "project.json"]
    } == before


def test_nothing_is_deleted_or_made_behind_a_link(folder, tmp_path, loop):
    (folder / "versions").rename(tmp_path / "victim")
    (folder / "versions").symlink_to(tmp_path / "victim")
    before = contents(tmp_path / "victim")
    project = Project(folder, loop)
    for call in (lambda: project.settle_version("model-v3", state="rejected"), lambda: project.start_version("model")):
        with pytest.raises(ProjectError, match="leads out of the project"):
            call()
    assert [version.name for version in project.spec.versions] == ["model-v2", "model-v3"]
    project.close()
    assert contents(tmp_path / "victim") == before


def test_a_version_that_is_a_link_is_not_followed(folder, tmp_path, loop):
    (folder / "versions" / "model-v3").rename(tmp_path / "victim")
    (folder / "versions" / "model-v3").symlink_to(tmp_path / "victim")
    before = contents(tmp_path / "victim")
    project = Project(folder, loop)
    with pytest.raises(ProjectError, match="leads out of the project"):
        project.settle_version("model-v3", state="rejected")
    project.close()
    assert contents(tmp_path / "victim") == before


def test_a_rejected_version_is_deleted_and_no_other(folder, loop):
    project = Project(folder, loop)
    project.settle_version("model-v3", state="rejected")
    project.close()
    assert sorted(path.name for path in (folder / "versions").iterdir()) == ["model-v2"]


def test_corrections_are_not_written_behind_a_link(folder, tmp_path, loop):
    shutil.move(folder / "edits", tmp_path / "victim")
    (folder / "edits").symlink_to(tmp_path / "victim")
    before = contents(tmp_path / "victim")
    project, problems = Project(folder, loop), []
    project.saved.connect(lambda _count, problem: problems.append(problem))
    image = Source(np.arange(400, dtype=np.uint16).reshape(20, 20), "new")
    corrections = Annotation(np.ones((20, 20), np.int32))
    project.follow(image, readings(image)[0], corrections)
    assert project.flush()
    project.close()
    loop.run_waiting()
    assert any("leads out of the project" in problem for problem in problems)
    assert contents(tmp_path / "victim") == before
