"""Drawing for simulators: smooth random textures, tubes along a curve with body coordinates, and the camera's noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from napari_instseg.data.simulate.scene import Floats, Mask, Window


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> Floats:
    """Draw a random field with mean 0, standard deviation 1 and details of about `sigma` px.

    Coarse fields are made small and enlarged, so that the cost does not grow with `sigma`.
    """
    factor = max(1, int(sigma / 2))
    small = tuple(-(-length // factor) + 2 for length in shape)
    noise = ndimage.gaussian_filter(rng.standard_normal(small), sigma / factor, mode="wrap")
    if factor > 1:
        noise = ndimage.zoom(noise, factor, order=1)
    noise = noise[: shape[0], : shape[1]]
    return np.asarray((noise - noise.mean()) / (noise.std() + 1e-12), np.float64)


def curve(start: npt.ArrayLike, angle: float, curvature: Floats, step: float) -> Floats:
    """Walk along a curve of given curvature.

    Parameters
    ----------
    start : (2,)
        First point, row and column.
    angle : float
        First direction in radians, from the row axis towards the column axis.
    curvature : float array (n,)
        Change of direction in radians per px at each step.
    step : float
        Distance of neighbouring points in px.

    Returns
    -------
    float array (n + 1, 2)
        The points.
    """
    headings = angle + np.cumsum(curvature) * step
    steps = np.stack([np.cos(headings), np.sin(headings)], 1) * step
    return np.asarray(start, np.float64) + np.vstack([np.zeros((1, 2)), np.cumsum(steps, 0)])


@dataclass(frozen=True)
class Tube:
    """A body along a curve: for each pixel of its window, where on the body that is.

    Attributes
    ----------
    window : (slice, slice)
        The part of the image.
    edge : float array
        Signed distance to the outline in px, negative inside; no more than the margin of the window.
    along : float array
        Place along the curve, 0 at its first point, 1 at its last.
    across : float array
        Distance from the curve in px, negative to one side and positive to the other.
    half_width : float array
        Distance in px from the curve to the outline on this side.
    """

    window: Window
    edge: Floats
    along: Floats
    across: Floats
    half_width: Floats

    @property
    def mask(self) -> Mask:
        """Pixels whose centre is inside."""
        return self.edge <= 0

    @property
    def cover(self) -> Floats:
        """Part of each pixel that the body covers, 0 to 1: the anti-aliased mask."""
        return np.clip(0.5 - self.edge, 0.0, 1.0)


def tube(points: Floats, half_width: Floats, shape: tuple[int, int], margin: float = 3.0) -> Tube | None:
    """Draw a body around a curve.

    Parameters
    ----------
    points : float array (n, 2)
        Rows and columns along the curve, at most about 1 px apart.
    half_width : float array (n,) or (2, n)
        Distance from the curve to the outline in px at each point; two rows where the sides differ. A width at
        the ends gives round ends.
    shape : (int, int)
        Rows and columns of the image.
    margin : float
        How far the window reaches beyond the outline, in px.

    Returns
    -------
    Tube or None
        None if the body lies wholly outside the image.
    """
    sides = np.broadcast_to(half_width, (2, len(points)))
    bound = float(sides.max()) + margin
    window = window_around(points, bound, shape)
    if window is None:
        return None
    rows, columns = np.mgrid[window]
    pixels = np.stack([rows.ravel(), columns.ravel()], 1)
    # pixels beyond the margin need no exact answer: not to search for one saves most of the time
    distance, nearest = cKDTree(points).query(pixels, distance_upper_bound=bound)
    distance, nearest = np.minimum(distance, bound), np.minimum(nearest, len(points) - 1)
    tangent = np.gradient(points, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-12
    offset = pixels - points[nearest]
    side = tangent[nearest, 0] * offset[:, 1] - tangent[nearest, 1] * offset[:, 0] >= 0
    length = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
    slope = np.gradient(sides, axis=1) * (len(points) - 1) / length
    reach = sides[side.astype(int), nearest]
    # where the outline is slanted, its nearest point is nearer than straight across
    edge = (distance - reach) / np.sqrt(1 + np.minimum(slope[side.astype(int), nearest] ** 2, 4.0))
    size = rows.shape
    return Tube(
        window=window,
        edge=edge.reshape(size),
        along=(nearest / (len(points) - 1)).reshape(size),
        across=np.where(side, distance, -distance).reshape(size),
        half_width=reach.reshape(size),
    )


def window_around(points: Floats, reach: float, shape: tuple[int, int]) -> Window | None:
    """Return the part of the image within `reach` px of the points' bounding box; None where there is no such part."""
    low = np.floor(points.min(0) - reach).astype(int)
    high = np.ceil(points.max(0) + reach).astype(int) + 1
    low, high = np.maximum(low, 0), np.minimum(high, shape)
    if (low >= high).any():
        return None
    return slice(int(low[0]), int(high[0])), slice(int(low[1]), int(high[1]))


