"""Views of a prediction, worked out behind the window, and why some cannot be."""

import numpy as np
import pytest

from napari_instseg.core.method import View
from napari_instseg.inference.prediction import Prediction
from napari_instseg.inspecting.views import Inspector, looked_at, why_not
from napari_instseg.methods import get_method
from napari_instseg.session.background import BackgroundWork


def view(results, name):
    return next(view for view in get_method(results.spec.method).inspect if view.name == name)


def test_views_know_the_parameters_the_selection_and_the_margin(scene, results_of):
    results = results_of(scene[0])
    data = looked_at(results, (), 5)
    assert data["parameters"] == results.slices[()].parameters
    assert data["margin"] == 7
    assert results.slices[()].ids[data["selected"]] == 5
    assert looked_at(results, (), 9999)["selected"] is None


def test_what_cannot_be_shown_says_why(scene, results_of):
    results = results_of(scene[0])
    shown = view(results, "halo")
    assert "Run" in why_not(None, (), shown)
    assert "Select an object" in why_not(results, (), shown)
    assert why_not(results, (), shown, 5) == ""
    assert "run it again" in why_not(results, (3,), shown)
    lacking = View("x", "X", "h", "image", ("wings",), lambda data: data["wings"])
    assert "does not give: wings" in why_not(results, (), lacking)


def test_views_are_fitted_once_and_anew_for_another_model(loop, results_of):
    rng = np.random.default_rng(0)
    first, second = (
        Prediction(
            "discriminative",
            {
                "embedding": (scale * rng.standard_normal((3, 32, 32))).astype(np.float32),
                "foreground": np.ones((32, 32), np.float32),
            },
        )
        for scale in (1, 4)
    )
    results = results_of(first)
    results = results.with_prediction((1,), second)
    pca = view(results, "pca")
    got = []
    inspector = Inspector(lambda *answer: got.append(answer), lambda words: pytest.fail(words), loop)
    for index, of in (((), results), ((1,), results), ((), results_of(second))):
        asked = len(got)
        inspector.ask(of, index, [pca])
        loop.run_until(lambda asked=asked: len(got) > asked and inspector.idle)
    inspector.close()
    own, along, anew = (answer[2] for answer in got)
    data, fitted = dict(second.outputs), pca.fit(first.outputs)
    np.testing.assert_array_equal(along, pca.compute({**data, "fitted": fitted}))
    np.testing.assert_array_equal(anew, pca.compute(data))
    assert np.abs(own - along).max() > 0


def test_answers_to_older_questions_are_dropped(loop):
    got, failed = [], []

    def work(question, is_stale):
        if question == "bad":
            raise ValueError("no")
        yield from (question, question + "!")

    answers = BackgroundWork(work, got.append, failed.append, loop)
    answers.ask("old")
    while answers._sent < 2:
        pass
    answers.ask("new")
    loop.run_until(lambda: answers.idle)
    assert got == ["new", "new!"]
    answers.ask("bad")
    loop.run_until(lambda: answers.idle)
    assert "no" in failed[0]
    answers.close()
