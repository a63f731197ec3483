"""Objects keep their ids, slice by slice; parameters go back and forth; presets last."""

import sys
import time
from dataclasses import FrozenInstanceError
from threading import Event, Thread

import numpy as np
import pytest

from napari_instseg.core.errors import InputError
from napari_instseg.decoding.pipeline import DecodingStopped
from napari_instseg.decoding.segmentation import Segmentation
from napari_instseg.io.models import ModelSpec
from napari_instseg.segmenting.advice import advise_size, explain_empty
from napari_instseg.segmenting.export import Export, measure, paths_in, write
from napari_instseg.session.results import Results
from napari_instseg.session.source import Source, readings
from napari_instseg.tuning.decoder import WINDOW_FIRST, Decoder, Request
from napari_instseg.tuning.presets import Presets
from napari_instseg.tuning.value_history import ValueHistory


def results_of(prediction, slices=0, **values):
    shape = (slices, *prediction.shape) if slices else prediction.shape
    source = Source(np.random.default_rng(0).random(shape), "image", **values)
    spec = ModelSpec(name="m", method=prediction.method, diameter=10)
    results = Results(source, readings(source)[0], spec)
    for index in [(i,) for i in range(slices)] or [()]:
        results = results.with_prediction(index, prediction)
    return results


class Held:
    """The newest snapshot, as a session holds it."""

    def __init__(self, results):
        self.results = results

    def decode(self, index, **changes):
        prediction = self.results.predictions[index]
        parameters = prediction.parameters(**changes)
        self.results = self.results.settle(index, prediction.pipeline.run(parameters), parameters)
        return self.results.slices[index]


def test_objects_that_stay_keep_their_ids(scene):
    prediction, number = scene
    held = Held(results_of(prediction))
    first = held.decode(())
    assert first.segmentation.n_objects == number
    gone = held.decode((), min_size=82)
    assert gone.segmentation.n_objects == 0
    back = held.decode(())
    assert back.segmentation.n_objects == number
    again = held.decode((), min_score=0.1)
    np.testing.assert_array_equal(again.labels, back.labels)


def test_an_id_means_one_object_in_the_whole_stack(scene):
    prediction, number = scene
    held = Held(results_of(prediction, slices=3))
    for index in ((0,), (1,), (2,)):
        held.decode(index)
    held.decode((1,), min_size=82)
    held.decode((1,))
    labels = held.results.labels()
    counts = [len(np.unique(part)) - 1 for part in labels]
    assert counts == [number] * 3
    assert len(np.unique(labels)) - 1 == 3 * number
    table = held.results.table()
    assert sorted(table["label"]) == sorted(np.unique(labels[labels > 0]))
    for _, row in table.iterrows():
        centre = (int(row["slice"]), round(row["centroid_y"]), round(row["centroid_x"]))
        assert labels[centre] == row["label"]


def square_of(label, side=8):
    labels = np.zeros((side, side), np.int32)
    labels[2:5, 2:5] = label
    return Segmentation(labels)


def stack_of(slices=4, side=8):
    source = Source(np.zeros((slices, side, side), np.float32), "stack")
    return Results(source, readings(source)[0], ModelSpec(name="m", method="coloring", diameter=3))


def test_what_a_snapshot_says_never_changes():
    first = stack_of().settle((0,), square_of(1), None)
    labels, words = first.labels(), first.words
    second = first.settle((1,), square_of(1), None).amend((0,), np.zeros((8, 8), np.int32), ())
    assert (second.words, words) == ("1 object.", "1 object.")
    np.testing.assert_array_equal(first.labels(), labels)
    assert set(first.slices) == {(0,)}
    assert second.same_run(first)
    assert not second.same_run(stack_of())
    with pytest.raises(TypeError):
        first.slices[(1,)] = None
    with pytest.raises(FrozenInstanceError):
        first.reserved = 9


def test_a_proposal_made_from_what_is_not_shown_any_more_is_made_again():
    results = stack_of().settle((0,), square_of(1), None)
    stale = results.propose((0,), square_of(1), None)
    other = results.propose((1,), square_of(1), None)
    assert int(stale.slice.labels.max()) == 1
    assert int(other.slice.labels.max()) == 2
    gone = results.settle((0,), Segmentation(np.zeros((8, 8), np.int32)), None).reserving(5)
    assert int(gone.accept(stale).slices[(0,)].labels.max()) == 6, "an id that was another object's came back"
    taken = gone.accept(stale).accept(other)
    assert int(taken.slices[(1,)].labels.max()) == 7, "two objects of a stack share an id"
    assert int(results.accept(other).slices[(1,)].labels.max()) == 2


