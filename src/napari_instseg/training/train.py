"""Training from scratch as a generator of events; closed or killed at any moment, it goes on from its checkpoint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_instseg.core.device import choose_device
from napari_instseg.core.errors import InputError, TrainingError
from napari_instseg.core.events import Checkpoint, Event, Message, Metric, Result
from napari_instseg.core.params import Params
from napari_instseg.data.normalize import Normalization
from napari_instseg.data.pairs import Example, Pair
from napari_instseg.inference.model import Model
from napari_instseg.io.atomic import write_bytes
from napari_instseg.io.gates import Unreadable, read_json
from napari_instseg.io.models import SPEC, ModelSpec
from napari_instseg.networks.backbone import PREFIX, BackboneNetwork
from napari_instseg.training.annotations import Annotated, read_all, split_up, typical_diameter
from napari_instseg.training.crops import CropsOfAll, prepare
from napari_instseg.training.loop import Budget, learn
from napari_instseg.training.recipe import Recipe
from napari_instseg.training.replay import evenly, take_replay, write_replay
from napari_instseg.training.trainer import Trainer
from napari_instseg.training.validate import evaluate, headline, to_score

DATA = "data.json"
"""In ``<out>/training``: what the run learns from, so that it does not go on with something else."""


def train(
    recipe: Recipe,
    pairs: Sequence[Pair],
    validation: Sequence[Pair],
    out: str | Path,
    *,
    device: str = "auto",
    resume: bool = False,
    start: Mapping[str, torch.Tensor] | None = None,
) -> Iterator[Event]:
    """Train a model; the best one by validation score lies in `out` from the first validation on.

    Parameters
    ----------
    recipe : Recipe
        What to train and how.
    pairs : sequence of Pair
        Images with labels to learn from.
    validation : sequence of Pair
        Images to score, whole, by decoding; if none has an object, the training images are scored, and a message says
        so.
    out : str or Path
        The model folder; ``out/training`` holds the checkpoint, `history.csv` and `history.png`.
    device : {"auto", "cuda", "mps", "cpu"}
    resume : bool
        Go on from the last whole checkpoint in `out`. With the same recipe and images the result is the one of a
        run that was never stopped.
    start : mapping of str to Tensor, optional
        Weights to begin with instead of random ones, by name; a message says how many of the network's were there.

    Yields
    ------
    Message, Progress, Metric, Checkpoint
        `Metric` at each step (loss terms) and each validation (scores).
    Result
        At last, with the model folder.

    Raises
    ------
    InputError
        If images or labels cannot be used.
    TrainingError
        If a loss is not finite, `out` is taken, or there is nothing to resume.
    OutputError
        If something cannot be written.
    """
    out, params = Path(out), recipe.training
    chosen = choose_device(device)
    yield Message(chosen.reason)
    data = yield from read_data(pairs, recipe.normalization, params.ndim, params.diameter)
    model = _new_model(recipe, data, out)
    if not resume:
        yield from _start_from_imagenet(model)
        yield from _start_from(model, start or {})
    trainer = Trainer(recipe, model, out, chosen.name)
    yield from _begin(trainer, data, resume)
    scored, what = yield from _choose_scored(pairs, validation, params.validate_on)
    crops = CropsOfAll(data.images, _patch(recipe, data, trainer.network.stride), recipe.augmentation, params.seed)
    try:
        yield from learn(
            trainer,
            crops,
            Budget(params.steps),
            lambda: _judge(trainer, scored, data, what),
            lambda step: step % params.validate_every == 0,
        )
    except GeneratorExit:
        trainer.history.draw(trainer.path.parent)
        raise
    own = yield from take_replay(pairs, validation, data.ndim, params.remember, data.presumed_diameter)
    write_replay(out, own, ())
    yield Result(out)


@dataclass(frozen=True)
class DataSet:
    """What was found in the training images."""

    images: tuple[Annotated, ...]
    """As `crops.prepare` gives them."""
    ndim: int
    channels: int
    classes: int
    """Number of classes; 0 where objects have none."""
    diameter: float
    """Typical object diameter in the images as they were, in pixels."""
    scale: float
    """Factor by which the images were enlarged."""
    digest: str
    """Of images and labels as they were read."""

    @property
    def presumed_diameter(self) -> float | None:
        """Typical object diameter that has to be told to rescale images as these were; None where they were not."""
        return None if self.scale == 1 else self.diameter


def read_data(
    pairs: Sequence[Pair], normalization: Normalization, dimensions: str = "auto", diameter: float = 0.0
) -> Generator[Event, None, DataSet]:
    """Read all pairs into memory, normalised and brought to one object size.

    Parameters
    ----------
    pairs : sequence of Pair
    normalization : Normalization
    dimensions : {"auto", "2", "3"}
        Learn from slices or from volumes; ``"auto"`` takes volumes if any image has a Z axis.
    diameter : float
        Typical object diameter that the images are rescaled to, in pixels; 0 leaves them.

    Yields
    ------
    Progress, Message

    Returns
    -------
    DataSet

    Raises
    ------
    InputError
        If there are no pairs or no objects, the numbers of channels cannot be made one, or a file cannot be read.
    """
    examples = yield from read_all(pairs)
    if not examples:
        raise InputError("There are no images to learn from; expected at least one image with its labels.")
    ndim = 3 if dimensions == "3" or (dimensions == "auto" and any("Z" in example.axes for example in examples)) else 2
    raw = [one for pair, example in zip(pairs, examples, strict=True) for one in split_up(pair.name, example, ndim)]
    channels = max(len(one.image) for one in raw)
    measured = typical_diameter(one.learn for one in raw)
    scale = diameter / measured if diameter else 1.0
    images = tuple(prepare(one, channels, normalization, scale) for one in raw)
    classes = max((int(one.class_of.max()) for one in images if one.class_of is not None), default=0)
    return DataSet(images, ndim, channels, classes, measured, scale, _digest(examples))


def _digest(examples: Iterable[Example]) -> str:
    digest = hashlib.sha256()
    for example in examples:
        for array in (example.image, example.labels, *([] if example.classes is None else [example.classes])):
            digest.update(f"{array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _new_model(recipe: Recipe, data: DataSet, out: Path) -> Model:
    names = recipe.classes or tuple(f"class {index + 1}" for index in range(data.classes))
    if bool(data.classes) != bool(names) or data.classes > len(names):
        raise InputError(
            f"The objects have {data.classes or 'no'} classes, but {len(names)} are named; expected a name for each. "
            "Check the folder 'classes' and the names."
        )
    params = recipe.training
    about = dict(recipe.about)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(params.seed)
        return Model(
            ModelSpec(
                name=out.resolve().name,
                method=recipe.method.name,
                title=about.pop("title", ""),
                intended_use=about.pop("intended_use", ""),
                modality=_listed(about.pop("modality", "")),
                stain=_listed(about.pop("stain", "")),
                ndim=data.ndim,
                in_channels=data.channels,
                diameter=data.diameter * data.scale,
                usual_diameter=data.presumed_diameter,
                classes=names,
                network=recipe.network.model_dump(),
                loss=recipe.loss.model_dump(),
                decode=recipe.decode.model_dump(),
                normalization=recipe.normalization.model_dump(),
                training={**about, "images": len(data.images), **_told(params), **_told(recipe.augmentation)},
            )
        )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _told(params: Params) -> dict[str, Any]:
    """Return what a card tells of parameters: those that are not the default."""
    return params.model_dump(exclude_defaults=True)


def _start_from_imagenet(model: Model) -> Generator[Event, None, None]:
    name = str(getattr(model.network_params, "backbone", ""))
    if name.startswith(PREFIX):
        own = model.network
        network = BackboneNetwork(name, own.in_channels, own.heads, coordinates=own.coordinates, pretrained=True)
        model.load_weights(network.state_dict())
        yield Message(network.note)


def _start_from(model: Model, start: Mapping[str, torch.Tensor]) -> Generator[Event, None, None]:
    own = model.network.state_dict()
    fitting = {name: value for name, value in start.items() if name in own and value.shape == own[name].shape}
    if start:
        model.load_weights({**own, **fitting})
        yield Message(f"{len(fitting)} of {len(own)} weights are taken over; the others start at random.")


def _begin(trainer: Trainer, data: DataSet, resume: bool) -> Generator[Event, None, None]:
    size = f"{len(data.images)} images, objects of {data.diameter:.0f} px"
    if resume:
        trainer.restore()
        _check_goes_on(trainer, data)
        yield Message(f"Going on after step {trainer.done} of {trainer.recipe.training.steps}; {size}.")
    elif trainer.path.exists() or (trainer.out / SPEC).exists():
        raise TrainingError(
            f"'{trainer.out}' already holds a model or a run; go on with it by --resume, or choose another folder."
        )
    else:
        # written before the first step, so that a folder that cannot be written to is known now
        write_bytes(
            trainer.path.parent / DATA, json.dumps({"images": len(data.images), "digest": data.digest}).encode()
        )
        trainer.save()
        yield Message(f"Learning from {size}.")


def _check_goes_on(trainer: Trainer, data: DataSet) -> None:
    """Check that the images are those of the run, and that it has not learnt for longer already."""
    if trainer.done > trainer.recipe.training.steps:
        raise TrainingError(
            f"The run in '{trainer.out}' has learnt {trainer.done} steps already, and "
            f"{trainer.recipe.training.steps} are asked for. Say more steps, or take the model as it is."
        )
    try:
        known = read_json(trainer.path.parent / DATA)
        images, digest = known["images"], known["digest"]
    except (FileNotFoundError, Unreadable, LookupError, TypeError):  # not written, or not by this version
        return
    if digest != data.digest:
        raise TrainingError(
            f"The {len(data.images)} images and labels to learn from are not the {images} that the run in "
            f"'{trainer.out}' was started with. Name the same folder, with the same share held out. To learn from "
            "others, start anew in another folder, or let the finished model learn more by instseg finetune."
        )


def _choose_scored(
    pairs: Sequence[Pair], validation: Sequence[Pair], most: int
) -> Generator[Event, None, tuple[list[Pair], str]]:
    """Choose the images that tell which weights are the best, and say what they are."""
    scored = _scorable(validation, most)
    if scored:
        return scored, "validation images"
    held_out = f"None of the {len(validation)} held-out images has an object" if validation else "No image is held out"
    yield Message(f"{held_out}: scores are of the training images themselves.", warning=True)
    return _scorable(pairs, most), "training images, nothing held out"


def _scorable(pairs: Sequence[Pair], most: int) -> list[Pair]:
    """Choose at most so many, spread evenly; only such with an object, where else there would be none."""
    chosen = evenly(pairs, most)
    return chosen if any(map(_has_object, chosen)) else evenly([pair for pair in pairs if _has_object(pair)], most)


def _has_object(pair: Pair) -> bool:
    return bool((pair.read().labels > 0).any())


def _judge(trainer: Trainer, pairs: Sequence[Pair], data: DataSet, what: str) -> Generator[Event, None, None]:
    model = trainer.mix_into_model()
    for event in evaluate(model, pairs, diameter=data.presumed_diameter, device=trainer.device):
        if isinstance(event, Result):
            report = event.value
        else:
            yield event
    scores = headline(report)
    trainer.history.add(trainer.done, scores)
    trainer.history.draw(trainer.path.parent)
    yield Metric(trainer.done, scores)
    # nan, where there are no objects to find, must not keep a model from being written
    if not scores["mean_ap"] < trainer.best:
        trainer.best = scores["mean_ap"]
        card = {**model.spec.training, "step": trainer.done}
        score = to_score(report, what, model.spec.modality)
        model.spec = model.spec.model_copy(update={"scores": (score,), "training": card})
        yield Checkpoint(trainer.done, model.save(trainer.out), best=True)


def _patch(recipe: Recipe, data: DataSet, stride: int) -> tuple[int, ...]:
    """Return the shape of the crops: not larger than the largest image, each side a multiple of the stride."""
    wanted = (recipe.training.patch_depth, *(recipe.training.patch_size,) * 2)[-data.ndim :]
    largest = [max(sizes) for sizes in zip(*(one.learn.shape for one in data.images), strict=True)]
    return tuple(-(-min(size, most) // stride) * stride for size, most in zip(wanted, largest, strict=True))
