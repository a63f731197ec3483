"""What is measured: each clusterer on its own, each method with all that it does, and how far their sliders move."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.benchmarks.scenes import Scene
from napari_instseg.core.method import Stage
from napari_instseg.core.params import Params
from napari_instseg.core.rows import MASK_SIDE
from napari_instseg.core.scale import share_of, value_at
from napari_instseg.data.samples import SAMPLES
from napari_instseg.decoding.coloring import ColoringDecode, coloring_stages
from napari_instseg.decoding.embedding import EmbeddingDecode, embedding_stages
from napari_instseg.inference.prediction import Prediction
from napari_instseg.methods import get_method, methods

SWING = 0.25
"""Share of a slider by which it is moved to both sides of its default."""

SETTINGS: dict[str, dict[str, Any]] = {
    # ClusterNet draws every object anew with a network, which takes seconds: that is not for a slider
    "clusternet": {"refinement": "none"},
}
"""Decode parameters that differ from the method's own."""


@dataclass(frozen=True)
class Subject:
    """One way to decode, and how far its sliders are moved."""

    name: str
    method: str
    """The method whose outputs it reads."""
    params: Params
    stages: Callable[[Any], Sequence[Stage]]
    sliders: Mapping[str, tuple[float, float]]


def subjects(n_objects: int) -> tuple[Subject, ...]:
    """Everything that is measured, set up for so many objects; methods are named with a star."""
    shared = {"min_size": (10, 100), "min_score": (0.0, 0.9), "foreground_threshold": (0.3, 0.7)}

    def clusterer(name: str, sliders: Mapping[str, tuple[float, float]], **values: Any) -> Subject:
        params = EmbeddingDecode(clusterer=name, **values)
        method = "metric" if name == "seeded growth" else "discriminative"
        return Subject(name, method, params, embedding_stages, {**sliders, **shared})

    k = min(n_objects, 2000)
    return (
        clusterer("mean-shift", {"bandwidth": (0.25, 1.0)}),
        clusterer("hdbscan", {"min_cluster_size": (60, 600)}),
        clusterer("k-means", {}, n_clusters=k),
        clusterer("seeded growth", {"similarity": (0.2, 0.8)}, n_seeds=100),
        Subject(
            "coloring",
            "coloring",
            ColoringDecode(),
            coloring_stages,
            {"min_size": (10, 100), "merge_distance": (1, 30), "min_score": (0.0, 0.9)},
        ),
        *map(_whole_method, methods()),
    )


def _whole_method(name: str) -> Subject:
    method = get_method(name)
    params = method.decode(**SETTINGS.get(name, {}))
    return Subject(f"{name}*", name, params, method.stages, _sliders(params))


def subject_of(model: str, prediction: Prediction) -> Subject:
    """Set up a model's own prediction, decoded by its own parameters."""
    params = prediction.parameters(**SETTINGS.get(prediction.method, {}))
    return Subject(model, prediction.method, params, get_method(prediction.method).stages, _sliders(params))


def sample_for(model: str) -> str:
    """Return a sample of the kind that a shipped model was made for; coins where there is none."""
    kind = model.partition("-")[2]
    suited = (name for name, sample in SAMPLES.items() if (sample.model or "").partition("-")[2] == kind)
    return next(suited, "coins")


def _sliders(params: Params) -> dict[str, tuple[float, float]]:
    """All numbers that a user finds as sliders, each moved around its value."""
    sliders = {}
    for parameter in params.visible():
        if parameter.kind in ("int", "float") and not parameter.advanced:
            share = float(np.clip(share_of(parameter, getattr(params, parameter.name)), SWING, 1 - SWING))
            sliders[parameter.name] = (value_at(parameter, share - SWING), value_at(parameter, share + SWING))
    return sliders


def outputs_for(method: str, scene: Scene) -> dict[str, npt.NDArray[Any]]:
    """Return what a good network of this method would say of a scene."""
    if method != "semiconv_rcnn":
        named = {output.name for output in get_method(method).outputs}
        return {name: array for name, array in scene.outputs.items() if name in named}
    return {"objectness": scene.outputs["foreground"], "detections": _detections(scene.labels)}


def _detections(labels: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return a box, a score and a mask for each object, as a detector does."""
    from skimage.measure import regionprops
    from skimage.transform import resize

    rng = np.random.default_rng(0)
    rows = []
    for region in regionprops(labels):
        mask = resize(region.image.astype(np.float32), (MASK_SIDE, MASK_SIDE), order=1)
        rows.append([*region.bbox, rng.uniform(0.3, 1.0), 1, 1.0, *(8 * mask - 4).ravel()])
    return np.array(rows, np.float32)
