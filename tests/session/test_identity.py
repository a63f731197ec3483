"""What the axes of an image in the viewer are called, and how far it is from one place along them to the next."""

import numpy as np
import pytest

from napari_instseg.core.errors import InputError
from napari_instseg.decoding.segmentation import Segmentation
from napari_instseg.io.images import read_image
from napari_instseg.io.models import ModelSpec
from napari_instseg.methods import get_method
from napari_instseg.segmenting.export import Export, write
from napari_instseg.session.identity import letters_of, step_of
from napari_instseg.session.results import Results
from napari_instseg.session.source import Source, readings


def source(shape, labels=(), units=(), scale=()):
    return Source(np.zeros(shape, np.uint8), "a", axis_labels=labels, units=units, scale=scale)


@pytest.mark.parametrize(
    ("shape", "labels", "units", "letters"),
    [
        ((5, 20, 30), (), (), "ZYX"),
        ((5, 20, 30), ("t", "y", "x"), (), "TYX"),
        ((5, 20, 30), ("axis -3", "axis -2", "axis -1"), ("second", "um", "um"), "TYX"),
        ((5, 20, 30), ("Z", "Y", "X"), (), "ZYX"),
        ((5, 4, 20, 30), (), (), "TZYX"),
        ((5, 4, 20, 30), ("z", "t", "y", "x"), (), "ZTYX"),
        ((5, 4, 20, 30), ("position", "time", "y", "x"), (), "ZTYX"),
        ((5, 4, 20, 30), ("t", "frame", "y", "x"), (), "TZYX"),
        ((5, 2, 20, 30), ("z", "c", "y", "x"), (), "ZCYX"),
        ((2, 5, 20, 30), ("channel", "time", "y", "x"), (), "CTYX"),
    ],
)
def test_axes_keep_the_names_that_the_viewer_gives_them(shape, labels, units, letters):
    image = source(shape, labels, units, (1.0,) * len(units))
    assert letters_of(image, readings(image)[0]) == letters


def test_more_stack_axes_than_letters_are_refused():
    image = source((2, 3, 5, 20, 30))
    with pytest.raises(InputError, match="3 stack axes, a TIFF file has names for 2"):
        letters_of(image, readings(image)[0])


def test_a_volume_has_z():
    image = source((5, 4, 20, 30), ("t", "z", "y", "x"))
    assert letters_of(image, readings(image, 3)[0]) == "TZYX"


def test_steps_are_seconds_along_time_and_micrometres_else():
    image = source((5, 4, 20, 30), (), ("minute", "pixel", "nanometer", "um"), (0.5, 1.0, 650.0, 0.65))
    assert [step_of(image, axis, letter) for axis, letter in enumerate("TZYX")] == [
        pytest.approx(30),
        None,
        pytest.approx(0.65),
        pytest.approx(0.65),
    ]


def test_an_exported_time_lapse_is_one(tmp_path):
    image = source((3, 20, 30), ("t", "y", "x"), ("second", "um", "um"), (30, 0.65, 0.65))
    labels = np.zeros((3, 20, 30), np.int32)
    labels[:, 4:9, 4:9] = 1
    results = Results(image, readings(image)[0], ModelSpec(name="m", method="coloring", diameter=10))
    results = results.settle((0,), Segmentation(labels[0]), get_method("coloring").decode())
    list(write(Export(results, labels, {"labels": tmp_path / "a.tif"})))
    found = read_image(tmp_path / "a.tif")
    assert found.axes == "TYX"
    assert found.scale == pytest.approx((30, 0.65, 0.65))
    np.testing.assert_array_equal(found.array, labels)
