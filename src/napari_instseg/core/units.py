"""Units of length and of time by their names and signs, however files and viewers spell them."""

from __future__ import annotations

_PREFIXES = {
    "pico": 1e-12,
    "nano": 1e-9,
    "micro": 1e-6,
    "milli": 1e-3,
    "centi": 1e-2,
    "deci": 1e-1,
    "": 1.0,
    "kilo": 1e3,
}
_SIGNS = {"p": "pico", "n": "nano", "u": "micro", "m": "milli", "c": "centi", "d": "deci", "": "", "k": "kilo"}

MICROMETRES = {
    **{f"{prefix}meter": 1e6 * factor for prefix, factor in _PREFIXES.items()},
    **{f"{sign}m": 1e6 * _PREFIXES[prefix] for sign, prefix in _SIGNS.items()},
    "micron": 1.0,
    "u": 1.0,
    "angstrom": 1e-4,
    "\u00e5": 1e-4,
    "inch": 25400.0,
    "inche": 25400.0,  # the plural without its s
    "in": 25400.0,
    "foot": 304800.0,
    "feet": 304800.0,
    "ft": 304800.0,
}
"""Length of a unit in micrometres, by its name in small letters, singular, in American spelling."""

SECONDS = {
    **{f"{prefix}second": factor for prefix, factor in _PREFIXES.items()},
    **{f"{prefix}sec": factor for prefix, factor in _PREFIXES.items()},
    **{f"{sign}s": _PREFIXES[prefix] for sign, prefix in _SIGNS.items() if sign not in ("d", "c")},
    "msec": 1e-3,
    "usec": 1e-6,
    "minute": 60.0,
    "min": 60.0,
    "hour": 3600.0,
    "hr": 3600.0,
    "h": 3600.0,
    "day": 86400.0,
    "d": 86400.0,
}
"""Length of a unit in seconds, by its name as in `MICROMETRES`."""


def micrometres(unit: str) -> float | None:
    """Return the length of a unit in micrometres; None if it is no unit of length.

    Parameters
    ----------
    unit : str
        A name or sign in any spelling: ``"µm"``, ``"Microns"``, ``"micrometre"``, and µ in ASCII as ImageJ has it.
    """
    return _find(unit, MICROMETRES)


def seconds(unit: str) -> float | None:
    """Return the length of a unit in seconds; None if it is no unit of time."""
    return _find(unit, SECONDS)


def _find(unit: str, table: dict[str, float]) -> float | None:
    name = unit.strip().strip("\0").lower().replace("\\u00b5", "u").replace("\u00b5", "u").replace("\u03bc", "u")
    name = name.replace("metre", "meter").replace("\u00e5ngstr\u00f6m", "angstrom").replace("\u212b", "\u00e5")
    if name in table:
        return table[name]
    # signs have no plural, but 'secs' and 'mins' do occur
    singular = name.removesuffix(".").removesuffix("s")
    return table.get(singular) if len(singular) > 1 else None
