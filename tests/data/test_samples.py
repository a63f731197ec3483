"""Samples are there, small, and what their recipes make; the real ones need no download."""

import socket

import numpy as np
import pytest

from napari_instseg.core.errors import InputError
from napari_instseg.data.samples import SAMPLES, load_sample, sample_folder
from napari_instseg.data.simulate import KINDS, simulate

SIMULATED = [name for name, sample in SAMPLES.items() if sample.recipe]
REAL = [name for name, sample in SAMPLES.items() if sample.source]


def test_every_sample_is_simulated_or_real_and_every_kind_is_shown():
    assert sorted(SIMULATED + REAL) == sorted(SAMPLES)
    assert {SAMPLES[name].recipe.kind for name in SIMULATED} == set(KINDS)
    assert {"coins", "ihc"} <= set(REAL)
    assert all(name == sample.name for name, sample in SAMPLES.items())


@pytest.mark.parametrize("name", SIMULATED)
def test_file_is_what_its_recipe_makes(name):
    image, labels, sample = load_sample(name)
    params = KINDS[sample.recipe.kind].params(**sample.recipe.values)
    made = next(simulate(sample.recipe.kind, seed=sample.recipe.seed, params=params))
    assert image.dtype == made.image.dtype
    assert labels.dtype == np.int32
    assert image.shape == made.image.shape
    # other processors may round the last digit of a sine otherwise, which moves a pixel here and there
    assert (labels == made.labels).mean() > 0.999
    assert (np.abs(image.astype(int) - made.image) <= 2).mean() > 0.99
    assert labels.max() == made.labels.max()


@pytest.mark.parametrize("name", REAL)
def test_real_sample_needs_no_network(name, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a sample must not be downloaded")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    image, labels, sample = load_sample(name)
    assert labels is None
    assert image.dtype == np.uint8
    assert min(image.shape[:2]) > 200
    assert sample.image_path is None


def test_folder_holds_the_samples_and_nothing_else():
    folder = sample_folder()
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    pairs = {f"{part}/{name}.tif" for part in ("images", "labels") for name in SIMULATED}
    assert found == pairs | {"README.md"}
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 4_000_000


def test_readme_lists_each_sample_with_its_seed():
    readme = (sample_folder() / "README.md").read_text(encoding="utf-8")
    for name in SIMULATED:
        recipe = SAMPLES[name].recipe
        (row,) = [line for line in readme.splitlines() if line.startswith(f"| `{name}` |")]
        assert f"| {recipe.kind} | {recipe.seed} |" in row


def test_unknown_sample_names_the_known_ones():
    with pytest.raises(InputError, match="no sample 'moon'; expected one of: nuclei"):
        load_sample("moon")


def test_missing_file_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr("napari_instseg.data.samples.sample_folder", lambda: tmp_path)
    with pytest.raises(InputError, match="install napari-instseg again"):
        load_sample("nuclei")