def test_a_thousand_rounds_of_a_job_that_finds_and_a_reader_that_iterates(scene, loop):
    """What is found by one thread is read by another at the same time; one thread alone goes on to the next snapshot.

    With results that the threads shared this raised "dictionary changed size during iteration".
    """
    rounds, slices = 1000, 40
    held = Held(stack_of(slices))
    prediction = scene[0]
    read, problems, over = [], [], Event()

    def find():
        top = 0
        for number in range(rounds):
            proposal = held.results.propose((number % slices,), square_of(1), None, above=top)
            top = proposal.top
            loop(lambda proposal=proposal: take(proposal))

    def take(proposal):
        held.results = held.results.with_prediction(proposal.slice.index, prediction).accept(proposal)

    def iterate():
        try:
            while not over.is_set():
                now = held.results
                labels = now.labels()
                assert len(np.unique(labels[labels > 0])) == now.n_objects == len(now.slices)
                assert set(now.slices) == set(now.predictions)
                read.append(now.n_objects)
        except Exception as problem:
            problems.append(problem)

    threads = [Thread(target=find), Thread(target=iterate)]
    before, step = sys.getswitchinterval(), 1e-5
    sys.setswitchinterval(step)
    try:
        for thread in threads:
            thread.start()
        taken = 0
        while taken < rounds:
            taken += loop.run_waiting()
        over.set()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not problems, problems
    assert held.results.n_objects == slices
    assert len(read) > 1


def test_the_oldest_predictions_are_forgotten_when_memory_is_short(scene, monkeypatch):
    prediction, _ = scene
    size = sum(array.nbytes for array in prediction.outputs.values())
    monkeypatch.setattr("napari_instseg.session.results.PREDICTION_BYTES", int(2.5 * size))
    results = results_of(prediction, slices=4)
    assert list(results.predictions) == [(2,), (3,)]


def ask(decoder, results, loop, window=None, **changes):
    index = next(iter(results.predictions))
    parameters = results.predictions[index].parameters(**changes)
    decoder.ask(Request(results, parameters, list(results.predictions), window, 1.0))
    return parameters


def test_answers_that_were_not_taken_are_replaced(scene, loop):
    prediction, _ = scene
    results = results_of(prediction)
    shown = []
    decoder = Decoder(lambda _, proposal: shown.append(proposal.slice), pytest.fail, loop)
    for size in range(60):
        last = ask(decoder, results, loop, min_size=size)
    while not decoder._latest.idle:
        pass
    assert loop.calls.qsize() <= 1, "a queue of answers has grown"
    loop.run_waiting()
    assert shown[-1].parameters == last
    assert len(shown) == 1
    decoder.close()


def slowed(monkeypatch, prediction, seconds):
    """Let each decode of a prediction take so long."""
    run = prediction.pipeline.run

    def slow(parameters, window=None, should_stop=None):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if should_stop():
                raise DecodingStopped("stopped")
            time.sleep(0.002)
        return run(parameters, window, should_stop)

    monkeypatch.setattr(prediction.pipeline, "run", slow)


def test_a_drag_that_is_faster_than_decoding_is_seen_on_its_way(scene, loop, monkeypatch):
    prediction, _ = scene
    slowed(monkeypatch, prediction, 0.03)
    results = results_of(prediction)
    shown = []
    decoder = Decoder(lambda _, proposal: shown.append(proposal.slice), pytest.fail, loop)
    for size in range(60):
        last = ask(decoder, results, loop, min_size=size)
        time.sleep(0.01)
        loop.run_waiting()
    loop.run_until(lambda: decoder.idle)
    assert 2 < len(shown) < 50
    assert shown[-1].parameters == last
    sizes = [plane.parameters.min_size for plane in shown]
    assert sizes == sorted(sizes)
    decoder.close()


def test_a_long_decode_is_given_up_for_a_newer_one_and_a_dropped_one_at_once(scene, loop, monkeypatch):
    prediction, _ = scene
    monkeypatch.setattr("napari_instseg.tuning.decoder.PATIENCE_S", 0.05)
    slowed(monkeypatch, prediction, 0.5)
    results = results_of(prediction)
    shown = []
    decoder = Decoder(lambda _, proposal: shown.append(proposal.slice), pytest.fail, loop)
    ask(decoder, results, loop, min_size=1)
    time.sleep(0.1)
    last = ask(decoder, results, loop, min_size=2)
    loop.run_until(lambda: decoder.idle)
    assert [plane.parameters for plane in shown] == [last]
    ask(decoder, results, loop, min_size=3)
    time.sleep(0.02)
    decoder.drop()
    loop.run_until(lambda: decoder.idle)
    assert len(shown) == 1
    decoder.close()


