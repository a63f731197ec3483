"""Train a shipped model, or the trunk of several at once (method `joint`), on one of the `materials`.

Run as `python scripts/train_models.py nuclei --data DSB2018 --out OUT`; `--resume` goes on where it was stopped. The
best weights are chosen on images that are neither learnt from nor held out. `ship_models.py` makes models of them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from materials import MATERIALS, Material

import napari_instseg.methods
from napari_instseg.core.events import Message, Metric
from napari_instseg.inference.model import load_model
from napari_instseg.methods import get_method
from napari_instseg.training.params import TrainParams
from napari_instseg.training.recipe import Recipe
from napari_instseg.training.train import train

napari_instseg.methods.__path__.append(str(Path(__file__).parent / "joint"))
JOINT_LOSS = {"halo_weight": 2, "balance": 0.5, "reach": 40, "dice": 0.3, "foreground_weight": 1.5}

TRUNK = {"coordinates": "periodic"}
COLORING_LOSS = ("halo_weight", "balance", "dice", "foreground_weight")
NETWORKS = {
    "coloring": {**TRUNK, "foreground_head": True},
    "semiconv_rcnn": {"backbone": "resnet10", "width": 64, "anchor": 12},
    "metric": {**TRUNK, "dimensions": 32},
    "clusternet": {**TRUNK, "dimensions": 16},
}
"""Network parameters of methods other than the trunk's own."""
CLUSTERNET_SCALE = 12.0
"""Of an embedding that clusternet begins with: by so much its margin is wider than that of the trunk."""
BATCH = {"semiconv_rcnn": 4}
"""Crops per step, where the usual number takes too long."""


def make_recipe(method: str, material: Material, steps: int, learning_rate: float, optimizer: str) -> Recipe:
    """Return what is trained, and how."""
    values: dict[str, dict[str, Any]] = {"loss": {}, "network": {}, "decode": {}}
    if method == "joint":
        values["loss"] = {**JOINT_LOSS, "margin": material.margin}
        values["decode"] = {"bandwidth": 1.0, "merge_alike": 1.5, **material.decode}
    if method == "coloring":  # going on alone from its part of a joint trunk
        values["loss"] = {name: JOINT_LOSS[name] for name in COLORING_LOSS} | {"margin": material.margin}
    if method == "discriminative":
        values["loss"] = {name: JOINT_LOSS[name] for name in ("reach", "dice", "foreground_weight")}
        values["decode"] = {"bandwidth": 1.0, "merge_alike": 1.75, **material.decode}
    if method == "metric":
        # of its two losses, time is proportional to the samples; the embedding begins near what it is to be
        values["loss"] = {"samples": 4, "seed_ramp": 0.1, "seed_weight": 0.5}
    values["network"] = NETWORKS.get(method, TRUNK)
    found = get_method(method)
    return Recipe(
        method=found,
        **{name: getattr(found, name)(**given) for name, given in values.items()},
        training=TrainParams(
            steps=steps,
            optimizer=optimizer,
            batch_size=BATCH.get(method, 8),
            learning_rate=learning_rate,
            weight_decay=0.01,
            clip_norm=5.0,
            ema_decay=0.997,
            validate_every=600,
            diameter=material.diameter,
            patch_size=material.patch,
        ),
        augmentation=material.augmentation,
    )


def start_from(names: Sequence[str], network: Any, scale: float = 1.0) -> dict[str, torch.Tensor]:
    """Take over the trunk of earlier models, and of their heads those that this network has by name.

    A head that is wider than before has the earlier channels and others near zero; an embedding is taken times
    `scale`. Some methods wrap the network and name its weights ``network.*``; both names are given.
    """
    models = [load_model(name) for name in names]
    if not hasattr(_inner(network), "head"):  # a Mask R-CNN goes on from one of its own kind
        return models[0].network.state_dict()
    weights = dict(_inner(models[0].network).state_dict())
    for kind in ("weight", "bias"):
        blocks = _heads(_inner(network), kind)
        for model in models:
            for name, block in _heads(_inner(model.network), kind).items():
                if model.spec.method == "semiconv" and name == "embedding" and "displacement" in blocks:
                    name = "displacement"  # its name in a joint trunk
                if name in blocks:
                    # a shipped coloring model has no colour of the background, which is the first of a joint one
                    first = len(blocks[name]) - len(block) if name == "colors" else 0
                    blocks[name] *= 0.1
                    blocks[name][first : first + len(block)] = block * (scale if name == "embedding" else 1)
        weights[f"head.{kind}"] = torch.cat(list(blocks.values()))
    return {**weights, **{f"network.{key}": value for key, value in weights.items()}}


def _inner(network: Any) -> Any:
    return getattr(network, "network", network)


def _heads(network: Any, kind: str) -> dict[str, torch.Tensor]:
    """Return the rows of each head's last convolution."""
    rows = getattr(network.head, kind).detach().clone()
    parts = rows.split([channels * len(rows) // sum(network.heads.values()) for channels in network.heads.values()])
    return dict(zip(network.heads, parts, strict=True))


def main(args: argparse.Namespace) -> None:
    """Train, printing the mean of every loss term every 50 steps."""
    material = MATERIALS[args.material](args.data)
    recipe = make_recipe(args.method, material, args.steps, args.learning_rate, args.optimizer)
    # the margins of clusternet are wider
    scale = CLUSTERNET_SCALE if args.method == "clusternet" else 1.0
    start = start_from(args.start, recipe.method.build(recipe.network, 1, 2, 0), scale) if args.start else None
    began, sums, seen = time.monotonic(), {}, 0
    for event in train(recipe, material.learnt, material.chosen, args.out, resume=args.resume, start=start):
        if isinstance(event, Message):
            print(event.text, flush=True)
        elif isinstance(event, Metric) and "mean_ap" in event.values:
            print(f"step {event.step}", {name: round(value, 3) for name, value in event.values.items()}, flush=True)
        elif isinstance(event, Metric):
            seen += 1
            sums = {name: sums.get(name, 0.0) + value for name, value in event.values.items()}
            if event.step % 50 == 0:
                told = " ".join(f"{name} {value / seen:.4f}" for name, value in sums.items())
                print(f"{(time.monotonic() - began) / 60:.1f} min step {event.step} {told}", flush=True)
                sums, seen = {}, 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("material", choices=sorted(MATERIALS))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--method", default="joint")
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--optimizer", choices=("adamw", "muon"), default="adamw")
    parser.add_argument(
        "--start", nargs="*", default=(), help="models, or folders of models, of one trunk to go on from"
    )
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--tag", default="", help="ignored; names the process")
    main(parser.parse_args())
