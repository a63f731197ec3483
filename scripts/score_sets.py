"""Score models on the annotated sets as a user would use them, with nothing set: the table of docs/benchmarks.md.

Run as `python scripts/score_sets.py --data DATA --model auto`; `--some 6` takes every so-manieth image.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_instseg.data.pairs import Pair
from napari_instseg.inference.model import load_model
from napari_instseg.io.pairs import open_pairs
from napari_instseg.metrics import evaluate_labels
from napari_instseg.training.annotations import typical_diameter

MEASURED_ONLY = ("tissue_nuclei_e2f", "glioma_he", "bbbc010")


def held_out(data: Path, name: str, aside: str = "val") -> list[Pair]:
    """Return the images of a set that are held out, or those kept aside to choose by; all where nothing is said."""
    pairs = sorted(open_pairs(data / name), key=lambda pair: pair.name)
    listed = data / name / "val.txt"
    names = set(listed.read_text().split()) if listed.exists() else {pair.name for pair in pairs}
    if aside == "val":
        return [pair for pair in pairs if pair.name in names]
    return [pair for pair in pairs if pair.name not in names][::14]


def groups(data: Path, aside: str = "val") -> Mapping[str, list[Pair]]:
    """Return the held-out images by the rows of the table."""
    with (data / "dsb2018" / "modality.csv").open() as file:
        modality = {row["id"]: row["modality"] for row in csv.DictReader(file)}
    dsb = held_out(data, "dsb2018", aside)
    dark = [pair for pair in dsb if modality[pair.name] == "grey_dark_background"]
    found = {"dsb2018 fluorescence": dark, "dsb2018 stained": [pair for pair in dsb if pair not in dark]}
    found |= {name: held_out(data, name, aside) for name in ("micronuclei", "bbbc039", "yeast_phase", "usiigaci")}
    if aside == "val":
        found |= {name: held_out(data, name) for name in MEASURED_ONLY}
    return found


def main(args: argparse.Namespace) -> None:
    """Print AP at .5 and the mean of AP from .5 to .9, group by group."""
    rows: dict[str, Any] = {}
    for name, pairs in groups(args.data, args.aside).items():
        if (args.only and name not in args.only) or (name in MEASURED_ONLY and not args.only):
            continue
        truth, found = [], []
        for pair in pairs[:: args.some]:
            example = pair.read()
            diameter: Any = {"model": None, "true": typical_diameter([example.labels])}.get(
                args.diameter, args.diameter
            )
            found.append(segment(args.model, example, diameter, args.accurate))
            truth.append(example.labels)
        report = evaluate_labels(zip(truth, found, strict=True))
        rows[name] = {"images": len(truth), "ap50": report["ap"]["0.5"], "mean_ap": report["mean_ap"]}
        told = f"{rows[name]['ap50']:.3f} / {rows[name]['mean_ap']:.3f}"
        print(f"{name:22s} {len(truth):3d} images  {told}", flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2))


_models: dict[str, Any] = {}


def segment(model: str, example: Any, diameter: Any, accurate: bool) -> np.ndarray[Any, Any]:
    """Return the labels that a user would get."""
    if model not in _models:
        _models[model] = load_model(model)
    return _models[model].segment(example.image, axes=example.axes, diameter=diameter, accurate=accurate).labels


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--diameter", default="auto", help="auto, model, or true: the median of the true objects")
    parser.add_argument("--aside", choices=("val", "chosen"), default="val")
    parser.add_argument("--some", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=())
    parser.add_argument("--accurate", action="store_true")
    parser.add_argument("--json", type=Path)
    main(parser.parse_args())
