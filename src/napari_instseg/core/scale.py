"""A number's range as a slider or a search sees it: from 0 to 1, finer where values are small."""

from __future__ import annotations

import math

from napari_instseg.core.params import Parameter

DEFAULT_AT = 0.3
"""The default lies at least at this share of the range, so that small values are easily reached."""


def value_at(parameter: Parameter, share: float) -> float:
    """Return the value at a share of the range, on the parameter's grid of steps.

    Parameters
    ----------
    parameter : Parameter
        An int or a float.
    share : float
        From 0, the smallest value, to 1, the largest.
    """
    low, high = limits(parameter)
    step = parameter.step or (high - low) / 100
    raw = low + (high - low) * share ** _bend(parameter)
    value = min(high, low + step * round((raw - low) / step))
    return int(value) if parameter.kind == "int" else round(value, decimals(step))


def share_of(parameter: Parameter, value: float) -> float:
    """Return the share of the range at which a value lies, from 0 to 1."""
    low, high = limits(parameter)
    part = min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.0
    return float(part ** (1 / _bend(parameter)))


def limits(parameter: Parameter) -> tuple[float, float]:
    """Return the smallest and the largest value.

    Raises
    ------
    TypeError
        If the parameter is no number.
    """
    if parameter.minimum is None or parameter.maximum is None:
        raise TypeError(f"{parameter.name} is a {parameter.kind}; only numbers have a range")
    return parameter.minimum, parameter.maximum


def decimals(step: float) -> int:
    """Return the digits after the point that tell one step from the next."""
    return min(6, max(0, math.ceil(-math.log10(step) - 1e-9)))


def _bend(parameter: Parameter) -> float:
    """Return the power by which a share grows into a value; 1 for an even range."""
    low, high = limits(parameter)
    part = (parameter.default - low) / (high - low) if high > low else 0.0
    return min(4.0, max(1.0, math.log(part) / math.log(DEFAULT_AT))) if 0 < part < 1 else 1.0 if part else 2.0
