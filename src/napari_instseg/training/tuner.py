"""One step of fine-tuning: the method's own loss where something is known, the old model's word where nothing is."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_instseg.inference.model import Model
from napari_instseg.training import checkpoints
from napari_instseg.training.plan import Plan
from napari_instseg.training.recipe import Recipe
from napari_instseg.training.samples import Batch
from napari_instseg.training.trainer import Trainer

ENCODER = {"stem", "down", "place", "encoder", "backbone", "body"}
"""Names of the parts of networks that look at the image first."""
LEAST_VARIANCE = 0.02
"""Of a head, so that one that says nearly the same everywhere is not held to the last digit."""


class Tuner(Trainer):
    """A `Trainer` that starts from a model and holds to it.

    Parameters
    ----------
    recipe : Recipe
    model : Model
        The model to start from.
    out : Path
        The folder of the new model.
    device : str
        A torch device name.
    plan : Plan

    Notes
    -----
    The pull to the old outputs is Learning without Forgetting (Li, Hoiem 2016) with squared differences in place of
    their softened cross-entropy, pixel by pixel: on old images everywhere, on new ones where nothing is known.
    """

    def __init__(self, recipe: Recipe, model: Model, out: Path, device: str, plan: Plan) -> None:
        _freeze(model.network, plan.frozen)
        super().__init__(recipe, model, out, device)
        self.plan = plan
        self.spent = 0.0
        """Seconds of learning and judging so far, over all sittings."""
        if plan.frozen != "nothing":
            for module in self.network.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        self.teacher: Any = copy.deepcopy(self.average)
        # its own flag, not that of its layers: without a target it then says its heads, and looks for no objects
        self.teacher.training = True

    def mix_into_model(self, share: float) -> Model:
        """Put so much of the averaged weights into the model, and for the rest those of the start.

        Weights between an old and a fine-tuned network keep most of what the new one learnt and much of what it forgot
        (Wortsman et al. 2022, Robust fine-tuning of zero-shot models).
        """
        new, old = self.average.state_dict(), self.teacher.state_dict()
        mixed = {
            name: (torch.lerp(old[name], tensor, share) if tensor.is_floating_point() else tensor).cpu()
            for name, tensor in new.items()
        }
        self.model.load_weights(mixed)
        return self.model

    def restore(self) -> None:
        """Go back to the last whole checkpoint; see `Trainer.restore`."""
        super().restore()
        self.spent = float(checkpoints.load_values(self.path)["spent"])

    def _progress(self) -> dict[str, Any]:
        return {**super()._progress(), "spent": self.spent}

    def _terms(self, batch: Batch, step: int) -> dict[str, Tensor]:
        coordinates = self._draw_coordinates(batch)
        raw = self._run(self.network, batch, coordinates, batch.target)
        method, labels = self.recipe.method, batch.target.labels
        terms = method.compute_loss(raw, batch.target, method.schedule(self.recipe.loss, 1.0))
        weights = self._weights(labels)
        held = weights.flatten(1).any(1)
        if held.any():
            with torch.no_grad():
                said = self._run(self.teacher, batch[held], None if coordinates is None else coordinates[held])
            # what only one of them says, such as the losses that a Mask R-CNN gives itself, is not held to anything
            shapes = {name: (len(held), *head.shape[1:]) for name, head in said.items()}
            told = {name: head[held] for name, head in raw.items() if head.shape == shapes.get(name)}
            terms = {**terms, "hold": hold_loss(told, said, weights[held]) * held.float().mean()}
        return terms

    def _weights(self, labels: Tensor) -> Tensor:
        weights = self.plan.hold_new * (labels < 0).float()
        weights[: self.plan.old_per_batch] = self.plan.hold_old
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


def _freeze(network: nn.Module, frozen: str) -> None:
    """Let the parts that look at the image first learn nothing, where that is wanted and leaves something to learn."""
    if frozen != "encoder":
        return
    early = [w for name, w in network.named_parameters() if ENCODER & set(name.split("."))]
    if len(early) < len(list(network.parameters())):
        for weight in early:
            weight.requires_grad_(False)
