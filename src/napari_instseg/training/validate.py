"""Validation as users will see the model: whole images, predicted, decoded and scored."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from napari_instseg.core.errors import InputError
from napari_instseg.core.events import Event, Progress, Result
from napari_instseg.core.method import Array
from napari_instseg.data.pairs import Pair
from napari_instseg.inference.model import Model
from napari_instseg.io.labels import doubt_masks
from napari_instseg.io.models import Score
from napari_instseg.metrics import evaluate_labels
from napari_instseg.training.curves import SCORES


def evaluate(model: Model, pairs: Sequence[Pair], **options: Any) -> Iterator[Event]:
    """Segment annotated images and score the result.

    Parameters
    ----------
    model : Model
    pairs : sequence of Pair
        At least one.
    **options
        As `Model.segment` takes them: `diameter`, `device`, `tile`, `accurate`, and decode parameters.

    Yields
    ------
    Progress
        In images.
    Result
        An `Evaluation`, pooled and of each image by name; with the mean ``seconds_per_image``, and the ``seconds``
        of each image, and ``warnings``, sentences on what makes the scores doubtful.

    Raises
    ------
    InputError
        If an image cannot be read or segmented, or there is none.
    """
    compared: list[tuple[Array, Array]] = []
    seconds: list[float] = []
    for done, pair in enumerate(pairs):
        yield Progress(done, len(pairs), "images")
        example = pair.read()
        start = time.perf_counter()
        try:
            segmentation = model.segment(example.image, axes=example.axes, **options)
        except InputError as error:
            raise InputError(f"{pair.name}: {error}") from error
        seconds.append(time.perf_counter() - start)
        compared.append((example.labels, segmentation.labels))
    yield Progress(len(pairs), len(pairs), "images")
    report: dict[str, Any] = {**evaluate_labels(compared, [pair.name for pair in pairs])}
    report["images"] = [{**image, "seconds": t} for image, t in zip(report["images"], seconds, strict=True)]
    warnings = [doubt_masks({pair.name: truth for pair, (truth, _) in zip(pairs, compared, strict=True)})]
    if not report["true_objects"]:
        warnings.append(
            "No label image has an object, so the scores say only where objects were made up; expected ids from 1. "
            "Check that the labels were saved."
        )
    yield Result({**report, "seconds_per_image": sum(seconds) / len(seconds), "warnings": [w for w in warnings if w]})


def headline(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """Return the scores that a training curve shows, as flat named numbers."""
    flat = {**evaluation, **{f"ap_{threshold}": value for threshold, value in evaluation["ap"].items()}}
    return {name: float(flat[name]) for name in SCORES}


def to_score(evaluation: Mapping[str, Any], data: str, modality: tuple[str, ...] = ()) -> Score:
    """Return the entry of a model card: the scores on a set of images that `data` names, and how they were taken."""
    return Score(
        data=data,
        modality=modality,
        images=len(evaluation["images"]),
        ap=evaluation["ap"],
        mean_ap=evaluation["mean_ap"],
        pq=evaluation["pq"],
        f1=evaluation["f1"],
        sbd=evaluation["sbd"],
        fbd=evaluation["fbd"],
        abs_dic=evaluation["abs_dic"],
    )
