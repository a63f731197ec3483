"""Long operations are closed in good order by Ctrl-C, errors become words, numbers become JSON."""

import json
import math
import signal

import pytest
import typer

from napari_instseg.cli.console import Follower, Stopped, in_words, keeping, say, show_table, write_json
from napari_instseg.core.errors import InputError
from napari_instseg.core.events import Message, Metric, Progress, Result


def test_the_result_comes_back_and_messages_are_shown(capsys):
    def operation():
        yield Message("[bold] is no markup")
        yield Progress(1, 2, "tiles")
        yield Metric(5, {"mean_ap": 0.25})
        yield Result(42)

    with Follower() as follower:
        assert follower.run(operation()) == 42
    shown = capsys.readouterr()
    assert "[bold] is no markup" in shown.err
    assert "Step 5: mean_ap 0.250" in shown.err
    assert shown.out == ""


def test_ctrl_c_closes_the_operation_at_its_next_event_and_says_what_was_kept():
    steps = []

    def operation():
        try:
            for step in range(10):
                steps.append(step)
                if step == 3:
                    signal.raise_signal(signal.SIGINT)
                    steps.append("whole")
                yield Progress(step, 10, "steps")
        finally:
            steps.append("closed")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Stopped, match="3 steps"), Follower() as follower, keeping(lambda: "3 steps are kept."):
        follower.run(operation())
    assert steps == [0, 1, 2, 3, "whole", "closed"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_does_not_wait():
    def operation():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("went on")
        yield

    with pytest.raises(Stopped), Follower() as follower, keeping(lambda: "Nothing."):
        follower.run(operation())


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (InputError("too dark [maybe]"), 1, "Error: too dark [maybe]"),
        (Stopped("two are done"), 130, "Stopped. two are done"),
        (KeyboardInterrupt(), 130, "Stopped."),
    ],
)
def test_errors_become_words_and_an_exit_code(error, code, words, capsys):
    def command():
        raise error

    with pytest.raises(typer.Exit) as end:
        in_words(command)()
    assert end.value.exit_code == code
    assert words in capsys.readouterr().err


def test_errors_of_the_program_itself_are_not_hidden():
    def command():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        in_words(command)()


def test_json_has_no_numbers_that_json_does_not_know(tmp_path, capsys):
    write_json(tmp_path / "a.json", {"ap": math.nan, "per": [{"x": (1, math.inf)}], "name": "Zürich", 3: tmp_path})
    value = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert value == {"ap": None, "per": [{"x": [1, None]}], "name": "Zürich", "3": str(tmp_path)}
    write_json(None, {})
    assert capsys.readouterr().out == ""


def test_names_that_are_not_utf_8_are_said_and_written(tmp_path, capsys):
    name = "cells_10\udcb5m"
    say(f"Error in {name}")
    show_table(("image", "objects"), [(name, 3)])
    shown = capsys.readouterr()
    assert "cells_10\\udcb5m" in shown.err
    assert "cells_10\\udcb5m" in shown.out
    write_json(tmp_path / "a.json", {name: 1})
    assert json.loads((tmp_path / "a.json").read_text()) == {name: 1}


def test_a_table_into_a_pipe_is_not_cut(capsys):
    show_table(("name", "number"), [("a" * 120, 0.12345), ("b", 1234.5)])
    shown = capsys.readouterr().out
    assert "a" * 120 in shown
    assert "0.123" in shown
    assert "1234" in shown
