"""The session without a window: one writer, states that all hear of in the same order, a run that goes on elsewhere."""

import numpy as np
import pytest

from napari_instseg.core.errors import InputError, ModelError
from napari_instseg.core.events import Message, Progress, Result
from napari_instseg.decoding.segmentation import Segmentation
from napari_instseg.io.models import ModelSpec
from napari_instseg.session.annotation import Annotation
from napari_instseg.session.results import Results
from napari_instseg.session.session import Session
from napari_instseg.session.source import Source, readings


@pytest.fixture
def session(loop):
    made = Session(loop)
    made.offer_models({name: ModelSpec(name=name, method="coloring", diameter=10) for name in ("one", "two")})
    yield made
    made.close()


def square(row=2, label=1):
    labels = np.zeros((20, 20), np.int32)
    labels[row : row + 4, 2:6] = label
    return Segmentation(labels, np.full(1, 0.5, np.float32))


def results_of(session, source=None):
    source = source or Source(np.zeros((20, 20), np.float32), "image")
    session.choose_source(source)
    results = Results(source, readings(source)[0], ModelSpec(name="one", method="coloring", diameter=10), model="one")
    session.update(results=results)
    return results


def test_all_hear_of_the_same_states_in_the_same_order(session):
    heard = {"first": [], "second": []}

    def change_once_more(before, now):
        heard["first"].append((before.diameter, now.diameter))
        if now.diameter == 1:
            session.choose_diameter(2)

    session.changed.connect(change_once_more)
    session.changed.connect(lambda before, now: heard["second"].append((before.diameter, now.diameter)))
    session.choose_diameter(1)
    assert heard["first"] == heard["second"] == [(None, 1), (1, 2)]
    assert session.state.diameter == 2


def test_a_listener_that_fails_does_not_make_the_others_deaf(session):
    def fail(before, now):
        raise ValueError("a fault")

    session.changed.connect(fail)
    with pytest.raises(Exception, match="a fault"):
        session.choose_device("cpu")
    session.changed.disconnect(fail)
    heard = []
    session.changed.connect(lambda before, now: heard.append((before.device, now.device)))
    session.choose_device("auto")
    assert heard == [("cpu", "auto")]


def test_another_image_is_one_change_of_the_state(session):
    results_of(session)
    session.see((), (slice(0, 5), slice(0, 5)))
    states = []
    session.changed.connect(lambda before, now: states.append(now))
    stack = Source(np.zeros((3, 20, 20), np.float32), "stack", diameter=7.0)
    session.choose_source(stack)
    assert len(states) == 1
    now = states[0]
    assert (now.source, now.results, now.diameter, now.index) == (stack, None, 7.0, ())
    assert now.reading.roles == ("stack", "plane", "plane")
    session.choose_source(Source(np.zeros((20, 20), np.float32), "other"))
    assert session.state.diameter is None, "what was stated of an image goes with it"


def test_an_image_that_comes_back_has_its_results_size_and_values(session):
    session.choose_model("one")
    results = results_of(session)
    session.take(results, results.propose((), square(), None))
    session.choose_diameter(8.0)
    changed = session.state.parameters.changed(min_size=77)
    session.update(parameters=changed)
    session.annotation.accept(1)
    first, other = session.state.source, Source(np.zeros((20, 20), np.float32), "other")
    session.choose_source(other)
    assert session.state.diameter is None, "a size of another image"
    session.choose_source(first)
    assert session.state.diameter == 8.0
    assert session.state.parameters == changed
    assert session.state.has_objects
    assert session.state.results.n_objects == 1
    assert session.annotation.accepted == {1}
    session.choose_source(other)
    session.lose_source(first)
    session.choose_source(first)
    assert not session.state.has_objects, "what was removed is forgotten"


def test_a_model_comes_with_its_parameters_in_one_change(session):
    states = []
    session.changed.connect(lambda before, now: states.append((now.model, now.parameters)))
    session.choose_model("one")
    (state,) = states
    assert state[0] == "one"
    assert state[1] == session.state.parameters is not None
    with pytest.raises(ModelError):
        session.choose_model("none of these")
    assert session.state.model == "one"


def test_new_objects_yield_to_what_the_user_said(session):
    results = results_of(session)
    session.take(results, results.propose((), square(), None))
    annotation = session.annotation
    annotation.accept(1)
    session.take_edit(annotation, ())
    assert session.state.results.slices[()].segmentation.score.tolist() == [1.0]
    session.take(results, session.state.results.propose((), square(row=10), None))
    assert np.unique(annotation.labels).tolist() == [0, 1, 2], "what was accepted is gone"
    assert session.state.results.n_objects == 2
    assert session.state.results.latest.segmentation.n_objects == 1


