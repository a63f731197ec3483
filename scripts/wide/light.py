"""How an image could have looked under another microscope: wide changes of brightness, none of place."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Image = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def field(shape: tuple[int, ...], cells: int, rng: np.random.Generator) -> Image:
    """Draw a smooth random field of mean 0 and standard deviation about 1, with so many bumps along a side."""
    coarse = rng.standard_normal((cells + 3, cells + 3)).astype(np.float32)
    zoom = [(side + 1) / (cells + 2) for side in shape]
    smooth: Image = ndimage.zoom(coarse, zoom, order=1)[: shape[0], : shape[1]]
    return smooth


def vary_objects(image: Image, labels: Labels, rng: np.random.Generator) -> Image:
    """Make some objects dim beside bright ones, or give their inside a texture."""
    inside = ndimage.gaussian_filter((labels > 0).astype(np.float32), 0.7)
    if rng.random() < 0.5:
        gains = np.exp(rng.normal(0, 0.5, int(labels.max()) + 1)).astype(np.float32)
        gains[0] = 1
        gain = ndimage.gaussian_filter(gains[np.maximum(labels, 0)], 0.7)
    else:
        texture = field(labels.shape, int(rng.integers(12, 60)), rng)
        gain = np.exp(np.float32(rng.uniform(0.1, 0.5)) * texture * inside)
    low = np.float32(np.percentile(image, 5))
    result: Image = low + (image - low) * gain
    return result


def vary_stain(image: Image, rng: np.random.Generator) -> Image:
    """Change how strongly each dye absorbs each colour, as between laboratories."""
    absorbed = -np.log(np.clip(image, 0.02, 2.0))
    mix = np.diag(np.exp(rng.normal(0, 0.3, 3))) + rng.normal(0, 0.1, (3, 3))
    result: Image = np.exp(-np.einsum("ij,jyx->iyx", mix.astype(np.float32), absorbed)).astype(np.float32)
    return result


def vary_light(image: Image, rng: np.random.Generator, invert: float) -> Image:
    """Change gamma, gain, offset, evenness, sharpness, halo and noise, each with its own chance."""
    shape = image.shape[1:]
    if rng.random() < 0.5:
        low, high = float(image.min()), float(image.max())
        gamma = np.float32(np.exp(rng.uniform(-0.7, 0.7)))
        image = low + (high - low) * ((image - low) / max(high - low, 1e-6)) ** gamma
    if rng.random() < 0.25:
        image = ndimage.gaussian_filter(image, (0, *(rng.uniform(0, 2.0),) * 2))
    if rng.random() < 0.2:
        wide = ndimage.gaussian_filter(image, (0, *(rng.uniform(2, 12),) * 2))
        image = image + np.float32(rng.uniform(-0.4, 1.0)) * (image - wide)
    if rng.random() < 0.25:
        uneven = field(shape, int(rng.integers(1, 4)), rng) * np.float32(rng.uniform(0, 0.25))
        image = image * (1 + uneven) if rng.random() < 0.5 else image + uneven
    if rng.random() < 0.5:
        image = image * np.float32(np.exp(rng.uniform(-0.6, 0.4))) + np.float32(rng.uniform(-0.1, 0.2))
    if rng.random() < 0.4:
        noise = rng.standard_normal(image.shape if rng.random() < 0.5 else (1, *shape), dtype=np.float32)
        if rng.random() < 0.4:
            noise = ndimage.gaussian_filter(noise, (0, 1, 1)) * np.float32(3)
        strength = np.float32(rng.uniform(0, 0.12) if rng.random() < 0.8 else rng.uniform(0.1, 0.3))
        grain = np.sqrt(np.clip(image, 0.02, 1)) if rng.random() < 0.5 else np.float32(1)
        image = image + strength * grain * noise
    if rng.random() < invert:
        image = 1 - image
    if rng.random() < 0.3:
        low, high = np.percentile(image, [1, 99.8])
        image = (image - low) / max(high - low, 1e-3)
    result: Image = np.clip(image, -1, 4).astype(np.float32)
    return result


def vary_color(image: Image, rng: np.random.Generator) -> Image:
    """Give three channels: a grey image now and then in a false colour, a coloured one now and then in grey."""
    if len(image) == 1:
        if rng.random() < 0.08:
            color = rng.uniform(0, 1, (3, 1, 1)).astype(np.float32)
            return image * color / color.max()
        return np.repeat(image, 3, axis=0)
    if rng.random() < 0.15:
        return np.repeat(image.mean(axis=0, keepdims=True), 3, axis=0)
    return image
