"""Importing PyTorch in a job's thread without freezing the window."""

from __future__ import annotations

import ctypes
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from napari_instseg.core.errors import InstsegError
from napari_instseg.core.triton import without_triton

LIBRARIES = ("torch_global_deps", "c10", "torch_cpu", "torch", "torch_python")


def import_torch() -> None:
    """Import torch; while that goes on, other threads get their turn.

    Python holds its lock while it loads a native library, which for PyTorch takes a second. So its libraries are
    loaded before, by a foreign call, which releases the lock.

    Raises
    ------
    InstsegError
        If PyTorch is not there or cannot be loaded.
    """
    if "torch" in sys.modules:
        return
    try:
        _load_libraries()
        import torch  # noqa: F401
    except (ImportError, OSError) as error:
        hint = " On Windows, install the Microsoft Visual C++ Redistributable." if os.name == "nt" else ""
        raise InstsegError(f"PyTorch cannot be loaded: {error}. Install it again as pytorch.org says.{hint}") from error


def import_training() -> None:
    """Import what training needs; call `import_torch` first."""
    with without_triton():
        import_module("torch._dynamo")


def _load_libraries() -> None:
    """Load torch's libraries as its own import will; what is missing here is left to that import."""
    if not sys.platform.startswith("linux"):
        return  # elsewhere they are smaller, and found by rules of their own
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return
    load = ctypes.CDLL(None).dlopen
    load.argtypes, load.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_void_p
    for name in LIBRARIES:
        path = Path(spec.origin).parent / "lib" / f"lib{name}.so"
        if path.is_file():
            load(os.fsencode(path), os.RTLD_LAZY | (os.RTLD_GLOBAL if name == "torch_global_deps" else 0))
