"""What is worth looking at in a prediction: pure functions from named arrays to pictures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from napari_instseg.core.method import Array, Data, View

SAMPLE = 20_000
"""Pixels from which principal components and display limits are estimated."""

ARROWS = 3000
"""About so many displacement arrows are shown."""


def principal_components(channels: Array, mask: Array | None = None, *, seed: int = 0) -> tuple[Array, Array, Array]:
    """Find the three directions in which an embedding varies most.

    Parameters
    ----------
    channels : array (D, *S)
        The embedding.
    mask : bool array (*S), optional
        Pixels to look at; all if None or empty.
    seed : int
        Of the sample of at most `SAMPLE` pixels.

    Returns
    -------
    basis (3, D), low (3,), high (3,)
        Unit directions (zero where D < 3), and the 1st and 99th percentile of the sample along each.
    """
    sample = _sample(channels, mask, seed)
    centred = sample - sample.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    basis = np.zeros((3, channels.shape[0]))
    top = vectors.T[::-1][:3]
    # the sign of an eigenvector is arbitrary: its largest entry is made positive
    top = top * np.sign(top[np.arange(len(top)), np.abs(top).argmax(axis=1)])[:, None]
    basis[: len(top)] = top
    low, high = np.percentile(sample @ basis.T, [1, 99], axis=0)
    return basis, low, high


def random_directions(channels: Array, mask: Array | None = None, *, seed: int = 0) -> tuple[Array, Array, Array]:
    """Draw three random orthogonal directions, as in figure 3 of Fathi et al. 2017; like `principal_components`."""
    rng = np.random.default_rng(seed)
    square, _ = np.linalg.qr(rng.standard_normal((max(3, channels.shape[0]),) * 2))
    basis = square[:3, : channels.shape[0]]
    low, high = np.percentile(_sample(channels, mask, seed) @ basis.T, [1, 99], axis=0)
    return basis, low, high


def project_to_rgb(channels: Array, projection: tuple[Array, Array, Array]) -> Array:
    """Show a (D, *S) embedding as a colour picture (*S, 3) with values in 0..1, along three directions."""
    basis, low, high = projection
    flat = basis.astype(np.float32) @ channels.reshape(channels.shape[0], -1).astype(np.float32, copy=False)
    span = np.maximum(high - low, np.finfo(np.float32).tiny).astype(np.float32)
    picture = np.clip((flat - low[:, None].astype(np.float32)) / span[:, None], 0, 1)
    return np.ascontiguousarray(picture.T).reshape(*channels.shape[1:], 3)


def paint_objects(labels: Array, values: Array) -> Array:
    """Return each pixel its object's value, float32; background 0. `values` has one entry per id 1..n."""
    table = np.concatenate([[0], values]).astype(np.float32)
    painted: Array = table[labels]
    return painted


