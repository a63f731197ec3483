"""Parameters, declared once: the form, the flags, the model file and the docs are made from the declaration."""

from __future__ import annotations

import typing
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticUndefined

from napari_instseg.core.errors import ParameterError

Kind = Literal["float", "int", "bool", "choice", "text"]
Grows = Literal["", "length", "size"]
"""How a value follows the objects' diameter: not at all, in proportion, or as a number of pixels does."""


@dataclass(frozen=True)
class Parameter:
    """All that is known of one parameter, for whoever makes a form, a flag or a table of it."""

    name: str
    kind: Kind
    default: Any
    title: str
    help: str
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    unit: str = ""
    choices: tuple[str, ...] = ()
    when: tuple[str, tuple[str, ...]] | None = None
    """Shown only while the named parameter has one of the values."""
    grows: Grows = ""
    advanced: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the description as JSON-ready values."""
        return asdict(self)


def tunable(
    default: float,
    minimum: float,
    maximum: float,
    *,
    title: str,
    help: str,
    step: float | None = None,
    unit: str = "",
    when: tuple[str, tuple[str, ...]] | None = None,
    grows: Grows = "",
    advanced: bool = False,
) -> Any:
    """Declare a number with its range; the annotation of the field says whether it is an int or a float.

    Parameters
    ----------
    default, minimum, maximum : float
        Value used when none is given, and the smallest and largest allowed values (both included).
    title, help : str
        The name in the user's words, and what more and less of it do.
    step : float, optional
        Step of a slider; 1 for an int, a hundredth of the range for a float.
    unit : str
        Shown after the number, for example ``"px"``.
    when : (str, tuple of str), optional
        Name of a choice parameter and the values with which this one applies.
    grows : {"", "length", "size"}
        How the value follows the objects' diameter, see `Params.at_size`: ``"length"`` for a distance in pixels,
        ``"size"`` for a number of pixels.
    advanced : bool
        Folded away in forms.
    """
    extra: dict[str, Any] = {"title": title, "help": help, "step": step, "unit": unit, "when": when, "grows": grows}
    return Field(default=default, ge=minimum, le=maximum, json_schema_extra={**extra, "advanced": advanced})


def choice(
    default: str,
    *,
    title: str,
    help: str,
    when: tuple[str, tuple[str, ...]] | None = None,
    advanced: bool = False,
) -> Any:
    """Declare one of several words; the annotation of the field is a ``Literal`` that lists them."""
    extra: dict[str, Any] = {"title": title, "help": help, "when": when, "advanced": advanced}
    return Field(default=default, json_schema_extra=extra)


def flag(
    default: bool,
    *,
    title: str,
    help: str,
    when: tuple[str, tuple[str, ...]] | None = None,
    advanced: bool = False,
) -> Any:
    """Declare a yes or no."""
    extra: dict[str, Any] = {"title": title, "help": help, "when": when, "advanced": advanced}
    return Field(default=default, json_schema_extra=extra)


def text(default: str, *, title: str, help: str, advanced: bool = False) -> Any:
    """Declare a free text, such as the name of a backbone."""
    return Field(default=default, json_schema_extra={"title": title, "help": help, "advanced": advanced})


class Params(BaseModel):
    """Base of parameter classes: values that are checked against their declaration and cannot change."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, protected_namespaces=())

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ParameterError(_in_words(type(self), error)) from None

    @classmethod
    def parameters(cls) -> tuple[Parameter, ...]:
        """Describe each parameter, in the order of declaration."""
        return tuple(_describe(cls, name) for name in cls.model_fields)

    def changed(self, **values: Any) -> Self:
        """Return a copy with some values replaced, checked like new ones.

        Raises
        ------
        ParameterError
            If a name is unknown or a value out of range.
        """
        return type(self)(**{**self.model_dump(), **values})

    def at_size(self, factor: float, ndim: int = 2) -> Self:
        """Return the values for objects whose diameter is `factor` times as large, within their ranges.

        Distances in pixels grow with the factor, numbers of pixels with its `ndim`-th power; all else stays.
        """
        powers = {"length": 1, "size": ndim}
        grown = {}
        for parameter in self.parameters():
            if parameter.grows and parameter.minimum is not None and parameter.maximum is not None:
                value = getattr(self, parameter.name) * factor ** powers[parameter.grows]
                value = min(max(value, parameter.minimum), parameter.maximum)
                grown[parameter.name] = round(value) if parameter.kind == "int" else value
        return self.changed(**grown)

    def visible(self) -> tuple[Parameter, ...]:
        """Describe the parameters that apply with the present choices."""
        return tuple(
            parameter
            for parameter in self.parameters()
            if parameter.when is None or getattr(self, parameter.when[0]) in parameter.when[1]
        )


def _describe(cls: type[Params], name: str) -> Parameter:
    field = cls.model_fields[name]
    extra = field.json_schema_extra
    if not isinstance(extra, dict) or field.default is PydanticUndefined:
        raise TypeError(f"{cls.__name__}.{name} must be declared with tunable(), choice(), flag() or text()")
    info: dict[str, Any] = dict(extra)
    annotation = field.annotation
    limits = {
        key: getattr(constraint, short)
        for constraint in field.metadata
        for key, short in (("minimum", "ge"), ("maximum", "le"))
        if hasattr(constraint, short)
    }
    choices: tuple[str, ...] = ()
    kind: Kind
    if typing.get_origin(annotation) is Literal:
        kind, choices = "choice", tuple(typing.get_args(annotation))
    elif annotation is bool:
        kind = "bool"
    elif annotation is int:
        kind = "int"
    elif annotation is float:
        kind = "float"
    elif annotation is str:
        kind = "text"
    else:
        raise TypeError(f"{cls.__name__}.{name} has type {annotation}; expected float, int, bool, str or a Literal")
    step = info.pop("step", None)
    if step is None and limits:
        step = 1 if kind == "int" else (limits["maximum"] - limits["minimum"]) / 100
    return Parameter(name=name, kind=kind, default=field.default, choices=choices, step=step, **limits, **info)


def _in_words(cls: type[Params], error: ValidationError) -> str:
    known = {parameter.name: parameter for parameter in cls.parameters()}
    lines = []
    for problem in error.errors():
        name = str(problem["loc"][0]) if problem["loc"] else cls.__name__
        parameter = known.get(name)
        if parameter is None:
            lines.append(f"Unknown parameter '{name}'; expected one of: {', '.join(known)}.")
        else:
            lines.append(f"{parameter.title} ({name}) is {problem['input']!r}; expected {_expected(parameter)}.")
    return "\n".join(lines)


def _expected(parameter: Parameter) -> str:
    if parameter.kind == "choice":
        return "one of " + ", ".join(repr(value) for value in parameter.choices)
    if parameter.minimum is None:
        return {"bool": "true or false", "text": "a text"}.get(parameter.kind, "a number")
    noun = "a whole number" if parameter.kind == "int" else "a number"
    unit = f" {parameter.unit}" if parameter.unit else ""
    return f"{noun} from {parameter.minimum:g} to {parameter.maximum:g}{unit}"
