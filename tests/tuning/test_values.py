"""The decode parameters go back and forth, follow the object size, and objects follow them; without Qt."""

import numpy as np
import pytest

from napari_instseg.core.errors import InstsegError, ParameterError
from napari_instseg.io.models import ModelSpec
from napari_instseg.session.results import Results
from napari_instseg.session.session import Session
from napari_instseg.session.source import Source, readings
from napari_instseg.tuning.values import Tuning


@pytest.fixture
def session(loop, scene):
    """A session with an image whose prediction by the model "m" is known."""
    made = Session(loop)
    spec = ModelSpec(name="m", method="coloring", diameter=10)
    made.offer_models({"m": spec, "n": spec})
    source = Source(np.zeros(scene[0].shape, np.float32), "image")
    made.choose_source(source)
    yield made
    made.close()


@pytest.fixture
def tuning(session, tmp_path):
    made = Tuning(session, tmp_path)
    yield made
    made.close()


def take_results(session, prediction):
    state = session.state
    results = Results(state.source, readings(state.source)[0], state.spec, model=state.model)
    session.update(results=results.with_prediction((), prediction))


def test_sizes_follow_the_diameter_but_for_those_that_the_user_set(session, tuning):
    def sizes():
        parameters = session.state.parameters
        return parameters.min_size, parameters.fill_holes

    session.choose_diameter(None)  # before there is a model
    session.choose_model("m")
    small, hole = sizes()
    tuning.change(min_size=small + 1)
    tuning.settle()
    session.choose_diameter(20)
    assert sizes() == (small + 1, 4 * hole)
    tuning.undo()
    assert sizes() == (small + 1, hole)
    tuning.reset()
    assert sizes() == (4 * small, 4 * hole)
    session.choose_diameter(None)
    assert sizes() == (small, hole)
    session.choose_diameter(20)
    session.choose_model("n")
    assert sizes() == (4 * small, 4 * hole)
    assert not tuning.can_undo


def test_tuning_goes_back_and_forth(session, tuning, scene, loop):
    prediction, number = scene
    session.choose_model("m")
    take_results(session, prediction)
    own = session.state.parameters
    for size in (10, 20, 82):
        tuning.change(min_size=size)
    tuning.settle()
    loop.run_until(lambda: tuning.idle)
    assert session.state.results.n_objects == 0
    tuning.undo()
    assert session.state.parameters == own
    tuning.redo()
    assert session.state.parameters.min_size == 82
    tuning.save_preset("strict")
    tuning.reset()
    assert session.state.parameters == own
    assert not tuning.can_reset
    tuning.load_preset("strict")
    assert session.state.parameters.min_size == 82
    with pytest.raises(InstsegError, match="no preset"):
        tuning.load_preset("other")
    with pytest.raises(ParameterError, match="Smallest object"):
        tuning.change(min_size=-3)
    tuning.reset()
    loop.run_until(lambda: tuning.idle)
    assert session.state.results.n_objects == number
    assert session.state.status.message == f"{number} objects."


def test_objects_wait_for_apply_unless_they_are_live(session, tuning, scene, loop):
    prediction, number = scene
    session.choose_model("m")
    take_results(session, prediction)
    tuning.apply()
    loop.run_until(lambda: tuning.idle)
    session.choose_live(False)
    tuning.change(min_size=82)
    assert tuning.idle
    assert session.state.results.n_objects == number
    session.choose_live(True)
    loop.run_until(lambda: tuning.idle)
    assert session.state.results.n_objects == 0


def test_results_of_another_model_stand_until_it_is_back(session, tuning, scene, loop):
    prediction, number = scene
    session.choose_model("m")
    take_results(session, prediction)
    tuning.apply()
    loop.run_until(lambda: tuning.idle)
    session.choose_model("n")
    assert "Run to see what this model finds" in session.state.status.message
    tuning.change(min_size=82)
    tuning.apply()
    assert tuning.idle
    assert session.state.results.n_objects == number
    session.choose_model("m")
    assert tuning.idle, "what is shown was decoded with these values"


def test_fitting_is_one_step_that_can_be_undone(session, tuning, scene, loop):
    prediction, number = scene
    session.choose_model("m")
    take_results(session, prediction)
    tuning.change(min_size=82)
    tuning.settle()
    loop.run_until(lambda: tuning.idle)
    truth = prediction.decode().labels
    heard = []
    tuning.fitted.connect(lambda fit, words: heard.append(words))
    tuning.fit(truth)
    assert session.state.running
    tuning.fit(truth)
    assert "Something is running already" in session.state.status.message
    loop.run_until(lambda: session.idle and tuning.idle, 60)
    assert session.state.results.n_objects == number
    assert heard == [session.state.status.message]
    assert session.state.status.tone == "good"
    assert f"Score on your {number} objects: 0.00 before, 1.00 now" in heard[0]
    tuning.undo()
    assert session.state.parameters.min_size == 82
