"""An embedding network together with ClusterNet, which draws one object's mask from distances to its mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_instseg.core.method import Target
from napari_instseg.networks.unet import ResidualUNet

MASKS = 16
"""At most so many objects of a batch are drawn at a training step."""

Windows = Sequence[tuple[slice, ...]]
Floats = npt.NDArray[np.float32]


class ClusterNetwork(nn.Module):
    """A network with an ``embedding`` head, and a U-Net from likeness images to masks (Jaffe, Ben-Moshe 2019).

    Parameters
    ----------
    network : Module
        As `build_network` gives it.
    ndim : int
        2 for images, 3 for volumes.
    width : int
        Channels of ClusterNet's finest level.
    """

    needs_target = True

    def __init__(self, network: Any, ndim: int, width: int) -> None:
        super().__init__()
        self.network: Any = network
        self.clusternet = ResidualUNet(1, {"mask": 1}, ndim=ndim, width=width, levels=3)
        self.stride, self.coordinates = network.stride, network.coordinates
        self.encoder_parts = (
            *(f"network.{part}" for part in network.encoder_parts),
            *(f"clusternet.{part}" for part in self.clusternet.encoder_parts),
        )

    @property
    def halo(self) -> int:
        """Half receptive field of the embedding network, in pixels."""
        return int(self.network.halo)

    def forward(
        self, image: Tensor, coordinates: Tensor | None = None, target: Target | None = None
    ) -> dict[str, Tensor]:
        """Return the embedding network's heads, and with a target the masks of some of its objects.

        The masks are ``mask`` (M, 1, *S), logits, and ``mask_truth`` (M, *S), 1 inside, 0 outside, -1 unknown. They are
        drawn from the objects' true means, as in the paper; the embedding is not taught by them.
        """
        raw: dict[str, Tensor] = self.network(image, coordinates)
        if target is None:
            return raw
        seen, truth = _true_masks(raw["embedding"].detach(), target.labels)
        if len(seen):
            return {**raw, **self.clusternet(seen), "mask_truth": truth}
        return {**raw, "mask": seen, "mask_truth": truth}

    def helpers(self) -> dict[str, Callable[..., Any]]:
        """Return what decoding may ask for beside the outputs: ``clusternet``, see `draw`."""
        return {"clusternet": self.draw}

    @torch.inference_mode()
    def draw(self, embedding: Floats, means: Floats, windows: Windows) -> list[Floats]:
        """Draw the mask of each segment.

        Parameters
        ----------
        embedding : float32 array (D, *S)
        means : float32 array (n, D)
            Mean embedding of each segment.
        windows : sequence of tuple of slice
            Where to draw each one.

        Returns
        -------
        list of float32 arrays
            Probability of being in the segment, of its window's shape.
        """
        whole = torch.from_numpy(np.ascontiguousarray(embedding, np.float32))
        device = next(self.clusternet.parameters()).device
        masks = []
        for mean, window in zip(torch.from_numpy(means), windows, strict=True):
            image = likeness(whole, mean[None])[(slice(None), *window)][:, None]
            shape = image.shape[2:]
            beyond = [extra for side in reversed(shape) for extra in (0, -side % self.clusternet.stride)]
            logits = self.clusternet(functional.pad(image, beyond, mode="replicate").to(device))["mask"][0, 0].cpu()
            masks.append(logits[tuple(slice(0, side) for side in shape)].sigmoid().numpy())
        return masks


def likeness(embedding: Tensor, means: Tensor) -> Tensor:
    """Return one image per mean: one minus the distance to it over the largest such distance (section 3.4).

    Parameters
    ----------
    embedding : Tensor (D, *S)
    means : Tensor (n, D)

    Returns
    -------
    Tensor (n, *S), 0 to 1
    """
    rows = embedding.flatten(1).T.float()
    apart = torch.cdist(means.float(), rows, compute_mode="donot_use_mm_for_euclid_dist")
    farthest = apart.amax(1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
    return (1 - apart / farthest).reshape(-1, *embedding.shape[1:])


def _true_masks(embedding: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Choose objects at random, and give their likeness images (M, 1, *S) and their truth (M, *S)."""
    pairs = [(image, label) for image, truth in enumerate(labels) for label in torch.unique(truth[truth > 0])]
    chosen = [pairs[index] for index in torch.randperm(len(pairs))[:MASKS]]
    seen, truths = [], []
    for image, label in chosen:
        inside = labels[image] == label
        seen.append(likeness(embedding[image], embedding[image][:, inside].float().mean(1)[None]))
        truths.append(torch.where(labels[image] < 0, -1, inside.long()))
    if not chosen:
        return embedding.new_zeros(0, 1, *labels.shape[1:]), labels[:0]
    return torch.stack(seen), torch.stack(truths)
