"""What is found and not listed: modules of a folder, and entry points of other packages."""

from __future__ import annotations

import logging
import pkgutil
from collections.abc import Callable, Iterable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from napari_instseg.core.errors import InstsegError

Offer = TypeVar("Offer")

_LOG = logging.getLogger("napari_instseg")


def find_plugins(
    package: str,
    path: Iterable[str],
    kind: type[Offer],
    group: str,
    error: type[InstsegError] = InstsegError,
    check: Callable[[Offer], object] = lambda offer: None,
) -> tuple[dict[str, Offer], dict[str, str]]:
    """Find what modules of a package and other packages offer.

    Parameters
    ----------
    package, path : str, iterable of str
        A module of it offers one under the name of its kind in capitals, such as ``METHOD``.
    kind : type
        What is offered; it has a `name`.
    group : str
        Of entry points.
    error : type of InstsegError
        What is raised.
    check : callable
        Raises if what another package offers cannot be used.

    Returns
    -------
    found : dict
        By name.
    left_out : dict of str to str
        Entry points that cannot be used, each with the reason; the log tells them, too.

    Raises
    ------
    InstsegError
        If two of this package have the same name, or a module offers something else.
    """
    what = kind.__name__.lower()
    found: dict[str, Offer] = {}

    def take(source: str, offer: Any, check: Callable[[Offer], object] = lambda offer: None) -> None:
        article = "an" if what[0] in "aeiou" else "a"
        if not isinstance(offer, kind):
            raise error(f"{source} offers a {type(offer).__name__}; expected a napari_instseg {kind.__name__}.")
        name: str = getattr(offer, "name")  # noqa: B009 - every kind has one
        if name in found:
            raise error(f"{source} offers {article} {what} named '{name}', but that name is taken; rename one.")
        check(offer)
        found[name] = offer

    for name in sorted(info.name for info in pkgutil.iter_modules(path)):
        source = f"{package}.{name}"
        take(source, getattr(import_module(source), what.upper()))
    left_out: dict[str, str] = {}
    for point in entry_points(group=group):
        try:
            take(point.value, point.load(), check)
        except (Exception, SystemExit) as problem:  # a package of somebody else may fail in any way
            why = str(problem) if isinstance(problem, error) else f"{type(problem).__name__}: {problem}"
            left_out[_named(point)] = why
            _LOG.warning("The plug-in %s is left out: %s Update or uninstall it.", _named(point), why)
    return found, left_out


def _named(point: EntryPoint) -> str:
    package = f" of the package '{point.dist.name}'" if point.dist is not None else ""
    return f"'{point.name}' ({point.value}){package}"
