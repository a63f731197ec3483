"""What a training run may be told; torch is not imported here, so that flags and forms are made at once."""

from __future__ import annotations

from typing import Literal

from napari_instseg.core.params import Params, choice, flag, tunable


class TrainParams(Params):
    """How a network learns, whatever its method."""

    steps: int = tunable(
        3000, 1, 1_000_000, step=100, title="Steps", help="Batches to learn from; more takes longer and fits better."
    )
    batch_size: int = tunable(
        8, 1, 256, unit="crops", title="Batch size", help="Crops per step; more is steadier and needs more memory."
    )
    patch_size: int = tunable(
        256,
        16,
        2048,
        step=16,
        unit="px",
        title="Crop size",
        help="Side of the random crops; several objects with their surroundings should fit in.",
    )
    ndim: Literal["auto", "2", "3"] = choice(
        "auto",
        title="Slices or volumes",
        help="2 learns from slices, 3 from volumes; auto takes volumes where the images have a Z axis.",
        advanced=True,
    )
    patch_depth: int = tunable(
        32, 4, 512, step=4, unit="px", title="Crop depth", help="Slices of the random crops of a volume.", advanced=True
    )
    diameter: float = tunable(
        0.0,
        0.0,
        2000.0,
        step=1.0,
        unit="px",
        title="Train at diameter",
        help="Images are rescaled so that objects have this typical diameter; 0 keeps their size. Smaller is faster.",
    )
    optimizer: Literal["adamw", "muon", "sgd"] = choice(
        "adamw",
        title="Optimiser",
        help="AdamW (Loshchilov, Hutter 2019); Muon (Jordan et al. 2024) for the kernels of convolutions and AdamW for "
        "the rest, which learns in fewer steps; or SGD with Nesterov momentum.",
    )
    learning_rate: float = tunable(
        1e-3, 1e-7, 1.0, step=1e-4, title="Learning rate", help="Highest step size of the schedule."
    )
    weight_decay: float = tunable(
        1e-4, 0.0, 1.0, step=1e-4, title="Weight decay", help="Pull of the weights to zero.", advanced=True
    )
    momentum: float = tunable(
        0.9,
        0.0,
        0.999,
        step=0.01,
        title="Momentum",
        help="Share of the last step that is kept.",
        when=("optimizer", ("sgd",)),
        advanced=True,
    )
    schedule: Literal["cosine", "cyclic", "root", "constant"] = choice(
        "cosine",
        title="Schedule",
        help="Learning rate over time: one cosine down to zero, triangles up and down (Smith 2017), the inverse "
        "square root of the step, or constant.",
    )
    warmup: int = tunable(
        100,
        0,
        100_000,
        step=10,
        unit="steps",
        title="Warm-up",
        help="Steps in which the learning rate rises from zero; at most a tenth of all steps.",
        advanced=True,
    )
    cycle: int = tunable(
        1000,
        2,
        1_000_000,
        step=100,
        unit="steps",
        title="Cycle",
        help="Length of one triangle.",
        when=("schedule", ("cyclic",)),
        advanced=True,
    )
    clip_norm: float = tunable(
        1.0,
        0.0,
        1000.0,
        step=0.1,
        title="Gradient clipping",
        help="Longest gradient (2-norm) that is applied in full; 0 does not clip.",
        advanced=True,
    )
    ema_decay: float = tunable(
        0.999,
        0.0,
        0.99999,
        step=0.001,
        title="Weight averaging",
        help="Decay of the moving average of the weights, which is the model; 0 takes the last weights.",
        advanced=True,
    )
    validate_every: int = tunable(
        250, 1, 1_000_000, step=50, unit="steps", title="Validate every", help="Steps between two validations."
    )
    validate_on: int = tunable(
        64, 1, 100_000, unit="images", title="Validate on", help="At most so many images, evenly chosen.", advanced=True
    )
    save_every: int = tunable(
        100,
        1,
        1_000_000,
        step=50,
        unit="steps",
        title="Save every",
        help="Steps between two checkpoints: what is lost at most when the run is killed.",
        advanced=True,
    )
    remember: int = tunable(
        100,
        0,
        300,
        unit="images",
        title="Original images kept",
        help="So many images, and as many held-out ones, are stored with the model, so that fine-tuning it does not "
        "make it forget them, or get worse on them unnoticed.",
        advanced=True,
    )
    seed: int = tunable(
        0, 0, 2**31 - 1, title="Seed", help="The same seed on the same machine gives the same model.", advanced=True
    )
    mixed_precision: bool = flag(
        True,
        title="Mixed precision",
        help="Compute the network in bfloat16 where the device is faster with it.",
        advanced=True,
    )
    workers: int = tunable(
        0,
        0,
        64,
        title="Workers",
        help="Processes that prepare crops while the network computes; with 0 the network waits. Set some for a GPU.",
        advanced=True,
    )
