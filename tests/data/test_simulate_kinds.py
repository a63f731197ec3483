"""What is particular to each kind: identical dots, crossing worms, crowded and dividing bacteria, touching nuclei."""

import numpy as np
import pytest
from scipy import ndimage

from napari_instseg.core.errors import InputError
from napari_instseg.data.simulate import KINDS, simulate


def make(kind, n=1, seed=0, **values):
    return list(simulate(kind, n=n, seed=seed, params=KINDS[kind].params(**values)))


def touching(labels):
    """Share of objects that have a pixel next to another object's."""
    found = set()
    for one, two in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        meet = (one != two) & (one > 0) & (two > 0)
        found |= set(one[meet]) | set(two[meet])
    return len(found) / labels.max()


def pieces(mask):
    return ndimage.label(mask, np.ones((3, 3)))[1]


def test_dots_are_identical_under_the_shift_of_the_grid():
    (made,) = make("dots", seed=4, height=130, width=200, spacing=24, diameter=11)
    dots = {tuple(made.image[box].ravel()) for box in ndimage.find_objects(made.labels)}
    assert len(dots) == 1
    rows, columns = (np.array([box[axis].start for box in ndimage.find_objects(made.labels)]) for axis in (0, 1))
    assert set(np.diff(np.unique(rows))) == set(np.diff(np.unique(columns))) == {24}
    assert made.labels.max() == len(np.unique(rows)) * len(np.unique(columns)) == 5 * 8
    inner = made.image[rows[0] : rows[0] + 72, columns[0] : columns[0] + 120]
    np.testing.assert_array_equal(inner[:-24], inner[24:])
    np.testing.assert_array_equal(inner[:, :-24], inner[:, 24:])


def test_dots_with_noise_differ_but_their_truth_does_not():
    still, noisy = make("dots", seed=1)[0], make("dots", seed=1, noise=20.0)[0]
    np.testing.assert_array_equal(still.labels, noisy.labels)
    assert 15 < (noisy.image.astype(float) - still.image)[still.labels > 0].std() < 25


@pytest.mark.parametrize(
    ("values", "message"),
    [({"spacing": 12, "diameter": 12}, "would touch"), ({"spacing": 90, "diameter": 60, "width": 50}, "does not fit")],
)
def test_dots_that_cannot_be_drawn_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        make("dots", **values)


def test_sticks_occlude_in_order_and_each_shows_a_third():
    (made,) = make("sticks", seed=7, look="plain", count=25)
    visible = np.bincount(made.labels.ravel(), minlength=26)[1:]
    whole = made.masks.sum((1, 2))
    assert (visible >= whole / 3).all()
    assert (visible < whole).sum() > 8
    # at a crossing the picture shows the flat grey of the upper stick, as it is elsewhere on that stick
    inside = np.zeros_like(made.masks)
    for index, mask in enumerate(made.masks):
        inside[index] = ndimage.binary_erosion(mask & (made.labels == index + 1), iterations=3)
    crossing = inside.any(0) & (made.masks.sum(0) > 1)
    assert crossing.sum() > 100
    assert abs(made.image[crossing].mean() - 200) < 3


def test_a_covered_stick_falls_into_pieces_but_its_mask_does_not():
    made = make("sticks", n=3, count=25)
    assert any(pieces(item.labels == index + 1) > 1 for item in made for index in range(25))
    assert all(pieces(mask) == 1 for item in made for mask in item.masks)


def test_worms_cross_when_asked_and_only_then():
    clear = make("worms", n=3, count=10, crossing=0.0)
    crossed = make("worms", n=3, count=10, crossing=1.0)
    assert all((item.masks.sum(0) <= 1).all() for item in clear)
    for item in crossed:
        overlaps = [(mask & (item.masks.sum(0) > 1)).any() for mask in item.masks]
        assert all(overlaps)


def test_worms_are_whole_and_of_the_size_asked_for():
    for item in make("worms", n=4, length=108.0, thickness=11.0):
        assert all(pieces(mask) == 1 for mask in item.masks)
        # the worms of BBBC010, of this length and thickness, fill 650 to 1350 px
        assert 850 < np.median(item.masks.sum((1, 2))) < 1150
        assert item.image[0, 0] < 150 < 1000 < np.median(item.image)


