"""Write the files of this folder with the program of commit fc4016f: ``python make.py FOLDER``, its src on PYTHONPATH.

A tiny model, a project with two examples, corrections, a kept and an unjudged version, and presets. They are kept so
that a test can tell whether what that version wrote still opens.
"""

import sys
from pathlib import Path

import numpy as np
import tifffile
from napari_instseg.workspace.corrections import Corrections
from napari_instseg.workspace.presets import Presets
from napari_instseg.workspace.project import Project
from napari_instseg.workspace.source import Source, readings

from napari_instseg.data.pairs import Example, Pair
from napari_instseg.io.projects import project_pairs
from napari_instseg.methods import get_method
from napari_instseg.training.finetune import finetune
from napari_instseg.training.finetune_params import FinetuneParams
from napari_instseg.training.loop import train
from napari_instseg.training.recipe import Recipe


def scene(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw twelve squares, bright on dark."""
    rng = np.random.default_rng(seed)
    image, labels = rng.integers(0, 40, (64, 64)).astype(np.uint8), np.zeros((64, 64), np.int32)
    for number, (y, x) in enumerate((y, x) for y in range(4, 60, 20) for x in range(2, 60, 15)):
        image[y : y + 12, x : x + 10] += 150
        labels[y : y + 12, x : x + 10] = number + 1
    return image, labels


def main(folder: Path) -> None:
    """Write everything into a folder."""
    folder = folder.resolve()
    image, labels = scene(0)
    pairs = [Pair("squares", lambda: Example(image, "YX", labels))]
    values = {
        "network": {"width": 4, "levels": 1, "blocks": 1},
        "training": {"steps": 2, "batch_size": 2, "patch_size": 32, "workers": 0, "validate_every": 2, "save_every": 2},
        "decode": {"bandwidth": 0.7},
    }
    model = folder / "model"
    about = {"title": "Squares", "intended_use": "Only to be read by a test."}
    list(train(Recipe.make("discriminative", values, (), about), pairs, pairs, model, device="cpu"))

    project = Project(folder / "project", lambda call: call(), create=True)
    files = folder / "project" / "squares.tif", folder / "project" / "squares-labels.tif"
    tifffile.imwrite(files[0], image)
    tifffile.imwrite(files[1], labels.astype(np.uint16))
    project.import_labels(*files, diameter=11.0)
    other, truth = scene(1)
    source = Source(other, "edited")
    corrections = Corrections(truth.copy())
    corrections.labels[4:8, 2:12] = 0
    corrections.painted("Erase")
    corrections.accept(*range(2, 8))
    project.follow(source, readings(source)[0], corrections, diameter=10.0)
    assert project.flush()
    for state in ("kept", "to judge"):
        version = project.start_version(str(model), steps=1)
        out = project.version_folder(version.name)
        examples = project_pairs(project.folder)
        list(finetune(str(model), examples, out, steps=1, params=FinetuneParams(batch_size=2), device="cpu"))
        project.settle_version(
            version.name, state=state, before={"mean_ap": 0.25}, after={"mean_ap": 0.5}, words="Better."
        )
    project.use(str(project.version_folder("model-v2")))
    project.remember("discriminative-nuclei", None)
    project.close()

    method = get_method("discriminative")
    presets = Presets("discriminative-nuclei", folder / "presets")
    presets.save("tight", method.decode(bandwidth=0.4))
    presets.save("wide", method.decode(bandwidth=1.2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
