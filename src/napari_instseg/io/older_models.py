"""Reads of an older `model.json`, once, what only its sentences say: what kind of image the model is for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MODALITIES: Mapping[str, str] = {
    "fluoresc": "fluorescence",
    "histolog": "histology",
    "stained tissue": "histology",
    "bright field": "bright field",
    "phase contrast": "phase contrast",
    "simulated": "simulated",
}
"""Words of layout 1, and the modality that they name."""
STAINS = ("H&E", "Giemsa")
REPLAYED: Mapping[str, tuple[str, ...]] = {
    "nuclei": ("nuclei",),
    "leaves": ("rosettes",),
    "shapes": ("rosettes", "worms", "bacteria"),
}
"""Kinds of simulated images that a shipped model of layout 1 knew, by the last part of its name."""


def from_layout_1(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a `model.json` of layout 1 with the fields that layout 2 has beside them.

    Parameters
    ----------
    values : mapping
        As they were read; nothing is checked yet, and what is not as it should be is left for the check.
    """
    title, use, name = (str(values.get(key) or "") for key in ("title", "intended_use", "name"))
    scores = values.get("scores")
    known = [dict(score) for score in scores if isinstance(score, Mapping)] if isinstance(scores, list) else []
    found = dict(values)
    if isinstance(scores, list) and len(known) == len(scores):
        found["scores"] = [{**score, "modality": _modalities(str(score.get("data") or ""))} for score in known]
    named = _modalities(title, *(str(score.get("data") or "") for score in known))
    return {
        **found,
        "modality": named,
        "stain": [stain for stain in STAINS if stain in use],
        # what was made by corrections holds the images that it is to remember
        "replay": [] if "fine_tuned_from" in str(values.get("training")) else REPLAYED.get(name.rsplit("-", 1)[-1], ()),
    }


def _modalities(*texts: str) -> list[str]:
    words = " ".join(texts).lower()
    return list(dict.fromkeys(modality for word, modality in MODALITIES.items() if word in words))
