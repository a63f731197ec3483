"""Averaging over views: each view tells of the same pixels, and what is joined decodes as one view does."""

import numpy as np
import pytest

import napari_instseg as instseg
from napari_instseg import InstsegError
from napari_instseg.core.method import Output
from napari_instseg.data.samples import load_sample
from napari_instseg.inference.views import PRICE, VIEWS, AveragingRunner, Turned, can_average
from napari_instseg.methods import get_method
from napari_instseg.metrics import evaluate_labels

OUTPUTS = (
    Output("embedding", "", "", over_views="join"),
    Output("foreground", "", "", "map", over_views="mean"),
    Output("kind", "", "", "map", over_views="first"),
)


class Echo:
    """Says of each pixel what it shows and where it lies in the whole image."""

    def __init__(self):
        self.seen = []

    def __call__(self, tile, offset, full):
        self.seen.append((tile.shape[1:], offset, full))
        at = np.stack(np.meshgrid(*(np.arange(n) for n in tile.shape[1:]), indexing="ij")).astype(np.float32)
        place = at + np.array(offset, np.float32).reshape(-1, 1, 1)
        return {"embedding": np.concatenate([tile, place]), "foreground": tile[:1], "kind": tile[:1]}

    def release(self):
        self.seen.clear()


def test_each_view_is_turned_back():
    rng = np.random.default_rng(0)
    tile = rng.random((1, 16, 32)).astype(np.float32)
    views = [Turned(mirrored, quarters, 1.0) for mirrored in (False, True) for quarters in range(4)]
    runner = AveragingRunner(Echo(), OUTPUTS, 4, views)
    found = runner(tile, (8, 0), (64, 32))
    np.testing.assert_allclose(found["foreground"], tile, atol=1e-6)
    np.testing.assert_array_equal(found["kind"], tile)
    joined = found["embedding"].reshape(8, 3, 16, 32)
    np.testing.assert_allclose(joined[:, 0] * np.sqrt(8), np.repeat(tile, 8, axis=0), atol=1e-5)


def test_places_are_those_in_the_whole_image():
    echo = Echo()
    runner = AveragingRunner(echo, OUTPUTS, 4, [Turned(False, quarters, 1.0) for quarters in range(4)])
    runner(np.zeros((1, 16, 32), np.float32), (8, 4), (64, 48))
    # a quarter to the left: what was X, counted from its end, is Y
    assert echo.seen == [
        ((16, 32), (8, 4), (64, 48)),
        ((32, 16), (12, 8), (48, 64)),
        ((16, 32), (40, 12), (64, 48)),
        ((32, 16), (4, 40), (48, 64)),
    ]


def test_a_resized_view_comes_back_in_size():
    smooth = np.linspace(0, 1, 64, dtype=np.float32)[None, None].repeat(64, axis=1)
    found = AveragingRunner(Echo(), OUTPUTS, 8, VIEWS)(smooth, (0, 0), (64, 64))
    assert found["embedding"].shape == (3 * len(VIEWS), 64, 64)
    np.testing.assert_allclose(found["foreground"], smooth, atol=0.02)
    assert 3 < PRICE < 4


def test_accurate_finds_nuclei_and_keeps_to_the_image():
    image, truth, _ = load_sample("nuclei")
    model = instseg.load_model("discriminative-nuclei")
    image, truth = image[:160, :200], truth[:160, :200]
    plain, accurate = (model.segment(image, accurate=on).labels for on in (False, True))
    assert (plain != accurate).any()
    scores = [evaluate_labels([(truth, labels)])["mean_ap"] for labels in (plain, accurate)]
    assert scores[1] > 0.9 * scores[0] > 0.5
    prediction = model.predict(image, accurate=True)
    assert prediction.outputs["embedding"].shape == (8 * len(VIEWS), 160, 200)
    np.testing.assert_array_equal(prediction.decode().labels, accurate)


@pytest.mark.parametrize(("method", "can"), [("discriminative", True), ("metric", True), ("coloring", False)])
def test_which_methods_can(method, can):
    assert can_average(get_method(method)) == can


def test_a_model_that_cannot_says_so():
    image = np.random.default_rng(0).random((64, 64))
    model = instseg.load_model("coloring-nuclei")
    for run in (model.predict, model.segment):
        with pytest.raises(InstsegError, match="cannot average over views"):
            run(image, accurate=True)
