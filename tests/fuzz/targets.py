"""What is done with each kind of hostile file: all that the program does with files of its kind."""

import json
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import tifffile
from hypothesis import strategies as st

from napari_instseg.core.errors import InstsegError
from napari_instseg.inference.model import load_model
from napari_instseg.io.checks import check_image
from napari_instseg.io.images import read_image
from napari_instseg.io.labels import check_labels, read_labels, read_stamp
from napari_instseg.io.pairs import open_split
from napari_instseg.methods import get_method
from napari_instseg.projects.project import Project
from napari_instseg.training.checkpoints import load, load_values
from napari_instseg.training.finetune import finetune
from napari_instseg.training.recipe import Recipe
from napari_instseg.tuning.presets import Presets

from .inputs import arrays, changed_json, changed_npz, damaged, images

WRITTEN = Path(__file__).parents[1] / "data_fc4016f"
IMAGE = np.random.default_rng(0).integers(0, 255, (24, 20)).astype(np.uint8)
IMAGES = images()


def _json(path):
    return json.loads((WRITTEN / path).read_text(encoding="utf-8"))


@cache
def _model():
    return load_model(WRITTEN / "model")


def _call(function):
    function()


# images and labels

image_files = st.sampled_from(IMAGES).flatmap(
    lambda one: st.one_of(st.just(one[1]), damaged(one[1])).map(lambda content: (one[0], content))
)


def image(folder, given):
    """Read an image, and the same as labels."""
    suffix, content = given
    path = folder / f"a{suffix}"
    path.write_bytes(content)
    yield from (
        lambda: check_image((found := read_image(path)).array, found.axes),
        lambda: read_labels(path, (24, 20)),
        lambda: read_stamp(path),
    )


def array(folder, given):
    """Take an array of any type and shape for an image, and for labels."""
    path = folder / "a.npy"
    np.save(path, given, allow_pickle=False)
    yield from (
        lambda: check_image(given),
        lambda: check_image(given, "YX"),
        lambda: check_labels(given),
        lambda: check_labels(given, given.shape),
        lambda: read_image(path),
        lambda: read_labels(path),
        lambda: _model().segment(given, device="cpu") if given.size < 10_000 else None,
    )


