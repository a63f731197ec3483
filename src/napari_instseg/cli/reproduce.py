"""`instseg reproduce`: the papers' experiments, each with a table beside the paper's numbers and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from napari_instseg.cli.console import Follower, in_words, keeping, say, show_table
from napari_instseg.reproduce import EXPERIMENTS, get_experiment


def register(app: typer.Typer, arguments: Sequence[str]) -> None:
    """Add the command."""
    about = "\n\n".join(
        f"{name}: {experiment.title} ({experiment.paper}); a full run takes {experiment.full}."
        f"{f' Takes a {experiment.data}.' if experiment.data else ''}"
        for name, experiment in EXPERIMENTS.items()
    )
    app.command("reproduce", help=f"Repeat an experiment of a paper.\n\n{about}")(in_words(reproduce))


def reproduce(
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(EXPERIMENTS)}.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for table and picture.")] = Path("reproduced"),
    quick: Annotated[bool, typer.Option("--quick", help="A smaller run, under half an hour on a CPU.")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same table.")] = 0,
    scale: Annotated[
        float, typer.Option("--scale", min=0.01, max=1.0, help="Share of the images and steps: a still smaller run.")
    ] = 1.0,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="DIR", help="Folder of images to run on instead, where the experiment takes one."
        ),
    ] = None,
) -> None:
    """Run the experiment and write NAME.csv, NAME.md and NAME.png."""
    experiment = get_experiment(name)
    with Follower() as follower, keeping(lambda: "Nothing was written."):
        report = follower.run(experiment.run(quick=quick, seed=seed, scale=scale, data=data), experiment.title)
    columns = list(report.rows[0])
    show_table(columns, [tuple(row.values()) for row in report.rows], f"{experiment.title} ({experiment.paper})")
    say(f"What differs from the paper: {report.differs}")
    for path in report.write(out):
        say(f"Wrote {path}")
