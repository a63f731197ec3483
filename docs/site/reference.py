"""Pages of the site that are made from the source: every command with its flags, every parameter, every public name."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

import napari_instseg
from napari_instseg.cli.app import build_app
from napari_instseg.core.params import Parameter
from napari_instseg.methods import methods


def write(folder: Path) -> None:
    """Write the three pages into a folder; one that would not change keeps its time."""
    folder.mkdir(exist_ok=True)
    for name, lines in {"commands": commands(), "parameters": parameters(), "python": python_names()}.items():
        page, text = folder / f"{name}.md", "\n".join(lines) + "\n"
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def commands() -> Iterator[str]:
    """Describe every command as its ``--help`` does."""
    yield "# Commands\n"
    yield "Every command answers `--help`. Flags of a method's parameters: [Parameters](parameters.md).\n"
    root: Any = typer.main.get_command(build_app([]))
    yield from _command(root, "instseg", level=2)


def _command(command: Any, path: str, level: int) -> Iterator[str]:
    if hasattr(command, "commands"):
        for name, inner in sorted(command.commands.items()):
            yield from _command(inner, f"{path} {name}", level)
        return
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    yield f"{'#' * level} `{path}`\n"
    yield f"{command.help or ''}\n"
    usage = " ".join([path, *(_usage(argument) for argument in arguments)])
    yield f"```\n{usage}{' [OPTIONS]' if options else ''}\n```\n"
    rows = [(argument.name.upper(), argument) for argument in arguments]
    rows += [(", ".join(option.opts + option.secondary_opts), option) for option in options]
    if rows:
        yield "| | | default |\n|---|---|---|"
        for name, parameter in rows:
            default = "" if callable(parameter.default) or parameter.default in (None, ()) else parameter.default
            yield f"| `{name}` | {_cell(getattr(parameter, 'help', '') or '')} | {_cell(str(default))} |"
        yield ""


def _usage(argument: Any) -> str:
    name = argument.name.upper() + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def parameters() -> Iterator[str]:
    """Describe every parameter of every method, as it is declared."""
    yield "# Parameters\n"
    yield (
        "Each method has three groups. The decoder's are live in the window and flags of `instseg segment`; those of "
        "the network and of the loss are flags of `instseg train`. The flag is the name with dashes: `--min-size`.\n"
    )
    for name, method in sorted(methods().items()):
        yield f"## {name}\n\n{method.title}: {method.reference}.\n"
        for title, group in (("Decoder", method.decode), ("Network", method.network), ("Loss", method.loss)):
            yield f"### {title} of {name}\n"
            yield "| name | title | default | range | what it does |\n|---|---|---|---|---|"
            for parameter in group.parameters():
                yield _parameter(parameter)
            yield ""


def _parameter(parameter: Parameter) -> str:
    if parameter.minimum is not None:
        allowed = f"{parameter.minimum:g} to {parameter.maximum:g} {parameter.unit}".strip()
    else:
        allowed = ", ".join(parameter.choices) or parameter.kind
    title, told = _cell(parameter.title), _cell(parameter.help)
    return f"| `{parameter.name}` | {title} | {_cell(str(parameter.default))} | {_cell(allowed)} | {told} |"


def python_names() -> Iterator[str]:
    """Hand every public name to Sphinx's autodoc."""
    yield "# Python\n"
    yield "`import napari_instseg as instseg`; what follows are its names.\n"
    for name in napari_instseg.__all__:
        value = getattr(import_module(f"napari_instseg.{napari_instseg._HOMES.get(name, '')}".rstrip(".")), name)
        if name != "__version__":
            kind = "class" if isinstance(value, type) else "function"
            yield f"## {name}\n\n```{{eval-rst}}\n.. auto{kind}:: {value.__module__}.{value.__qualname__}"
            yield "   :members:\n```\n" if kind == "class" else "```\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
