"""Train the trunk of the shipped nuclei models: colours, embedding, displacements and foreground, on all modalities.

Run as `python scripts/train_nuclei.py --data DSB2018 --out OUT`; with `--resume` it goes on where it was stopped. The
images that `val.txt` names are held out and never looked at; every `TUNED_ON`-th of the others is kept aside to choose
the best weights and the decode parameters by. `scripts/ship_nuclei.py` splits the heads into models and scores them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import joint.joint
import torch

import napari_instseg.methods
from napari_instseg.core.events import Message, Metric
from napari_instseg.data.augment import Augmentation
from napari_instseg.data.pairs import Pair
from napari_instseg.inference.model import load_model
from napari_instseg.io.pairs import open_pairs
from napari_instseg.networks.params import NetworkParams
from napari_instseg.training.loop import train
from napari_instseg.training.params import TrainParams
from napari_instseg.training.recipe import Recipe

napari_instseg.methods.__path__.append(str(Path(__file__).parent / "joint"))
TUNED_ON = 14
LOSS = joint.joint.Loss(margin=12, halo_weight=2, reach=40, dice=0.3, foreground_weight=1.5)
AUGMENTATION = Augmentation(rotation=0, scale=0.15, shear=0, elastic=0, intensity=0.05, noise=0.02, blur=0, invert=0.03)
"""Light, since a short training underfits: outlines follow each source's own style, which blur and gamma would hide."""


def split(folder: Path) -> tuple[list[Pair], list[Pair], list[Pair]]:
    """Give the images to learn from, those to choose by, and those held out."""
    names = set((folder / "val.txt").read_text().split())
    pairs = sorted(open_pairs(folder), key=lambda pair: pair.name)
    others = [pair for pair in pairs if pair.name not in names]
    chosen = others[::TUNED_ON]
    return [pair for pair in others if pair not in chosen], chosen, [pair for pair in pairs if pair.name in names]


def earlier(names: Sequence[str]) -> dict[str, torch.Tensor]:
    """Join the heads of shipped models of one trunk."""
    weights = [load_model(name).network.state_dict() for name in names]
    heads = {f"network.{key}": torch.cat([own[key] for own in weights]) for key in ("head.weight", "head.bias")}
    missing = sum(joint.joint.HEADS.values()) * 4 - len(heads["network.head.bias"])
    fresh = {key: torch.zeros(missing, *value.shape[1:]) for key, value in heads.items()}
    trunk = {f"network.{key}": value for key, value in weights[0].items() if not key.startswith("head.")}
    return {**trunk, **{key: torch.cat([value, fresh[key]]) for key, value in heads.items()}}


def main(args: argparse.Namespace) -> None:
    """Train, printing the mean of every loss term every 50 steps."""
    recipe = Recipe(
        method=napari_instseg.methods.get_method("joint"),
        network=NetworkParams(coordinates="periodic"),
        loss=LOSS,
        decode=joint.joint.METHOD.decode(min_size=30, bandwidth=1.5),
        training=TrainParams(
            steps=args.steps,
            learning_rate=args.learning_rate,
            weight_decay=0.01,
            clip_norm=5.0,
            ema_decay=0.997,
            validate_every=600,
        ),
        augmentation=AUGMENTATION,
    )
    learnt, chosen, _ = split(args.data)
    start = earlier(args.start) if args.start else None
    began, means, seen = time.monotonic(), {}, 0
    for event in train(recipe, learnt, chosen, args.out, resume=args.resume, start=start):
        if isinstance(event, Message):
            print(event.text, flush=True)
        elif isinstance(event, Metric) and "mean_ap" in event.values:
            print(f"step {event.step}", {name: round(value, 3) for name, value in event.values.items()}, flush=True)
        elif isinstance(event, Metric):
            seen += 1
            means = {name: means.get(name, 0.0) + value for name, value in event.values.items()}
            if event.step % 50 == 0:
                told = " ".join(f"{name} {value / seen:.4f}" for name, value in means.items())
                print(f"{(time.monotonic() - began) / 60:.1f} min step {event.step} {told}", flush=True)
                means, seen = {}, 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument(
        "--start", nargs="*", default=(), help="shipped models of one trunk to go on from, heads in order"
    )
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--tag", default="", help="ignored; names the process")
    main(parser.parse_args())
