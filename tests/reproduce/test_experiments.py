"""The papers' experiments, made small: what they show, and what they write."""

import pytest

from napari_instseg.core.errors import InputError
from napari_instseg.core.events import Progress, Result
from napari_instseg.reproduce import EXPERIMENTS, get_experiment


def outcome(name, scale):
    events = list(get_experiment(name).run(quick=True, seed=0, scale=scale))
    progress = [event for event in events if isinstance(event, Progress)]
    assert progress[-1].done == progress[-1].total
    (result,) = [event for event in events if isinstance(event, Result)]
    assert events[-1] is result
    return result.value


def test_identical_dots_are_told_apart_by_the_semi_convolutional_embedding_only(tmp_path):
    report = outcome("dots", 0.4)
    scores = {row["embedding"]: row for row in report.rows}
    assert scores["plain"]["AP 0.5"] < 0.5
    assert scores["plain"]["SBD"] < 0.5
    assert scores["semi-convolutional"]["AP 0.5"] > 0.95
    assert scores["semi-convolutional"]["SBD"] > 0.95
    table, words, picture = report.write(tmp_path / "made")
    assert table.read_text().splitlines()[0] == "embedding,AP 0.5,SBD,adjusted Rand index,paper (in words)"
    assert "almost perfect" in words.read_text()
    assert "What differs from the paper" in words.read_text()
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_two_dimensional_embedding_converges():
    report = outcome("convergence", 0.5)
    assert [row["step"] for row in report.rows] == [0, 2, 4, 8, 16, 32]
    first, last = report.rows[0], report.rows[-1]
    assert last["nearest to own mean"] > first["nearest to own mean"] + 0.2
    assert last["variance term"] + last["distance term"] < first["variance term"] + first["distance term"]


def test_an_unknown_experiment_is_told_in_words():
    with pytest.raises(InputError, match=f"no experiment 'none'.*{', '.join(EXPERIMENTS)}"):
        get_experiment("none")
