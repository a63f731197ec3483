"""Make shipped models of what `train_models.py` trained: split a joint trunk, choose how to decode, score, write cards.

Run as `python scripts/ship_models.py nuclei --data DSB2018 --trained OUT --out src/napari_instseg/zoo/models`.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch
from joint.joint import HEADS
from materials import MATERIALS

import napari_instseg.methods
from napari_instseg.core.events import Result
from napari_instseg.data.pairs import Pair
from napari_instseg.inference.model import Model, load_model
from napari_instseg.inference.rescale import own_parameters
from napari_instseg.io.models import ModelSpec, Score
from napari_instseg.methods import get_method
from napari_instseg.metrics import evaluate_labels
from napari_instseg.training.validate import evaluate

napari_instseg.methods.__path__.append(str(Path(__file__).parent / "joint"))
PARTS: Mapping[str, tuple[str, ...]] = {
    "coloring": ("colors", "foreground"),
    "discriminative": ("embedding", "foreground"),
    "semiconv": ("displacement", "foreground"),
}
"""Methods that a joint trunk is split into, and the heads that each keeps, in its own order."""
OWN: Mapping[str, Mapping[str, Any]] = {"coloring": {"foreground_head": True}}
"""Network parameters that say which heads these are."""
DECODES: Mapping[str, str] = {
    "clusternet": "Decodes by mean-shift and without ClusterNet, unlike the paper, "
    "which clusters by HDBSCAN and refines. ",
    "metric": "Decodes with one similarity threshold for all objects, unlike the paper, where each seed has its own. ",
}
"""What a card says of a method whose choice among `OPTIONS` is not the paper's way."""
SHARES = (0.05, 0.1)
"""Smallest objects that are tried, of the area of a typical one."""
OPTIONS: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "coloring": {"foreground": ("threshold",), "merge_alike": (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)},
    "discriminative": {"bandwidth": (0.7, 1.0, 1.5), "merge_alike": (1.5, 1.75, 2.0, 2.25, 2.5)},
    "semiconv": {"bandwidth": (0.7, 1.0, 1.5), "merge_alike": (0.0, 0.3, 0.4, 0.5, 0.6, 0.7)},
    "metric": {
        "n_seeds": (100, 300),
        "own_threshold": (False,),
        "similarity": (0.15, 0.25, 0.35),
        "merge_alike": (0.75, 1.0, 1.25, 1.5),
    },
    "clusternet": {
        # a trial on 20 of the images: HDBSCAN loses small nuclei among many, and ClusterNet blurs their outlines
        "clusterer": ("mean-shift",),
        "refinement": ("none", "random field"),
        "bandwidth": (10.0, 12.0, 14.0),
        "merge_alike": (12.0, 16.0, 20.0),
    },
    "semiconv_rcnn": {"min_score": (0.5, 0.7, 0.8, 0.9)},
}
THRESHOLDS = {"foreground_threshold": (0.5, 0.4, 0.45, 0.55), "mask_threshold": (0.5, 0.4, 0.6)}
"""Decode parameters that are tried on the images to choose by, all combinations; then the method's own threshold."""


