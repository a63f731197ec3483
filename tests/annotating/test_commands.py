"""Edits of the present image: words for what goes wrong, and results that follow the corrections."""

import numpy as np
import pytest

from napari_instseg.annotating.commands import Annotating
from napari_instseg.core.errors import InputError
from napari_instseg.decoding.segmentation import Segmentation
from napari_instseg.inference.prediction import Prediction
from napari_instseg.io.models import ModelSpec
from napari_instseg.methods import get_method
from napari_instseg.session.annotation import Annotation
from napari_instseg.session.results import Results
from napari_instseg.session.session import Session
from napari_instseg.session.source import Source, readings


def labels_of(*centers, shape=(60, 160), radius=12):
    y, x = np.indices(shape)
    labels = np.zeros(shape, np.int32)
    for number, (cy, cx) in enumerate(centers, 1):
        labels[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = number
    return labels


class Work:
    """A session with one image, what is annotated in it, and what was said about that."""

    def __init__(self, loop, shape=(60, 160)):
        self.session, self.said = Session(loop), []
        self.session.changed.connect(self._hear)
        source = Source(np.zeros(shape, np.float32), "image")
        spec = ModelSpec(name="model", method="coloring", title="Model", diameter=20, intended_use="Tests.")
        self.session.choose_source(source)
        self.session.update(results=Results(source, readings(source)[0], spec))
        self.annotating = Annotating(self.session)

    def _hear(self, before, now):
        if now.status is not before.status:
            self.said.append((now.status.message, now.status.tone))

    @property
    def results(self):
        return self.session.state.results

    def decode(self, labels, score=None, index=(), class_id=None):
        count = int(labels.max())
        score = np.full(count, 0.5, np.float32) if score is None else np.asarray(score, np.float32)
        segmentation = Segmentation(labels, score, class_id)
        self.session.take(self.results, self.results.propose(index, segmentation, None))

    @property
    def labels(self):
        return self.annotating.annotation.labels


@pytest.fixture
def work(loop):
    made = Work(loop)
    made.decode(labels_of((30, 30), (30, 80), (30, 130)), [0.5, 0.6, 0.7])
    return made


def test_results_follow_the_corrections(work):
    annotating = work.annotating
    assert annotating.delete((30, 80))
    assert annotating.accept((30, 30))
    table = work.results.table().set_index("label")
    assert list(table.index) == [1, 3]
    np.testing.assert_allclose(table["score"], [1.0, 0.7])
    assert work.results.n_objects == 2
    annotating.undo()
    annotating.undo()
    table = work.results.table().set_index("label")
    np.testing.assert_allclose(table["score"], [0.5, 0.6, 0.7])
    np.testing.assert_array_equal(work.results.labels(), work.labels)


def test_new_objects_are_of_the_class_that_was_found_under_them(loop):
    work = Work(loop)
    work.decode(labels_of((30, 30), (30, 80), (30, 130)), class_id=np.array([2, 1, 2]))
    assert work.annotating.split([(30, 75), (30, 85)])
    table = work.results.table().set_index("label")
    assert table.loc[[1, 2, 3, 4], "class"].tolist() == [2, 1, 2, 1]


def test_ids_of_new_objects_never_are_those_of_edited_ones(work):
    assert work.annotating.split([(30, 75), (30, 85)])
    new = max(np.unique(work.labels))
    assert new == 4
    work.decode(labels_of((30, 30), (30, 80), (30, 130), (50, 50), (10, 110)))
    kept = work.labels == new
    assert kept.any()
    assert len(np.unique(work.labels)) - 1 == 6
    assert not kept[45:].any()


def test_the_wheel_stays_within_its_range(work):
    for _ in range(40):
        work.annotating.turn_threshold(1)
    assert work.annotating.threshold == pytest.approx(0.05)
    for _ in range(40):
        work.annotating.turn_threshold(-1)
    assert work.annotating.threshold == pytest.approx(0.95)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda c: c.delete((30, 500)), "outside the image"),
        (lambda c: c.delete((5, 5)), "no object there"),
        (lambda c: c.accept((5, 5)), "no object there to accept"),
        (lambda c: c.accept((-4, 5)), "no object there to accept"),
        (lambda c: c.fill((30, 30)), "no holes"),
        (lambda c: c.grow((30, 30)), "not kept; run it again"),
        (lambda c: c.split([(30, 30), (30, 80)]), "two clicks at different places in one object"),
        (lambda c: c.split_by_line([(0, 0), (0, 150)]), "crosses no object"),
        (lambda c: c.merge([(30, 30), (30, 40)]), "two objects or more"),
        (lambda c: c.merge([(300, 30), (300, 40)]), "outside the image"),
        (lambda c: c.draw([(1, 1), (2, 2)]), "three points"),
        (lambda c: c.mark([(200, 200), (200, 220), (220, 220)]), "encloses no pixel of the image"),
        (lambda c: c.undo(), "nothing to undo"),
        (lambda c: c.redo(), "nothing to redo"),
    ],
)
def test_what_goes_wrong_is_said_and_changes_nothing(work, act, words):
    before = work.labels.copy()
    assert not act(work.annotating)
    assert words in work.said[-1][0]
    assert work.said[-1][1] == "warning"
    np.testing.assert_array_equal(work.labels, before)
    assert work.annotating.undo_title == ""


def test_before_there_are_objects_all_is_refused(loop):
    work = Work(loop)
    assert work.annotating.annotation is None
    assert not work.annotating.delete((3, 3))
    assert "Run the segmentation first" in work.said[-1][0]
    assert work.annotating.object_at((3, 3)) == 0
    assert work.annotating.preview((3, 3)) is None


