"""Published methods, one file each; found by looking into this folder and at other packages' entry points."""

from __future__ import annotations

import sys
from functools import cache
from types import ModuleType

from napari_instseg.core.errors import InstsegError
from napari_instseg.core.method import Method
from napari_instseg.core.plugins import find_plugins

ENTRY_POINTS = "napari_instseg.methods"

_LEFT_OUT: dict[str, str] = {}


class MethodError(InstsegError):
    """A method is unknown, or two have the same name."""


@cache
def methods() -> dict[str, Method]:
    """Return all methods by name: a module of this folder, or an entry point, offers one as ``METHOD``.

    An entry point of another package that cannot be used is left out, and said so in the log; see `left_out`.

    Raises
    ------
    MethodError
        If two methods of this package have the same name, or a module offers something else.
    """
    # whoever lists methods turns them into a dict
    found, left_out = find_plugins(__name__, __path__, Method, ENTRY_POINTS, MethodError, Method.to_dict)
    _LEFT_OUT.clear()
    _LEFT_OUT.update(left_out)
    return found


def left_out() -> dict[str, str]:
    """Return the plug-ins that `methods` left out, each with the reason."""
    methods()
    return dict(_LEFT_OUT)


def get_method(name: str) -> Method:
    """Return the method of that name.

    Raises
    ------
    MethodError
        If there is none; the message lists those that there are.
    """
    known = methods()
    if name not in known:
        broken = "".join(f" The plug-in {plugin} was left out: {why}" for plugin, why in _LEFT_OUT.items())
        raise MethodError(f"Unknown method '{name}'; expected one of: {', '.join(known)}.{broken}")
    return known[name]


class _Room(ModuleType):
    """The room of the methods; called, it lists them, since the package offers room and function under one name."""

    def __call__(self) -> dict[str, Method]:
        return methods()


sys.modules[__name__].__class__ = _Room
