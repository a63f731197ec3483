"""What a fine-tuning may be told; "auto" and 0 leave the choice to `plan.py`. Imports no torch: forms come at once."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from napari_instseg.core.params import Params, choice, tunable

PLACE, RUN = "training", "finetune.json"
"""In the new model's folder: where a fine-tuning keeps what it needs to go on, and the file that it writes first."""


def is_begun(folder: Path) -> bool:
    """Return whether a folder holds a fine-tuning that can go on."""
    return (folder / PLACE / RUN).is_file() and (folder / PLACE / "checkpoint.safetensors").is_file()


class FinetuneParams(Params):
    """How a model learns from corrections. All of it is chosen from the examples unless it is given."""

    learning_rate: float = tunable(
        0.0, 0.0, 0.1, step=1e-4, title="Learning rate", help="Step size; larger learns and forgets faster. 0: chosen."
    )
    frozen: Literal["auto", "nothing", "statistics", "encoder"] = choice(
        "auto",
        title="Frozen parts",
        help="What does not learn. statistics: the means and spreads that the network normalises by. encoder: also all "
        "that looks at the image first, which suits few objects of a known kind.",
    )
    augmentation: Literal["auto", "none", "gentle", "strong"] = choice(
        "auto",
        title="Augmentation",
        help="How much crops are varied: gentle flips and turns them, strong also bends and blurs, changes size and "
        "brightness.",
    )
    enlarge: float = tunable(
        0.0,
        0.0,
        4.0,
        step=0.1,
        title="Magnification while training",
        help="How many times larger than in its original images the model sees the new objects, where their diameter "
        "was given. Larger: finer outlines, and slower. 0: chosen.",
    )
    hold: float = tunable(
        1.0,
        0.0,
        100.0,
        step=0.1,
        title="Guard the old model",
        help="Pull to what the model said before, where the corrections say nothing; 0 lets it forget.",
    )
    gap_weight: float = tunable(
        6.0,
        1.0,
        100.0,
        title="Weight of gaps",
        help="How often background counts that lies between two near objects. Higher: fewer neighbours merge, outlines "
        "are thinner where they are close. 1: like all other background.",
    )
    old_share: float = tunable(
        0.25,
        0.0,
        0.9,
        step=0.05,
        title="Share of old examples",
        help="Part of each batch that comes from images of the model's own training kind, where there are any.",
    )
    held_out: float = tunable(
        0.2, 0.0, 0.5, step=0.05, title="Held out", help="Part of the corrections that only judges the result."
    )
    batch_size: int = tunable(
        8, 1, 64, unit="crops", title="Batch size", help="Crops per step; more is steadier and slower."
    )
    patch_size: int = tunable(
        0, 0, 1024, step=16, unit="px", title="Crop size", help="Side of the crops; 0: from the size of the objects."
    )
    validate_every: int = tunable(
        100,
        1,
        100_000,
        step=10,
        unit="steps",
        title="Judge every",
        help="Steps between two looks at what is held out; three times as many from the fifth on.",
    )
    seed: int = tunable(0, 0, 2**31 - 1, title="Seed", help="The same seed on the same machine gives the same model.")