def test_binary_worms_are_the_foreground():
    (made,) = make("worms", look="binary")
    np.testing.assert_array_equal(made.image > 0, made.masks.any(0))
    assert set(np.unique(made.image)) == {0, 255}


def test_crossing_worms_are_darker_where_they_cross():
    made = make("worms", n=4, crossing=0.8)
    depth = [item.masks.sum(0) for item in made]
    once = np.concatenate([item.image[d == 1] for item, d in zip(made, depth, strict=True)])
    twice = np.concatenate([item.image[d == 2] for item, d in zip(made, depth, strict=True)])
    assert twice.mean() < 0.75 * once.mean()


def test_bacteria_are_many_and_crowded():
    for item in make("bacteria", n=3, count=200, colonies=2):
        assert item.masks is None
        assert touching(item.labels) > 0.85
        largest = np.sort(np.bincount(ndimage.label(item.labels > 0)[0].ravel())[1:])[-2:]
        assert largest.sum() > 0.7 * (item.labels > 0).sum()
        in_one_piece = [pieces(item.labels == index + 1) == 1 for index in range(item.labels.max())]
        assert np.mean(in_one_piece) > 0.98


def test_bacteria_are_counted_and_septating_ones_are_longer():
    (made,) = make("bacteria", seed=1, count=48, colonies=1)
    assert made.labels.max() == 48
    sizes = np.bincount(made.labels.ravel())[1:]
    growing, septating = sizes[made.classes == 1], sizes[made.classes == 2]
    assert len(growing) >= 10
    assert len(septating) >= 4
    assert septating.mean() > 1.2 * growing.mean()


def test_bacteria_are_dark_with_a_bright_rim():
    for look in ("bright-field", "phase-contrast"):
        (made,) = make("bacteria", count=12, colonies=12, look=look)
        distance = ndimage.distance_transform_edt(made.labels == 0)
        inside, rim, far = (
            made.image[where].mean() for where in (distance == 0, (distance > 2) & (distance < 4), distance > 25)
        )
        assert inside < 0.75 * far < far < rim


def test_more_colonies_than_cells_are_refused():
    with pytest.raises(InputError, match="5 colonies need at least as many cells; found 4 cells"):
        make("bacteria", count=4, colonies=5)


def test_nuclei_touch_when_clustered():
    apart = np.mean([touching(item.labels) for item in make("nuclei", n=3, count=30, clustering=0.0)])
    together = np.mean([touching(item.labels) for item in make("nuclei", n=3, count=30, clustering=1.0)])
    assert together > 0.8 > 0.4 > apart


def test_nuclei_have_the_diameter_and_the_brightness_asked_for():
    dim, bright = (make("nuclei", count=25, diameter=32.0, photons=light)[0] for light in (50.0, 500.0))
    inside = ndimage.binary_erosion(dim.labels > 0, iterations=4)
    sizes = np.bincount(dim.labels.ravel())[1:]
    assert 26 < np.sqrt(np.median(sizes) * 4 / np.pi) < 36
    assert 7 < (bright.image[inside].mean() - 100) / (dim.image[inside].mean() - 100) < 13


def test_stained_nuclei_are_darker_and_bluer_than_their_tissue():
    (made,) = make("nuclei", look="histology", count=30)
    nuclei, tissue = made.image[made.labels > 0].mean(0), made.image[made.labels == 0].mean(0)
    assert (nuclei < tissue).all()
    assert nuclei[2] / nuclei[0] > tissue[2] / tissue[0] + 0.1


def test_young_leaves_are_small_and_on_top():
    (made,) = make("rosettes", seed=2, count=14)
    sizes = made.masks.sum((1, 2))
    assert sizes[-4:].mean() < 0.4 * sizes[2:8].mean()
    np.testing.assert_array_equal(made.labels[made.masks[-1]], 14)
    visible = np.bincount(made.labels.ravel())[1:]
    assert (visible >= sizes / 7).all()
    green = made.image[made.labels > 0].mean(0)
    soil = made.image[made.labels == 0].mean(0)
    assert green[1] > 1.2 * green[0] > green[2]
    assert soil[0] > soil[2]
