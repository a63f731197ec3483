"""`instseg export-model`: a model as a bioimage.io package, with TorchScript that runs without this program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from napari_instseg.cli.console import in_words, say
from napari_instseg.cli.options import ModelOption, OutOption
from napari_instseg.core.errors import InputError

SHIPPED_LICENCE, SHIPPED_AUTHOR = "BSD-3-Clause", "The napari-instseg developers"


def register(app: typer.Typer, arguments: Sequence[str]) -> None:
    """Add the command."""
    app.command("export-model")(in_words(export_model))


def export_model(
    model: ModelOption,
    out: OutOption,
    licence: Annotated[
        str | None,
        typer.Option(
            "--license", metavar="SPDX", help="Of the weights, such as CC-BY-4.0; shipped models know theirs."
        ),
    ] = None,
    author: Annotated[
        list[str] | None, typer.Option("--author", help="A name; repeat for several. Shipped models know theirs.")
    ] = None,
) -> None:
    """Write a model as a bioimage.io package (rdf.yaml 0.5): TorchScript and state dict, test tensors, cover, card.

    The TorchScript takes an image and gives the outputs of the model's method. It does not decode them into objects.
    """
    from napari_instseg.inference.model import load_model
    from napari_instseg.inference.portable import export_bioimageio
    from napari_instseg.zoo import shipped

    known = model in shipped()
    if not known and (licence is None or not author):
        raise InputError(f"'{model}' does not say its licence and authors; expected --license and --author.")
    path = export_bioimageio(
        load_model(model), out, license_=licence or SHIPPED_LICENCE, authors=author or [SHIPPED_AUTHOR]
    )
    say(f"'{path}' describes the package; 'bioimageio test {path}' checks it.")