def displacement_arrows(data: Data) -> Array:
    """Where pixels of objects point, thinned (Novotny et al. 2018, figure 2).

    Returns
    -------
    float32 array (N, 2, ndim)
        Start and displacement, in pixels.
    """
    pointing = data.get("pointing", data["embedding"])
    shape = pointing.shape[1:]
    mask = data["foreground"] > 0.5 if "foreground" in data else data["labels"] > 0
    step = max(1, round((np.count_nonzero(mask) / ARROWS) ** (1 / len(shape))))
    thin = np.zeros(shape, bool)
    thin[(slice(step // 2, None, step),) * len(shape)] = True
    start = np.argwhere(mask & thin)
    end = pointing[(slice(len(shape)), *start.T)].T
    return np.stack([start, end - start], axis=1).astype(np.float32)


def displacement_view() -> View:
    """View of where pixels point, for an embedding whose first numbers are a place in the image."""
    return View(
        "arrows",
        "Displacements",
        "Where each pixel points: the arrows of one object should meet in one place (Novotny et al. 2018, figure 2).",
        "vectors",
        ("embedding", "labels"),
        displacement_arrows,
    )


def embedding_views() -> tuple[View, ...]:
    """Views of a method with an embedding and a foreground."""
    return (
        *projection_views(),
        View(
            "affinity",
            "Fit to own object",
            "How much each pixel is like the centre of its group: where it is dark, pixels are about to leave their "
            "object. Judged by the bandwidth, or by the kernel of seeded growth.",
            "image",
            ("embedding", "clusters", "parameters"),
            affinity,
            colormap="magma",
            limits=(0.0, 1.0),
        ),
        seeds_view(),
        foreground_view(),
        confidence_view(),
    )


def projection_views() -> tuple[View, ...]:
    """Views of an embedding itself: as colours, and channel by channel."""
    return (
        View(
            "pca",
            "Embedding as colours",
            "The three main directions of the embedding as red, green and blue: "
            "pixels that the network thinks belong together have the same colour.",
            "rgb",
            ("embedding",),
            _as_rgb(principal_components),
            fit=_fitting(principal_components),
        ),
        View(
            "random",
            "Embedding, random colours",
            "Three random directions of the embedding as red, green and blue (Fathi et al. 2017, figure 3).",
            "rgb",
            ("embedding",),
            _as_rgb(random_directions),
            fit=_fitting(random_directions),
        ),
        View(
            "embedding",
            "Embedding channels",
            "Each number that the network gives a pixel, one channel at a time.",
            "image",
            ("embedding",),
            lambda data: data["embedding"],
            colormap="viridis",
        ),
    )


def affinity(data: Data) -> Array:
    """Return each pixel its kernel affinity to the centre of its cluster, 0 to 1."""
    from napari_instseg.decoding.affinity import affinity_to_centre, yardstick

    clusters = data["clusters"]
    return affinity_to_centre(data["embedding"], clusters, yardstick(data, data["parameters"]))


def seeds_view() -> View:
    """View of the pixels that objects were grown from."""
    return View(
        "seeds",
        "Seeds",
        "The pixels that objects were grown from (Fathi et al. 2017, figure 5); with seeded growth only.",
        "points",
        ("seeds",),
        lambda data: np.stack(np.unravel_index(data["seeds"].pixels, data["seeds"].nearest.shape), axis=1),
    )


def foreground_view() -> View:
    """View of the probability of being in any object."""
    return View(
        "foreground",
        "Foreground",
        "Probability that a pixel lies in any object.",
        "image",
        ("foreground",),
        lambda data: data["foreground"],
        colormap="magma",
        limits=(0.0, 1.0),
    )


def confidence_view() -> View:
    """View of each object's score."""
    return View(
        "confidence",
        "Confidence of objects",
        "Each object painted with its score: dark ones deserve a look.",
        "image",
        ("labels", "score"),
        lambda data: paint_objects(data["labels"], data["score"]),
        colormap="viridis",
        limits=(0.0, 1.0),
    )


Directions = Callable[..., tuple[Array, Array, Array]]


def _fitting(directions: Directions) -> Callable[[Data], tuple[Array, Array, Array]]:
    def fit(data: Data) -> tuple[Array, Array, Array]:
        foreground = data.get("foreground")
        return directions(data["embedding"], None if foreground is None else foreground > 0.5)

    return fit


def _as_rgb(directions: Directions) -> Callable[[Data], Array]:
    fit = _fitting(directions)

    def compute(data: Data) -> Array:
        fitted = data.get("fitted")
        picture = project_to_rgb(data["embedding"], fit(data) if fitted is None else fitted)
        # nothing teaches the network what to say of the background
        return picture * data["foreground"][..., None] if "foreground" in data else picture

    return compute


def _sample(channels: Array, mask: Array | None, seed: int) -> Array:
    flat = channels.reshape(channels.shape[0], -1)
    pool = np.flatnonzero(mask) if mask is not None and mask.any() else np.arange(flat.shape[1])
    rng = np.random.default_rng(seed)
    chosen = pool if pool.size <= SAMPLE else rng.choice(pool, SAMPLE, replace=False)
    sample: Array = flat[:, chosen].T.astype(np.float64)
    return sample
