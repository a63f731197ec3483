"""EmbedSeg (Lalit et al. 2022) and InstanSeg (Goldsborough et al. 2024): offsets and seediness.

NPZ with `offsets` (2, Y, X) or (3, Z, Y, X) and `seediness` of the image's shape. Offsets are in pixels, along y and x;
with `raw` instead, EmbedSeg's own output (offsets x and y, sigmas, seed as logits; a pixel is 1/1023 of its grid).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.exchange.files import names_in, read_arrays
from napari_instseg.inference.adapter import Adapter
from napari_instseg.inference.prediction import Prediction

GRID = 1023.0
"""Pixels to a unit of EmbedSeg's coordinates."""
DEFAULTS = {"bandwidth": 4.0}


def recognise(path: Path) -> bool:
    """Tell by the names of the arrays."""
    names = names_in(path)
    return {"offsets", "seediness"} <= names or names == {"raw"}


def read(path: Path) -> Prediction:
    """Read offsets and seediness, and give the places that pixels point at."""
    arrays = read_arrays(path)
    if "raw" in arrays:
        return predict(*from_raw(arrays["raw"]))
    if not {"offsets", "seediness"} <= arrays.keys():
        raise InputError(
            f"'{path}' has the arrays {', '.join(arrays)}; expected offsets (2, Y, X) and seediness (Y, X), or raw."
        )
    return predict(arrays["offsets"], arrays["seediness"])


def predict(offsets: np.ndarray[Any, Any], seediness: np.ndarray[Any, Any]) -> Prediction:
    """Turn offsets, in pixels along the image's axes, and seediness, 0 to 1, into a prediction.

    Raises
    ------
    InputError
        If they do not fit each other.
    """
    offsets, seediness = np.asarray(offsets), np.squeeze(seediness)
    if offsets.shape != (seediness.ndim, *seediness.shape) or seediness.ndim not in (2, 3):
        raise InputError(
            f"The offsets have the shape {offsets.shape}, the seediness {seediness.shape}; expected (2, Y, X) and "
            "(Y, X)."
        )
    places = offsets.astype(np.float32) + np.indices(seediness.shape, np.float32)
    return Prediction("semiconv", {"embedding": places, "foreground": seediness.astype(np.float32)}, DEFAULTS)


def from_raw(raw: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return offsets in pixels and seediness of EmbedSeg's output (C, Y, X): 2 offsets, 1 or 2 sigmas, 1 seed.

    Raises
    ------
    InputError
        If it has another number of channels.
    """
    raw = np.squeeze(raw)
    if raw.ndim != 3 or raw.shape[0] not in (4, 5):
        raise InputError(f"The raw output has the shape {raw.shape}; expected 4 or 5 channels, (C, Y, X).")
    offsets = np.tanh(raw[:2].astype(np.float32))[::-1] * GRID  # x comes first there
    return offsets, 1 / (1 + np.exp(-np.clip(raw[-1].astype(np.float32), -30, 30)))


ADAPTER = Adapter(
    "embedseg", "NPZ with offsets and seediness (EmbedSeg, InstanSeg), or EmbedSeg's raw", "semiconv", recognise, read
)
