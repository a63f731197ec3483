"""`instseg replay`: make results again from their recipe, and say whether they are the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_instseg.cli.console import Follower, in_words, is_stdout, keeping, say, show_table, write_json
from napari_instseg.cli.options import JsonOption
from napari_instseg.core.errors import InputError, InstsegError, ModelError

if TYPE_CHECKING:
    from napari_instseg.core.method import Array
    from napari_instseg.inference.model import Model
    from napari_instseg.inference.replay import MadeBy


def register(app: typer.Typer, arguments: object) -> None:
    """Add the command."""
    app.command("replay")(in_words(replay))


def replay(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="The recipe.json of a results folder.")],
    image: Annotated[
        Path | None,
        typer.Option(
            "--image",
            "-i",
            metavar="IMAGE_OR_FOLDER",
            help="Where the images are now.",
            show_default="as the recipe says",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", metavar="NAME_OR_FOLDER", help="Where the model is now.", show_default="as the recipe says"
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="Where the network runs.", show_default="as in the recipe")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Also write the labels here, to compare.")
    ] = None,
    text: Annotated[
        bool, typer.Option("--text", help="Only print a paragraph for a paper's methods section, with citations.")
    ] = False,
    json: JsonOption = None,
) -> None:
    """Make results again as their recipe says, and say for each image whether the labels are the same.

    The exit code is 0 if all are. Model and images must be those of the recipe, which their digests tell.
    """
    from napari_instseg.inference.replay import methods_paragraph, read_recipes

    recipes = read_recipes(recipe).images
    if not recipes:
        raise InputError(f"'{recipe}' has no image; expected the recipe of at least one result.")
    if text:
        objects = sum(made.objects for made in recipes.values())
        # one paragraph for all images that were treated alike
        for paragraph in dict.fromkeys(methods_paragraph(made, objects) for made in recipes.values()):
            typer.echo(paragraph)
        return
    _tell_versions(next(iter(recipes.values())))
    rows: list[dict[str, Any]] = []
    bad: dict[str, str] = {}
    opened: dict[str, Model] = {}
    with Follower() as follower, keeping(lambda: f"{len(rows)} of {len(recipes)} images are done."):
        for done, (stem, made) in enumerate(recipes.items()):
            follower.progress(done, len(recipes), "files")
            try:
                network = _open_model(made, model, opened)
                rows.append({"name": stem, **_repeat(stem, made, recipe, image, network, device, out, follower)})
            except InstsegError as error:
                bad[stem] = str(error)
    if rows:
        show_table(
            ("image", "objects", "then", "labels"),
            [(row["name"], row["objects"], row["objects_then"], row["words"]) for row in rows],
            json=json,
        )
    for stem, message in bad.items():
        say(f"Error in {stem}: {message}", "red")
    same = sum(row["same"] for row in rows)
    if not is_stdout(json):
        say(f"{same} of {len(recipes)} results are the same.", None if same == len(recipes) else "yellow")
    write_json(json, {"recipe": recipe, "images": rows, "failed": bad, "same": same == len(recipes)})
    if same < len(recipes):
        raise typer.Exit(1)


def _repeat(
    stem: str,
    made: MadeBy,
    recipe: Path,
    where: Path | None,
    model: Model,
    device: str | None,
    out: Path | None,
    follower: Follower,
) -> dict[str, Any]:
    from napari_instseg.cli.segment import Settings, find_objects
    from napari_instseg.data.normalize import Normalization
    from napari_instseg.inference.replay import digest_image
    from napari_instseg.io.images import read_image
    from napari_instseg.io.labels import write_labels
    from napari_instseg.io.stamps import Stamp

    path = _find_image(made, recipe, where)
    image = read_image(path, made.axes)
    if digest_image(image.array, image.axes) != made.image.digest:
        raise InputError(
            f"'{path}' is not the image of the recipe, or was changed: read as {image.axes} {image.array.shape}, then "
            f"{made.image.axes} {made.image.shape}. Say by --image where that one is."
        )
    settings = Settings(
        made.axes,
        made.channels,
        made.stain,
        made.diameter,
        _device(made, device),
        made.tile,
        made.decode,
        accurate=made.accurate,
    )
    if made.normalization:
        model.normalization = Normalization(**made.normalization)
    _, segmentation = find_objects(image, model, settings, follower, [])
    digest = Stamp.pixels(segmentation.labels)
    same = digest == made.labels
    if out is not None:
        steps = [image.scale[image.axes.index(letter)] for letter in segmentation.axes]
        write_labels(out / f"{stem}.tif", segmentation.labels, segmentation.axes, steps)
    words = "the same" if same else _difference(recipe.parent / "labels" / f"{stem}.tif", segmentation.labels, made)
    return {
        "objects": segmentation.n_objects,
        "objects_then": made.objects,
        "same": same,
        "words": words,
        "labels": digest,
    }


def _find_image(made: MadeBy, recipe: Path, where: Path | None) -> Path:
    if where is not None and not where.is_dir():
        return where
    folders = [recipe.parent] if where is None else [where, where / "images"]
    places = [folder / made.image.file for folder in folders]
    if where is None and made.image.path:
        places.insert(0, Path(made.image.path))
    for place in places:
        if place.is_file():
            return place
    raise InputError(f"The image '{made.image.file}' is not at '{places[0]}'. Say by --image where it is.")


def _open_model(made: MadeBy, named: str | None, opened: dict[str, Model]) -> Model:
    from napari_instseg.inference.model import load_model
    from napari_instseg.inference.replay import digest_weights

    name = named or made.model.asked
    if name not in opened:
        opened[name] = load_model(name)
    if digest_weights(opened[name]) != made.model.weights:
        raise ModelError(
            f"The model '{name}' has other weights than the one of the recipe, '{made.model.name}' with SHA-256 "
            f"{made.model.weights[:12]}. Say by --model where that one is."
        )
    return opened[name]


def _device(made: MadeBy, asked: str | None) -> str:
    from napari_instseg.core.device import choose_device

    if asked is not None:
        return asked
    try:
        return choose_device(made.device).name
    except InstsegError:
        say(f"The recipe was made on {made.device}, which is not here; rounding may differ.", "yellow")
        return "auto"


def _tell_versions(made: MadeBy) -> None:
    from importlib.metadata import version

    from napari_instseg.inference.replay import PACKAGES

    others = [
        f"{package} {made.versions[package]} (here {version(package)})"
        for package in PACKAGES
        if package in made.versions and made.versions[package] != version(package)
    ]
    if others:
        say(f"Made with other versions: {', '.join(others)}; rounding may differ.", "yellow")


def _difference(path: Path, labels: Array, made: MadeBy) -> str:
    """Say how labels differ from those on disk, if these are still the recipe's."""
    import numpy as np

    from napari_instseg.io.labels import read_labels
    from napari_instseg.io.stamps import Stamp

    try:
        before = read_labels(path)
    except InstsegError:
        return "others"
    if Stamp.pixels(before) != made.labels or before.shape != labels.shape:
        return "others"
    return f"others: {int(np.count_nonzero((before > 0) != (labels > 0)))} of {labels.size} pixels changed sides"
