"""Objects that lie on top of each other, from a prediction to what the user corrects, looks at and exports."""

import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from tests.decoding.test_detections import SHAPE, row
from tests.session.test_results import Held, results_of

from napari_instseg.decoding.overlapping import whole_masks
from napari_instseg.exchange import read_objects
from napari_instseg.exchange.objects import Grid
from napari_instseg.inference.prediction import Prediction
from napari_instseg.inspecting.views import looked_at
from napari_instseg.methods import get_method
from napari_instseg.segmenting.export import Export, covered, write


@pytest.fixture
def crossing():
    """Two bars that cross, found whole, with ids 8 and 9; and their masks."""
    rows = np.stack([row((20, 5, 30, 75)), row((5, 35, 55, 45), 0.8)])
    prediction = Prediction("semiconv_rcnn", {"objectness": np.zeros(SHAPE, np.float32), "detections": rows})
    held = Held(results_of(prediction).reserving(7))
    held.decode(())
    across, along = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    across[20:30, 5:75] = along[5:55, 35:45] = True
    return held, across, along


def masks_of(results, labels, ids):
    return whole_masks(labels, covered(results, labels), ids)


def test_whole_objects_have_the_ids_that_the_user_knows(crossing):
    held, across, along = crossing
    results = held.results
    np.testing.assert_array_equal(masks_of(results, results.labels(), [8, 9]), [across, along])
    view = next(view for view in get_method("semiconv_rcnn").inspect if view.name == "beneath")
    np.testing.assert_array_equal(view.compute(looked_at(results, ())), 9 * (across & along))
    below = next(view for view in get_method("semiconv_rcnn").inspect if view.name == "beneath_both")
    assert not below.compute(looked_at(results, ())).any()


def test_what_is_corrected_keeps_what_it_hides(crossing):
    held, _, along = crossing
    labels = held.results.labels()
    labels[labels == 8] = 0
    labels[22:24, 36:44] = 9  # drawn over what was hidden: it is in sight now
    corrected = held.results.amend((), labels, (9,))
    np.testing.assert_array_equal(masks_of(corrected, labels, [9])[0], along)
    assert corrected.slices[()].segmentation.n_objects == 1
    labels[labels == 9] = 0
    gone = held.results.amend((), labels, ())
    assert len(covered(gone, labels)) == 0


def test_outlines_that_are_exported_come_back_exactly(crossing, tmp_path):
    held, across, along = crossing
    results = held.results
    path = tmp_path / "masks" / "image.json"
    list(write(Export(results, results.labels(), {"masks": path})))
    found = read_objects(path, Grid(SHAPE, "YX", "image.tif"))
    np.testing.assert_array_equal(found.labels, results.labels())
    np.testing.assert_array_equal(whole_masks(found.labels, found.covered, [8, 9]), [across, along])
    assert found.scores == pytest.approx({8: 0.9, 9: 0.8})
    annotations = COCO(str(path)).dataset["annotations"]
    assert {about["label"]: about["area"] for about in annotations} == {8: across.sum(), 9: along.sum()}


def test_slices_of_a_stack_keep_their_own(crossing, tmp_path):
    held, across, along = crossing
    stack = Held(results_of(held.results.predictions[()], slices=2))
    stack.decode((0,))
    stack.decode((1,))
    labels, results = stack.results.labels(), stack.results
    for number, (plane, mask) in enumerate([(0, across), (0, along), (1, across), (1, along)], start=1):
        np.testing.assert_array_equal(masks_of(results, labels, [number])[0, plane], mask)
    path = tmp_path / "image.json"
    list(write(Export(results, labels, {"masks": path})))
    assert len(json.loads(path.read_text())["images"]) == 2
