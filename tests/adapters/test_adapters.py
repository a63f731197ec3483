"""Outputs of other tools become the objects that they were made of; files that are not what they say end in words."""

import json

import h5py
import numpy as np
import pytest
from scipy import ndimage

from napari_instseg.adapters import adapters, find_adapter, open_prediction
from napari_instseg.adapters.stardist import predict as from_stardist
from napari_instseg.core.errors import InputError
from napari_instseg.decoding.flows import follow_flows
from napari_instseg.metrics import evaluate_labels


@pytest.fixture(scope="module")
def cells():
    """Round cells of which many touch."""
    y, x = np.mgrid[:96, :120]
    number = 1 + y // 24 * 5 + x // 24
    return np.where(np.hypot(y % 24 - 11.5, x % 24 - 11.5) <= 11.6, number, 0).astype(np.int32)


@pytest.fixture(scope="module")
def middles(cells):
    """The offset from each pixel to the middle of its cell, (2, Y, X); 0 in the background."""
    centres = np.array([[0, 0], *ndimage.center_of_mass(cells > 0, cells, range(1, cells.max() + 1))])
    return np.where(cells > 0, np.moveaxis(centres[cells], -1, 0) - np.indices(cells.shape), 0)


def logits(cells):
    return np.where(cells > 0, 4.0, -4.0).astype(np.float32)


def agrees(prediction, cells, **changes):
    found = prediction.decode(**changes).labels
    report = evaluate_labels([(cells, found)])
    return report["pq"] > 0.97


def unit(middles):
    return middles / np.maximum(np.linalg.norm(middles, axis=0), 1)


def test_cellposes_flows_are_read_from_arrays_and_seg_files(cells, middles, tmp_path):
    flows = (5 * unit(middles)).astype(np.float32)
    np.savez(tmp_path / "a.npz", dP=flows, cellprob=logits(cells))
    raw = np.concatenate([flows, logits(cells)[None]])
    content = {"masks": cells, "outlines": cells, "flows": [np.zeros(1), np.zeros(1), np.zeros(1), [], raw]}
    np.save(tmp_path / "a_seg.npy", content, allow_pickle=True)
    for name in ("a.npz", "a_seg.npy"):
        assert find_adapter(tmp_path / name).name == "cellpose"
        prediction = open_prediction(tmp_path / name)
        assert agrees(prediction, cells)
        # and it can be tuned: nothing is surer than certain
        assert prediction.decode(foreground_threshold=0.99).n_objects == 0


def test_flows_of_a_volume_lead_to_its_middles():
    z, y, x = np.mgrid[:12, :20, :30]
    labels = 1 + (x >= 15) * np.ones_like(z)
    middles = np.stack([5.5 - z, 9.5 - y, np.where(x < 15, 7, 22) - x]).astype(np.float32)
    flows = middles / np.maximum(np.linalg.norm(middles, axis=0), 1)
    ends = follow_flows(flows, np.ones(z.shape, bool))
    expected = np.stack([np.full(z.shape, 5.5), np.full(z.shape, 9.5), np.where(labels == 1, 7, 22)])
    assert np.abs(ends - expected).max() < 1


def test_following_flows_is_euler_with_bilinear_interpolation():
    random = np.random.default_rng(0)
    flows = ndimage.gaussian_filter(random.normal(size=(2, 20, 25)), (0, 2, 2)).astype(np.float32) * 3
    inside = np.ones((20, 25), bool)
    place = np.indices((20, 25)).astype(float)
    for _ in range(10):
        step = np.stack([ndimage.map_coordinates(axis, place, order=1, mode="nearest") for axis in flows])
        moved = np.abs(step).max(0) >= 1e-3
        place = np.where(moved, np.clip(place + step, 0, np.array([19, 24])[:, None, None]), place)
    np.testing.assert_allclose(follow_flows(flows, inside, 10), place, atol=1e-3)


def test_embedsegs_offsets_and_its_raw_output(cells, middles, tmp_path):
    seediness = (cells > 0) * 0.9
    np.savez(tmp_path / "a.npz", offsets=middles, seediness=seediness)
    assert find_adapter(tmp_path / "a.npz").name == "embedseg"
    assert agrees(open_prediction(tmp_path / "a.npz"), cells)
    raw = np.concatenate([np.arctanh(middles[::-1] / 1023), np.zeros((2, *cells.shape)), logits(cells)[None]])
    np.savez(tmp_path / "b.npz", raw=raw)
    both = [open_prediction(tmp_path / name).outputs["embedding"] for name in ("a.npz", "b.npz")]
    np.testing.assert_allclose(both[0], both[1], atol=1e-3)


