"""Train the models for strangers' images on many sources at once, until a time of day; snapshots lie in OUT/model.

Run as `python scripts/train_wide.py --data DATA --out OUT --minutes 60`; run again, it goes on from its checkpoint.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import torch
from train_models import JOINT_LOSS, TRUNK, start_from
from wide.crops import WIDE, Source, WideCrops

from napari_instseg.data.pairs import Pair
from napari_instseg.inference.model import Model
from napari_instseg.io.models import OBJECT_SIZES, ModelSpec
from napari_instseg.io.pairs import open_pairs
from napari_instseg.training.crops import load_batches
from napari_instseg.training.recipe import Recipe
from napari_instseg.training.trainer import Trainer

DIAMETER, SIDE, BATCH = 24.0, 192, 8
CROWD = 0.18
STEPS = 10**6
SNAPSHOT_EVERY, TELL_EVERY = 100, 25
NEVER = {"tissue_nuclei_e2f", "glioma_he", "bbbc010"}
"""Sets whose licence lets them be measured on only."""
ASIDE = 14
"""Every so-manieth image that is not in `val.txt` is kept aside, to choose by."""


def learnt_and_chosen(folder: Path) -> tuple[list[Pair], list[Pair]]:
    """Split what is not held out into images to learn from and images to choose by."""
    held_out = set((folder / "val.txt").read_text().split())
    others = [pair for pair in sorted(open_pairs(folder), key=lambda pair: pair.name) if pair.name not in held_out]
    chosen = others[::ASIDE]
    return [pair for pair in others if pair not in chosen], chosen


def make_sources(data: Path, without: str = "") -> dict[str, Source]:
    """Return what is learnt from, `without` one source."""
    with (data / "dsb2018" / "modality.csv").open() as file:
        modality = {row["id"]: row["modality"] for row in csv.DictReader(file)}
    dsb, _ = learnt_and_chosen(data / "dsb2018")
    dark = [pair for pair in dsb if modality[pair.name] == "grey_dark_background"]
    sources = {
        "dsb2018 fluorescence": Source(dark, 0.26, fluorescent=True, invert=0.08),
        "dsb2018 stained": Source([pair for pair in dsb if pair not in dark], 0.16),
        "micronuclei": Source(learnt_and_chosen(data / "micronuclei")[0], 0.13, fluorescent=True, invert=0.05),
        "bbbc039": Source(learnt_and_chosen(data / "bbbc039")[0], 0.09, fluorescent=True, invert=0.05),
        "yeast_phase": Source(learnt_and_chosen(data / "yeast_phase")[0], 0.12),
        "usiigaci": Source(learnt_and_chosen(data / "usiigaci")[0], 0.06),
    }
    return {name: source for name, source in sources.items() if name.split()[0] != without}


def main(args: argparse.Namespace) -> None:
    """Learn until the time is over."""
    torch.set_num_threads(args.threads)
    began = time.monotonic()
    values = {
        "network": TRUNK,
        "loss": {**{name: JOINT_LOSS[name] for name in ("reach", "dice", "foreground_weight")}, "gap_weight": 3.0},
        "decode": {"bandwidth": 1.0, "merge_alike": 1.75, "min_size": 30},
        "training": {
            "steps": STEPS,
            "optimizer": "muon",
            "schedule": "root",
            "learning_rate": args.learning_rate,
            "warmup": 50,
            "weight_decay": 0.01,
            "clip_norm": 5.0,
            "ema_decay": 0.995,
            "batch_size": BATCH,
            "patch_size": SIDE,
        },
    }
    recipe = Recipe.make("discriminative", values)
    sources = make_sources(args.data, args.without)
    crops = WideCrops(sources, DIAMETER, SIDE, CROWD, args.seed)
    print({name: len(kept) for name, kept in crops.kept.items()}, len(crops.stamps), "stamps", flush=True)
    spec = ModelSpec(
        name="wide",
        method="discriminative",
        title="wide",
        in_channels=3,
        diameter=DIAMETER,
        usual_diameter=None,
        network=recipe.network.model_dump(),
        loss=recipe.loss.model_dump(),
        decode=recipe.decode.model_dump(),
        normalization=recipe.normalization.model_dump(),
        training={OBJECT_SIZES: list(WIDE)},
    )
    model = Model(spec)
    known = model.network.state_dict()
    model.load_weights(
        {name: value for name, value in start_from([args.start], model.network).items() if name in known}
    )
    trainer = Trainer(recipe, model, args.out, "cpu")
    if trainer.path.exists():
        trainer.restore()
    sums: dict[str, float] = {}
    for batch in load_batches(crops, BATCH, range(trainer.done + 1, STEPS + 1), 0, "cpu"):
        for name, value in trainer.learn(batch).items():
            sums[name] = sums.get(name, 0.0) + value / TELL_EVERY
        if trainer.done % TELL_EVERY == 0:
            told = " ".join(f"{name} {value:.4f}" for name, value in sums.items())
            print(f"{time.strftime('%H:%M:%S')} step {trainer.done} {told}", flush=True)
            sums = {}
        over = time.monotonic() - began > 60 * args.minutes
        if over or trainer.done % SNAPSHOT_EVERY == 0:
            trainer.save()
            trainer.refresh_model().save(args.out / "model")
        if over:
            break


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--learning-rate", type=float, default=7e-4)
    parser.add_argument("--start", default="discriminative-nuclei")
    parser.add_argument("--without", default="", help="a source to leave out, to score on it")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    main(parser.parse_args())
