"""Flags are what the declaration says: names, ranges, choices, defaults, yes and no."""

from typing import Annotated, Literal

import pytest
import typer
from typer.testing import CliRunner

from napari_instseg.cli.flags import Values, with_parameters
from napari_instseg.core.errors import ParameterError
from napari_instseg.core.params import Params, choice, flag, text, tunable


class First(Params):
    width: int = tunable(3, 1, 9, unit="px", title="Width", help="How wide [in pixels].")
    level_of_noise: float = tunable(0.5, 0.0, 1.0, title="Noise", help="How noisy.")
    kind: Literal["a-b", "c"] = choice("c", title="Kind", help="Which.")
    fill: bool = flag(True, title="Fill", help="Whether.")
    name: str = text("x", title="Name", help="Any.")


class Second(Params):
    width: float = tunable(1.5, 0.0, 2.0, title="Other width", help="Another.", when=("fill", ("yes",)))


def invoke(*arguments, defaults=None):
    app, seen = typer.Typer(), []

    def command(path: Annotated[str, typer.Argument()], *, values: Values) -> None:
        seen.append((path, values))

    made = with_parameters(
        command, {"first": First, "second": Second}, {"first": "First", "second": "Second"}, defaults
    )
    app.command()(made)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
    return result, seen[0] if seen else None


def test_only_what_was_given_is_passed_on():
    result, seen = invoke("here")
    assert result.exit_code == 0, result.output
    assert seen == ("here", {"first": {}, "second": {}})


def test_each_kind_of_value_arrives_as_its_type():
    _, seen = invoke(
        "here", "--width", 5, "--level-of-noise", 1, "--kind", "a-b", "--no-fill", "--name", "ü", "--second-width", 0.5
    )
    first, second = seen[1]["first"], seen[1]["second"]
    assert first == {"width": 5, "level_of_noise": 1.0, "kind": "a-b", "fill": False, "name": "ü"}
    assert isinstance(first["level_of_noise"], float)
    assert isinstance(first["kind"], str)
    assert second == {"width": 0.5}
    assert First(**first).kind == "a-b"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--width", 10), "Width (width) is 10; expected a whole number from 1 to 9 px."),
        (("--level-of-noise", -0.1), "Noise (level_of_noise) is -0.1; expected a number from 0 to 1."),
        (("--second-width", "nan"), "Other width (width) is nan; expected a number from 0 to 2."),
    ],
)
def test_values_out_of_the_declared_range_are_refused_with_what_was_found_and_the_range(arguments, words):
    result, seen = invoke("here", *arguments)
    assert isinstance(result.exception, ParameterError)
    assert seen is None
    assert str(result.exception) == words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("--width", "wide"), "valid"), (("--kind", "d"), "a-b"), (("--fills",), "No such option")],
)
def test_values_of_another_type_are_refused(arguments, words):
    result, seen = invoke("here", *arguments)
    assert result.exit_code == 2
    assert seen is None
    assert words in result.output


def test_the_help_says_title_help_unit_and_default():
    result, _ = invoke("--help", defaults={"second": {"width": 0.25}})
    words = " ".join(result.output.replace("│", " ").split())
    assert "Width. How wide [in pixels]. (default: 3 px; 1 to 9)" in words
    assert "--fill --no-fill" in words.replace("/", " ")
    assert "(default: on)" in words
    assert "Another. With fill yes. (default: 0.25; 0 to 2)" in words
