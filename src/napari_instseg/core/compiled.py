"""Functions that Numba compiles, kept on disk where there is a place for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def njit(**options: Any) -> Any:
    """Return the decorator `numba.njit` with these options; it compiles in each process where nothing can be cached.

    With ``cache=True`` Numba itself raises RuntimeError where neither the installation nor the home can be written to,
    as on a cluster or in a container.
    """
    import numba

    def compiled(function: Callable[..., Any]) -> Any:
        try:
            return numba.njit(**options)(function)
        except RuntimeError:
            return numba.njit(**{**options, "cache": False})(function)

    return compiled
