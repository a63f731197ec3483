"""What changes while a network learns, and one step of it."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ConfigDict, Field
from torch import nn

from napari_instseg.core.errors import TrainingError
from napari_instseg.core.method import Target
from napari_instseg.inference.model import Model
from napari_instseg.inference.runner import half_precision
from napari_instseg.io.gates import Strict, Unreadable, check_record
from napari_instseg.networks.coordinates import random_coordinate_maps
from napari_instseg.training import checkpoints
from napari_instseg.training.crops import Batch
from napari_instseg.training.curves import History
from napari_instseg.training.distillation import Distillation, hold_loss
from napari_instseg.training.optimizer import learning_rate, make_optimizer, set_learning_rate, update_average
from napari_instseg.training.recipe import Recipe

FOLDER, CHECKPOINT = "training", "checkpoint.safetensors"
"""In the model folder: where a run keeps what it needs to go on."""


class Trainer:
    """A network, the moving average of its weights (which is the model), the optimiser, the history, maybe a teacher.

    Parameters
    ----------
    recipe : Recipe
    model : Model
        Freshly built; its network becomes the moving average.
    out : Path
        The model folder.
    device : str
        A torch device name.
    distillation : Distillation, optional
        How much the network is held to what it says at the start, by a copy of itself that stays.
    frozen : {"nothing", "statistics", "encoder"}
        What does not learn: the means and spreads that the network normalises by, and the parts that look at the image
        first.
    """

    def __init__(
        self,
        recipe: Recipe,
        model: Model,
        out: Path,
        device: str,
        distillation: Distillation | None = None,
        frozen: str = "nothing",
    ) -> None:
        self.recipe, self.model, self.out, self.device = recipe, model, out, device
        layout = torch.channels_last if model.spec.ndim == 2 else torch.channels_last_3d
        self.network: Any = copy.deepcopy(model.network).to(device=device, memory_format=layout).train()
        if frozen == "encoder":
            _freeze_encoder(self.network)
        self.average: Any = copy.deepcopy(self.network).eval().requires_grad_(False)
        if frozen != "nothing":
            for module in self.network.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        self.distillation = distillation
        if distillation:
            self.teacher: Any = copy.deepcopy(self.average)
            # its own flag, not that of its layers: without a target it then says its heads, and looks for no objects
            self.teacher.training = True
        self.history = History()
        self.done = 0
        """Steps learnt so far."""
        self.best = -math.inf
        """Highest score on held-out images so far."""
        self.spent = 0.0
        """Seconds of learning and judging so far, over all sittings."""
        # on the CPU, gradients of 3-d convolutions in bfloat16 are now and then not finite (torch 2.15)
        sound = device != "cpu" or model.spec.ndim == 2
        wanted = half_precision(device) if recipe.training.mixed_precision and sound else None
        # float16 would need its loss scaled; bfloat16 has the range of float32
        self._half = wanted if wanted is torch.bfloat16 else None
        self._layout = layout
        self.optimizer = make_optimizer(self.network, recipe.training)

    @property
    def path(self) -> Path:
        """Where the checkpoint lies."""
        return self.out / FOLDER / CHECKPOINT

    def learn(self, batch: Batch) -> dict[str, float]:
        """Take one step and give the loss terms by name.

        Raises
        ------
        TrainingError
            If a loss or the gradient is not finite; the weights are then as before the step.
        """
        step, params = self.done + 1, self.recipe.training
        set_learning_rate(self.optimizer, learning_rate(step, params))
        batch = batch.to(self.device)
        # whatever is drawn at random in network or loss depends on the step alone, so that a resumed run draws the same
        with torch.random.fork_rng(devices=[torch.cuda.current_device()] if self.device == "cuda" else []):
            torch.manual_seed(params.seed * 1_000_003 + step)
            terms = self._terms(batch, step)
        total = torch.stack([*terms.values()]).sum()
        values = {name: float(term.detach()) for name, term in terms.items()}
        if not math.isfinite(sum(values.values())):
            raise TrainingError(f"The loss at step {step} is not finite: {_in_words(values)}. {_ADVICE}")
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        length = torch.nn.utils.clip_grad_norm_(self.network.parameters(), params.clip_norm or math.inf)
        if not math.isfinite(float(length)):
            raise TrainingError(f"The gradient at step {step} is not finite, with {_in_words(values)}. {_ADVICE}")
        self.optimizer.step()
        update_average(self.average, self.network, params.ema_decay, step)
        self.done = step
        values = {"loss": sum(values.values()), **values}
        self.history.add(step, {"learning_rate": learning_rate(step, params), **values})
        return values

    def mix_into_model(self, share: float = 1.0) -> Model:
        """Put so much of the averaged weights into the model, and for the rest those of the teacher.

        Weights between an old and a fine-tuned network keep most of what the new one learnt and much of what it forgot
        (Wortsman et al. 2022, Robust fine-tuning of zero-shot models).
        """
        weights = self.average.state_dict()
        if share < 1:
            old = self.teacher.state_dict()
            weights = {
                name: torch.lerp(old[name], new, share) if new.is_floating_point() else new
                for name, new in weights.items()
            }
        self.model.load_weights({name: tensor.cpu() for name, tensor in weights.items()})
        return self.model

    def save(self) -> Path:
        """Write the checkpoint and the history.

        Raises
        ------
        OutputError
            If they cannot be written.
        """
        state = checkpoints.collect(
            {"network": self.network, "average": self.average},
            self.optimizer,
            {
                "step": self.done,
                "best": self.best if math.isfinite(self.best) else None,
                "spent": self.spent,
                "recipe": self.recipe.to_dict(),
            },
        )
        # the history first: rows beyond the checkpoint's step are dropped on reading, missing ones would be lost
        self.history.write(self.path.parent)
        return checkpoints.save(self.path, state)

    def restore(self) -> None:
        """Go back to the last whole checkpoint.

        Raises
        ------
        TrainingError
            If there is none, it is damaged, or it is of another recipe.
        """
        state = checkpoints.load(self.path)
        told = _told(self.path, state.values)
        self.recipe.check_resumes(Recipe.from_dict(told.recipe))
        checkpoints.restore(state, {"network": self.network, "average": self.average}, self.optimizer)
        self.done, self.spent = told.step, told.spent
        self.best = -math.inf if told.best is None else told.best
        self.history = History.read(self.path.parent, self.done)

    def _terms(self, batch: Batch, step: int) -> dict[str, torch.Tensor]:
        """Return the named loss terms of a batch, with their gradients."""
        method, target = self.recipe.method, batch.target
        # what is fine-tuned goes on where the schedule of its training ended
        progress = 1.0 if self.distillation else step / self.recipe.training.steps
        coordinates = self._draw_coordinates(batch)
        raw = self._run(self.network, batch, coordinates, target)
        terms = method.compute_loss(raw, target, method.schedule(self.recipe.loss, progress))
        if self.distillation:
            terms = {**terms, **self._held(self.distillation.weights(target.labels), batch, coordinates, raw)}
        return terms

    def _held(
        self, weights: torch.Tensor, batch: Batch, coordinates: torch.Tensor | None, raw: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """Return the pull to what the teacher says, pixels weighted; nothing where no weight is above 0."""
        held = weights.flatten(1).any(1)
        if not held.any():
            return {}
        with torch.no_grad():
            said = self._run(self.teacher, batch[held], None if coordinates is None else coordinates[held])
        # what only one of them says, such as the losses that a Mask R-CNN gives itself, is not held to anything
        shapes = {name: (len(held), *head.shape[1:]) for name, head in said.items()}
        told = {name: head[held] for name, head in raw.items() if head.shape == shapes.get(name)}
        return {"hold": hold_loss(told, said, weights[held]) * held.float().mean()}

    def _draw_coordinates(self, batch: Batch) -> torch.Tensor | None:
        """Return the coordinates that the network sees beside each image, if it sees any."""
        if self.network.coordinates == "none":
            return None
        images = batch.images
        return random_coordinate_maps(self.network.coordinates, len(images), images.shape[2:]).to(self.device)

    def _run(
        self, network: Any, batch: Batch, coordinates: torch.Tensor | None, target: Target | None = None
    ) -> dict[str, torch.Tensor]:
        images = batch.images.contiguous(memory_format=self._layout)
        with torch.autocast(self.device, dtype=self._half or torch.bfloat16, enabled=self._half is not None):
            truth = [target] if getattr(network, "needs_target", False) else []
            raw = network(images, coordinates, *truth)
        return {name: head.float() for name, head in raw.items()}


def read_recipe(folder: str | Path) -> Recipe:
    """Return the recipe of the run that was started in a model folder.

    Raises
    ------
    TrainingError
        If there is no checkpoint or it is damaged.
    """
    path = Path(folder) / FOLDER / CHECKPOINT
    return Recipe.from_dict(_told(path, checkpoints.load_values(path)).recipe)


class _CheckpointFile(Strict):
    """What a checkpoint tells of its run, beside what the optimiser needs."""

    model_config = ConfigDict(extra="ignore")

    recipe: dict[str, Any]
    step: int = Field(ge=0)
    best: float | None
    spent: float = Field(0.0, ge=0)
    """Version 0.1.0 measured it in fine-tunings only."""


def _told(path: Path, values: Mapping[str, Any]) -> _CheckpointFile:
    try:
        return check_record(dict(values), _CheckpointFile)
    except Unreadable as error:
        raise TrainingError(f"The checkpoint '{path}' is damaged ({error}); start anew in another folder.") from None


def _freeze_encoder(network: nn.Module) -> None:
    """Let the parts that look at the image first learn nothing, if something else is left to learn."""
    # a network of another package may not say
    first = tuple(f"{part}." for part in getattr(network, "encoder_parts", ()))
    early = [weight for name, weight in network.named_parameters() if name.startswith(first)]
    if len(early) < len(list(network.parameters())):
        for weight in early:
            weight.requires_grad_(False)


_ADVICE = (
    "The last whole checkpoint is kept. Lower the learning rate or the gradient clipping, lengthen the warm-up, or "
    "switch mixed precision off; check the images for extreme values."
)


def _in_words(terms: Mapping[str, float]) -> str:
    return ", ".join(f"{name} = {value:g}" for name, value in terms.items())
