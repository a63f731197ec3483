"""`instseg models` and `instseg methods`: what there is, as tables or with all that is known as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from napari_instseg.cli.console import in_words, is_stdout, say, show_table, write_json
from napari_instseg.cli.options import JsonOption


def register(app: typer.Typer, arguments: Sequence[str]) -> None:
    """Add both commands."""
    app.command("models")(in_words(models))
    app.command("methods")(in_words(methods))


def models(json: JsonOption = None) -> None:
    """List the shipped models: what each was made for, and its scores."""
    from napari_instseg.zoo import shipped, specs

    found = specs()
    folders = shipped()
    if not is_stdout(json):
        rows = []
        for name, spec in found.items():
            scores = "; ".join(f"{score.data}: {score.mean_ap:.3f}" for score in spec.scores)
            rows.append((name, spec.method, spec.title, f"{spec.presumed_diameter:.0f} px", scores))
        show_table(("model", "method", "finds", "diameter", "mean AP"), rows)
        if not found:
            say("No models are shipped with this installation; train one with 'instseg train'.", "yellow")
    write_json(json, {name: {**spec.model_dump(), "folder": str(folders[name])} for name, spec in found.items()})


def methods(json: JsonOption = None) -> None:
    """List the methods; as JSON with every parameter: title, help, default, range and unit."""
    from napari_instseg.methods import methods as find

    found = find()
    if not is_stdout(json):
        rows: list[tuple[Any, ...]] = [
            (method.name, method.title, method.summary, method.reference) for method in found.values()
        ]
        show_table(("method", "title", "when to choose it", "paper"), rows)
    write_json(json, {name: method.to_dict() for name, method in found.items()})
