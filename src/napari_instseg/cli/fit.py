"""`instseg fit`: decode parameters that agree best with annotated images; nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_instseg.cli.console import Follower, in_words, keeping, say, show_table, write_json
from napari_instseg.cli.evaluate import chosen
from napari_instseg.cli.options import Device, DeviceOption, DiameterOption, JsonOption, TileOption
from napari_instseg.core.errors import InputError
from napari_instseg.inference.tiles import TILE

if TYPE_CHECKING:
    from napari_instseg.core.params import Params
    from napari_instseg.data.pairs import Pair
    from napari_instseg.inference.fit import Fit
    from napari_instseg.inference.model import Model

Row = tuple[str, int, float, float]
"""Which images, how many, and their mean AP before and after."""


def register(app: typer.Typer, arguments: Sequence[str]) -> None:
    """Add the command."""
    app.command("fit")(in_words(fit))


def fit(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A shipped model or a model folder.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Holds images/ and labels/; ten images are plenty.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Write the model with the fitted parameters here; it may be the folder of MODEL itself.",
            show_default="only print",
        ),
    ] = None,
    only: Annotated[
        Path | None,
        typer.Option("--only", metavar="FILE", help="Names of the images to fit to, one a line.", show_default="all"),
    ] = None,
    held_out: Annotated[
        Path | None,
        typer.Option(
            "--held-out",
            metavar="FILE",
            help="Names of images to score before and after, but not to fit to, such as DIR/val.txt.",
            show_default="none",
        ),
    ] = None,
    some: Annotated[
        bool,
        typer.Option(
            "--some/--all", help="Whether only some objects of each image are labelled, so that 0 means unknown."
        ),
    ] = False,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", metavar="NAME", help="Fit only this one; repeat.", show_default="all"),
    ] = None,
    tries: Annotated[int, typer.Option("--tries", min=1, help="End the search after so many values.")] = 400,
    seed: Annotated[int, typer.Option("--seed", help="Of the random starts.")] = 0,
    diameter: DiameterOption = None,
    device: DeviceOption = Device.auto,  # type: ignore[attr-defined]
    tile: TileOption = TILE,
    json: JsonOption = None,
) -> None:
    """Fit the decode parameters of a model to annotated images, without training.

    The network runs once over each image; then parameters are searched that find the objects best. Scores are mean AP,
    TP / (TP + FP + FN) over IoU .5 to .9, pooled over all objects.
    """
    from napari_instseg.inference.fit import fit_events, predict_known
    from napari_instseg.inference.model import load_model
    from napari_instseg.inference.rescale import own_parameters
    from napari_instseg.io.pairs import open_pairs

    opened = load_model(model)
    start = own_parameters(opened.spec, diameter)
    pairs, apart = split(open_pairs(folder), only, held_out)
    options = {"diameter": diameter, "device": device.value, "tile": tile}
    with Follower() as follower, keeping(lambda: "Nothing was written."):
        known = follower.run(predict_known(opened, pairs, some=some, **options), "predicting")
        found: Fit = follower.run(fit_events(known, start, names=parameter, most_tries=tries, seed=seed), "fitting,")
        rows: list[Row] = [("fitted to", len(pairs), found.before.mean_ap, found.after.mean_ap)]
        if apart:
            known = follower.run(predict_known(opened, apart, some=some, **options), "scoring")
            rows.append(("held out", len(apart), score(known, start), score(known, found.parameters)))
    report(start, found, rows, f"{model} on {folder}", json)
    if out is not None:
        spec = opened.spec
        kept = found.parameters.at_size(spec.diameter / (diameter or spec.presumed_diameter), spec.ndim)
        write_fitted(opened, kept, out, f"{len(pairs)} images of {folder.name}")
    changes = changed(start, found.parameters)
    about = {"objects": found.n_objects, "tries": found.tries, "decode": found.parameters.model_dump()}
    scores = {name: {"images": n, "before": before, "after": after} for name, n, before, after in rows}
    write_json(json, {"model": model, "data": str(folder), **about, "changed": changes, "mean_ap": scores})


def split(pairs: Sequence[Pair], only: Path | None, held_out: Path | None) -> tuple[Sequence[Pair], Sequence[Pair]]:
    """Return the images to fit to, and those to score on only.

    Raises
    ------
    InputError
        If a file names an unknown image, one is named twice, or none is left to fit to.
    """
    apart = chosen(pairs, held_out) if held_out is not None else ()
    names = {pair.name for pair in apart}
    if only is None:
        taken = [pair for pair in pairs if pair.name not in names]
    else:
        taken = list(chosen(pairs, only))
        both = [pair.name for pair in taken if pair.name in names]
        if both:
            raise InputError(f"'{only}' and '{held_out}' both name {both[0]}; expected different images.")
    if not taken:
        raise InputError("All images are held out; expected at least one to fit to.")
    return taken, apart


def score(known: Any, params: Params) -> float:
    """Return the mean AP of known images decoded with these parameters."""
    from napari_instseg.inference.fit import agreement

    return agreement([one.compare(one.prediction.new_pipeline(1).run(params).labels) for one in known]).mean_ap


def changed(before: Params, after: Params) -> dict[str, list[Any]]:
    """Return the values before and after, of the parameters that differ."""
    old, new = before.model_dump(), after.model_dump()
    return {name: [old[name], new[name]] for name in old if old[name] != new[name]}


def report(start: Params, found: Fit, rows: Sequence[Row], title: str, json: Path | None = None) -> None:
    """Print what changed, and the scores before and after."""
    changes = changed(start, found.parameters)
    if changes:
        values = [(name, _cell(old), _cell(new)) for name, (old, new) in changes.items()]
        show_table(("parameter", "before", "after"), values, f"{title}: fitted after {found.tries} tries", json)
    else:
        say(f"No other values agree better with these {found.n_objects} objects ({found.tries} tries).", "yellow")
    title = f"Scores, {found.n_objects} objects fitted to"
    show_table(("images", "number", "mean AP before", "after"), rows, title, json)


def write_fitted(model: Model, params: Params, out: Path, data: str) -> None:
    """Write the model with other decode parameters, which hold for objects of its own diameter.

    The scores of the card were made with the old ones and go.

    Raises
    ------
    InputError
        If the folder is that of a shipped model.
    OutputError
        If it cannot be written.
    """
    from napari_instseg.zoo import shipped

    if any(out.resolve() == folder.resolve() for folder in shipped().values()):
        raise InputError(f"'{out}' is a shipped model, which is not written to. Choose another folder.")
    own = _differing(params)
    training = {**model.spec.training, "decoding": f"Fitted to {data}."}
    model.spec = model.spec.model_copy(update={"decode": own, "scores": (), "training": training})
    model.save(out)
    say(f"The model is in '{out}'; use it with: instseg segment IMAGES --model '{out}' --out DIR", "green")


def _differing(params: Params) -> Mapping[str, Any]:
    """Return the values that are not the method's defaults."""
    return {name: values[1] for name, values in changed(type(params)(), params).items()}


def _cell(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
