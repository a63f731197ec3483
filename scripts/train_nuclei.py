"""Train the shipped nuclei models: one trunk learns colours, embedding and foreground together, on all modalities.

Run as `python scripts/train_nuclei.py --data DSB2018 --out OUT --minutes 120`; it resumes where it was stopped.

The images that `val.txt` names are held out. Heads are split into single-method models by `scripts/ship_nuclei.py`.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import time
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import tifffile
import torch
from torch.utils.data import DataLoader, IterableDataset

from napari_instseg.data.augment import Augmentation, augment
from napari_instseg.data.normalize import Normalization, normalize
from napari_instseg.losses.coloring import ColoringLoss, coloring_loss
from napari_instseg.losses.discriminative import DiscriminativeLoss, discriminative_loss
from napari_instseg.losses.foreground import ForegroundLoss, foreground_loss
from napari_instseg.networks.unet import ResidualUNet

HEADS = {"colors": 9, "embedding": 8, "foreground": 1}
NETWORK = {"width": 32, "levels": 4, "blocks": 1, "stem": 2}
SHARES = {"grey_dark_background": 0.78, "colour_histology": 0.17, "grey_bright_background": 0.05}
"""Share of patches of each modality; held-out scores are reported for the first, the rest must not be forgotten."""
COLORING = ColoringLoss(margin=10, halo_weight=2)
DISCRIMINATIVE = DiscriminativeLoss(reach=40)
FOREGROUND = ForegroundLoss(dice=0.3, foreground_weight=1.5)
EMBEDDING_WEIGHT = 0.6
"""Of the discriminative terms, which are larger numbers than the cross-entropies."""
AUGMENTATION = Augmentation(rotation=0, scale=0.15, shear=0, elastic=0, intensity=0.05, noise=0.02, blur=0, invert=0.03)
"""Light, since a short training underfits: outlines follow each source's own style, which blur and gamma would hide."""
NORMALIZATION = Normalization()
PATCH, BATCH, WARM_UP, EMA, SEED = (256, 256), 8, 200, 0.998, 0


@dataclass(frozen=True)
class Example:
    """One image (C, Y, X), normalised, C 1 or 3, with its labels (Y, X)."""

    name: str
    modality: str
    image: np.ndarray
    labels: np.ndarray


def read_examples(folder: Path, held_out: bool) -> list[Example]:
    """Read the images that `val.txt` names, or all others."""
    names = set((folder / "val.txt").read_text().split())
    with (folder / "modality.csv").open() as file:
        modality = {row["id"]: row["modality"] for row in csv.DictReader(file)}
    examples = []
    for path in sorted((folder / "images").glob("*.png")):
        if (path.stem in names) == held_out:
            picture = iio.imread(path)
            channels = picture[None] if picture.ndim == 2 else np.moveaxis(picture[..., :3], -1, 0)
            labels = tifffile.imread(folder / "labels" / f"{path.stem}.tif").astype(np.int64)
            image = normalize(channels, NORMALIZATION).astype(np.float16)
            examples.append(Example(path.stem, modality[path.stem], image, labels))
    return examples


class Patches(IterableDataset):
    """Endless augmented patches, modalities in fixed shares, larger images more often."""

    def __init__(self, examples: list[Example], seed: int) -> None:
        self.examples, self.seed = examples, seed
        weight = np.array([math.sqrt(example.labels.size) for example in examples])
        for modality, share in SHARES.items():
            chosen = np.array([example.modality == modality for example in examples])
            weight[chosen] *= share / weight[chosen].sum()
        self.chance = weight / weight.sum()

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield (3, *PATCH) images and (*PATCH) labels."""
        torch.set_num_threads(1)
        rng = np.random.default_rng(self.seed)
        while True:
            example = self.examples[rng.choice(len(self.examples), p=self.chance)]
            image, labels = augment(example.image.astype(np.float32), example.labels, AUGMENTATION, PATCH, rng)
            yield torch.from_numpy(image).expand(3, *PATCH), torch.from_numpy(labels)


def losses(raw: dict[str, torch.Tensor], labels: torch.Tensor) -> dict[str, torch.Tensor]:
    """Name the terms whose sum is optimised."""
    terms = coloring_loss(raw["colors"], labels, COLORING)
    pull_push = discriminative_loss(raw["embedding"], labels, DISCRIMINATIVE)
    terms |= {name: EMBEDDING_WEIGHT * term for name, term in pull_push.items()}
    return terms | foreground_loss(raw["foreground"], labels, FOREGROUND)


def follow(average: torch.nn.Module, network: torch.nn.Module, step: int) -> None:
    """Move the averaged weights towards the network's, faster at the start."""
    decay = min(EMA, (1 + step) / (10 + step))
    with torch.no_grad():
        for mean, value in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - decay)
            else:
                mean.copy_(value)


def save(path: Path, **state: object) -> None:
    """Write a checkpoint beside and rename."""
    torch.save(state, path.with_suffix(".part"))
    os.replace(path.with_suffix(".part"), path)


def train(args: argparse.Namespace) -> None:
    """Train until the time is used up; the learning rate reaches zero then."""
    torch.manual_seed(SEED)
    args.out.mkdir(parents=True, exist_ok=True)
    examples = read_examples(args.data, held_out=False)
    print(f"{len(examples)} training images", flush=True)
    network = ResidualUNet(3, HEADS, **NETWORK).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=args.lr, weight_decay=0.01)
    average, step, used = deepcopy(network), 0, 0.0
    checkpoint = args.out / "last.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step, used = state["step"], state["used"]
        print(f"resumed at step {step}, {used / 60:.1f} min", flush=True)
    run = torch.compile(network) if args.compile else network
    patches = DataLoader(Patches(examples, SEED + step), BATCH, num_workers=1, prefetch_factor=6)
    began, saved, shown = time.monotonic() - used, time.monotonic(), {}
    for image, labels in patches:
        used = time.monotonic() - began
        progress = min(used / (60 * args.minutes), 1.0)
        rate = args.lr * min((step + 1) / WARM_UP, 1) * (0.5 + 0.5 * math.cos(math.pi * progress))
        optimizer.param_groups[0]["lr"] = rate
        with torch.autocast("cpu", torch.bfloat16):
            raw = run(image.contiguous(memory_format=torch.channels_last))
        terms = losses(raw, labels)
        total = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(total):
            raise SystemExit(f"step {step}: not finite: { {name: term.item() for name, term in terms.items()} }")
        optimizer.zero_grad()
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        step += 1
        follow(average, network, step)
        for name, value in {**terms, "gradient": norm}.items():
            shown[name] = 0.98 * shown.get(name, value.item()) + 0.02 * value.item()
        if step % 50 == 0:
            values = " ".join(f"{name} {value:.4f}" for name, value in shown.items())
            print(f"{used / 60:.1f} min step {step} lr {rate:.2e} {values}", flush=True)
        if time.monotonic() - saved > 180 or progress >= 1:
            saved = time.monotonic()
            save(
                checkpoint,
                network=network.state_dict(),
                average=average.state_dict(),
                optimizer=optimizer.state_dict(),
                step=step,
                used=used,
            )
        if progress >= 1:
            return


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--compile", action="store_true", help="compile the network; needs a C++ compiler")
    parser.add_argument("--tag", default="", help="ignored; names the process")
    train(parser.parse_args())
