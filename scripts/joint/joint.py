"""One trunk that learns colours, embedding, displacements and foreground together; `ship_nuclei.py` splits it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from napari_instseg.core.method import Method, Target, Tensors
from napari_instseg.core.params import tunable
from napari_instseg.losses import coloring_loss, discriminative_loss, foreground_loss
from napari_instseg.losses.params import ColoringLoss, DiscriminativeLoss, ForegroundLoss, SemiconvLoss
from napari_instseg.losses.semiconv import semiconv_loss
from napari_instseg.methods.discriminative import METHOD as DISCRIMINATIVE
from napari_instseg.networks import build_network
from napari_instseg.networks.params import NetworkParams
from napari_instseg.networks.semiconv import FIRST_SIGMA, add_positions

HEADS = {"colors": 9, "embedding": 8, "foreground": 1, "displacement": 2}


class Loss(ColoringLoss, DiscriminativeLoss, ForegroundLoss, SemiconvLoss):
    """All terms, and how they are balanced."""

    embedding_weight: float = tunable(
        0.6, 0.0, 10.0, title="Weight of the embedding", help="Of the discriminative terms beside the cross-entropies."
    )
    displacement_weight: float = tunable(
        0.1,
        0.0,
        10.0,
        title="Weight of the displacements",
        help="Of the semi-convolutional terms, in pixels.",
    )


class JointNetwork(nn.Module):
    """The network with all heads, and the learnt kernel scale of the displacements."""

    def __init__(self, params: NetworkParams, in_channels: int, ndim: int) -> None:
        super().__init__()
        self.network: Any = build_network(params, HEADS, in_channels, ndim)
        self.stride, self.coordinates = self.network.stride, self.network.coordinates
        self.log_sigma = nn.Parameter(torch.tensor(FIRST_SIGMA).log())

    @property
    def halo(self) -> int:
        """Half receptive field, in pixels."""
        return int(self.network.halo)

    def forward(self, image: Tensor, coordinates: Tensor | None = None) -> dict[str, Tensor]:
        """Return the heads; displacements become positions."""
        raw: dict[str, Tensor] = self.network(image, coordinates)
        places = add_positions(raw.pop("displacement"))
        return {**raw, "places": places, "sigma": self.log_sigma.exp().expand(len(places), 1, *places.shape[2:])}


def compute_loss(raw: Tensors, target: Target, params: Loss) -> dict[str, Tensor]:
    """Sum what the three methods optimise; the foreground is one of all."""
    pull_push = discriminative_loss(raw["embedding"], target.labels, params)
    places = semiconv_loss(raw["places"], raw["sigma"], target.labels, params)
    return {
        **coloring_loss(raw["colors"], target.labels, params),
        **{name: params.embedding_weight * term for name, term in pull_push.items()},
        **{name: params.displacement_weight * term for name, term in places.items()},
        **foreground_loss(raw["foreground"], target.labels, params),
    }


def activate(raw: Tensors, offset: tuple[int, ...]) -> dict[str, Tensor]:
    """Return what validation decodes: the embedding."""
    return {"embedding": raw["embedding"], "foreground": raw["foreground"].sigmoid()}


METHOD = Method(
    name="joint",
    title="Colours, embedding and displacements",
    reference="the three papers of its parts",
    summary="Trains three methods at the cost of one.",
    network=NetworkParams,
    loss=Loss,
    decode=DISCRIMINATIVE.decode,
    outputs=DISCRIMINATIVE.outputs,
    build=lambda params, in_channels, ndim, classes: JointNetwork(params, in_channels, ndim),
    compute_loss=compute_loss,
    activate=activate,
    stages=DISCRIMINATIVE.stages,
)
