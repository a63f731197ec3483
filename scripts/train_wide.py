"""Train the models for strangers' images on many sources at once, until a time of day; snapshots lie in OUT/model.

Run as `python scripts/train_wide.py --data DATA --out OUT --minutes 60`; run again, it goes on from its checkpoint.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from train_models import JOINT_LOSS, TRUNK, start_from
from wide.crops import WIDE, Source, WideCrops

from napari_instseg.data.pairs import Example, Pair
from napari_instseg.data.simulate import KINDS, simulate
from napari_instseg.inference.model import Model
from napari_instseg.io.models import OBJECT_SIZES, ModelSpec
from napari_instseg.io.pairs import open_pairs
from napari_instseg.training.crops import load_batches
from napari_instseg.training.recipe import Recipe
from napari_instseg.training.trainer import Trainer

DIAMETER, SIDE, BATCH = 28.0, 192, 8
CROWD = 0.18
DRAWN: Mapping[str, Sequence[tuple[str, Mapping[str, Any]]]] = {
    "bacteria": (("bacteria", {"look": "bright-field"}), ("bacteria", {"look": "phase-contrast"})),
    "worms": (("worms", {}),),
}
"""Kinds of which no image may be learnt from: the simulators that draw them, with what is set."""
DRAWN_IMAGES = 40
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


def draw_pairs(kind: str, number: int, seed: int) -> list[Pair]:
    """Simulate images of a kind, each with values of its own."""
    pairs = []
    for index in range(number):
        simulator, values = DRAWN[kind][index % len(DRAWN[kind])]
        rng = np.random.default_rng((seed, index))
        if kind == "bacteria":
            count = int(np.exp(rng.uniform(np.log(8), np.log(150))))
            colonies = int(rng.integers(1, min(count, 12) + 1))
            values = {**values, "count": count, "colonies": colonies, "thickness": float(rng.uniform(6, 14))}
            values["elongation"] = float(rng.uniform(3, 9))
        else:
            thickness = float(rng.uniform(8, 14))
            values = {**values, "thickness": thickness, "length": thickness * float(rng.uniform(8, 13))}
            values |= {
                "count": int(rng.integers(6, 16)),
                "height": 480,
                "width": 640,
                "stiff": float(rng.uniform(0, 1)),
            }
        params = KINDS[simulator].params(**values)
        (one,) = simulate(simulator, n=1, seed=seed + index, params=params)
        example = Example(one.image, "YX", one.labels.astype(np.int32))
        pairs.append(Pair(f"{kind} {index}", partial(_given, example)))
    return pairs


def _given(example: Example) -> Example:
    return example


def make_sources(data: Path, without: str = "") -> dict[str, Source]:
    """Return what is learnt from, `without` one source."""
    with (data / "dsb2018" / "modality.csv").open() as file:
        modality = {row["id"]: row["modality"] for row in csv.DictReader(file)}
    dsb, _ = learnt_and_chosen(data / "dsb2018")
    dark = [pair for pair in dsb if modality[pair.name] == "grey_dark_background"]
    sources = {
        "dsb2018 fluorescence": Source(dark, 0.27, fluorescent=True, invert=0.08),
        "dsb2018 stained": Source([pair for pair in dsb if pair not in dark], 0.13),
        "micronuclei": Source(learnt_and_chosen(data / "micronuclei")[0], 0.10, fluorescent=True, invert=0.05),
        "bbbc039": Source(learnt_and_chosen(data / "bbbc039")[0], 0.11, fluorescent=True, invert=0.05),
        "yeast_phase": Source(learnt_and_chosen(data / "yeast_phase")[0], 0.19),
        "usiigaci": Source(learnt_and_chosen(data / "usiigaci")[0], 0.02),
        "bacteria": Source(draw_pairs("bacteria", DRAWN_IMAGES, 100), 0.06, invert=0.2),
        "worms": Source(draw_pairs("worms", DRAWN_IMAGES, 200), 0.05, invert=0.1),
    }
    return {name: source for name, source in sources.items() if name.split()[0] != without}


def cooled(recipe: Recipe, step: int, begin: int, last: int, times: float = 1.0) -> Recipe:
    """Return the recipe of a step, with `times` the rate; from step `begin` on it falls to nothing at the `last`.

    It does not fall where `begin` is 0.
    """
    if 0 < begin < step:
        times *= max(last - step + 1, 1) / (last - begin + 1)
    rate = recipe.training.learning_rate * times
    return replace(recipe, training=recipe.training.model_copy(update={"learning_rate": rate}))


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
    last = args.last or STEPS
    for batch in load_batches(crops, BATCH, range(trainer.done + 1, last + 1), 0, "cpu"):
        trainer.recipe = cooled(recipe, trainer.done + 1, args.cool_from, last, args.times)
        for name, value in trainer.learn(batch).items():
            sums[name] = sums.get(name, 0.0) + value / TELL_EVERY
        if trainer.done % TELL_EVERY == 0:
            told = " ".join(f"{name} {value:.4f}" for name, value in sums.items())
            print(f"{time.strftime('%H:%M:%S')} step {trainer.done} {told}", flush=True)
            sums = {}
        over = time.monotonic() - began > 60 * args.minutes
        if over or trainer.done == last or trainer.done % SNAPSHOT_EVERY == 0:
            trainer.recipe = recipe
            trainer.save()
            trainer.mix_into_model().save(args.out / "model")
        if over:
            break


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--last", type=int, default=0, help="the last step; needed to cool down")
    parser.add_argument("--cool-from", type=int, default=0, help="step from which on the rate falls to nothing")
    parser.add_argument("--times", type=float, default=1.0, help="factor on the rate, from where it goes on")
    parser.add_argument("--learning-rate", type=float, default=7e-4)
    parser.add_argument("--start", default="discriminative-nuclei")
    parser.add_argument("--without", default="", help="a source to leave out, to score on it")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    main(parser.parse_args())