pair_files = st.tuples(
    st.one_of(st.just(b"a\n"), st.just(b"b\n"), st.binary(max_size=30), damaged(b"a\nb\n")),
    st.one_of(
        st.just(b'{"1": 1, "2": 2, "3": 1, "4": 2, "5": 1}'),
        changed_json({str(number): 1 for number in range(1, 6)}),
    ),
    st.one_of(st.just(np.arange(480, dtype=np.int32).reshape(24, 20) // 96 + 1), arrays()),
)


def pairs(folder, given):
    """Open a folder of pairs with its split and its classes."""
    names, classes, labels = given
    for room in ("images", "labels", "classes"):
        (folder / room).mkdir()
    whole = np.arange(480).reshape(24, 20) // 96 + 1
    for name, array in (("a", whole), ("b", labels)):
        tifffile.imwrite(folder / "images" / f"{name}.tif", IMAGE)
        np.save(folder / "labels" / f"{name}.npy", array, allow_pickle=False)
        (folder / "classes" / f"{name}.json").write_bytes(classes)
    (folder / "val.txt").write_bytes(names)
    found = open_split(folder)
    for pair in (*found[0], *found[1]):
        yield pair.read


# models


def _weights():
    return (WRITTEN / "model" / "weights.safetensors").read_bytes()


model_files = st.tuples(
    st.one_of(changed_json(_json("model/model.json")), st.just(json.dumps(_json("model/model.json")).encode())),
    st.one_of(st.just(_weights()), damaged(_weights())),
)


def model(folder, given):
    """Open a model folder and segment with it."""
    (folder / "model").mkdir()
    (folder / "model" / "model.json").write_bytes(given[0])
    (folder / "model" / "weights.safetensors").write_bytes(given[1])
    found = load_model(folder / "model")
    yield lambda: found.segment(IMAGE, device="cpu")
    yield lambda: found.save(folder / "again")


# projects


def _edits():
    return (WRITTEN / "project" / "edits" / "edited.npz").read_bytes()


project_files = st.tuples(
    changed_json(_json("project/project.json")),
    st.one_of(st.just(_edits()), changed_npz(_edits()), damaged(_edits())),
)


def project(folder, given):
    """Open a project and do all that is done with one."""
    place = folder / "project"
    for room in ("edits", "images", "versions/model-v2", "versions/model-v3"):
        (place / room).mkdir(parents=True)
    for name in ("images/edited.npy", "squares.tif", "versions/model-v2/model.json", "edits/squares.npz"):
        shutil.copy(WRITTEN / "project" / name, place / name)
    (place / "project.json").write_bytes(given[0])
    (place / "edits" / "edited.npz").write_bytes(given[1])
    before = {path: path.read_bytes() for path in sorted(place.rglob("*")) if path.is_file()}
    opened = Project(place, _call)
    try:
        after = {path: path.read_bytes() for path in before if path.is_file()}
        assert after == before, "opening changed something"
        for name in [example.name for example in opened.spec.examples]:
            yield lambda name=name: opened.corrections(name)
            yield lambda name=name: opened.corrections(name).training_labels()
            yield lambda name=name: opened.image(name)
            yield lambda name=name: opened.relocate(name, place / "squares.tif")
        yield opened.count
        yield lambda: opened.model and load_model(opened.model)
        yield lambda: opened.remembered(opened.model)
        yield lambda: opened.start_version("coloring-nuclei")
        for name in [version.name for version in opened.spec.versions]:
            yield lambda name=name: opened.settle_version(name, state="rejected")
        for name in [example.name for example in opened.spec.examples]:
            yield lambda name=name: opened.remove(name)
    finally:
        opened.close()


def presets(folder, given):
    """Read presets and take each."""
    (folder / "discriminative-nuclei.json").write_bytes(given)
    kept, decode = Presets("discriminative-nuclei", folder), get_method("discriminative").decode
    for values in kept.read().values():
        yield lambda values=values: decode(**values)
    yield lambda: kept.save("mine", decode())


preset_files = changed_json(_json("presets/discriminative-nuclei.json"))


# training


def _recipe():
    recipe = Recipe.make("discriminative", {"network": {"width": 4, "levels": 1}}, (), {"title": "a"})
    return recipe.to_dict()


recipes = changed_json(_recipe())


def recipe(_folder, given):
    """Take up a recipe."""
    try:
        values = json.loads(given)
    except (ValueError, RecursionError):
        return
    found = Recipe.from_dict(values)
    yield lambda: found.check_resumes(Recipe.from_dict(_recipe()))


def _checkpoint():
    return (WRITTEN / "project/versions/model-v3/training/checkpoint.safetensors").read_bytes()


def _material():
    return (WRITTEN / "project/versions/model-v3/training/material/0000.npz").read_bytes()


run_files = st.tuples(
    changed_json(_json("project/versions/model-v3/training/finetune.json")),
    st.one_of(st.just(_checkpoint()), damaged(_checkpoint())),
    st.one_of(st.just(_material()), changed_npz(_material())),
)


def run(folder, given):
    """Go on with a fine-tuning that somebody else began."""
    out = folder / "run"
    shutil.copytree(WRITTEN / "project/versions/model-v3", out)
    (out / "training" / "finetune.json").write_bytes(given[0])
    (out / "training" / "checkpoint.safetensors").write_bytes(given[1])
    (out / "training" / "material" / "0000.npz").write_bytes(given[2])
    checkpoint = out / "training" / "checkpoint.safetensors"
    yield lambda: load_values(checkpoint)
    yield lambda: load(checkpoint)
    yield lambda: list(finetune("", [], out, steps=1, device="cpu", resume=True))


TARGETS = {
    "image": (image, image_files, 22),
    "array": (array, arrays(), 22),
    "pairs": (pairs, pair_files, 10),
    "model": (model, model_files, 15),
    "project": (project, project_files, 15),
    "presets": (presets, preset_files, 5),
    "recipe": (recipe, recipes, 7),
    "run": (run, run_files, 4),
}
"""What is done, with what, and its share of all inputs in percent."""


def outcome(target, folder, given):
    """Do all; tell whether the file was refused, taken in part, or taken. What is no word of the project goes on."""
    refused = done = 0
    try:
        for step in target(folder, given):
            try:
                step()
                done += 1
            except InstsegError:
                refused += 1
    except InstsegError:
        return "refused" if not done else "taken in part"
    return "taken" if not refused else "taken in part" if done else "refused"
