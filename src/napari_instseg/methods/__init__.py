"""Published methods, one file each; found by looking into this folder and at other packages' entry points."""

from __future__ import annotations

import logging
import pkgutil
import sys
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

from napari_instseg.core.errors import InstsegError
from napari_instseg.core.method import Method

ENTRY_POINTS = "napari_instseg.methods"

_LOG = logging.getLogger("napari_instseg")
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
    found: dict[str, Method] = {}
    for name in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        source = f"{__name__}.{name}"
        method = _checked(source, import_module(source).METHOD, found)
        found[method.name] = method
    _LEFT_OUT.clear()
    for point in entry_points(group=ENTRY_POINTS):
        try:
            method = _checked(point.value, point.load(), found)
            method.to_dict()  # whoever lists methods does so
        except (Exception, SystemExit) as error:  # a package of somebody else may fail in any way
            why = str(error) if isinstance(error, MethodError) else f"{type(error).__name__}: {error}"
            _LEFT_OUT[_named(point)] = why
            _LOG.warning("The plug-in %s is left out: %s Update or uninstall it.", _named(point), why)
        else:
            found[method.name] = method
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


def _checked(source: str, method: object, found: dict[str, Method]) -> Method:
    if not isinstance(method, Method):
        raise MethodError(f"{source} offers a {type(method).__name__}; expected a napari_instseg Method.")
    if method.name in found:
        raise MethodError(f"{source} offers a method named '{method.name}', but that name is taken; rename one.")
    return method


def _named(point: EntryPoint) -> str:
    package = f" of the package '{point.dist.name}'" if point.dist is not None else ""
    return f"'{point.name}' ({point.value}){package}"


class _Room(ModuleType):
    """The room of the methods; called, it lists them, since the package offers room and function under one name."""

    def __call__(self) -> dict[str, Method]:
        return methods()


sys.modules[__name__].__class__ = _Room
