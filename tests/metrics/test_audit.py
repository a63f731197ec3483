"""How right a segmentation is, from a few judgements."""

import numpy as np
import pytest

from napari_instseg.benchmarks.coverage import QUANTITIES, Population, judge, measure_coverage
from napari_instseg.core.errors import InputError
from napari_instseg.metrics.audit import Frame


def squares(n=8, side=64, width=4):
    labels = np.zeros((side, side), np.int32)
    for number in range(n * n):
        y, x = divmod(number, n)
        labels[y * side // n + 1 :, x * side // n + 1 :][:width, : width + number % 3] = number + 1
    return labels


def test_all_objects_and_places_are_in_the_frame():
    labels = [squares(), np.zeros((50, 70), np.int32), squares(3, 40)]
    frame = Frame.of(labels, [np.linspace(0, 1, 64), None, None])
    assert np.bincount(frame.image).tolist() == [64, 0, 9]
    np.testing.assert_array_equal(frame.area[:3], [16, 20, 24])
    for number, one in enumerate(labels):
        covered = np.zeros(one.shape, int)
        for image, top, bottom, left, right in frame.cells.tolist():
            if image == number:
                covered[top:bottom, left:right] += 1
        assert (covered == 1).all()


def test_each_group_is_drawn_from_in_proportion_and_nothing_twice():
    frame = Frame.of([squares(12, 144)], [np.linspace(0, 1, 144)])
    sample = frame.draw(45, 2, seed=3)
    assert len(set(sample.objects.tolist())) == 45
    drawn, sizes = np.bincount(frame.stratum[sample.objects]), np.bincount(frame.stratum)
    assert np.abs(drawn - 45 * sizes / sizes.sum()).max() <= 1
    again = frame.draw(45, 2, seed=3)
    np.testing.assert_array_equal(sample.objects, again.objects)


def test_where_all_was_looked_at_nothing_is_uncertain():
    frame = Frame.of([squares()])
    sample = frame.draw(64, 100)
    kinds = ["right"] * 60 + ["wrong", "merged", "split", "split"]
    for kind in kinds:
        sample = sample.judged(kind, 3 if kind == "merged" else 2)
    for number in range(len(sample.cells)):
        sample = sample.counted(2 if number == 0 else 0)
    found = sample.estimate()
    # 60 right, three in one, one in two pieces, two missed
    assert (found.count.low, found.count.value, found.count.high) == pytest.approx((66, 66, 66))
    assert found.precision.value == pytest.approx(60 / 64)
    assert (found.recall.low, found.recall.high) == pytest.approx((60 / 66, 60 / 66))
    right = frame.area[sample.objects[:60]]
    assert found.area.value == pytest.approx(right.mean())
    assert found.area.high == pytest.approx(right.mean())


def test_nothing_wrong_in_a_sample_does_not_prove_that_nothing_is():
    frame = Frame.of([squares(20, 400)])
    sample = frame.draw(40, 4)
    for _ in sample.objects:
        sample = sample.judged("right")
    for _ in sample.cells:
        sample = sample.counted(0)
    found = sample.estimate()
    assert found.precision.value == found.precision.high == 1
    # 3 in 40 at most, as the rule of three says
    assert 0.9 < found.precision.low < 0.96
    assert found.count.low <= 400 < found.count.high
    assert "400 objects were found" in found.words()


def test_intervals_hold_the_truth_in_95_of_100_cases():
    population = Population("good", 400, 0.05, 0.03, 0.02, 0.2, 1.0, 120)
    (row,) = measure_coverage((population,), ((40, 20),), repeats=200, seed=1)
    # three standard errors of a share of .95 in 200 are .046
    assert all(row["coverage"][name] > 0.9 for name in QUANTITIES), row["coverage"]
    assert row["width"]["precision"] < 0.25


def test_the_drawn_populations_are_what_they_say():
    population = Population("poor", 20000, 0.2, 0.1, 0.1, 0.5, 2.0, 5000)
    sample, truth = judge(population, 40, 20, np.random.default_rng(0))
    assert truth["precision"] == pytest.approx(0.6, abs=0.05)
    assert truth["count"] == pytest.approx(20000 * (0.6 + 0.1 * 2.15 + 0.1 / 2.15) + 2500, rel=0.05)
    assert len(sample.verdicts) == 40
    assert len(sample.missed) == 20


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (lambda: Frame.of([np.zeros((9, 9), int)]), "no object"),
        (lambda: Frame.of([np.ones((2, 9, 9), int)]), "plane by plane"),
        (lambda: Frame.of([np.ones((9, 9), int)], [np.ones(2)]), "1 objects and 2 scores"),
        (lambda: Frame.of([squares()]).draw(1, 9), "too few"),
        (lambda: Frame.of([squares()]).draw(9, 9).judged("good"), "right, wrong, merged, split"),
        (lambda: Frame.of([squares()]).draw(9, 9).judged("merged", 1), "2 or more"),
        (lambda: Frame.of([squares()]).draw(9, 9).counted(-1), "0 or more"),
        (lambda: Frame.of([squares()]).draw(9, 9).estimate(), "0 objects and 0 places"),
    ],
)
def test_what_cannot_be_judged_is_said(what, words):
    with pytest.raises(InputError, match=words):
        what()