def split(trained: Model, method: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return the weights and the losses of one method of a joint model."""
    weights = trained.network.state_dict()
    rows = [channels * trained.network_params.stem**trained.spec.ndim for channels in HEADS.values()]  # type: ignore[attr-defined]
    for key in ("network.head.weight", "network.head.bias"):
        blocks = dict(zip(HEADS, weights[key].split(rows), strict=True))
        if method == "coloring":
            # the foreground's head says what is background
            blocks["colors"] = blocks["colors"][rows[0] // HEADS["colors"] :]
        weights[key] = torch.cat([blocks[name] for name in PARTS[method]])
    if method != "semiconv":
        weights = {key.removeprefix("network."): value for key, value in weights.items() if key != "log_sigma"}
    known = {parameter.name for parameter in get_method(method).loss.parameters()}
    return weights, {name: value for name, value in trained.spec.loss.items() if name in known}


def choose_decode(model: Model, pairs: Sequence[Pair], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the decode parameters that find the objects of these images best, by mean AP, beside those given."""
    examples = [pair.read() for pair in pairs]
    predictions = [model.predict(example.image, axes=example.axes) for example in examples]

    def mean_ap(decode: dict[str, Any]) -> float:
        params = own_parameters(model.spec.model_copy(update={"decode": decode}))
        found = (prediction.pipeline.run(params).labels for prediction in predictions)
        truth = (example.labels for example in examples)
        return float(evaluate_labels(zip(truth, found, strict=True))["mean_ap"])

    known = {parameter.name for parameter in get_method(model.spec.method).decode.parameters()}
    best = {name: value for name, value in given.items() if name in known}
    area = model.spec.diameter**2 * math.pi / 4
    sizes = {"min_size": [round(share * area) for share in SHARES]}
    for options in (
        {**sizes, **OPTIONS[model.spec.method]},
        {name: THRESHOLDS[name] for name in THRESHOLDS.keys() & known},
    ):
        combined = product(*options.values())
        best = max(({**best, **dict(zip(options, values, strict=True))} for values in combined), key=mean_ap)
    return best


def score(model: Model, group: str, pairs: Sequence[Pair]) -> Score:
    """Segment held-out images as a user would, and compare."""
    (report,) = (event.value for event in evaluate(model, pairs) if isinstance(event, Result))
    chosen = {name: report[name] for name in Score.model_fields if name in report and name != "images"}
    return Score(data=group, images=len(pairs), **{**chosen, "ap": {str(t): v for t, v in report["ap"].items()}})


def ship(args: argparse.Namespace) -> None:
    """Write the model folders."""
    material = MATERIALS[args.material](args.data)
    trained = load_model(args.trained)
    for method in args.methods or (PARTS if trained.spec.method == "joint" else [trained.spec.method]):
        weights, loss = trained.network.state_dict(), trained.spec.loss
        if trained.spec.method == "joint":
            weights, loss = split(trained, method)
        model = Model(
            ModelSpec(
                name=f"{method}-{args.material}",
                method=method,
                title=material.title,
                in_channels=trained.spec.in_channels,
                diameter=round(trained.spec.diameter, 1),
                usual_diameter=trained.spec.usual_diameter and round(trained.spec.usual_diameter, 1),
                network={**trained.spec.network, **OWN.get(method, {})},
                loss=loss,
                normalization=trained.spec.normalization,
                training={
                    "data": material.data,
                    "licence_of_the_data": material.licence,
                    "held_out": f"{sum(map(len, material.held_out.values()))} images",
                    "chosen_on": f"{len(material.chosen)} other images: the best weights and the way to decode",
                    "seed": 0,
                    "steps": trained.spec.training["step"],
                    "command": "scripts/train_models.py, then scripts/ship_models.py",
                    **({"started_from": args.started_from} if args.started_from else {}),
                },
                intended_use=material.intended_use.replace("Not for", f"{DECODES.get(method, '')}Not for"),
                modality=tuple(material.modality),
                stain=tuple(material.stain),
                replay=tuple(material.replay),
            )
        )
        model.load_weights(weights)
        decode = choose_decode(model, material.decoded_by or material.chosen, material.decode)
        model.spec = model.spec.model_copy(update={"decode": decode})
        print(model.spec.name, decode, flush=True)
        scores = tuple(
            score(model, group, pairs).model_copy(
                update={"modality": tuple(material.group_modality.get(group, material.modality))}
            )
            for group, pairs in material.held_out.items()
        )
        for found in scores:
            values = " ".join(f"{value:.3f}" for value in found.ap.values())
            print(f"{found.data}: AP {values} mean {found.mean_ap:.3f} SBD {found.sbd:.3f}", flush=True)
        model.spec = model.spec.model_copy(update={"scores": scores})
        model.save(args.out / model.spec.name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("material", choices=sorted(MATERIALS))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--trained", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--methods", nargs="*", choices=sorted(OPTIONS), help="of a joint trunk; all by default")
    parser.add_argument("--started-from", default="", help="what the weights began with, for the card")
    ship(parser.parse_args())
