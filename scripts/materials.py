"""What the shipped models learn from, what their weights and decode parameters are chosen by, and what is held out."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_instseg.data.augment import Augmentation
from napari_instseg.data.pairs import Pair
from napari_instseg.io.pairs import open_pairs

TUNED_ON = 14
"""Every so-manieth image that is not held out is kept aside to choose by."""


@dataclass(frozen=True)
class Material:
    """Images of one kind, split, and what the card says of them."""

    learnt: Sequence[Pair]
    chosen: Sequence[Pair]
    held_out: Mapping[str, Sequence[Pair]]
    title: str
    data: str
    licence: str
    intended_use: str
    modality: Sequence[str] = ()
    """How the images were taken."""
    stain: Sequence[str] = ()
    replay: Sequence[str] = ()
    """Kinds of simulated images like them."""
    group_modality: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Of groups of `held_out` that are not of all modalities."""
    diameter: float = 0.0
    """Typical object diameter that images are rescaled to, in pixels; 0 leaves them."""
    patch: int = 256
    """Side of the crops in pixels."""
    margin: int = 12
    """Objects nearer than this should differ in colour, in pixels."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    decode: Mapping[str, Any] = field(default_factory=dict)
    """Decode parameters that this kind asks for and that are not chosen."""
    decoded_by: Sequence[Pair] = ()
    """Images by which the decode parameters are chosen, where those to choose by are too few."""


def nuclei(folder: Path) -> Material:
    """Nuclei of the 2018 Data Science Bowl in all modalities; `val.txt` is held out."""
    learnt, chosen, held_out = _split(folder)
    with (folder / "modality.csv").open() as file:
        modality = {row["id"]: row["modality"] for row in csv.DictReader(file)}
    fluorescent = [pair for pair in held_out if modality[pair.name] == "grey_dark_background"]
    return Material(
        learnt,
        chosen,
        {
            "DSB 2018 fluorescence, held out": fluorescent,
            "DSB 2018 stained tissue and bright field, held out": [p for p in held_out if p not in fluorescent],
        },
        title="Nuclei in fluorescence, bright field and stained tissue",
        modality=("fluorescence", "histology", "bright field"),
        stain=("H&E", "Giemsa"),
        replay=("nuclei",),
        group_modality={
            "DSB 2018 fluorescence, held out": ("fluorescence",),
            "DSB 2018 stained tissue and bright field, held out": ("histology", "bright field"),
        },
        data=f"BBBC038, 2018 Data Science Bowl stage 1, corrected labels: {len(learnt)} images",
        licence="CC0 1.0",
        intended_use="Nuclei of 10 to 60 px diameter in fluorescence, bright field and stained tissue (H&E, Giemsa), "
        "grey or RGB. Not for diagnosis.",
        # light, since a short training underfits: outlines follow each source's own style, which blur would hide
        augmentation=Augmentation(
            rotation=0, scale=0.15, shear=0, elastic=0, intensity=0.05, noise=0.02, blur=0, invert=0.03
        ),
    )


def cells(folder: Path) -> Material:
    """T98G cells in phase contrast (Usiigaci); `val.txt` is held out."""
    learnt, chosen, held_out = _split(folder)
    return Material(
        learnt,
        chosen,
        {"Usiigaci phase contrast, held out": held_out},
        title="Cells in phase contrast",
        modality=("phase contrast",),
        data=f"Usiigaci, T98G cells: {len(learnt)} images",
        licence="MIT",
        intended_use="Adherent cells in phase contrast, 25 to 90 px across; the image is seen at half its size.",
        diameter=27,
        augmentation=Augmentation(scale=0.2, elastic=0.1, intensity=0.1, noise=0.05, blur=1),
    )


def worms(folder: Path) -> Material:
    """C. elegans in bright field (BBBC010); `val.txt` is held out. For a score only: its licence is not verified."""
    learnt, chosen, held_out = _split(folder)
    return Material(
        learnt,
        chosen,
        {"BBBC010 bright field, held out": held_out},
        title="Worms in bright field",
        modality=("bright field",),
        data=f"BBBC010, C. elegans: {len(learnt)} images",
        licence="not verified: not to be shipped",
        intended_use="Measuring only.",
        diameter=27,
        margin=20,
        augmentation=Augmentation(scale=0.15, elastic=0.1, intensity=0.1, noise=0.05, blur=0),
        decode={"connected": False},  # what crosses a worm cuts it in two
        decoded_by=[*learnt, *chosen],
    )


def shapes(folder: Path) -> Material:
    """Leaf rosettes, worms and bacteria: a folder each that `instseg simulate` wrote; the last tenth is held out."""
    return _simulated(
        folder,
        title="Leaf rosettes, worms and bacteria",
        replay=("rosettes", "worms", "bacteria"),
        intended_use="Leaves of a rosette, worms in bright field or as a binary foreground, rod bacteria; a start for "
        "retraining on images of one's own rather than a finished tool: it has seen no real image.",
    )


def leaves(folder: Path) -> Material:
    """Leaf rosettes alone, seen at half their size: a folder of folders, as for `shapes`."""
    return _simulated(
        folder,
        title="Leaf rosettes",
        replay=("rosettes",),
        intended_use="Leaves of a rosette from above, in colour, 30 to 90 px across; the image is seen at half its "
        "size. A start for retraining on images of one's own: it has seen no real image.",
        diameter=22,
        patch=192,
    )


def _simulated(folder: Path, **about: Any) -> Material:
    learnt, chosen, held_out = [], [], {}
    for kind in sorted(path for path in folder.iterdir() if path.is_dir()):
        pairs = sorted(open_pairs(kind), key=lambda pair: pair.name)
        aside = max(len(pairs) // 10, 3)
        learnt += pairs[: -2 * aside]
        chosen += pairs[-2 * aside : -aside]
        held_out[f"simulated {kind.name}, held out"] = pairs[-aside:]
    return Material(
        learnt,
        chosen,
        held_out,
        data=f"simulated by this package: {len(learnt)} images",
        licence="BSD-3-Clause",
        modality=("simulated",),
        margin=20,
        augmentation=Augmentation(scale=0.2, elastic=0, intensity=0.1, noise=0.05, blur=0.7),
        **about,
    )


MATERIALS: Mapping[str, Callable[[Path], Material]] = {
    "nuclei": nuclei,
    "cells": cells,
    "leaves": leaves,
    "shapes": shapes,
    "worms": worms,
}


def _split(folder: Path) -> tuple[list[Pair], list[Pair], list[Pair]]:
    names = set((folder / "val.txt").read_text().split())
    pairs = sorted(open_pairs(folder), key=lambda pair: pair.name)
    others = [pair for pair in pairs if pair.name not in names]
    chosen = others[::TUNED_ON]
    return [pair for pair in others if pair not in chosen], chosen, [pair for pair in pairs if pair.name in names]
