"""What lies near an object, by Euclidean distance and exactly: its halo, and who touches it (Kulikov et al. 2018)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_instseg.core.compiled import njit
from napari_instseg.losses.objects import ObjectIndex

UNOWNED, BACKGROUND = -2, -1
"""Owners of pixels that are of no object: it is not known whose they are, or they are nobody's."""


def halo_mean(values: Tensor, objects: ObjectIndex, labels: Tensor, margin: float) -> Tensor:
    """Average values over each object's halo: the known pixels within `margin` of it that are not its own (equation 1).

    Parameters
    ----------
    values : Tensor (B, C, *S)
        They get no gradient.
    objects : ObjectIndex
        Of `labels`.
    labels : Tensor (B, *S), int64
    margin : float
        In pixels; a pixel whose centre is exactly so far from an object's pixel is in the halo.

    Returns
    -------
    Tensor (K, C)
        0 where the halo is empty.
    """
    owner, low, high = _layout(objects, labels)
    volumes = values.detach().cpu().contiguous().numpy()
    volumes = volumes.reshape(*volumes.shape[:2], *owner.shape[1:])
    sums = np.zeros((objects.number, values.shape[1] + 1))
    _add_halos(volumes, owner, objects.image.cpu().numpy(), low, high, float(margin), sums)
    means = sums[:, :-1] / np.maximum(sums[:, -1:], 1)
    return torch.from_numpy(means).to(values)


def contacts(objects: ObjectIndex, labels: Tensor, reach: float) -> Tensor:
    """List the pairs of objects of an image of which one has a pixel within `reach` of the other, both ways.

    Returns
    -------
    Tensor (N, 2), int64
        Numbers of objects, on the CPU.
    """
    owner, low, high = _layout(objects, labels)
    near = np.zeros((objects.number, objects.slots), bool)
    _find_contacts(owner, objects.image.cpu().numpy(), objects.slot.cpu().numpy(), low, high, float(reach), near)
    number = objects.per_image(torch.arange(objects.number, device=labels.device)).cpu().numpy()
    one, slot = np.nonzero(near)
    pairs = np.stack([one, number[objects.image.cpu().numpy()[one], slot]], axis=1)
    return torch.from_numpy(pairs)


def _layout(objects: ObjectIndex, labels: Tensor) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Return each pixel's owner, (B, Z, Y, X), and the first and last pixel of each object's box, two (K, 3)."""
    owner = torch.where(labels < 0, UNOWNED, BACKGROUND).reshape(-1)
    owner[objects.pixels] = objects.owner
    missing = 4 - labels.ndim
    shape = (len(labels), *(1,) * missing, *labels.shape[1:])
    low, high = (
        np.concatenate([np.zeros((objects.number, missing), np.int64), corner.cpu().numpy()], axis=1)
        for corner in objects.boxes()
    )
    return owner.reshape(shape).cpu().numpy(), low, high


@njit(nogil=True, cache=True)
def _near(owner, k, low, high, margin):  # type: ignore[no-untyped-def]
    """Tell which pixels of a window around object k lie within the margin of it; the window's first pixel too.

    Distances are found along one axis after the other: by two sweeps along y, by comparison along z, and along x each
    pixel paints the span that it reaches.
    """
    depth, height, width = owner.shape
    reach = int(margin)
    first = np.array([max(low[0] - reach, 0), max(low[1] - reach, 0), max(low[2] - reach, 0)])
    last = np.array(
        [min(high[0] + reach + 1, depth), min(high[1] + reach + 1, height), min(high[2] + reach + 1, width)]
    )
    nz, ny, nx = last[0] - first[0], last[1] - first[1], last[2] - first[2]
    far, limit = reach + 1, margin * margin
    along = np.full((nz, ny, nx), far, np.int64)
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                if owner[first[0] + z, first[1] + y, first[2] + x] == k:
                    along[z, y, x] = 0
                elif y > 0:
                    along[z, y, x] = min(along[z, y - 1, x] + 1, far)
        for y in range(ny - 2, -1, -1):
            for x in range(nx):
                along[z, y, x] = min(along[z, y, x], along[z, y + 1, x] + 1)
    near = np.zeros((nz, ny, nx), np.bool_)
    change = np.zeros(nx + 1, np.int64)
    for z in range(nz):
        for y in range(ny):
            change[:] = 0
            for x in range(nx):
                squared = limit + 1
                for other in range(max(z - reach, 0), min(z + reach + 1, nz)):
                    squared = min(squared, float((z - other) ** 2 + along[other, y, x] ** 2))
                if squared <= limit:
                    span = int(np.sqrt(limit - squared))
                    change[max(x - span, 0)] += 1
                    change[min(x + span + 1, nx)] -= 1
            open_spans = 0
            for x in range(nx):
                open_spans += change[x]
                near[z, y, x] = open_spans > 0
    return near, first


@njit(nogil=True, cache=True)
def _add_halos(values, owner, image, low, high, margin, sums):  # type: ignore[no-untyped-def]
    """Add up the values in each halo; the last column counts its pixels."""
    for k in range(len(image)):
        own = owner[image[k]]
        near, first = _near(own, k, low[k], high[k], margin)
        for z in range(near.shape[0]):
            for y in range(near.shape[1]):
                row = own[first[0] + z, first[1] + y, first[2] : first[2] + near.shape[2]]
                for x in range(near.shape[2]):
                    if row[x] == k or row[x] == UNOWNED:
                        near[z, y, x] = False
                    sums[k, -1] += near[z, y, x]
                for c in range(values.shape[1]):
                    line = values[image[k], c, first[0] + z, first[1] + y, first[2] : first[2] + near.shape[2]]
                    total = 0.0
                    for x in range(near.shape[2]):
                        if near[z, y, x]:
                            total += line[x]
                    sums[k, c] += total


@njit(nogil=True, cache=True)
def _find_contacts(owner, image, slot, low, high, reach, near_slots):  # type: ignore[no-untyped-def]
    """Mark, for each object, the slots of the others that have a pixel within reach."""
    for k in range(len(image)):
        own = owner[image[k]]
        near, first = _near(own, k, low[k], high[k], reach)
        for z in range(near.shape[0]):
            for y in range(near.shape[1]):
                for x in range(near.shape[2]):
                    other = own[first[0] + z, first[1] + y, first[2] + x]
                    if near[z, y, x] and other >= 0 and other != k:
                        near_slots[k, slot[other]] = True
