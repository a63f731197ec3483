"""Arguments and options that several commands share."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from napari_instseg.core.device import DEVICES
from napari_instseg.data.stains import STAINS

Device = Enum("Device", {name: name for name in DEVICES})  # type: ignore[misc]

ModelOption = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        metavar="auto|NAME_OR_FOLDER",
        help="A shipped model, see 'instseg models', or a model folder. auto: the shipped one for each image's kind.",
    ),
]
DeviceOption = Annotated[
    Device, typer.Option("--device", help="Where the network runs; auto takes a GPU if it can be used.")
]
DiameterOption = Annotated[
    float | None,
    typer.Option(
        "--diameter",
        min=0.1,
        help="Typical object diameter in the images, in pixels; they are resized to what the model knows.",
        show_default="as they are",
    ),
]


def read_diameter(text: str) -> str | float:
    """Take a diameter from the command line: a number of pixels, or one of the words of `Model.segment`.

    Raises
    ------
    BadParameter
        If it is neither, or the number is not positive.
    """
    if text in ("auto", "model"):
        return text
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value < 1e6:
        raise typer.BadParameter(f"'{text}'; expected a number of pixels from 0.1, 'auto' or 'model'.")
    return value


AnyDiameterOption = Annotated[
    str,
    typer.Option(
        "--diameter",
        parser=read_diameter,
        metavar="PIXELS|auto|model",
        help="Typical object diameter in the images, in pixels; they are resized to what the model knows. auto: found "
        "in each image by itself, if the model has learnt many sizes; model: as in the images that it learnt from.",
    ),
]
Stain = Enum("Stain", {name: name for name in STAINS})  # type: ignore[misc]
StainOption = Annotated[
    Stain | None,
    typer.Option(
        "--stain",
        help="Look at this stain of colour photographs of tissue only: helps where nuclei under another are missed.",
        show_default="all colours",
    ),
]
TileOption = Annotated[
    int,
    typer.Option("--tile", min=32, help="Side of what the network sees at once, in pixels; less takes less memory."),
]
AccurateOption = Annotated[
    bool,
    typer.Option(
        "--accurate",
        help="Average over what the network says of the image as it is, turned, mirrored and at other sizes: some "
        "objects more are right, and it takes some four times as long.",
    ),
]
JsonOption = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Also write the numbers as JSON; '-' for the terminal.")
]
OutOption = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the results.")]
