"""Outlines lie just inside the objects, each in a colour of its own that nothing else changes."""

import numpy as np
import pytest
from PIL import Image as Pillow
from skimage.segmentation import find_boundaries

from napari_instseg.core.errors import InputError
from napari_instseg.io import overlay
from napari_instseg.io.overlay import draw_overlay, object_colors, write_overlay

SHAPE = (1100, 330)
RNG = np.random.default_rng(0)
DARK = (RNG.random(SHAPE) ** 3 * 60).astype(np.uint8)
LABELS = np.zeros(SHAPE, np.int32)
LABELS[100:200, 100:200] = 1
LABELS[200:300, 100:200] = 2  # touches the first
LABELS[1000:1050, 30:300] = 3  # across two bands
LABELS[:40, :40] = 4  # at the corner


def is_grey(picture):
    return (picture == picture[..., :1]).all(-1)


def test_exactly_the_inner_boundaries_are_coloured():
    picture = draw_overlay(DARK, "YX", LABELS)
    assert picture.dtype == np.uint8
    assert picture.shape == (*SHAPE, 3)
    np.testing.assert_array_equal(~is_grey(picture), find_boundaries(LABELS, connectivity=2, mode="inner"))


def test_one_colour_per_object_and_touching_ones_differ():
    picture = draw_overlay(DARK, "YX", LABELS)
    colors = [np.unique(picture[np.isin(LABELS, i) & ~is_grey(picture)], axis=0) for i in (1, 2, 3, 4)]
    assert all(len(color) == 1 for color in colors)
    assert np.abs(colors[0].astype(int) - colors[1]).max() > 80


def test_the_colour_of_an_object_depends_on_nothing_but_its_id():
    fewer = np.where(LABELS == 1, 0, LABELS)
    before, after = draw_overlay(DARK, "YX", LABELS), draw_overlay(DARK, "YX", fewer)
    np.testing.assert_array_equal(before[LABELS >= 3], after[LABELS >= 3])


@pytest.mark.parametrize(("lightness", "hues"), [(45.0, (0, 360)), (55.0, (40, 190)), (65.0, (0, 360))])
def test_ids_that_follow_each_other_can_be_told_apart(lightness, hues):
    colors = object_colors(np.arange(1, 500), lightness, hues)
    assert colors.min() >= 0
    assert colors.max() <= 1
    step = np.abs(np.diff(colors, axis=0)).max(1)
    assert step.min() > 0.25


def test_bands_leave_no_trace(monkeypatch):
    once = draw_overlay(DARK, "YX", LABELS)
    monkeypatch.setattr(overlay, "BAND", 137)
    banded = draw_overlay(DARK, "YX", LABELS)
    np.testing.assert_array_equal(is_grey(banded), is_grey(once))
    np.testing.assert_array_equal(banded[~is_grey(once)], once[~is_grey(once)])
    assert np.abs(banded.astype(int) - once).max() <= 6  # the percentiles are of another sample


def test_a_small_image_is_enlarged_and_its_outlines_stay_thin():
    small, labels = DARK[:100, :120], np.zeros((100, 120), np.int32)
    labels[20:60, 30:80] = 1
    picture = draw_overlay(small, "YX", labels)
    assert picture.shape == (900, 1080, 3)
    outline = ~is_grey(picture)
    assert outline[400, 270:720].sum() == 4  # two pixels on either side
    assert outline[180:540, 500].sum() == 4
    assert not outline[:180].any()
    assert not outline[540:].any()


def test_stretched_between_percentiles():
    image = np.linspace(1000, 3000, SHAPE[0] * SHAPE[1]).reshape(SHAPE).astype(np.uint16)
    image[0, 0] = 65535
    picture = draw_overlay(image, "YX", np.zeros(SHAPE, np.int32))
    assert picture[1].max() <= 2
    assert picture[-1].min() >= 253


def test_fill():
    plain, filled = draw_overlay(DARK, "YX", LABELS), draw_overlay(DARK, "YX", LABELS, fill=0.5)
    outside = LABELS == 0
    np.testing.assert_array_equal(plain[outside], filled[outside])
    color = plain[100, 100].astype(float)
    np.testing.assert_allclose(filled[150, 150], (plain[150, 150] + color) / 2, atol=1)


def test_colours_of_a_picture_stay_and_channels_get_theirs():
    picture = RNG.integers(0, 256, (*SHAPE, 3), dtype=np.uint8)
    nothing = np.zeros(SHAPE, np.int32)
    assert np.abs(draw_overlay(picture, "YXC", nothing).astype(int) - picture).max() <= 2
    channels = np.stack([DARK, np.zeros_like(DARK)])
    drawn = draw_overlay(channels, "CYX", nothing)
    assert drawn[..., 1].max() == 255
    assert drawn[..., 0].max() == drawn[..., 2].max() == 0


def test_of_a_stack_the_fullest_plane():
    stack = np.stack([DARK, DARK // 2, DARK])
    labels = np.stack([np.zeros_like(LABELS), LABELS, np.where(LABELS == 1, 1, 0)])
    drawn = draw_overlay(stack, "ZYX", labels)
    np.testing.assert_array_equal(~is_grey(drawn), find_boundaries(LABELS, connectivity=2, mode="inner"))


def test_labels_of_another_shape():
    with pytest.raises(InputError, match="expected that of the image"):
        draw_overlay(DARK, "YX", LABELS[1:])


def test_written_as_png(tmp_path):
    picture = draw_overlay(DARK, "YX", LABELS)
    path = write_overlay(tmp_path / "overlays" / "é 1.png", picture)
    with Pillow.open(path) as file:
        assert file.format == "PNG"
        np.testing.assert_array_equal(np.asarray(file), picture)
