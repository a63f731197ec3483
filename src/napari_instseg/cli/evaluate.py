"""`instseg evaluate`: how well a model does on annotated images, per image and pooled."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_instseg.cli.console import Follower, in_words, keeping, say, show_table, write_json
from napari_instseg.cli.flags import Values, with_parameters
from napari_instseg.cli.options import AccurateOption, AnyDiameterOption, Device, DeviceOption, JsonOption, TileOption
from napari_instseg.cli.segment import decode_flags
from napari_instseg.core.errors import InputError
from napari_instseg.inference.tiles import TILE

if TYPE_CHECKING:
    from napari_instseg.data.pairs import Pair


def register(app: typer.Typer, arguments: Sequence[str]) -> None:
    """Add the command, with the decode flags of the model that the arguments name."""
    model = _named_model(arguments[1:]) if arguments[:1] == ["evaluate"] else None
    app.command("evaluate", epilog="With a MODEL, this help also lists its decode parameters.")(
        in_words(with_parameters(evaluate, *decode_flags(model)))
    )


def _named_model(arguments: Sequence[str]) -> str | None:
    """Find the model among arguments that are not parsed yet, where values of options may come first."""
    from napari_instseg.io.models import SPEC
    from napari_instseg.zoo import shipped

    known = shipped()
    # unlike Path.is_file, this is no error where a name is too long
    return next((text for text in arguments if text in known or os.path.isfile(Path(text) / SPEC)), None)


def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A shipped model or a model folder.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Holds images/ and labels/.")],
    only: Annotated[
        Path | None,
        typer.Option("--only", metavar="FILE", help="Names of the images to take, one a line, such as DIR/val.txt."),
    ] = None,
    diameter: AnyDiameterOption = "auto",
    device: DeviceOption = Device.auto,  # type: ignore[attr-defined]
    tile: TileOption = TILE,
    accurate: AccurateOption = False,
    json: JsonOption = None,
    *,
    values: Values,
) -> None:
    """Score a model on images with true labels.

    AP is TP / (TP + FP + FN) at that IoU, pooled over all objects. PQ and F1 are at IoU 0.5. SBD, FBD and the counting
    error |DiC| are means over images.
    """
    from napari_instseg.inference.model import load_model
    from napari_instseg.io.pairs import open_pairs
    from napari_instseg.training.validate import evaluate as run

    opened = load_model(model)
    pairs: Sequence[Pair] = open_pairs(folder)
    if only is not None:
        pairs = chosen(pairs, only)
    with Follower() as follower, keeping(lambda: "Nothing was written."):
        options = {"diameter": diameter, "device": device.value, "tile": tile, "accurate": accurate, **values["decode"]}
        # once without counting: the first image also pays for what is compiled and loaded then
        follower.run(run(opened, pairs[:1], **options), "warm-up on")
        report = follower.run(run(opened, pairs, **options))
    print_report(report, f"{model} on {folder}: {len(pairs)} images", json)
    write_json(json, {"model": model, "data": str(folder), **report})


def chosen(pairs: Sequence[Pair], path: Path) -> Sequence[Pair]:
    """Take the pairs that a file names, one a line.

    Raises
    ------
    InputError
        If the file cannot be read, or names none or an unknown image.
    """
    from napari_instseg.data.pairs import split_pairs

    try:
        names = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeError) as error:
        raise InputError(f"'{path}' cannot be read ({error}); expected a text file with a name on each line.") from None
    try:
        _, taken = split_pairs(pairs, [name.strip() for name in names if name.strip()])
    except InputError as error:
        raise InputError(f"'{path}': {error}") from None
    if not taken:
        raise InputError(f"'{path}' names no image; expected a name, without suffix, on each line.")
    return taken


def print_report(report: Mapping[str, Any], title: str, json: Path | None = None) -> None:
    """Print the scores of each image and the pooled ones, and what is doubtful of them."""
    thresholds = list(report["ap"])
    columns = ("image", *(f"AP {t}" for t in thresholds), "mean AP", "PQ", "F1", "SBD", "FBD", "|DiC|", "seconds")
    rows = [_row(image["image"], image, image["seconds"]) for image in report["images"]]
    show_table(columns, [*rows, _row("all", report, report["seconds_per_image"])], title, json)
    for warning in report["warnings"]:
        say(warning, "yellow")


def _row(name: str, scores: Mapping[str, Any], seconds: float) -> tuple[Any, ...]:
    rest = (float(scores[key]) for key in ("mean_ap", "pq", "f1", "sbd", "fbd", "abs_dic"))
    return (name, *scores["ap"].values(), *rest, seconds)
