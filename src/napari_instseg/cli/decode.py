"""`instseg decode`: the outputs of another tool's network into objects, with the sliders of a method here as flags."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from napari_instseg.cli.console import in_words, say
from napari_instseg.cli.flags import Values, with_parameters
from napari_instseg.core.errors import InputError
from napari_instseg.core.params import Params


def register(app: typer.Typer, arguments: Sequence[str]) -> None:
    """Add the command, with the decode flags of the method that suits the file that the arguments name."""
    groups: dict[str, type[Params]] = {"decode": Params}
    titles: dict[str, str] = {}
    if arguments[:1] == ["decode"]:
        file = next((text for text in arguments[1:] if os.path.isfile(text)), None)
        if file is not None:
            from napari_instseg.adapters import find_adapter, open_prediction
            from napari_instseg.methods import get_method

            adapter = find_adapter(file)
            name = adapter.method if adapter.name != "arrays" else open_prediction(file).method
            groups = {"decode": get_method(name).decode}
            titles = {"decode": f"Decoding: {get_method(name).title}"}
    app.command("decode", epilog="With a FILE, this help also lists the parameters of the method that decodes it.")(
        in_words(with_parameters(decode, groups, titles))
    )


def decode(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="What Cellpose, EmbedSeg, InstanSeg, StarDist or ilastik saved.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="LABELS.tif", help="The label image to write.")],
    image: Annotated[
        Path | None,
        typer.Option("--image", "-i", metavar="IMAGE", help="Its image, to check the size and take the pixel size."),
    ] = None,
    *,
    values: Values,
) -> None:
    """Decode the outputs of another tool's network; see docs/bring-your-own.md for the files."""
    from napari_instseg.adapters import find_adapter
    from napari_instseg.exchange.objects import Objects
    from napari_instseg.io.images import read_image
    from napari_instseg.io.labels import write_labels

    if out.suffix.lower() not in (".tif", ".tiff"):
        raise InputError(f"'{out}' is no name of a label image; expected one that ends in .tif.")
    adapter = find_adapter(file)
    prediction = adapter.read(file)
    segmentation = prediction.decode(**values["decode"])
    opened = None if image is None else read_image(image)
    objects = Objects(segmentation.labels, file.stem, opened)
    write_labels(out, objects.labels, objects.axes, objects.scale)
    if not segmentation.n_objects:
        say("No object was found. Try a lower --foreground-threshold.", "yellow")
    say(f"{segmentation.n_objects} objects decoded by {prediction.method}; the labels are '{out}'.")
