"""Distillation: the old model's word counts where the annotations say nothing, and on replayed images of its kind."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

LEAST_VARIANCE = 0.02
"""Of a head, so that one that says nearly the same everywhere is not held to the last digit."""


@dataclass(frozen=True)
class Distillation:
    """How much a model that is fine-tuned is held to what it said before.

    This is Learning without Forgetting (Li, Hoiem 2016) with squared differences in place of their softened
    cross-entropy, pixel by pixel: on replayed images everywhere, on new ones where nothing is known.

    Parameters
    ----------
    new : float
        Weight on unknown pixels of the new images.
    old : float
        Weight on images of the old kind.
    replayed : int
        The first so many images of each batch are of the old kind.
    """

    new: float
    old: float
    replayed: int

    def weights(self, labels: Tensor) -> Tensor:
        """Return how much each pixel (B, *S) of a batch is held, by its labels."""
        weights = self.new * (labels < 0).float()
        weights[: self.replayed] = self.old
        return weights


def hold_loss(raw: dict[str, Tensor], said: dict[str, Tensor], weights: Tensor) -> Tensor:
    """Average the squared difference of two networks' heads over pixels, in units of the old head's variance.

    Parameters
    ----------
    raw, said : dict of str to Tensor (B, C, *S)
        Raw heads of the network that learns and of the old one; those that are not on the grid are left out.
    weights : Tensor (B, *S)
        How much each pixel counts.

    Returns
    -------
    Tensor
        Huber's loss, summed over heads; 0 where all weights are.
    """
    total = weights.new_zeros(())
    for name in sorted(raw.keys() & said.keys()):
        new, old = raw[name], said[name]
        if new.shape != old.shape or new.ndim != weights.ndim + 1 or new.shape[2:] != weights.shape[1:]:
            continue
        axes = (0, *range(2, new.ndim))
        spread = old.var(axes, keepdim=True, unbiased=False).clamp(min=LEAST_VARIANCE).sqrt()
        pixels = functional.smooth_l1_loss(new / spread, old / spread, reduction="none").mean(1)
        total = total + (pixels * weights).sum() / weights.numel()
    return total
