import itertools

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import cdist, directed_hausdorff

from napari_instseg.decoding.components import (
    absorb_small,
    connected_pieces,
    find_contacts,
    keep_and_absorb,
    label_objects,
)
from napari_instseg.decoding.distances import PieceDistances, merge_near

SHAPES = [(31, 45), (7, 14, 17)]


def random_groups(shape, seed):
    """Blobs of three groups."""
    rng = np.random.default_rng(seed)
    fields = ndimage.gaussian_filter(rng.standard_normal((4, *shape)), (0, *([1.2] * len(shape))))
    return np.argmax(fields, axis=0).astype(np.uint8)


@pytest.mark.parametrize("shape", SHAPES)
def test_pieces_are_the_components_of_each_group(shape):
    groups = random_groups(shape, 0)
    pieces = connected_pieces(groups)
    full = np.ones([3] * len(shape))
    expected = sum(ndimage.label(groups == g, full)[1] for g in (1, 2, 3))
    assert pieces.n == expected
    np.testing.assert_array_equal(pieces.group[pieces.map], groups)
    for piece in range(1, pieces.n + 1):
        assert ndimage.label(pieces.map == piece, full)[1] == 1
        assert pieces.size[piece] == (pieces.map == piece).sum()


@pytest.mark.parametrize("shape", SHAPES)
def test_contacts_count_shared_faces(shape):
    labels = connected_pieces(random_groups(shape, 1)).map
    expected = {}
    for axis in range(labels.ndim):
        a = np.moveaxis(labels, axis, 0)
        for pair in zip(a[:-1].ravel().tolist(), a[1:].ravel().tolist(), strict=True):
            if pair[0] != pair[1] and min(pair) > 0:
                expected[tuple(sorted(pair))] = expected.get(tuple(sorted(pair)), 0) + 1
    lower, higher, faces = find_contacts(labels)
    assert dict(zip(zip(lower.tolist(), higher.tolist(), strict=True), faces.tolist(), strict=True)) == expected


def test_a_small_piece_joins_what_it_touches_most_also_through_others():
    groups = np.zeros((6, 12), np.uint8)
    groups[0:6, 0:4] = 1
    groups[0:2, 4] = 2  # touches the first object by two faces
    groups[0, 5] = 3  # touches only the small piece before it
    groups[4, 8] = 2  # touches nothing
    pieces = connected_pieces(groups)
    target = absorb_small(pieces, pieces.size >= 5)
    labels, leader = label_objects(pieces, target)
    assert len(leader) == 1
    expected = (groups > 0).astype(np.int32)
    expected[4, 8] = 0
    np.testing.assert_array_equal(labels, expected)


def test_a_small_piece_between_two_objects_joins_the_longer_border():
    groups = np.array([[1, 1, 1, 3, 3], [1, 2, 2, 3, 3], [1, 1, 2, 3, 3], [1, 1, 1, 3, 3]], np.uint8)
    pieces = connected_pieces(groups)
    labels, _ = label_objects(pieces, absorb_small(pieces, pieces.size >= 5))
    np.testing.assert_array_equal(labels == labels[0, 0], groups < 3)


def test_a_seam_between_objects_is_no_object_whatever_its_length_but_a_thin_object_is():
    groups = np.zeros((40, 60), np.uint8)
    groups[0:10], groups[10:12], groups[12:22] = 1, 2, 3
    groups[30:32, 5:55] = 2
    pieces = connected_pieces(groups)
    labels, leader = label_objects(pieces, keep_and_absorb(pieces, 30, True)[1])
    assert len(leader) == 3
    assert (labels[0:22] > 0).all()
    assert labels[30, 5] not in (0, labels[0, 0], labels[20, 0])
    apart, _ = label_objects(pieces, keep_and_absorb(pieces, 30, False)[1])
    assert apart.max() == 4


def pairs_by_brute_force(pieces, limit, measure):
    pixels = {p: np.argwhere(pieces.map == p) for p in range(1, pieces.n + 1)}
    found = {}
    for a, b in itertools.combinations(pixels, 2):
        if pieces.group[a] != pieces.group[b]:
            continue
        if measure == "gap":
            distance = cdist(pixels[a], pixels[b]).min()
        else:
            distance = max(directed_hausdorff(pixels[a], pixels[b])[0], directed_hausdorff(pixels[b], pixels[a])[0])
        if distance < limit:
            found[a, b] = distance
    return found


@pytest.mark.parametrize("measure", ["hausdorff", "gap"])
@pytest.mark.parametrize("shape", SHAPES)
def test_distances_agree_with_brute_force_also_when_asked_for_in_steps(shape, measure):
    pieces = connected_pieces(random_groups(shape, 4))
    distances = PieceDistances(pieces)
    for limit in (3.0, 2.5, 9.0, 5.0, 30.0):
        pairs, distance = distances.pairs_within(limit, measure)
        found = {tuple(pair): d for pair, d in zip(pairs.tolist(), distance.tolist(), strict=True)}
        expected = pairs_by_brute_force(pieces, limit, measure)
        assert found.keys() == expected.keys()
        for pair, d in expected.items():
            assert found[pair] == pytest.approx(d)


def test_near_pieces_merge_transitively():
    merged = merge_near(np.array([[2, 3], [3, 5]]), 6)
    assert merged.tolist() == [0, 1, 2, 2, 4, 2, 6]
