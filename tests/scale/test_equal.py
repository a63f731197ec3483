"""On disk, by blocks of any size in any order, the labels are those of the image in memory, in 2-d and 3-d."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import label as connected

from napari_instseg.core.events import Result
from napari_instseg.data.normalize import limits
from napari_instseg.inference.model import Model
from napari_instseg.inference.rescale import own_parameters
from napari_instseg.inference.stitch import segment_blocks
from napari_instseg.io.models import ModelSpec
from napari_instseg.scale import run
from napari_instseg.scale.executors import attempt
from napari_instseg.scale.opened import open_model
from napari_instseg.scale.run import segment_large

SIDES = {2: (64, 200), 3: (32, 60)}
DIAMETER = 2.0


def last(events):
    return [event for event in events if isinstance(event, Result)][-1].value


@pytest.fixture(params=[2, 3], ids=["2d", "3d"])
def model(request, third_method, tmp_path):
    """A small network with random weights, whose foreground is decoded by connected components."""
    torch.manual_seed(0)
    spec = ModelSpec(
        name="tiny",
        method=third_method,
        ndim=request.param,
        diameter=DIAMETER,
        network={"width": 4, "levels": 2, "coordinates": "none"},
    )
    yield Model(spec).save(tmp_path / "tiny")
    open_model.cache_clear()


class Shuffled:
    """Does all calls in this process, in a random order."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def run(self, task, calls):
        for number in self.rng.permutation(len(calls)).tolist():
            yield number, attempt(task, calls[number])


def scene(shape, seed):
    """Cells that touch everywhere, of sizes below and above those of blocks, and holes between some of them."""
    rng = np.random.default_rng(seed)
    seeds = np.zeros(shape, bool)
    number = int(rng.integers(2, 80))
    seeds[tuple((rng.uniform(0, 1, (len(shape), number)) ** 2 * np.reshape(shape, (-1, 1))).astype(int))] = True
    where = ndimage.distance_transform_edt(~seeds, return_distances=False, return_indices=True)
    cells = connected(np.ravel_multi_index(where, shape) + 1, connectivity=1)
    holes = rng.uniform(0, 1, cells.max() + 1) < 0.2
    return np.where(holes[cells], 0, cells).astype(np.uint16)


def assert_same_up_to_numbers(labels, truth):
    pairs = np.unique(np.stack([labels.ravel(), truth.ravel().astype(np.int64)]), axis=1)
    assert len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]
    assert not (pairs[:, pairs.min(0) == 0].any())  # background is background


@st.composite
def cases(draw, ndim):
    sides = tuple(draw(st.integers(*SIDES[ndim])) for _ in range(ndim))
    # a margin is four diameters; some two to four blocks along each axis, and few enough files for a test
    least = round(8 * DIAMETER) + max(sides) // 4
    block = draw(st.integers(least, max(sides) + 8))
    chunk = draw(st.sampled_from([32, 64]))
    return sides, block, chunk, draw(st.integers(0, 10_000))


def on_disk(image, model, block, chunk, seed, monkeypatch):
    """Segment by the store's way, blocks and all that follows in a random order; return the labels."""
    with tempfile.TemporaryDirectory() as folder, monkeypatch.context() as patch:
        path = Path(folder) / "image.tif"
        tifffile.imwrite(path, image, metadata={"axes": "ZYX"[-image.ndim :]})
        patch.setattr(run, "Serial", lambda: Shuffled(seed))
        found = last(segment_large(path, str(model), Path(folder) / "out.zarr", block=block, chunk=chunk))
        assert not found.failed
        labels = np.asarray(zarr.open_group(found.store, mode="r")[f"labels/{found.labels}/0"])
    assert labels.max(initial=0) == found.objects == len(np.unique(labels[labels > 0]))
    return labels.astype(np.int64)


def by_value(self, plane, window, params, tile=0):
    """Find the connected pieces of one value in a window: a decoder that sees no more than it."""
    part = np.asarray(plane.channels[(slice(None), *window)])[0].astype(np.int64)
    yield Result({"labels": connected(part, connectivity=1).astype(np.int32)})


def test_objects_of_any_size_are_those_of_the_whole_scene(model, monkeypatch):
    monkeypatch.setattr(Model, "segment_window", by_value)
    ndim = open_model(str(model)).spec.ndim

    @settings(max_examples=10, deadline=None)
    @given(case=cases(ndim))
    def check(case):
        shape, block, chunk, seed = case
        truth = scene(shape, seed)
        assert_same_up_to_numbers(on_disk(truth, model, block, chunk, seed, monkeypatch), truth)

    check()


def test_a_network_on_disk_finds_what_it_finds_in_memory(model, monkeypatch):
    opened = open_model(str(model))

    @settings(max_examples=4, deadline=None)
    @given(case=cases(opened.spec.ndim))
    def check(case):
        shape, block, chunk, seed = case
        image = (scene(shape, seed) % 251).astype(np.uint8)
        channels, _ = opened.as_channels(image, "ZYX"[-image.ndim :])
        between = limits(channels, opened.normalization)
        plane = opened.plane(channels, np.asarray(between, np.float32), "cpu")
        params = own_parameters(opened.spec)
        whole = last(
            segment_blocks(opened.blocks(shape, block), lambda window: opened.segment_window(plane, window, params))
        )["labels"]
        assert_same_up_to_numbers(on_disk(image, model, block, chunk, seed, monkeypatch), whole)

    check()