def stripes(rng: np.random.Generator, body: Tube, length: float, grain: tuple[float, float]) -> Floats:
    """Draw a texture that follows a body, with details of `grain` (along, across) px; mean 0, standard deviation 1."""
    reach = float(np.abs(body.across).max())
    texture = ndimage.gaussian_filter(rng.standard_normal((int(length) + 2, int(2 * reach) + 3)), grain, mode="wrap")
    texture = (texture - texture.mean()) / (texture.std() + 1e-12)
    where = np.stack([body.along * length, body.across + reach])
    return np.asarray(ndimage.map_coordinates(texture, where, order=1, mode="nearest"), np.float64)


def paint(canvas: Floats, window: Window, color: npt.ArrayLike, cover: Floats) -> None:
    """Lay a colour, one or one for each pixel, over a (Y, X) or (Y, X, 3) canvas, in place."""
    part = canvas[window]
    weight = cover if canvas.ndim == 2 else cover[..., None]
    part += weight * (np.asarray(color) - part)


def cast_shadow(canvas: Floats, body: Tube, offset: tuple[float, float], blur: float, depth: float) -> None:
    """Darken the canvas where a body throws its shadow, in place.

    Parameters
    ----------
    canvas : float array (Y, X, 3) or (Y, X)
        The picture so far, without the body.
    body : Tube
        What throws the shadow; the shadow stays within its window.
    offset : (float, float)
        Rows and columns from the body to its shadow, in px.
    blur : float
        Softness in px.
    depth : float
        Part of the light that is taken, 0 to 1.
    """
    shade = 1 - depth * ndimage.gaussian_filter(ndimage.shift(body.cover, offset, order=1), blur)
    canvas[body.window] *= shade if canvas.ndim == 2 else shade[..., None]


def photon_noise(rng: np.random.Generator, photons: Floats, read_noise: float) -> Floats:
    """Count photons with a camera.

    The count is the Cornish-Fisher expansion of the Poisson quantile at a normal number: right in mean, variance and
    skew from about one photon on, and, other than drawing by rejection, it uses one random number for each pixel
    whatever the rate, so that a last digit which differs between machines changes no other pixel.

    Parameters
    ----------
    photons : float array
        Expected counts, not negative.
    read_noise : float
        Standard deviation of the camera's own noise, in photons.

    Returns
    -------
    float array
        Counts; the camera's own noise may bring them below zero.
    """
    normal = rng.standard_normal(photons.shape)
    counts = np.maximum(np.rint(photons + np.sqrt(photons) * normal + (normal**2 - 1) / 6), 0)
    return np.asarray(counts + read_noise * rng.standard_normal(photons.shape), np.float64)


def digitise(picture: Floats, bits: int) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
    """Round and clip to `bits` bits: uint8 for 8 and fewer, else uint16."""
    clipped = np.clip(np.rint(picture), 0, 2**bits - 1)
    return clipped.astype(np.uint8) if bits <= 8 else clipped.astype(np.uint16)
