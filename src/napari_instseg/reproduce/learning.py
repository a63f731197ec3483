"""Trains the models of an experiment by the package's own loop, and predicts with them."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_instseg.core.events import Event, Message, Progress
from napari_instseg.decoding.segmentation import Segmentation
from napari_instseg.inference.model import Model, load_model
from napari_instseg.inference.prediction import Prediction
from napari_instseg.metrics import Detections, detections
from napari_instseg.reproduce.material import Picture

if TYPE_CHECKING:
    from torch import Tensor

FLIPS = {"rotation": 0, "scale": 0, "shear": 0, "elastic": 0, "intensity": 0.1, "noise": 0.02, "blur": 0}
"""Light augmentation, for images that are many and all alike."""


START = "discriminative-shapes"
"""Shipped model that the networks of leaves, colors, worms and sticks begin with, but for the heads."""
REGIONS_START = "semiconv_rcnn-nuclei"
"""The same for Mask R-CNNs."""
TRUNK = ("backbone", "width", "levels", "blocks", "stem", "coordinates")
"""Network parameters that a trunk is made by."""
TRUNK_WEIGHTS = ("encoder.", "decoder.", "down.", "up.", "stem.", "place.", "backbone.")
"""What the names of a trunk's weights begin with; all else is of a head, and begins at random."""

TINY = 0.1
"""Below this scale, as in tests, fewer settings are tried as well."""


@dataclass(frozen=True)
class Effort:
    """How much an experiment may take.

    Parameters
    ----------
    images, tests : int
        Images to learn from and to score on, at most.
    steps : int
        Of each model.
    side : int
        Of simulated images and of crops, in pixels.
    batch : int
        Crops per step.
    """

    images: int
    tests: int
    steps: int
    side: int
    batch: int = 4

    def times(self, scale: float) -> Effort:
        """Return a share of the budget."""
        shares = {name: max(round(getattr(self, name) * scale), 2) for name in ("images", "tests", "steps")}
        return self if scale == 1 else replace(self, **shares)


@dataclass
class Course:
    """The models that an experiment trains, one after the other, their steps counted as one.

    Parameters
    ----------
    budget : Effort
    total : int
        Steps of all of them.
    seed : int
    """

    budget: Effort
    total: int
    seed: int
    done: int = 0
    seconds: list[float] = field(default_factory=list)
    """What the training of each model took."""

    def learn(
        self,
        method: str,
        pictures: Sequence[Picture],
        *,
        steps: int | None = None,
        zoom: float = 1.0,
        start: str = "",
        **values: Mapping[str, Any],
    ) -> Generator[Event, None, Model]:
        """Train one model.

        Parameters
        ----------
        method : str
        pictures : sequence of Picture
        steps : int, optional
            Those of the budget if not given.
        zoom : float
            The network sees the images enlarged by this; `Model.predict` then needs their object diameter.
        start : str, optional
            Shipped model whose trunk the network has and begins with; the heads begin at random.
        **values
            Parameters by group, as `Recipe.make` takes them, where they are not those of the budget.

        Yields
        ------
        Progress
            In steps of all models.
        Message
            Warnings.
        """
        from napari_instseg.training.recipe import Recipe
        from napari_instseg.training.train import train

        budget, steps = self.budget, steps or self.budget.steps
        training = {
            "steps": steps,
            "batch_size": budget.batch,
            "patch_size": budget.side,
            "diameter": diameter(pictures) * zoom if zoom != 1 else 0.0,
            "learning_rate": 2e-3,
            "ema_decay": 0.99,
            "validate_every": steps,
            "save_every": steps,
            "seed": self.seed,
            **values.get("training", {}),
        }
        known = load_model(start) if start else None
        trunk = {key: known.spec.network[key] for key in TRUNK if key in known.spec.network} if known else {}
        network = {**trunk, **values.get("network", {})}
        recipe = Recipe.make(method, {"augmentation": FLIPS, **values, "network": network, "training": training})
        weights = _trunk(known) if known else None
        colour = known is not None and known.spec.in_channels == 3
        pairs = [(_in_colour(picture) if colour else picture).pair for picture in pictures]
        began = time.perf_counter()
        with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            # an image is "validated" on, once at the end, only because that writes the model; no choice is made by it
            for event in train(recipe, pairs, pairs[:1], Path(folder) / "model", start=weights):
                if isinstance(event, Progress) and event.what == "steps":
                    yield Progress(self.done + event.done, self.total, "steps")
                elif isinstance(event, Message) and event.warning:
                    yield event
            model = load_model(Path(folder) / "model")
        self.done += steps
        self.seconds.append(time.perf_counter() - began)
        return model


def _in_colour(picture: Picture) -> Picture:
    """Repeat a grey image to the three channels that the weights begun with expect."""
    if "C" in picture.axes:
        return picture
    return replace(picture, image=np.stack([picture.image] * 3, axis=-1), axes="YXC")


def _trunk(model: Model) -> dict[str, Tensor]:
    """Return the weights of the trunk: of a U-Net all but its heads, of a Mask R-CNN the backbone with its pyramid.

    Some methods wrap the network and name its weights ``network.*``.
    """
    own = {key.removeprefix("network."): value for key, value in model.network.state_dict().items()}
    own = {key: value for key, value in own.items() if key.startswith(TRUNK_WEIGHTS)}
    return {**own, **{f"network.{key}": value for key, value in own.items()}}


def diameter(pictures: Iterable[Picture]) -> float:
    """Return the typical object diameter, in pixels."""
    from napari_instseg.training.annotations import typical_diameter

    return typical_diameter(picture.labels for picture in pictures)


def predict(
    model: Model, pictures: Sequence[Picture], known: float | None = None
) -> Generator[Event, None, list[Prediction]]:
    """Run a model on all pictures.

    Parameters
    ----------
    model : Model
    pictures : sequence of Picture
    known : float, optional
        Object diameter in the pictures, where the model was trained at another.
    """
    predictions = []
    for done, picture in enumerate(pictures):
        yield Progress(done, len(pictures), "images")
        predictions.append(model.predict(picture.image, axes=picture.axes, diameter=known))
    yield Progress(len(pictures), len(pictures), "images")
    return predictions


def compare_regions(picture: Picture, prediction: Prediction) -> Detections:
    """Compare all regions of a Mask R-CNN, as they overlap and down to the least sure, with the truth."""
    prediction.decode(min_score=0.05)
    found = prediction.pipeline.data["instances"]
    return detections(picture.truth, found.stack(prediction.shape), found.score)


def compare(picture: Picture, found: Segmentation) -> Detections:
    """Compare scored objects with the truth, for the metrics of detection."""
    scores = found.score
    assert scores is not None
    return detections(picture.truth, found.labels, scores)
