"""All commands put together, with the flags of the method that the command line names."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer

from napari_instseg.cli import (
    audit,
    benchmark,
    decode,
    demo,
    evaluate,
    exchange,
    finetune,
    fit,
    large,
    lists,
    measure,
    portable,
    replay,
    reproduce,
    segment,
    simulate,
    train,
)
from napari_instseg.cli.console import say, words_on_file
from napari_instseg.core.errors import InstsegError


def build_app(arguments: Sequence[str]) -> typer.Typer:
    """Make the application for one command line.

    The flags of some commands depend on the model or method that is named, so it is looked for before parsing.

    Parameters
    ----------
    arguments : sequence of str
        What was typed after ``instseg``.
    """
    app = typer.Typer(
        name="instseg",
        help="Find and outline every object in images, with pixel embeddings and colourings.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback()(_instseg)
    for module in (
        segment,
        large,
        train,
        finetune,
        fit,
        evaluate,
        measure,
        exchange,
        decode,
        replay,
        audit,
        portable,
        lists,
        simulate,
        demo,
        reproduce,
        benchmark,
    ):
        module.register(app, arguments)
    return app


def run(typed: Sequence[str]) -> None:
    """Run a command line; exit code 0 only on success."""
    try:
        app = build_app(typed)
    except InstsegError as error:
        say(f"Error: {error}", "red")
        sys.exit(1)
    except OSError as error:
        say(f"Error: {words_on_file(error)}", "red")
        sys.exit(1)
    app(args=list(typed), prog_name="instseg")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"napari-instseg {version('napari-instseg')}")
        raise typer.Exit


def _instseg(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Find and outline every object in images, with pixel embeddings and colourings."""
