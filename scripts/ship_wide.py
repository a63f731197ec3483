"""Make a shipped model of what `train_wide.py` trained: choose how to decode, score, write.

Run as `python scripts/ship_wide.py --data DATA --trained OUT/model --out src/napari_instseg/zoo/models --steps 7900`;
with `--name discriminative-yeast --steps 4200` for the model for yeast.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from score_sets import groups
from train_wide import make_sources

from napari_instseg.core.events import Result
from napari_instseg.data.pairs import Pair
from napari_instseg.inference.model import Model, load_model
from napari_instseg.inference.rescale import own_parameters
from napari_instseg.io.models import OBJECT_SIZES, Score
from napari_instseg.metrics import evaluate_labels
from napari_instseg.training.annotations import typical_diameter
from napari_instseg.training.validate import evaluate
from napari_instseg.zoo.kinds import WIDE, YEAST

OPTIONS = (
    {"bandwidth": (0.7, 1.0, 1.5), "merge_alike": (1.5, 2.0, 2.5)},
    {"foreground_threshold": (0.5, 0.4, 0.45, 0.55), "min_size": (20, 35)},
)
"""Decode parameters that are tried on the images kept aside: all combinations of a row, row by row."""
NOT_FOR = ("usiigaci", "bbbc010")
"""Sets that other models are for."""
CARDS: Mapping[str, Mapping[str, Any]] = {
    WIDE: {
        "title": "Nuclei of any size in fluorescence and stained tissue; yeast",
        "intended_use": "Nuclei of 6 to 150 px diameter in fluorescence, bright field and stained tissue, grey or "
        "RGB, and budding yeast in phase contrast; the size is found by itself. Not for diagnosis.",
        "modality": ("fluorescence", "histology", "bright field"),
        "stain": ("H&E", "Giemsa"),
        "replay": ("nuclei",),
    },
    YEAST: {
        "title": "Yeast in phase contrast, of any size",
        "intended_use": "Budding yeast in phase contrast; the size is found by itself. For nuclei, take "
        f"{WIDE}. Not for diagnosis.",
        "modality": ("phase contrast of yeast",),
        "replay": ("nuclei",),
    },
}
"""What the card of each model says."""
TRAINED: Mapping[str, Mapping[str, Any]] = {
    WIDE: {"start": "discriminative-nuclei"},
    YEAST: {"start": WIDE, "times": 0.7, "cool-from": 1200, "last": 4200, "threads": 1},
}
"""The flags of `train_wide.py` with which each was trained."""
MODALITY: Mapping[str, tuple[str, ...]] = {
    "dsb2018 stained": ("histology", "bright field"),
    "glioma_he": ("histology",),
    "yeast_phase": ("phase contrast of yeast",),
}
WORDS: Mapping[str, str] = {
    "dsb2018 fluorescence": "DSB 2018 fluorescence, held out",
    "dsb2018 stained": "DSB 2018 stained tissue and bright field, held out",
    "micronuclei": "micronuclei, held out",
    "bbbc039": "BBBC039, held out",
    "yeast_phase": "yeast in phase contrast, held out (other times of the same cells)",
    "tissue_nuclei_e2f": "tissue nuclei in fluorescence, a source never learnt from",
    "glioma_he": "glioma, H&E at 40x, a source never learnt from",
}


def choose_decode(model: Model, kept_aside: Mapping[str, Sequence[Pair]]) -> dict[str, Any]:
    """Return the decode parameters with the best mean AP, over sources alike; each image is seen at its true size."""
    seen: dict[str, list[Any]] = {}
    for name, pairs in kept_aside.items():
        for pair in pairs:
            example = pair.read()
            diameter = typical_diameter([example.labels])
            prediction = model.predict(example.image, axes=example.axes, diameter=diameter)
            seen.setdefault(name, []).append((prediction, example.labels, diameter))

    def mean_ap(decode: dict[str, Any]) -> float:
        spec = model.spec.model_copy(update={"decode": decode})
        total = 0.0
        for found in seen.values():
            labels = [one.pipeline.run(own_parameters(spec, diameter)).labels for one, _, diameter in found]
            truth = [true for _, true, _ in found]
            total += float(evaluate_labels(zip(truth, labels, strict=True))["mean_ap"]) / len(seen)
        return total

    best = dict(model.spec.decode)
    for options in OPTIONS:
        tried = [{**best, **dict(zip(options, values, strict=True))} for values in product(*options.values())]
        scores = [mean_ap(decode) for decode in tried]
        best = tried[scores.index(max(scores))]
        print(f"{max(scores):.3f}", {name: best[name] for name in options}, flush=True)
    return best


def score(model: Model, name: str, pairs: Sequence[Pair]) -> Score:
    """Segment as a user would, with nothing said, and compare."""
    (report,) = (event.value for event in evaluate(model, pairs, diameter="auto") if isinstance(event, Result))
    chosen = {key: report[key] for key in Score.model_fields if key in report and key != "images"}
    ap = {str(threshold): value for threshold, value in report["ap"].items()}
    return Score(
        data=WORDS[name], images=len(pairs), modality=MODALITY.get(name, ("fluorescence",)), **{**chosen, "ap": ap}
    )


def main(args: argparse.Namespace) -> None:
    """Write the model folder."""
    model = load_model(args.trained)
    flags = " ".join(f"--{flag} {value}" for flag, value in TRAINED[args.name].items())
    learnt = make_sources(args.data)
    told = ", ".join(f"{name}: {len(source.pairs)} images" for name, source in learnt.items())
    aside = {name: pairs for name, pairs in groups(args.data, "chosen").items() if name not in NOT_FOR}
    aside["dsb2018 fluorescence"] = aside["dsb2018 fluorescence"][::2]
    model.spec = model.spec.model_copy(
        update={
            "name": args.name,
            **CARDS[args.name],
            "training": {
                OBJECT_SIZES: model.spec.training.get(OBJECT_SIZES, [0.4, 2.5]),
                "data": f"{told}; crowded tissue simulated from nuclei cut out of them; bacteria and worms are "
                "simulated",
                "licence_of_the_data": "dsb2018 (BBBC038) CC0, micronuclei MIT, bbbc039 CC0, yeast_phase BSD-3-Clause, "
                "usiigaci MIT",
                "never_shown": "tissue_nuclei_e2f, glioma_he (measured on only); real bacteria and worms, plants, "
                "volumes",
                "held_out": "what each set's val.txt lists",
                "chosen_on": f"{sum(map(len, aside.values()))} other images: the way to decode",
                "seed": 0,
                "steps": args.steps,
                "started_from": TRAINED[args.name]["start"],
                "command": f"scripts/train_wide.py {flags}, then scripts/ship_wide.py --name {args.name}",
            },
        }
    )
    model.spec = model.spec.model_copy(update={"decode": choose_decode(model, aside)})
    model.save(args.out / args.name)
    scores = []
    for name, pairs in groups(args.data).items():
        if name in NOT_FOR:
            continue
        scores.append(score(model, name, pairs))
        print(f"{scores[-1].data}: {scores[-1].ap['0.5']:.3f} / {scores[-1].mean_ap:.3f}", flush=True)
        model.spec = model.spec.model_copy(update={"scores": tuple(scores)})
        model.save(args.out / args.name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--trained", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", choices=tuple(CARDS), default=WIDE)
    parser.add_argument("--steps", type=int, required=True, help="that it was trained for, for the card")
    main(parser.parse_args())
