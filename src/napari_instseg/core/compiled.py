"""Functions that Numba compiles, kept on disk where there is a place for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def njit(**options: Any) -> Callable[[Function], Function]:
    """Return `numba.njit` with these options, which compiles anew in each process where nothing can be cached.

    With ``cache=True`` Numba itself raises RuntimeError where neither the installation nor the home can be written to,
    as on a cluster or in a container.
    """
    import numba

    def compiled(function: Function) -> Function:
        try:
            made: Function = numba.njit(**options)(function)
        except RuntimeError:
            made = numba.njit(**{**options, "cache": False})(function)
        return made

    return compiled
