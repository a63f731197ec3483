"""Pure functions from raw network outputs and labels to named scalars."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_instseg.losses.coloring import choose_colors, coloring_loss
    from napari_instseg.losses.discriminative import discriminative_loss
    from napari_instseg.losses.foreground import foreground_loss, semantic_loss
    from napari_instseg.losses.objects import index_objects

# Imported when first used: the parameters in `params` must be had without torch.
_HOMES = {
    "choose_colors": "coloring",
    "coloring_loss": "coloring",
    "discriminative_loss": "discriminative",
    "foreground_loss": "foreground",
    "index_objects": "objects",
    "semantic_loss": "foreground",
}

__all__ = [
    "choose_colors",
    "coloring_loss",
    "discriminative_loss",
    "foreground_loss",
    "index_objects",
    "semantic_loss",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
