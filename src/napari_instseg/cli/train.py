"""`instseg train`: a model from images with labels; closed, killed or finished, it can go on with --resume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_instseg.cli.console import Follower, in_words, keeping, say
from napari_instseg.cli.flags import Values, with_parameters
from napari_instseg.cli.options import Device, DeviceOption
from napari_instseg.cli.segment import named
from napari_instseg.core.errors import ParameterError

if TYPE_CHECKING:
    from napari_instseg.core.params import Params
    from napari_instseg.training.recipe import Recipe

TITLES = {
    "training": "Training",
    "network": "Network",
    "loss": "Loss",
    "decode": "Decoding, in validation and as the model's default",
    "augmentation": "Augmentation",
    "normalization": "Normalisation",
}


def register(app: typer.Typer, arguments: Sequence[str]) -> None:
    """Add the command, with the flags of the method that the arguments name or that the run to resume has."""
    groups: Mapping[str, type[Params]] = {}
    if arguments[:1] == ["train"]:
        from napari_instseg.methods import get_method
        from napari_instseg.training.recipe import COMMON, parameter_groups

        method = _method(arguments)
        groups = parameter_groups(get_method(method)) if method is not None else COMMON
    app.command("train", epilog="With --method, this help also lists the parameters of that method.")(
        in_words(with_parameters(train, groups, TITLES))
    )


def train(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Holds images/ and labels/ with files of the same names.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="The model folder to write.")],
    method: Annotated[
        str | None, typer.Option("--method", metavar="NAME", help="See 'instseg methods'.", show_default=False)
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last whole checkpoint in the model folder.")
    ] = False,
    held_out: Annotated[
        float,
        typer.Option("--held-out", min=0.0, max=0.9, help="Share of images to score on, unless DIR has a val.txt."),
    ] = 0.1,
    class_names: Annotated[
        str, typer.Option("--class-names", help="Names of the classes 1, 2, ..., separated by commas.")
    ] = "",
    title: Annotated[str, typer.Option("--title", help="What the model finds, in a few words, for its card.")] = "",
    use: Annotated[str, typer.Option("--intended-use", help="A sentence for the card.")] = "",
    modality: Annotated[
        str,
        typer.Option(
            "--modality",
            help="How the images were taken, by commas: fluorescence, histology, bright field, phase contrast, ...; "
            "by it the model is suggested for images like them.",
        ),
    ] = "",
    stain: Annotated[str, typer.Option("--stain", help="What makes the objects visible: H&E, DAPI, ...")] = "",
    data: Annotated[str, typer.Option("--data", help="Name of the data, for the card.", show_default="DIR")] = "",
    licence: Annotated[str, typer.Option("--licence", help="Licence of the data, for the card.")] = "",
    device: DeviceOption = Device.auto,  # type: ignore[attr-defined]
    *,
    values: Values,
) -> None:
    """Train a model on images with labels.

    The best model by the score on held-out images lies in FOLDER; FOLDER/training holds the checkpoint, the curves
    (history.png) and every loss and score (history.csv). Ctrl-C stops after the step and keeps what was learnt.
    """
    from napari_instseg.io.pairs import open_split
    from napari_instseg.training.recipe import Recipe
    from napari_instseg.training.train import train as run
    from napari_instseg.training.trainer import read_recipe

    if resume:
        recipe = read_recipe(out).changed(values)
        if method not in (None, recipe.method.name):
            raise ParameterError(
                f"The run in '{out}' has the method '{recipe.method.name}', not '{method}'. Leave --method out, or "
                "start anew in another folder."
            )
    elif method is None:
        raise ParameterError("No method was named; say --method NAME, see 'instseg methods'.")
    else:
        about = {"title": title, "intended_use": use, "data": data or folder.name, "licence": licence}
        about |= {"modality": modality, "stain": stain}
        names = tuple(name.strip() for name in class_names.split(",") if name.strip())
        recipe = Recipe.make(method, values, names, {key: text for key, text in about.items() if text})
    learn, score = open_split(folder, held_out, recipe.training.seed)
    with Follower() as follower, keeping(lambda: _kept(out)):
        follower.run(run(recipe, learn, score, out, device=device.value, resume=resume))
    say(f"The model is in '{out}'; use it with: instseg segment IMAGES --model '{out}' --out DIR", "green")


def _method(arguments: Sequence[str]) -> str | None:
    out = named(arguments, "--out", "-o")
    if "--resume" in arguments and out is not None:
        from napari_instseg.training.trainer import read_recipe

        recipe: Recipe = read_recipe(out)
        return recipe.method.name
    return named(arguments, "--method")


def _kept(out: Path) -> str:
    from napari_instseg.training.trainer import CHECKPOINT, FOLDER

    if not (out / FOLDER / CHECKPOINT).exists():
        return "Nothing was learnt yet."
    return f"What was learnt is kept in '{out}'; go on with the same command and --resume."