def test_what_comes_of_an_earlier_run_is_dropped(session):
    earlier = results_of(session)
    proposal = earlier.propose((), square(), None)
    results = results_of(session, earlier.source)
    assert session.take(earlier, proposal) is None
    assert session.state.results is results


def test_a_run_goes_on_when_the_user_goes_to_another_image(session, loop):
    results = results_of(session)
    source = results.source

    def find():
        yield Message("begins")
        yield Result("found")

    def take(event):
        session.take(results, session.newest(results).propose((), square(), None))

    session.start(find(), "Segmenting", take, source=source)
    session.choose_source(Source(np.zeros((20, 20), np.float32), "other"))
    assert session.state.results is None
    shown = []
    session.changed.connect(lambda before, now: shown.append(now.elsewhere and now.elsewhere.n_objects))
    loop.run_until(lambda: session.idle)
    assert 1 in shown
    assert session.state.elsewhere is None
    assert source.annotations[(20, 20), 2].labels.max() == 1
    assert session.annotation is None
    session.choose_source(source)
    assert session.state.results.n_objects == 1, "what was found meanwhile is there"


def test_nothing_is_found_in_an_image_that_is_gone(session, loop):
    results = results_of(session)
    taken = []

    def find():
        for number in range(100):
            yield Result(number)

    session.start(find(), "Segmenting", taken.append, source=results.source)
    session.lose_source(results.source)
    loop.run_until(lambda: session.idle)
    assert taken == []
    assert session.state.status.message == "Cancelled: its image was removed."
    assert session.state.ended == "stopped"


def test_a_job_says_how_far_it_is_and_how_it_ended(session, loop):
    details, said = [], []
    session.changed.connect(lambda before, now: details.append(now.status.detail))
    session.failed.connect(said.append)

    def work():
        yield Progress(1, 4, "tiles")
        yield Result("a")

    session.start(work(), "Working", lambda event: f"{event.value} is done.")
    loop.run_until(lambda: session.idle)
    assert any("1 of 4 tiles" in detail for detail in details)
    assert (session.state.status.message, session.state.status.tone, session.state.ended) == (
        "a is done.",
        "good",
        "done",
    )

    def fail():
        yield Progress(1, 4, "tiles")
        raise InputError("It cannot be.")

    session.start(fail(), "Failing", lambda event: None)
    loop.run_until(lambda: session.idle)
    assert said == ["It cannot be."]
    assert (session.state.status.tone, session.state.ended) == ("error", "failed")


def test_what_was_said_of_a_step_or_an_image_before_is_over(session, loop):
    said = []
    session.changed.connect(lambda before, now: said.append((now.status.detail, now.status.message)))

    def operation():
        yield Message("Opening the model.")
        yield Progress(1, 2, "tiles")
        yield Message("Not enough memory for a tile.", warning=True)
        yield Progress(2, 2, "tiles")

    results = results_of(session)
    session.start(operation(), "Segmenting", lambda event: "1 object.")
    loop.run_until(lambda: not session.state.running)
    at = {detail.split(",")[0]: message for detail, message in said if detail}
    assert at["1 of 2 tiles"] in ("", "Not enough memory for a tile.")
    assert at["2 of 2 tiles"] == "Not enough memory for a tile."
    assert all(message != "Opening the model." for detail, message in said if detail)
    session.take(results, results.propose((), square(), None))
    session.say("53 objects.", "good")
    first = session.state.source
    session.choose_source(Source(np.ones((20, 20), np.float32), "next"))
    assert (session.state.status.message, session.state.status.tone) == ("Ready.", "plain")
    session.choose_source(first)
    assert (session.state.status.message, session.state.status.tone) == ("1 object.", "plain")
    session.fail("NOT SAVED: the disk is full.")
    session.choose_source(None)
    assert "NOT SAVED" in session.state.status.message


def test_an_annotation_of_another_shape_is_refused(session):
    results = results_of(session)
    session.take(results, results.propose((), square(), None))
    with pytest.raises(InputError, match=r"of shape \(9, 9\); this one is 2-d, of shape \(20, 20\)"):
        session.restore(Annotation(np.zeros((9, 9), np.int32)))
    saved = Annotation(square(row=12).labels)
    edits = session.state.edits
    session.restore(saved)
    assert session.annotation is saved
    assert session.state.edits == edits + 1
    np.testing.assert_array_equal(session.state.results.labels(), saved.labels)
