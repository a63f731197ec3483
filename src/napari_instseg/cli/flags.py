"""Flags made from declared parameters: no flag of a method, a loss or a simulator is typed by hand."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Annotated, Any

import typer
from rich.markup import escape

from napari_instseg.core.params import Parameter, Params

Values = dict[str, dict[str, Any]]
"""Values that were given on the command line, by group and name."""


def with_parameters(
    command: Callable[..., None],
    groups: Mapping[str, type[Params]],
    titles: Mapping[str, str],
    defaults: Mapping[str, Mapping[str, Any]] | None = None,
) -> Callable[..., None]:
    """Return a command a flag for each parameter of some classes.

    Parameters
    ----------
    command : callable
        A typer command with a keyword argument ``values``, which receives those that were given, by group.
    groups : mapping of str to type of Params
        A name that the command itself or an earlier group has is prefixed with the group's name.
    titles : mapping of str to str
        Heading of each group in the help.
    defaults : mapping, optional
        By group: defaults that the help shows instead of the declared ones, such as those of a model.
    """
    own = [
        parameter
        for parameter in inspect.signature(command, eval_str=True).parameters.values()
        if parameter.name != "values"
    ]
    flags = list(_flags(groups, {parameter.name for parameter in own}))

    @functools.wraps(command)
    def with_values(**arguments: Any) -> None:
        values: Values = {group: {} for group in groups}
        for keyword, group, parameter in flags:
            given = arguments.pop(keyword)
            if given is not None:
                values[group][parameter.name] = given.value if isinstance(given, Enum) else given
        for group, params in groups.items():
            params(**values[group])  # says in words what is out of its range
        command(**arguments, values=values)

    made = [
        inspect.Parameter(
            keyword,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=_annotation(
                keyword,
                parameter,
                titles[group],
                (defaults or {}).get(group, {}).get(parameter.name, parameter.default),
            ),
        )
        for keyword, group, parameter in flags
    ]
    with_values.__signature__ = inspect.Signature([*own, *made])  # type: ignore[attr-defined]
    with_values.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *made)}
    return with_values


def _flags(groups: Mapping[str, type[Params]], taken: set[str]) -> Iterable[tuple[str, str, Parameter]]:
    taken = set(taken)
    for group, params in groups.items():
        for parameter in params.parameters():
            keyword = f"{group}_{parameter.name}" if parameter.name in taken else parameter.name
            taken.add(keyword)
            yield keyword, group, parameter


def _annotation(keyword: str, parameter: Parameter, panel: str, default: Any) -> Any:
    flag = "--" + keyword.replace("_", "-")
    names = [f"{flag}/--no-{flag[2:]}"] if parameter.kind == "bool" else [flag]
    kinds: dict[str, type] = {"bool": bool, "int": int, "float": float, "text": str}
    choices = {choice: choice for choice in parameter.choices}
    kind: Any = kinds[parameter.kind] if parameter.kind != "choice" else Enum(parameter.name, choices)
    words = escape(f"{_help(parameter)} (default: {_shown(parameter, default)}{_range(parameter)})")
    option = typer.Option(*names, help=words, rich_help_panel=panel, show_default=False)
    return Annotated[kind | None, option]


def _help(parameter: Parameter) -> str:
    condition = ""
    if parameter.when is not None:
        condition = f" With {parameter.when[0].replace('_', ' ')} {' or '.join(parameter.when[1])}."
    return f"{parameter.title}. {parameter.help}{condition}"


def _range(parameter: Parameter) -> str:
    return "" if parameter.minimum is None else f"; {parameter.minimum:g} to {parameter.maximum:g}"


def _shown(parameter: Parameter, default: Any) -> str:
    if parameter.kind == "bool":
        return "on" if default else "off"
    value = f"{default:g}" if parameter.kind == "float" else str(default)
    return f"{value} {parameter.unit}".rstrip()
