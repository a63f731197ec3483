"""Crowded tissue, made of nuclei cut out of real images: they touch, overlap and lie out of focus."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from .light import field

Image = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Stamp = tuple[Image, npt.NDArray[np.bool_]]

HAEMATOXYLIN, EOSIN = np.array([0.65, 0.70, 0.29]), np.array([0.25, 0.85, 0.30])
OVERLAP = 0.2
"""Most of a nucleus that may lie over earlier ones."""
DENSE, DENSE_OVERLAP = 0.5, 0.35
"""Share of the squares that show a thick section, full of nuclei; and the overlap there."""


def cut_stamps(image: Image, labels: Labels, diameter: float, target: float, most: int) -> list[Stamp]:
    """Cut the nuclei out of a fluorescence image (1, Y, X), brought to one size and to a brightness of about 1."""
    stamps = []
    boxes = ndimage.find_objects(labels)
    for index, box in enumerate(boxes[: 4 * most], start=1):
        if box is None or any(
            part.start < 2 or part.stop > side - 2 for part, side in zip(box, labels.shape, strict=True)
        ):
            continue
        grown = tuple(slice(part.start - 2, part.stop + 2) for part in box)
        mask = labels[grown] == index
        if mask.sum() < 30:
            continue
        free = labels[grown] == 0
        low = float(np.median(image[0][grown][free])) if free.any() else 0.0
        grey = np.where(mask, image[0][grown] - low, 0).astype(np.float32)
        bright = float(np.percentile(grey[mask], 90))
        if bright < 0.05:
            continue
        factor = target / diameter
        stamps.append(
            (ndimage.zoom(grey / bright, factor, order=1), ndimage.zoom(mask.astype(np.float32), factor, order=1) > 0.5)
        )
        if len(stamps) == most:
            break
    return stamps


def draw_crowd(stamps: Sequence[Stamp], side: int, zoom: float, rng: np.random.Generator) -> tuple[Image, Labels]:
    """Draw a square of tissue, in fluorescence (1, Y, X) or stained (3, Y, X), with the labels of its nuclei.

    `zoom` is the size of the nuclei beside that of the stamps.
    """
    pad = 24
    full = side + 2 * pad
    bright, labels = np.zeros((full, full), np.float32), np.zeros((full, full), np.int64)
    dense = rng.random() < DENSE
    # tissue has places that are full, and others that are empty
    crowd = field((full, full), 3, rng) > rng.uniform(-1.8, -0.6 if dense else 0.3)
    cover, spread = float(rng.uniform(*((0.7, 1.1) if dense else (0.35, 0.8)))), float(rng.uniform(0.1, 0.5))
    shear, number = rng.uniform(0.75, 1.3), 0
    # in an epithelium all nuclei lie alike
    alike = dense and rng.random() < 0.6
    if alike:
        shear, turned = rng.uniform(1.0, 1.4), bool(rng.random() < 0.5)
    wanted = cover * crowd.sum()
    covered = 0
    for _ in range(400):
        if covered > wanted:
            break
        place = _free_place(labels, crowd, rng) if dense else None
        if dense and place is None:
            break
        grey, mask = stamps[rng.integers(len(stamps))]
        factor = zoom * np.exp(rng.normal(0, 0.15))
        grey, mask = (
            ndimage.zoom(part, (factor * shear, factor / shear), order=1) for part in (grey, mask.astype(np.float32))
        )
        mask = mask > 0.5
        if turned if alike else rng.random() < 0.5:
            grey, mask = grey.T, mask.T
        turn = 2 * rng.integers(2) if alike else rng.integers(4)
        grey, mask = np.rot90(grey, turn), np.rot90(mask, turn)
        if max(mask.shape) >= full or mask.sum() < 12:
            continue
        if place is None:
            y, x = (int(rng.integers(0, full - size)) for size in mask.shape)
            if not crowd[y + mask.shape[0] // 2, x + mask.shape[1] // 2]:
                continue
        else:
            y, x = (int(np.clip(at - size // 2, 0, full - size)) for at, size in zip(place, mask.shape, strict=True))
        part = (slice(y, y + mask.shape[0]), slice(x, x + mask.shape[1]))
        over = (labels[part] > 0) & mask
        if over.sum() > (DENSE_OVERLAP if dense else OVERLAP) * mask.sum():
            continue
        number += 1
        light = np.float32(np.exp(rng.normal(-0.4, spread)))
        if rng.random() < 0.4:
            grey = ndimage.gaussian_filter(grey, rng.uniform(0, 0.06 * 24 * zoom))
        below, above = bright[part], light * grey
        crossing = np.maximum(below, above) + 0.3 * np.minimum(below, above)
        bright[part] = np.where(over, crossing, below + above)
        labels[part][mask] = number
        covered += int(mask.sum())
    inner = (slice(pad, pad + side),) * 2
    bright, labels = bright[inner], labels[inner]
    if dense:
        return _dense(bright, zoom, rng), labels
    texture = field(labels.shape, int(rng.integers(2, 8)), rng) + 0.5 * field(
        labels.shape, int(rng.integers(10, 50)), rng
    )
    if rng.random() < 0.45:
        return _stain(bright, texture, rng), labels
    # what is out of focus shines through
    blurred = ndimage.gaussian_filter(np.roll(bright, rng.integers(side, size=2), (0, 1)), rng.uniform(4, 12))
    image = bright + np.float32(rng.uniform(0, 0.6)) * blurred + np.float32(rng.uniform(0, 0.12)) * texture
    image = ndimage.gaussian_filter(image, rng.uniform(0.3, 1.3))
    image = image + rng.normal(0, rng.uniform(0.005, 0.06), image.shape)
    low, high = np.percentile(image, [1, 99.8])
    return ((image - low) / max(high - low, 1e-3)).astype(np.float32)[None], labels


def _free_place(labels: Labels, crowd: npt.NDArray[np.bool_], rng: np.random.Generator) -> tuple[int, int] | None:
    """Return a place in the crowd at which no nucleus lies yet; None where it is hard to find."""
    for _ in range(60):
        y, x = (int(at) for at in rng.integers(0, labels.shape[0], 2))
        if crowd[y, x] and not labels[y, x]:
            return y, x
    return None


def _dense(bright: Image, zoom: float, rng: np.random.Generator) -> Image:
    """Show a thick section: all a little out of focus, layers above and below shining through, contrast low."""
    side = bright.shape[0]
    image = ndimage.gaussian_filter(bright, rng.uniform(0.02, 0.11) * 24 * zoom)
    for _ in range(2):
        shifted = np.roll(np.rot90(bright, rng.integers(4)), rng.integers(side, size=2), (0, 1))
        image = image + np.float32(rng.uniform(0, 0.5)) * ndimage.gaussian_filter(shifted, rng.uniform(3, 12))
    texture = field(image.shape, int(rng.integers(2, 30)), rng)
    image = image * (1 + np.float32(rng.uniform(0, 0.2)) * texture) + np.float32(rng.uniform(0, 0.1)) * texture
    image = image + rng.normal(0, rng.uniform(0.005, 0.06), image.shape)
    low, high = np.percentile(image, [1, 99.8])
    return ((image - low) / max(high - low, 1e-3)).astype(np.float32)[None]


def _stain(dye: Image, texture: Image, rng: np.random.Generator) -> Image:
    """Colour nuclei by haematoxylin and what lies between them by eosin."""
    edge = ndimage.gaussian_gradient_magnitude((dye > 0.05).astype(np.float32), 1.0)
    nuclear = rng.uniform(0.3, 1.0) * (dye > 0.05) + rng.uniform(0, 0.8) * dye + rng.uniform(0, 0.8) * edge
    nuclear = ndimage.gaussian_filter(nuclear * rng.uniform(0.5, 1.6), rng.uniform(0.4, 1.2))
    fine = field(dye.shape, 60, rng)
    between = np.clip(rng.uniform(0.1, 0.5) + rng.uniform(0.05, 0.3) * texture + rng.uniform(0, 0.1) * fine, 0, 2)
    gaps = ndimage.gaussian_filter((texture < rng.uniform(-2.5, -0.8)).astype(np.float32), 1.5)
    between = between * (1 - gaps)
    dyes = [np.abs(vector + rng.normal(0, 0.1, 3)) for vector in (HAEMATOXYLIN, EOSIN)]
    absorbed = sum(dye[:, None, None] * amount for dye, amount in zip(dyes, (nuclear, between), strict=True))
    image = np.exp(-absorbed) + rng.normal(0, rng.uniform(0, 0.04), (1, *nuclear.shape))
    low, high = np.percentile(image, [1, 99.8])
    return ((image - low) / max(high - low, 1e-3)).astype(np.float32)
