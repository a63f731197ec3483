"""The plug-point: one published way to segment instances, declared in one file of `methods/`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from napari_instseg.core.params import Params

if TYPE_CHECKING:
    import torch

Array = npt.NDArray[Any]
Data = Mapping[str, Any]
"""A prediction's outputs and the results of earlier stages, by name."""


@dataclass(frozen=True)
class Output:
    """One named array of a prediction, on the image's grid.

    ``"channels"`` arrays have shape (C, Y, X) or (C, Z, Y, X), ``"map"`` arrays (Y, X) or (Z, Y, X). ``"rows"`` arrays
    (N, K) are not on the grid: one row per detection, see `napari_instseg.core.rows`. The values of an array
    `in_pixels` are lengths or positions, which grow with the image where the network saw it resized.

    `over_views` says what becomes of it where the network looks at an image turned, mirrored and at other sizes:
    ``"mean"``; ``"join"``, side by side, as only distances mean something; ``"first"``, that of the image as it is; or
    ``"none"``: the method's outputs cannot be averaged.
    """

    name: str
    title: str
    help: str
    layout: Literal["channels", "map", "rows"] = "channels"
    optional: bool = False
    in_pixels: bool = False
    over_views: Literal["mean", "join", "first", "none"] = "none"


@dataclass(frozen=True)
class Stage:
    """One pure step of decoding.

    Parameters
    ----------
    name : str
        Unique within a pipeline.
    reads : tuple of str
        The decode parameters that it may read; it sees no others.
    run : callable
        ``run(data, params) -> results``, adding to or replacing in `data` by name. The last stage of a
        pipeline has left ``labels`` (int32, 0 background, ids 1 to n) and, where known, ``score``
        (float32, one per object) and ``class_id`` (int, one per object).
    """

    name: str
    reads: tuple[str, ...]
    run: Callable[[Data, Any], Data]


@dataclass(frozen=True)
class View:
    """One thing worth looking at: how it becomes a layer.

    ``compute(data)`` gives the layer's array: ``"image"`` (Y, X) or (C, Y, X), ``"rgb"`` (Y, X, 3) in 0..1,
    ``"labels"`` (Y, X), ``"points"`` (N, D), ``"vectors"`` (N, 2, D); 3-d with a leading Z.
    `needs` names what must be there: outputs, stage results, ``parameters`` (the decode parameters), ``selected`` (the
    id of the selected object), ``margin`` (that of the training, in pixels). ``fit(data)``, where given, is called for
    the first slice only; `compute` finds what it gave as ``data["fitted"]`` on all slices, and calls it itself where
    that is not there.
    """

    name: str
    title: str
    help: str
    layer: Literal["image", "rgb", "labels", "points", "vectors"]
    needs: tuple[str, ...]
    compute: Callable[[Data], Array]
    colormap: str = "gray"
    limits: tuple[float, float] | None = None
    fit: Callable[[Data], Any] | None = None


@dataclass(frozen=True)
class Target:
    """What a batch of images should become.

    Parameters
    ----------
    labels : Tensor (B, Y, X) or (B, Z, Y, X), int64
        0 background, positive object ids, -1 unknown (teaches nothing).
    classes : Tensor of the same shape, int64, optional
        Class of each pixel's object, from 1; 0 background; -1 unknown: such an object teaches that it is one, and
        nothing of classes.
    """

    labels: torch.Tensor
    classes: torch.Tensor | None = None

    @property
    def class_map(self) -> torch.Tensor:
        """The classes; where nothing is known of them, objects are of unknown class (-1)."""
        return self.labels.masked_fill(self.labels > 0, -1) if self.classes is None else self.classes


Tensors = Mapping[str, "torch.Tensor"]


@dataclass(frozen=True)
class Method:
    """One way to segment instances: what its network says, how it learns, how its output becomes objects.

    Three parameter classes say what a change costs: `network` and `loss` ask for training,
    `decode` re-decodes a prediction at once.

    Parameters
    ----------
    name, title, reference, summary : str
        Identifier, name in words, the paper, and one sentence on when to choose it.
    network, loss, decode : type of Params
        The declared parameters.
    outputs : tuple of Output
        The arrays of a prediction.
    build : callable
        ``build(network_params, in_channels, ndim, classes) -> torch.nn.Module`` whose
        ``forward(image, coordinates)`` gives raw heads as a dict of tensors (B, C, Y, X) or (B, C, Z, Y, X),
        with attributes ``stride``, ``halo`` and ``coordinates``; see `napari_instseg.networks`. With
        ``needs_target = True`` it is called ``forward(image, coordinates, target)`` while training, and with
        ``helpers() -> {name: function}`` it gives decoding functions beside the outputs.
    compute_loss : callable
        ``compute_loss(raw, target, loss_params) -> named scalars``; their sum is optimised.
    activate : callable
        ``activate(raw, offset) -> outputs`` as tensors (B, C, ...); `offset` is the position of the first
        pixel in the whole image, in pixels.
    stages : callable
        ``stages(decode_params) -> tuple of Stage``.
    inspect : tuple of View
        What is worth looking at.
    schedule : callable
        ``schedule(loss_params, progress) -> loss_params`` for a share `progress` of the training, 0 to 1.
    ndims : tuple of int
        Whether it segments images (2), volumes (3) or both; `build` raises ParameterError for others.
    """

    name: str
    title: str
    reference: str
    summary: str
    network: type[Params]
    loss: type[Params]
    decode: type[Params]
    outputs: tuple[Output, ...]
    build: Callable[[Any, int, int, int], torch.nn.Module]
    compute_loss: Callable[[Tensors, Target, Any], dict[str, torch.Tensor]]
    activate: Callable[[Tensors, tuple[int, ...]], dict[str, torch.Tensor]]
    stages: Callable[[Any], tuple[Stage, ...]]
    inspect: tuple[View, ...] = field(default_factory=tuple)
    schedule: Callable[[Any, float], Any] = lambda params, _progress: params
    ndims: tuple[int, ...] = (2, 3)

    def to_dict(self) -> dict[str, Any]:
        """Return all that can be told of the method as JSON-ready values."""
        return {
            "name": self.name,
            "title": self.title,
            "reference": self.reference,
            "summary": self.summary,
            "outputs": {output.name: output.help for output in self.outputs},
            "views": {view.name: view.help for view in self.inspect},
            **{
                group: [parameter.to_dict() for parameter in params.parameters()]
                for group, params in (("network", self.network), ("loss", self.loss), ("decode", self.decode))
            },
        }


def spatial_shape(outputs: Mapping[str, Array], declared: tuple[Output, ...]) -> tuple[int, ...]:
    """Return the image grid that the outputs share, in pixels.

    Raises
    ------
    KeyError
        If none of the declared outputs is there.
    """
    for output in declared:
        if output.name in outputs and output.layout != "rows":
            shape = np.shape(outputs[output.name])
            return tuple(shape[1:] if output.layout == "channels" else shape)
    raise KeyError("none of: " + ", ".join(output.name for output in declared))