def test_what_is_in_view_comes_first_and_ids_stay(scene, loop, monkeypatch):
    prediction, number = scene
    monkeypatch.setattr("napari_instseg.tuning.decoder.WINDOW_FIRST", 100)
    assert WINDOW_FIRST > 100
    held = Held(results_of(prediction))
    whole, results = held.decode(()), held.results
    shown = []
    decoder = Decoder(lambda _, proposal: shown.append(proposal.slice), pytest.fail, loop)
    window = (slice(0, 40), slice(0, 50))
    ask(decoder, results, loop, window, min_score=0.2)
    loop.run_until(lambda: any(plane.window is None for plane in shown) and decoder.idle)
    if shown[0].window is not None:  # else it was replaced by the whole before it was taken
        assert shown[0].window == window
        np.testing.assert_array_equal(shown[0].labels, whole.labels[window])
    np.testing.assert_array_equal(shown[-1].labels, whole.labels)
    assert results.n_objects == number
    decoder.close()


def test_a_problem_while_decoding_is_told(scene, loop, caplog):
    prediction, _ = scene
    results = results_of(prediction)
    words = []
    decoder = Decoder(lambda *_: None, words.append, loop)
    decoder.ask(Request(results, object(), [()], None, 0.0))
    loop.run_until(lambda: bool(words))
    assert "Unexpected problem" in words[0]
    decoder.close()


def test_why_there_are_no_objects(scene):
    prediction, _ = scene
    advice = explain_empty(prediction, prediction.parameters(min_size=4000))
    assert "smallest object 4000 px leaves all of them out" in advice.text
    assert prediction.decode(**advice.parameters).n_objects > 0
    assert "minimum confidence" in explain_empty(prediction, prediction.parameters(min_score=1.0)).text
    nothing = type(prediction)("coloring", {"colors": np.stack([np.ones((32, 32)), np.zeros((32, 32))]).astype("f4")})
    advice = explain_empty(nothing, nothing.parameters())
    assert "the network sees none" in advice.text
    assert not advice.parameters


def test_objects_of_another_size_than_the_model_knows_are_noticed(scene):
    prediction, _ = scene
    segmentation = prediction.decode()
    across = float(np.sqrt(81 * 4 / np.pi))
    assert advise_size(segmentation, across, None) is None
    advice = advise_size(segmentation, 4 * across, None)
    assert advice.diameter == pytest.approx(across, abs=0.1)
    assert advise_size(segmentation, 4 * across, across) is None  # a user who measured knows better
    assert advise_size(segmentation, across, 4 * across) is None


def test_history():
    history = ValueHistory(0)
    for value in (1, 1, 2):
        history.settle(value)
    assert [history.undo(), history.undo(), history.undo()] == [1, 0, 0]
    assert not history.can_undo
    assert [history.redo(), history.redo(), history.redo()] == [1, 2, 2]
    history.undo()
    history.settle(9)
    assert not history.can_redo
    assert history.undo() == 1


def test_presets_last_and_belong_to_their_model(tmp_path, scene):
    parameters = scene[0].parameters(min_size=77)
    Presets("one", tmp_path).save(" small ", parameters)
    assert Presets("one", tmp_path).read() == {"small": parameters.model_dump()}
    assert Presets("two", tmp_path).read() == {}
    assert Presets("/some/where/one", tmp_path).read() == {}
    Presets("one", tmp_path).delete("small")
    assert Presets("one", tmp_path).read() == {}
    with pytest.raises(InputError, match="needs a name"):
        Presets("one", tmp_path).save("  ", parameters)
    (tmp_path / "one.json").write_text("{ half")
    with pytest.raises(InputError, match="cannot be read"):
        Presets("one", tmp_path).read()
    assert (tmp_path / "one.json").read_text() == "{ half"


def test_export_writes_what_is_shown(tmp_path, scene):
    from napari_instseg.io.labels import read_labels

    prediction, number = scene
    results = results_of(prediction, scale=(0.5, 0.5), units=("micrometer", "micrometer"))
    held = Held(results)
    held.decode(())
    results = held.results
    labels = results.labels()
    labels[0, :5] = 500
    table = measure(results, labels)
    painted = table[table["label"] == 500].iloc[0]
    assert painted["area"] == 5
    assert painted["area_um2"] == pytest.approx(1.25)
    assert np.isnan(painted["score"])
    assert len(table) == number + 1
    assert table["score"].notna().sum() == number
    paths = paths_in(tmp_path, "a/b image")
    assert list(write(Export(results, labels, paths)))[-1].value == tuple(paths.values())
    np.testing.assert_array_equal(read_labels(tmp_path / "labels" / "a_b image.tif"), labels)
    lines = (tmp_path / "tables" / "a_b image.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == number + 2
    assert (tmp_path / "overlays" / "a_b image.png").stat().st_size > 0
    with pytest.raises(InputError, match="no objects to export"):
        list(write(Export(results_of(prediction), labels, paths)))


def test_stacks_are_measured_slice_by_slice(scene):
    prediction, number = scene
    results = results_of(prediction, slices=2)
    held = Held(results)
    for index in ((0,), (1,)):
        held.decode(index)
    results = held.results
    table = measure(results, results.labels())
    assert table.groupby("slice").size().tolist() == [number, number]
    assert table["label"].is_unique