def test_an_id_in_two_places_is_not_accepted_but_said(work):
    work.labels[55:58, 2:5] = 3
    assert work.annotating.painted(work.results, ())
    assert "2 places that are far apart" in work.said[-1][0]
    work.annotating.undo()
    work.labels[55:58, 2:5] = 3
    corrections = work.annotating.annotation
    assert not work.annotating.accept((30, 130))
    assert "It was not accepted" in work.said[-1][0]
    assert corrections.accepted == set()


def test_slices_of_a_stack_are_edited_one_by_one(loop):
    work = Work(loop, (3, 60, 160))
    for index in range(3):
        work.decode(labels_of((30, 30), (30, 80)), index=(index,))
    before = work.labels.copy()
    assert work.annotating.delete((1, 30, 80))
    assert (work.labels != before).any(axis=(1, 2)).tolist() == [False, True, False]
    assert len(work.results.table()) == 5
    assert work.annotating.undo().place[0] == 1
    np.testing.assert_array_equal(work.labels, before)


def test_growing_uses_what_the_network_said_of_the_slice(loop):
    work = Work(loop)
    truth = labels_of((30, 30), (30, 55), radius=12)
    colors = np.stack([truth == 0, truth == 1, truth == 2]).astype(np.float32)
    work.decode(np.where(truth > 0, 1, 0).astype(np.int32))
    predicted = work.results.with_prediction((), Prediction("coloring", {"colors": colors}))
    work.session.update(results=predicted)
    index, _, inside = work.annotating.preview((30, 55))
    assert index == ()
    assert inside.sum() == (truth == 2).sum()
    assert work.annotating.grow((30, 55))
    np.testing.assert_array_equal(work.labels == work.labels[30, 55], truth == 2)


def test_saved_corrections_are_taken_up_again(work, loop):
    work.annotating.accept((30, 30))
    saved = Annotation.from_arrays(work.annotating.annotation.snapshot()())
    other = Work(loop)
    other.decode(labels_of((30, 80)))
    other.session.restore(saved)
    assert other.annotating.annotation is saved
    assert other.results.n_objects == 3
    other.decode(labels_of((30, 80)))
    assert saved.labels[30, 30] == 1
    small = Work(loop, (20, 20))
    with pytest.raises(InputError, match=r"of shape \(60, 160\); this one is 2-d, of shape \(20, 20\)"):
        small.session.restore(saved)


def test_each_image_has_corrections_of_its_own(work, loop):
    first = work.annotating.annotation
    other = Work(loop)
    kept = work.results
    work.session.update(results=other.results)
    work.decode(labels_of((30, 30)))
    assert work.annotating.annotation is not first
    work.session.update(results=kept)
    assert work.annotating.annotation is first


def test_listeners_hear_of_every_change_once(work):
    heard = []
    work.session.changed.connect(lambda before, now: heard.append(1) if now.edits != before.edits else None)
    work.annotating.delete((30, 80))
    work.annotating.undo()
    work.annotating.delete((5, 5))
    assert len(heard) == 2


def test_a_region_drawn_around_all_of_the_image_is_all_of_it(work):
    work.decode(labels_of((30, 30), (30, 80)))
    assert work.annotating.mark([(-4, -4), (-4, 170), (70, 170), (70, -4)])
    assert work.annotating.annotation.complete.all()
    assert "2 objects marked as complete" in work.said[-1][0]


def test_undo_gives_back_the_object_in_the_slice_of_the_edit_not_in_the_one_in_view(loop):
    work = Work(loop, (2, 60, 160))
    for index in ((0,), (1,)):
        work.decode(labels_of((30, 30), (30, 80)), index=index)
    assert work.annotating.delete((0, 30, 30))
    other = work.results.slices[(1,)].labels.copy()
    work.session.see((1,), None)
    work.annotating.undo()
    shown = work.results.slices
    assert shown[(0,)].labels[30, 30] > 0
    np.testing.assert_array_equal(shown[(0,)].labels, work.labels[0])
    np.testing.assert_array_equal(shown[(1,)].labels, other)


def test_what_grows_follows_a_changed_bandwidth(loop):
    work = Work(loop)
    ramp = np.tile(np.linspace(0, 16, 160, dtype=np.float32), (60, 1))
    outputs = {"embedding": ramp[None], "foreground": np.ones((60, 160), np.float32)}
    prediction = Prediction("discriminative", outputs)
    found = Segmentation(labels_of((30, 30)), np.full(1, 0.5, np.float32))
    sizes = []
    for bandwidth in (1.0, 3.0, 1.0):
        parameters = get_method("discriminative").decode(bandwidth=bandwidth)
        work.session.take(work.results, work.results.propose((), found, parameters), prediction)
        sizes.append(int(work.annotating.preview((30, 80))[2].sum()))
    assert sizes[0] == sizes[2]
    assert sizes[1] > 1.5 * sizes[0]


def test_an_edit_leaves_the_snapshots_before_it_as_they_were(work):
    annotating = work.annotating
    assert annotating.accept((30, 30))
    before = work.results
    labels = before.labels()
    assert annotating.delete((30, 80))
    np.testing.assert_array_equal(before.labels(), labels)
    assert set(before.slices[()].ids) == set(np.unique(labels))
    after = work.results
    annotating.undo()
    assert 2 not in after.slices[()].labels
    np.testing.assert_array_equal(work.results.labels(), labels)
