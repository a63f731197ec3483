"""Outlines along pixel edges: valid, of the right area, and the way back exact."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from shapely.geometry import Point
from shapely.geometry import Polygon as Shape

from napari_instseg.exchange.polygons import fill_polygon, trace_polygons

LABELS = arrays(np.int32, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 3))


@settings(max_examples=60, deadline=None)
@given(LABELS)
def test_outlines_are_valid_and_hold_just_the_objects_pixels(labels):
    for number, polygons in trace_polygons(labels).items():
        shapes = [Shape(rings[0], rings[1:]) for rings in polygons]
        assert all(shape.is_valid for shape in shapes)
        assert sum(shape.area for shape in shapes) == (labels == number).sum()


@settings(max_examples=60, deadline=None)
@given(LABELS)
def test_filling_the_outlines_gives_the_labels_back(labels):
    filled = np.zeros_like(labels)
    for number, polygons in trace_polygons(labels).items():
        for rings in polygons:
            window, inside = fill_polygon(rings, labels.shape)
            assert not filled[window][inside].any()
            filled[window][inside] = number
    np.testing.assert_array_equal(filled, labels)


@settings(max_examples=60, deadline=None)
@given(LABELS)
def test_no_corner_lies_between_edges_of_one_direction(labels):
    for polygons in trace_polygons(labels).values():
        for ring in (ring for rings in polygons for ring in rings):
            steps = np.roll(ring, -1, axis=0) - ring
            assert ((steps == 0).sum(axis=1) == 1).all()
            assert ((steps[:, 0] == 0) != (np.roll(steps, 1, axis=0)[:, 0] == 0)).all()


def test_one_pixel_is_a_unit_square():
    labels = np.zeros((3, 4), int)
    labels[1, 2] = 5
    ((ring,),) = trace_polygons(labels)[5]
    assert sorted(map(tuple, ring.tolist())) == [(2, 1), (2, 2), (3, 1), (3, 2)]


def test_a_ring_of_pixels_has_a_hole_and_nothing_gives_nothing():
    labels = np.ones((3, 3), int)
    labels[1, 1] = 0
    ((outer, hole),) = trace_polygons(labels)[1]
    assert len(outer) == len(hole) == 4
    assert trace_polygons(np.zeros((2, 2), int)) == {}


@pytest.mark.parametrize("seed", range(3))
def test_a_pixel_is_inside_where_its_centre_is(seed):
    random = np.random.default_rng(seed)
    angles = np.sort(random.uniform(0, 2 * np.pi, 9))
    ring = 10 + random.uniform(2, 9, 9)[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])
    window, inside = fill_polygon([ring], (16, 18))
    whole = np.zeros((16, 18), bool)
    whole[window] = inside
    shape = Shape(ring)
    expected = [[shape.contains(Point(x + 0.5, y + 0.5)) for x in range(18)] for y in range(16)]
    np.testing.assert_array_equal(whole, expected)


def test_a_ring_that_crosses_itself_is_filled_by_the_even_odd_rule():
    bow = np.array([[0, 0], [8, 8], [8, 0], [0, 8]])
    _, inside = fill_polygon([bow], (8, 8))
    assert inside[4, 0]
    assert inside[4, 7]
    assert not inside[0, 4]
    assert not inside[7, 4]
    twice = np.array([[0, 0], [4, 0], [4, 4], [0, 4]] * 2)
    assert not fill_polygon([twice], (8, 8))[1].any()
