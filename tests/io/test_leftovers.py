"""What other programs and this one left among images is not taken for images, and images are."""

import numpy as np
import pytest
import tifffile

from napari_instseg.io.labels import write_labels
from napari_instseg.io.leftovers import why_no_image
from napari_instseg.io.overlay import write_overlay

STEMS = {"w1", "exp_roi_3", "a mask"}


@pytest.mark.parametrize(
    ("name", "whose"),
    [
        ("w1_cp_masks.png", "Cellpose"),
        ("other_cp_masks.tif", "Cellpose"),
        ("w1_seg.npy", "Cellpose"),
        ("w1_Probabilities.tif", "ilastik"),
        ("w1_Simple Segmentation.tif", "ilastik"),
        ("w1_labels.tif", "an earlier segmentation"),
        ("w1-mask.png", "an earlier segmentation"),
        ("w1.stardist.tif", "an earlier segmentation"),
        ("w1_flows.tif", "an earlier segmentation"),
        ("exp_roi_3_masks.tif", "an earlier segmentation"),
        ("w2_labels.tif", ""),
        ("w1_2.tif", ""),
        ("w1_masked cells.tif", ""),
        ("a mask.tif", ""),
        ("labels.tif", ""),
        ("segmentation_of_w1.tif", ""),
    ],
)
def test_by_name(tmp_path, name, whose):
    assert why_no_image(tmp_path / name, STEMS) == whose


def test_own_results_are_known_by_what_is_in_them(tmp_path):
    labels = np.eye(9, dtype=np.int32)
    write_overlay(tmp_path / "a.png", np.zeros((9, 9, 3), np.uint8))
    write_labels(tmp_path / "b.tif", labels)
    write_labels(tmp_path / "c.tif", labels, found_in="c.png")
    tifffile.imwrite(tmp_path / "d.tif", labels)
    (tmp_path / "e.tif").write_bytes(b"II*\0damaged")
    found = [why_no_image(tmp_path / name, ()) for name in ("a.png", "b.tif", "c.tif", "d.tif", "e.tif")]
    assert found == ["napari-instseg"] * 3 + ["", ""]
