"""Joint augmentation of an image and its labels, in 2-d and 3-d, by MONAI's transforms."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.params import Params, flag, tunable

if TYPE_CHECKING:
    from monai.transforms import Compose

UNKNOWN = -1
"""Label of pixels that an augmented patch takes from outside the image."""
OFTEN, SELDOM = 0.5, 0.25
"""Chance of a change that most patches can bear, and of one that only some should get."""


class Augmentation(Params):
    """How strongly training patches are varied; 0 switches a change off."""

    flip: bool = flag(
        True,
        title="Flips and quarter turns",
        help="Mirror along every axis and turn in the plane, pixel by pixel. Off where left and right differ.",
    )
    rotation: float = tunable(
        180.0, 0.0, 180.0, unit="degrees", title="Rotation", help="Largest angle, in the plane of the last two axes."
    )
    scale: float = tunable(0.3, 0.0, 0.8, title="Scale", help="Largest change of size; 0.3: 0.7 to 1.3 times.")
    shear: float = tunable(0.1, 0.0, 1.0, title="Shear", help="Largest slant, as a part of the side.", advanced=True)
    elastic: float = tunable(
        0.2, 0.0, 0.8, title="Elastic deformation", help="Largest bend of a grid of six cells, as a part of a cell."
    )
    intensity: float = tunable(
        0.2,
        0.0,
        1.0,
        title="Intensity",
        help="Largest change of brightness, contrast and gamma, channel by channel.",
    )
    noise: float = tunable(
        0.1, 0.0, 1.0, title="Noise", help="Largest standard deviation of added noise; 1 is the image's full range."
    )
    blur: float = tunable(1.5, 0.0, 10.0, unit="px", title="Blur", help="Largest width (sigma) of a Gaussian blur.")
    invert: float = tunable(
        0.0,
        0.0,
        1.0,
        title="Inversion",
        help="Chance that dark and bright are swapped, to serve both contrasts.",
    )


def augment(
    image: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    params: Augmentation,
    patch: tuple[int, ...],
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Cut a random patch out of an image and vary it, with its labels.

    Parameters
    ----------
    image : array (C, *S), float32
        Normalised.
    labels : array (*S), int64
        0 background, positive object ids up to 2**24, -1 unknown.
    params : Augmentation
    patch : tuple of int
        Shape of the result, in pixels.
    rng : numpy.random.Generator

    Returns
    -------
    image : array (C, *patch), float32
        Mirrored beyond the image's border.
    labels : array (*patch), int64
        Nearest neighbour; -1 beyond the image's border.
    """
    image, labels = _cut(image, labels, params, patch, rng)
    transforms = _transforms(params, patch)
    transforms.set_random_state(seed=int(rng.integers(2**31)))
    # labels go through shifted by one: what a transform fills in with 0 is unknown, not background
    result: Any = transforms({"image": image, "labels": (labels[None] + 1).astype(np.float32)})
    image = np.ascontiguousarray(result["image"].numpy(), dtype=np.float32)
    if params.invert and rng.random() < params.invert:
        image = 1 - image
    return image, result["labels"].numpy()[0].round().astype(np.int64) - 1


def _cut(
    image: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    params: Augmentation,
    patch: tuple[int, ...],
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Cut a region out at random that a rotated and scaled patch fits into, where the image is large enough."""
    turns = np.sqrt(2) if params.rotation else 1.0
    grow = (turns if axis >= len(patch) - 2 else 1.0 for axis in range(len(patch)))
    wanted = [int(np.ceil(side * more * (1 + params.scale))) for side, more in zip(patch, grow, strict=True)]
    window = []
    for side, size in zip(labels.shape, wanted, strict=True):
        start = int(rng.integers(max(side - size, 0) + 1))
        window.append(slice(start, start + size))
    return image[(slice(None), *window)], labels[tuple(window)]


@lru_cache(maxsize=8)
def _transforms(params: Augmentation, patch: tuple[int, ...]) -> Compose:
    from monai import transforms as monai

    ndim = len(patch)
    both: dict[str, Any] = {
        "keys": ("image", "labels"),
        "mode": ("bilinear", "nearest"),
        "padding_mode": ("reflection", "zeros"),
    }
    angle = float(np.deg2rad(params.rotation))
    gain = (-params.intensity, params.intensity)
    steps: list[Any] = [
        monai.RandAffined(
            prob=1.0 if params.rotation else OFTEN,
            rotate_range=(angle,) if ndim == 2 else (angle, 0.0, 0.0),
            scale_range=((-params.scale, params.scale),) * ndim,
            shear_range=(params.shear,) * (ndim * (ndim - 1)),
            spatial_size=patch,
            **both,
        )
    ]
    if params.elastic:
        bend = (-params.elastic, params.elastic)
        steps.append(monai.RandGridDistortiond(num_cells=6, prob=SELDOM, distort_limit=bend, **both))
    if params.flip:
        steps += [monai.RandFlipd(both["keys"], prob=0.5, spatial_axis=axis) for axis in range(ndim)]
        if patch[-2] == patch[-1]:
            steps.append(monai.RandRotate90d(both["keys"], prob=0.75, spatial_axes=(ndim - 2, ndim - 1)))
    if params.blur:
        width = (0.0, params.blur)
        steps.append(monai.RandGaussianSmoothd("image", width, width, width, prob=SELDOM))
    if params.intensity:
        gamma = (1 / (1 + 2 * params.intensity), 1 + 2 * params.intensity)
        steps += [
            monai.RandAdjustContrastd("image", prob=OFTEN, gamma=gamma),
            monai.RandScaleIntensityd("image", factors=gain, prob=OFTEN, channel_wise=True),
            monai.RandShiftIntensityd("image", offsets=gain, prob=OFTEN, channel_wise=True),
        ]
    if params.noise:
        steps.append(monai.RandGaussianNoised("image", prob=OFTEN, std=params.noise))
    return monai.Compose(steps)