def test_stardists_distances_point_at_the_middle(cells):
    rays, (height, width) = 32, cells.shape
    angle = 2 * np.pi * np.arange(rays) / rays
    dist = np.zeros((height, width, rays))
    for y, x in np.argwhere(cells > 0):
        for ray, (dy, dx) in enumerate(zip(np.sin(angle), np.cos(angle), strict=True)):
            steps = np.arange(0, 30, 0.5)
            rows, columns = np.rint(y + steps * dy).astype(int), np.rint(x + steps * dx).astype(int)
            there = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
            same = np.zeros(len(steps), bool)
            same[there] = cells[rows[there], columns[there]] == cells[y, x]
            dist[y, x, ray] = steps[same.argmin()]
    prediction = from_stardist((cells > 0).astype(np.float32), dist)
    assert agrees(prediction, cells)
    coarse = from_stardist((cells > 0).astype(np.float32)[::2, ::2], dist[::2, ::2], grid=2)
    assert coarse.shape == cells.shape
    assert coarse.decode().n_objects == cells.max()


def test_ilastiks_probabilities_with_the_background_anywhere(cells, tmp_path):
    cells = np.where(ndimage.distance_transform_edt(cells) > 4, cells, 0)
    checker = np.where(cells > 0, 1 + (cells % 2), 0)
    probabilities = np.stack([checker == 1, checker == 0, checker == 2], axis=-1) * 0.8 + 0.05
    with h5py.File(tmp_path / "a.h5", "w") as file:
        made = file.create_dataset("exported_data", data=probabilities.astype(np.float32)[None])
        made.attrs["axistags"] = json.dumps({"axes": [{"key": key} for key in "tyxc"]})
    assert find_adapter(tmp_path / "a.h5").name == "ilastik"
    prediction = open_prediction(tmp_path / "a.h5")
    np.testing.assert_array_equal(prediction.outputs["colors"].argmax(0) > 0, cells > 0)
    assert prediction.decode().n_objects == cells.max()


def test_arrays_by_the_names_of_a_method(cells, middles, tmp_path):
    embedding = (middles + np.indices(cells.shape)) / 10
    np.savez(tmp_path / "a.npz", method="discriminative", embedding=embedding, foreground=(cells > 0).astype(float))
    assert agrees(open_prediction(tmp_path / "a.npz"), cells)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"dP": np.zeros((2, 4, 5)), "cellprob": np.zeros((5, 4))}, "expected"),
        ({"dP": np.full((2, 4, 5), np.nan), "cellprob": np.zeros((4, 5))}, "finite"),
        ({"offsets": np.zeros((3, 4, 5)), "seediness": np.zeros((4, 5))}, "offsets have the shape"),
        ({"raw": np.zeros((3, 4, 5))}, "4 or 5 channels"),
        ({"prob": np.zeros((4, 5)), "dist": np.zeros((4, 5, 2))}, "3 rays"),
        ({"method": "nothing"}, "Unknown method"),
        ({"method": np.zeros(3)}, "say its method"),
        ({"x": np.zeros(3)}, "holds no outputs that are known"),
        ({"dP": np.array([None]), "cellprob": np.zeros((4, 5))}, "damaged"),
    ],
)
def test_arrays_that_do_not_fit_end_in_words(arrays, words, tmp_path):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError if "Unknown" not in words else Exception, match=words):
        open_prediction(tmp_path / "a.npz")


def test_files_without_outputs_end_in_words(tmp_path):
    np.save(tmp_path / "a_seg.npy", {"masks": np.zeros((4, 5)), "flows": []}, allow_pickle=True)
    (tmp_path / "b.npz").write_bytes(b"PK")
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["exported_data"] = np.zeros((4, 5))
    for name, words in (("a_seg.npy", "no flows"), ("b.npz", "no outputs"), ("c.h5", "channel"), ("d.npz", "no file")):
        with pytest.raises(InputError, match=words):
            open_prediction(tmp_path / name)


def test_adapters_are_found_by_their_files():
    assert {"arrays", "cellpose", "embedseg", "ilastik", "stardist"} <= set(adapters())
