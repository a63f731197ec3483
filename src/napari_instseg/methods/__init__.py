"""Published methods, one file each; found by looking into this folder and at other packages' entry points."""

from __future__ import annotations

import pkgutil
import sys
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType

from napari_instseg.core.errors import InstsegError
from napari_instseg.core.method import Method

ENTRY_POINTS = "napari_instseg.methods"


class MethodError(InstsegError):
    """A method is unknown, or two have the same name."""


@cache
def methods() -> dict[str, Method]:
    """Find all methods by name: a module of this folder, or an entry point, offers one as ``METHOD``.

    Raises
    ------
    MethodError
        If two methods have the same name, or an entry point gives something else.
    """
    found: dict[str, Method] = {}
    modules = sorted(info.name for info in pkgutil.iter_modules(__path__))
    candidates = [(f"{__name__}.{name}", import_module(f"{__name__}.{name}").METHOD) for name in modules]
    candidates += [(point.value, point.load()) for point in entry_points(group=ENTRY_POINTS)]
    for source, method in candidates:
        if not isinstance(method, Method):
            raise MethodError(f"{source} offers a {type(method).__name__}; expected a napari_instseg Method.")
        if method.name in found:
            raise MethodError(f"{source} offers a method named '{method.name}', but that name is taken; rename one.")
        found[method.name] = method
    return found


def get_method(name: str) -> Method:
    """Give the method of that name.

    Raises
    ------
    MethodError
        If there is none; the message lists those that there are.
    """
    known = methods()
    if name not in known:
        raise MethodError(f"Unknown method '{name}'; expected one of: {', '.join(known)}.")
    return known[name]


class _Room(ModuleType):
    """The room of the methods; called, it lists them, since the package offers room and function under one name."""

    def __call__(self) -> dict[str, Method]:
        return methods()


sys.modules[__name__].__class__ = _Room
