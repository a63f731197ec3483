"""`instseg finetune`: a model learns from a project's corrections or a folder of pairs, and is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_instseg.cli.console import Follower, in_words, keeping, say, show_table, write_json
from napari_instseg.cli.flags import Values, with_parameters
from napari_instseg.cli.options import Device, DeviceOption, DiameterOption, JsonOption

if TYPE_CHECKING:
    from napari_instseg.core.params import Params

TITLES = {"finetune": "Chosen by themselves unless given"}
WORDS = {"mean_ap": "mean AP", "ap_0.5": "AP at IoU 0.5", "pq": "PQ", "objects": "objects"}


def register(app: typer.Typer, arguments: Sequence[str]) -> None:
    """Add the command."""
    groups: Mapping[str, type[Params]] = {}
    if arguments[:1] == ["finetune"]:
        from napari_instseg.training.finetune_params import FinetuneParams

        groups = {"finetune": FinetuneParams}
    app.command("finetune")(in_words(with_parameters(finetune, groups, TITLES)))


def finetune(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A shipped model, or a model folder; it stays.")],
    examples: Annotated[
        Path,
        typer.Argument(metavar="PROJECT_OR_DIR", help="A project folder, or one that holds images/ and labels/."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="The folder of the new model.")],
    steps: Annotated[
        int | None, typer.Option("--steps", min=0, help="How many batches to learn from.", show_default=False)
    ] = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0.0, help="Or how long to learn.", show_default="5")
    ] = None,
    remember: Annotated[
        Path | None,
        typer.Option(
            "--remember",
            metavar="DIR",
            help="Images and labels of the kind that the model was trained on, mixed in so that it does not forget "
            "them; by default those that the project names for the model, else those that are stored with it.",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in FOLDER, maybe for longer.")] = False,
    diameter: DiameterOption = None,
    device: DeviceOption = Device.auto,  # type: ignore[attr-defined]
    json: JsonOption = None,
    *,
    values: Values,
) -> None:
    """Let a model learn from a few corrected objects without forgetting what it knew, and say whether it got better.

    Part of the corrections is held out to judge by. FOLDER is a model like any other; the best weights by that
    judgement lie in it. Ctrl-C stops after the step and keeps what was learnt; --resume goes on.
    """
    from napari_instseg.io.pairs import open_split
    from napari_instseg.training.annotations import open_examples
    from napari_instseg.training.finetune import finetune as run
    from napari_instseg.training.finetune_params import FinetuneParams
    from napari_instseg.training.replay import open_replay

    if resume:
        say(
            f"With --resume, '{examples}' and flags other than those of time and device are not read: the run in "
            f"'{out}' keeps its own copies of the examples and of all choices, as they were when it was started."
        )
    remembered = open_split(remember) if remember is not None else None
    if remember is None and not resume:
        remembered = open_replay(examples, model)
    kept = f"What was learnt is kept in '{out}'; go on with the same command and --resume."
    with Follower() as follower, keeping(lambda: kept if out.exists() else "Nothing was learnt yet."):
        outcome = follower.run(
            run(
                model,
                [] if resume else open_examples(examples, diameter),
                out,
                steps=steps,
                minutes=minutes,
                params=FinetuneParams(**values["finetune"]),
                remembered=remembered,
                device=device.value,
                resume=resume,
            )
        )
    verdict = outcome.verdict
    rows = [
        (
            f"{WORDS[name.removeprefix('old_')]}{', old kind' if name.startswith('old_') else ''}",
            value,
            verdict.after[name],
        )
        for name, value in verdict.before.items()
    ]
    if rows:
        show_table(("held out", "before", "after"), rows, json=json)
    write_json(json, verdict.to_dict())
    say(f"The model is in '{out}'; use it with: instseg segment IMAGES --model '{out}' --out DIR", "green")
