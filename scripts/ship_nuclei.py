"""Split what `scripts/train_nuclei.py` trained into the shipped single-method models, and score them.

Run as `python scripts/ship_nuclei.py --data DSB2018 --checkpoint OUT/last.pt --out src/napari_instseg/zoo/models`.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from train_nuclei import COLORING, DISCRIMINATIVE, FOREGROUND, HEADS, NETWORK, NORMALIZATION, SEED, read_examples

from napari_instseg.core.events import Result
from napari_instseg.core.params import Params
from napari_instseg.data.pairs import Pair
from napari_instseg.inference.model import Model
from napari_instseg.io.models import ModelSpec, Score
from napari_instseg.io.pairs import open_pairs
from napari_instseg.metrics import evaluate_labels
from napari_instseg.training.samples import typical_diameter
from napari_instseg.training.validate import evaluate

MODELS: dict[str, tuple[str, tuple[str, ...], tuple[Params, ...], list[dict[str, Any]]]] = {
    "coloring-nuclei": ("coloring", ("colors",), (COLORING,), [{"min_size": size} for size in (20, 30, 40)]),
    "discriminative-nuclei": (
        "discriminative",
        ("embedding", "foreground"),
        (DISCRIMINATIVE, FOREGROUND),
        [{"bandwidth": bandwidth, "min_size": size} for bandwidth in (1.0, 1.5, 2.0, 2.5, 3.0) for size in (20, 40)],
    ),
}
"""Name, then the method, the heads that it keeps, the losses that these were trained with, and ways to decode it."""
CHOOSE_ON = 60
"""The way to decode is chosen on so many of the training images."""
GROUPS = {
    "DSB 2018 fluorescence, held out": ("grey_dark_background",),
    "DSB 2018 stained tissue and bright field, held out": ("colour_histology", "grey_bright_background"),
}
INTENDED_USE = (
    "Nuclei of 10 to 60 px diameter in fluorescence, bright field and stained tissue (H&E, Giemsa), grey or RGB. "
    "Not for diagnosis."
)


def split_heads(weights: dict[str, torch.Tensor], heads: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """Keep the trunk, and of the last convolution the rows of some heads."""
    rows = [channels * NETWORK["stem"] ** 2 for channels in HEADS.values()]
    chosen = dict(weights)
    for key in ("head.weight", "head.bias"):
        blocks = dict(zip(HEADS, weights[key].split(rows), strict=True))
        chosen[key] = torch.cat([blocks[name] for name in heads])
    return chosen


def held_out(folder: Path) -> dict[str, list[Pair]]:
    """Open the images that `val.txt` names, by group."""
    names = set((folder / "val.txt").read_text().split())
    with (folder / "modality.csv").open() as file:
        modality = {row["id"]: row["modality"] for row in csv.DictReader(file)}
    pairs = [pair for pair in open_pairs(folder) if pair.name in names]
    return {group: [pair for pair in pairs if modality[pair.name] in kinds] for group, kinds in GROUPS.items()}


def score(model: Model, group: str, pairs: list[Pair]) -> Score:
    """Segment held-out images as a user would, and compare."""
    (report,) = (event.value for event in evaluate(model, pairs) if isinstance(event, Result))
    chosen = {name: report[name] for name in Score.model_fields if name in report and name != "images"}
    return Score(data=group, images=len(pairs), **{**chosen, "ap": {str(t): v for t, v in report["ap"].items()}})


def choose_decode(model: Model, pairs: Sequence[Pair], options: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Give the decode parameters that find the objects of these images best, by mean AP."""
    examples = [pair.read() for pair in pairs]
    predictions = [model.predict(example.image, axes=example.axes) for example in examples]

    def mean_ap(decode: dict[str, Any]) -> float:
        found = (prediction.decode(**decode).labels for prediction in predictions)
        truth = (example.labels for example in examples)
        return float(evaluate_labels(zip(truth, found, strict=True))["mean_ap"])

    return max(options, key=mean_ap)


def ship(args: argparse.Namespace) -> None:
    """Write both model folders."""
    examples = read_examples(args.data, held_out=False)
    diameter = round(typical_diameter(example.labels for example in examples), 1)
    state = torch.load(args.checkpoint, weights_only=True)
    groups = held_out(args.data)
    learnt = {example.name for example in examples[:: len(examples) // CHOOSE_ON]}
    for name, (method, heads, losses, options) in MODELS.items():
        spec = ModelSpec(
            name=name,
            method=method,
            title="Nuclei in fluorescence, bright field and stained tissue",
            in_channels=3,
            diameter=diameter,
            network=NETWORK,
            loss={key: value for params in losses for key, value in params.model_dump().items()},
            normalization=NORMALIZATION.model_dump(),
            training={
                "data": f"BBBC038, 2018 Data Science Bowl stage 1, corrected labels: {len(examples)} images",
                "licence_of_the_data": "CC0 1.0",
                "held_out": f"{sum(map(len, groups.values()))} images, listed in val.txt",
                "seed": SEED,
                "steps": state["step"],
                "command": "scripts/train_nuclei.py, then scripts/ship_nuclei.py",
                "staged": "Margin, halo weight and augmentation changed at steps 1629, 1800 and 2750; the script has "
                "the last settings, so that a run from the start will not give the same weights. The changes were "
                "made in view of scores and pictures of the held-out images, which flatters the scores below somewhat.",
                "decoding": f"Chosen on {len(learnt)} of the training images.",
            },
            intended_use=INTENDED_USE,
        )
        model = Model(spec)
        model.load_weights(split_heads(state["average"], heads))
        chosen = choose_decode(model, [pair for pair in open_pairs(args.data) if pair.name in learnt], options)
        spec = spec.model_copy(update={"decode": chosen})
        model.spec = spec
        print(name, chosen)
        scores = tuple(score(model, group, pairs) for group, pairs in groups.items())
        for found in scores:
            print(name, found.data, {t: round(v, 3) for t, v in found.ap.items()}, f"mean {found.mean_ap:.3f}")
        model.spec = spec.model_copy(update={"scores": scores})
        model.save(args.out / name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    ship(parser.parse_args())
