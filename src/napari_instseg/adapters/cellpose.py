"""Cellpose: flows and cell probability, from its `_seg.npy` or an NPZ with `dP` and `cellprob`.

The places that flows lead to are a semi-convolutional embedding: each pixel points at the middle of its cell.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.exchange.files import names_in, read_arrays
from napari_instseg.exchange.safe_pickle import read_dictionary
from napari_instseg.inference.adapter import Adapter
from napari_instseg.inference.prediction import Prediction

FLOW_SCALE = 5.0
"""Cellpose's network says five times the flow."""
DEFAULTS = {"bandwidth": 5.0, "foreground_threshold": 0.5, "min_size": 15}
"""Cellpose takes pixels together that end within 5 px of a peak, with a cell probability above 0, at least 15 px."""


def recognise(path: Path) -> bool:
    """Tell Cellpose's outputs by the name of the file or of its arrays."""
    return path.name.lower().endswith("_seg.npy") or {"dP", "cellprob"} <= names_in(path)


def read(path: Path) -> Prediction:
    """Read flows and cell probability, follow the flows, and give the places and the foreground."""
    if path.suffix.lower() == ".npz":
        arrays = read_arrays(path)
        if not {"dP", "cellprob"} <= arrays.keys():
            raise InputError(f"'{path}' has the arrays {', '.join(arrays)}; expected dP (2, Y, X) and cellprob (Y, X).")
        return predict(arrays["dP"], arrays["cellprob"])
    flows = read_dictionary(path).get("flows")
    raw = flows[4] if isinstance(flows, list | tuple) and len(flows) > 4 else None
    if not isinstance(raw, np.ndarray) or raw.ndim not in (3, 4) or raw.shape[0] != raw.ndim:
        raise InputError(
            f"'{path}' has no flows as the network gave them; expected flows[4] of shape (3, Y, X). Save it by "
            "cellpose.io.masks_flows_to_seg after model.eval, or numpy.savez(path, dP=flows[1], cellprob=flows[2])."
        )
    return predict(raw[:-1], raw[-1])


def predict(flows: np.ndarray[Any, Any], cellprob: np.ndarray[Any, Any]) -> Prediction:
    """Turn Cellpose's outputs into a prediction.

    Parameters
    ----------
    flows : array (2, Y, X) or (3, Z, Y, X)
        ``dP`` of ``model.eval``, flows[1].
    cellprob : array (Y, X) or (Z, Y, X)
        Logit of being in a cell, flows[2].

    Raises
    ------
    InputError
        If they do not fit each other.
    """
    from napari_instseg.decoding.flows import follow_flows

    flows, cellprob = np.asarray(flows), np.asarray(cellprob)
    if flows.shape != (cellprob.ndim, *cellprob.shape) or cellprob.ndim not in (2, 3):
        raise InputError(
            f"The flows have the shape {flows.shape}, the cell probability {cellprob.shape}; expected (2, Y, X) and "
            "(Y, X), or (3, Z, Y, X) and (Z, Y, X)."
        )
    if not (np.isfinite(flows).all() and np.isfinite(cellprob).all()):
        raise InputError("The flows or the cell probability are not finite everywhere. Run Cellpose again.")
    places = follow_flows(flows / FLOW_SCALE, cellprob > 0)
    foreground = 1 / (1 + np.exp(-np.clip(cellprob.astype(np.float32), -30, 30)))
    return Prediction("semiconv", {"embedding": places, "foreground": foreground}, DEFAULTS)


ADAPTER = Adapter("cellpose", "Cellpose's _seg.npy with flows, or NPZ with dP, cellprob", "semiconv", recognise, read)
