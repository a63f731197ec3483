"""Per-object sums over a whole batch, without a loop over objects: what all losses share."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

IGNORE = -1
"""Label of pixels whose truth is unknown; they teach nothing."""

UNKNOWN_CLASS = -1
"""Class of objects that are known to be objects, but not of which class; they teach nothing of classes."""


@dataclass(frozen=True)
class ObjectIndex:
    """The objects of a batch, numbered 0 to K - 1 over all its images, and the pixels of each.

    Parameters
    ----------
    pixels : Tensor (N,), int64
        Flat positions, over batch and space, of all pixels that belong to an object.
    owner : Tensor (N,), int64
        Object of each of these pixels.
    image : Tensor (K,), int64
        Image in the batch that each object lies in.
    slot : Tensor (K,), int64
        Rank of each object among those of its image.
    size : Tensor (K,), float32
        Pixels of each object.
    batch : int
        Images in the batch.
    shape : tuple of int
        Spatial shape of the images.
    """

    pixels: Tensor
    owner: Tensor
    image: Tensor
    slot: Tensor
    size: Tensor
    batch: int
    shape: tuple[int, ...]

    @property
    def number(self) -> int:
        """Objects in the batch."""
        return len(self.image)

    @property
    def slots(self) -> int:
        """Objects in the fullest image."""
        return int(self.slot.max()) + 1 if self.number else 0

    def rows(self, values: Tensor) -> Tensor:
        """Gather (B, C, *S) values at the objects' pixels as rows (N, C), in float32 or wider."""
        flat = values.movedim(1, -1).reshape(-1, values.shape[1])[self.pixels]
        return flat if flat.dtype == torch.float64 else flat.float()

    def sum(self, rows: Tensor) -> Tensor:
        """Add up (N, ...) rows per object: (K, ...)."""
        return rows.new_zeros(self.number, *rows.shape[1:]).index_add(0, self.owner, rows)

    def mean(self, rows: Tensor) -> Tensor:
        """Average (N, ...) rows per object: (K, ...)."""
        size = self.size.to(rows.dtype).reshape(-1, *(1,) * (rows.ndim - 1))
        return self.sum(rows) / size

    def per_image(self, values: Tensor) -> Tensor:
        """Lay (K, ...) values out as (B, slots, ...), zero where an image has fewer objects."""
        table = values.new_zeros(self.batch, self.slots, *values.shape[1:])
        return table.index_put((self.image, self.slot), values)

    def coordinates(self) -> Tensor:
        """Return the position of each object pixel in its image: (N, ndim), int64."""
        return torch.stack(torch.unravel_index(self.pixels, (self.batch, *self.shape))[1:], dim=1)

    def boxes(self) -> tuple[Tensor, Tensor]:
        """Return the lowest and highest pixel of each object along each axis: two (K, ndim), int64."""
        position = self.coordinates()
        owner = self.owner[:, None].expand_as(position)
        empty = position.new_zeros(self.number, position.shape[1])
        low = empty.scatter_reduce(0, owner, position, "amin", include_self=False)
        high = empty.scatter_reduce(0, owner, position, "amax", include_self=False)
        return low, high


def index_objects(labels: Tensor) -> ObjectIndex:
    """Number the objects of a batch.

    Parameters
    ----------
    labels : Tensor (B, *S), int64
        0 background, positive object ids (any, per image), -1 unknown.

    Returns
    -------
    ObjectIndex
        Objects ordered by image, then by id.
    """
    batch, shape = labels.shape[0], tuple(labels.shape[1:])
    flat = labels.reshape(-1)
    pixels = torch.nonzero(flat > 0).squeeze(1)
    image_of_pixel = pixels // max(flat.numel() // max(batch, 1), 1)
    ids = flat[pixels]
    span = int(ids.max()) + 1 if ids.numel() else 1
    size = torch.bincount(image_of_pixel * span + ids, minlength=batch * span)
    present = size > 0
    number_of = torch.cumsum(present, 0) - 1
    image = torch.nonzero(present).squeeze(1) // span
    first = torch.searchsorted(image, torch.arange(batch, device=labels.device))
    return ObjectIndex(
        pixels=pixels,
        owner=number_of[image_of_pixel * span + ids],
        image=image,
        slot=torch.arange(len(image), device=labels.device) - first[image],
        size=size[present].float(),
        batch=batch,
        shape=shape,
    )


def object_classes(objects: ObjectIndex, classes: Tensor | None) -> Tensor:
    """Return the class of each object, (K,) int64: the largest class among its pixels, -1 where that is unknown.

    Parameters
    ----------
    objects : ObjectIndex
    classes : Tensor (B, *S), int64, optional
        Class of each pixel's object, from 1; 0 background; -1 unknown. All are of unknown class when left out.
    """
    unknown = objects.image.new_full((objects.number,), UNKNOWN_CLASS)
    if classes is None:
        return unknown
    found = unknown.scatter_reduce(0, objects.owner, classes.reshape(-1)[objects.pixels], "amax")
    return torch.where(found > 0, found, UNKNOWN_CLASS)


def image_mean(values: Tensor, objects: ObjectIndex) -> Tensor:
    """Average (K,) values over the objects of each image, then over the images that have any: a scalar.

    Zero, still attached to the graph, where there is no object.
    """
    if not objects.number:
        return values.sum()
    return group_mean(values, torch.unique(objects.image, return_inverse=True)[1], objects.image)


def group_mean(values: Tensor, group: Tensor, image: Tensor) -> Tensor:
    """Average over the members of each group, over the groups of each image, and over the images: a scalar.

    Parameters
    ----------
    values : Tensor (K,)
    group : Tensor (K,), int64
        From 0, without a gap; a group lies within one image.
    image : Tensor (K,), int64
    """
    members = torch.bincount(group).to(values.dtype)
    image_of_group = image.new_zeros(len(members)).scatter(0, group, image)
    groups = torch.bincount(image_of_group)
    share = members * groups[image_of_group] * torch.count_nonzero(groups)
    return (values / share[group]).sum()


def class_groups(objects: ObjectIndex, kinds: Tensor) -> Tensor:
    """Number the classes of each image: the group of each object, (K,) int64, the same for one class of one image."""
    both = torch.stack([objects.image, kinds])
    group: Tensor = torch.unique(both, dim=1, return_inverse=True)[1]
    return group
