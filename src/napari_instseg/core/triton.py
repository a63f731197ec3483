"""Keeping triton, a compiler for GPUs that torch imports where it is installed, out of a window drawn by Mesa."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def without_triton() -> Iterator[None]:
    """Let imports within find no triton if Mesa's LLVM is loaded.

    Torch's optimisers and torchvision import torch's compiler, and that imports triton where it is installed. Triton
    brings an LLVM of its own, which crashes the program where OpenGL is drawn by Mesa's LLVM, as it is without a GPU's
    driver. Nothing of this package is compiled by it.
    """
    hidden = "triton" not in sys.modules and _mesa_loaded()
    if hidden:
        sys.modules["triton"] = None  # type: ignore[assignment]  # an import of it now fails, as if it were not there
    try:
        yield
    finally:
        if hidden:
            del sys.modules["triton"]


def _mesa_loaded() -> bool:
    """Return whether an LLVM library is mapped; elsewhere than on Linux there is no triton to clash with."""
    maps = Path("/proc/self/maps")
    return sys.platform.startswith("linux") and maps.exists() and "libLLVM" in maps.read_text(errors="replace")
