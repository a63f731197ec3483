"""Models, opened once per process."""

from __future__ import annotations

from functools import lru_cache

from napari_instseg.inference.model import Model, load_model


@lru_cache(maxsize=2)
def open_model(name: str) -> Model:
    """Open a model once per process."""
    return load_model(name)
