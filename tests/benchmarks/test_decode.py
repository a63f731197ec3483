import json

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from napari_instseg.benchmarks.decode import benchmark_decode, benchmark_samples, read_rows
from napari_instseg.benchmarks.scenes import SEPARATION, simulate_scene
from napari_instseg.core.errors import InputError
from napari_instseg.core.events import Progress, Result
from napari_instseg.data.samples import load_sample
from napari_instseg.inference.model import load_model
from napari_instseg.methods import methods


@pytest.fixture(scope="module")
def rows():
    events = list(benchmark_decode((160,), (600,), (8,), changes=3, only=("mean-shift", "coloring")))
    assert isinstance(events[-1], Result)
    assert len(events) == len(events[-1].value) + 2, "one before each row, and the last two"
    assert all(isinstance(event, Progress) for event in events[:-1])
    return {(row.subject, row.what): row for row in events[-1].value}


def test_cold_decodes_and_every_slider_are_timed(rows):
    for subject, sliders in (
        ("mean-shift", ("cold", "bandwidth", "min_size", "min_score", "foreground_threshold")),
        ("coloring", ("cold", "min_size", "merge_distance", "min_score")),
    ):
        for what in sliders:
            row = rows[subject, what]
            assert 0 < row.median <= row.p95 < 600
            assert 0 < row.cpu < 600
            assert (row.size, row.objects, row.dims) == (160, 600 * 160**2 // 1024**2, 8)
        assert rows[subject, "cold"].mebibytes > 0.1
        assert abs(rows[subject, "cold"].found - 14) <= 2


def test_baselines_come_with_their_agreement(rows):
    assert rows["mean-shift", "baseline: the paper's loop"].agreement >= 0.999
    assert rows["mean-shift", "baseline: scikit-learn, every 8th pixel"].agreement > 0.9
    assert rows["coloring", "baseline: argmax and scikit-image's label"].agreement == pytest.approx(1)


def test_an_interrupted_run_goes_on_from_the_rows_that_it_wrote(tmp_path):
    options = {"changes": 2, "only": ("coloring", "k-means"), "with_baselines": False}
    rows = []
    run = benchmark_decode((64, 96), (900,), (4,), **options, rows=rows)
    for _ in range(4):
        next(run)
    run.close()
    assert [(row.subject, row.what) for row in rows] == [
        ("k-means", what) for what in ("cold", "min_size", "min_score")
    ]
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([row.to_dict() for row in rows]), "utf-8")
    read = read_rows(path)
    assert read == rows
    *_, last = benchmark_decode((64, 96), (900,), (4,), **options, rows=read)
    assert last.value[: len(rows)] == rows
    rest = [(row.subject, row.what, row.size) for row in last.value[len(rows) :]]
    assert len(rest) == len(set(rest)) == 13
    assert rest[0] == ("k-means", "foreground_threshold", 64)


def test_a_slice_of_time_begins_nothing_after_its_end():
    *_, last = benchmark_decode((64,), (900,), (4,), only=("coloring",), seconds=0.0)
    assert last.value == []


def test_every_method_and_each_of_its_sliders_is_measured():
    names = [f"{name}*" for name in methods()]
    *_, last = benchmark_decode((64,), (900,), (4,), changes=2, only=names, with_baselines=False)
    measured = {(row.subject, row.what) for row in last.value}
    for name in methods():
        assert {(f"{name}*", what) for what in ("cold", "min_size", "fill_holes")} <= measured
    assert {
        ("semiconv_rcnn*", "max_overlap"),
        ("metric*", "similarity"),
        ("clusternet*", "min_cluster_size"),
    } <= measured
    assert all(row.found > 0 for row in last.value if row.what == "cold")


def test_shipped_models_are_measured_on_what_they_say_of_a_sample():
    names = ["discriminative-leaves", "semiconv-nuclei"]
    made = list(benchmark_samples(changes=2, only=names))[-1].value
    whats = {name: {row.what for row in made if row.subject == name} for name in names}
    assert all({"cold", "bandwidth", "min_size", "merge_alike"} <= found for found in whats.values())
    assert {(row.subject, row.sample) for row in made} == {
        ("discriminative-leaves", "rosette"),
        ("semiconv-nuclei", "nuclei"),
    }
    leaves = load_model("discriminative-leaves")
    image, _, about = load_sample("rosette")
    found = leaves.segment(image, diameter=about.diameter).n_objects
    assert {row.objects for row in made if row.subject == "discriminative-leaves"} == {found}
    again = list(benchmark_samples(changes=2, only=["semiconv-nuclei"], rows=made))[-1].value
    assert again == made, "what is there is not measured again"


def test_a_file_of_other_things_is_not_taken_for_rows(tmp_path):
    path = tmp_path / "rows.json"
    for text in ('[{"what": 1}]', "no json"):
        path.write_text(text, "utf-8")
        with pytest.raises(InputError, match="does not hold rows"):
            read_rows(path)


@pytest.mark.parametrize("shape", [(120, 130), (10, 50, 52)])
def test_a_scene_is_what_its_truth_says(shape):
    scene = simulate_scene(shape, 15, n_colors=6, noise=0.01, blur=0.3)
    inside = scene.labels > 0
    assert 0.3 < inside.mean() < 0.7
    colors = scene.outputs["colors"]
    assert colors.shape == (6, *shape)
    np.testing.assert_allclose(colors.sum(axis=0), 1, rtol=1e-5)
    assert ((colors.argmax(axis=0) > 0) == inside).mean() > 0.97
    assert ((scene.outputs["foreground"] > 0.5) == inside).mean() > 0.97
    present = np.unique(scene.labels[inside])
    means = np.stack([np.median(scene.outputs["embedding"][:, scene.labels == k], axis=1) for k in present])
    assert pdist(means).min() > 0.9 * SEPARATION


def test_the_same_seed_makes_the_same_scene():
    first, second, other = (simulate_scene((60, 60), 5, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.outputs["embedding"], second.outputs["embedding"])
    assert (first.labels != other.labels).any()
