"""Deep coloring: objects take one of a few colours, unlike their neighbours; components of a colour are objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from napari_instseg.core.errors import ParameterError
from napari_instseg.core.method import Method, Output, Stage, Target, Tensors
from napari_instseg.core.params import choice, flag, text, tunable
from napari_instseg.decoding.color_views import coloring_views
from napari_instseg.decoding.coloring import ColoringDecode, coloring_stages
from napari_instseg.decoding.merging import MergeParams, disagreement, merge_stages
from napari_instseg.losses.params import ColoringLoss, ForegroundLoss
from napari_instseg.networks.params import NetworkParams
from napari_instseg.refining.outlines import OutlineParams, outline_stages

if TYPE_CHECKING:
    import torch


MOST_COLORS = 255
"""Beside the background; a colour map has a byte for each pixel."""


class Network(NetworkParams):
    """The network and its palette."""

    colors: int = tunable(
        9,
        2,
        64,
        title="Colours",
        help="Colours including the background; with colours per class, those of one class. "
        "Spare ones stay unused, too few let neighbours share one.",
    )
    class_colors: Literal["shared", "per class", "both"] = choice(
        "shared",
        title="Classes from",
        help="shared: one palette, and a semantic map beside it tells the class. per class: each class has its own "
        "colours, and the best colour tells the class. both: own colours, and a semantic map tells the class. "
        "Without classes it makes no difference.",
        advanced=True,
    )
    palettes: str = text(
        "",
        title="Colours of each class",
        help="How many colours each class has where each has its own, such as '7 4 7' for three classes; empty: as "
        "many as there are colours, less the background.",
        advanced=True,
    )
    foreground_head: bool = flag(
        False,
        title="Separate foreground",
        help="A head of its own tells objects from background, the palette only tells them apart: sharper outlines. "
        "With classes the semantic map does so anyway.",
        advanced=True,
    )


class Loss(ColoringLoss, ForegroundLoss):
    """The colouring's loss, and that of the semantic map or of the foreground where these have heads of their own."""


class Decode(OutlineParams, MergeParams, ColoringDecode):
    """From colour probabilities to objects."""

    merge_alike: float = tunable(
        0.0,
        0.0,
        1.0,
        step=0.01,
        title="Join similar neighbours",
        help="Objects that touch and whose mean colours overlap by all but this share become one, most alike first. "
        "Mends objects that take several colours; 1 merges all that touch, 0 nothing.",
    )


def build(params: Network, in_channels: int, ndim: int, classes: int) -> torch.nn.Module:
    """Make the network with its heads.

    Raises
    ------
    ParameterError
        If the colours of each class are not one number, of at least 1, for each class.
    """
    from napari_instseg.networks import build_network

    semantic = {"semantic": classes + 1} if classes else {}
    if classes and params.class_colors != "shared":
        own = {f"colors_{index + 1}": size for index, size in enumerate(class_palettes(params, classes))}
        heads = {"background": 1, **own, **(semantic if params.class_colors == "both" else {})}
    elif classes:
        heads = {"colors": params.colors, **semantic}
    elif params.foreground_head:
        heads = {"colors": params.colors - 1, "foreground": 1}
    else:
        heads = {"colors": params.colors}
    return build_network(params, heads, in_channels, ndim)


def class_palettes(params: Network, classes: int) -> list[int]:
    """Return how many colours each class has, the background not among them.

    Raises
    ------
    ParameterError
        If what was asked for is not one number, of at least 1, for each class.
    """
    words = params.palettes.replace(",", " ").split()
    sizes = [int(word) for word in words if word.isdecimal()] if words else [params.colors - 1] * classes
    fit = len(sizes) == classes and len(words) in (0, classes) and min(sizes) >= 1
    if not fit or max(sizes) * classes > MOST_COLORS:
        raise ParameterError(
            f"Colours of each class (palettes) are '{params.palettes}'; expected {classes} whole numbers from 1, one "
            f"for each class, such as '{' '.join(['4'] * classes)}', and the largest times "
            f"{classes} at most {MOST_COLORS}."
        )
    return sizes


def compute_loss(raw: Tensors, target: Target, params: Loss) -> dict[str, torch.Tensor]:
    """Equations 2 and 3 of the paper; with a semantic head also its loss (section 4.2), so too for the foreground."""
    from napari_instseg.losses import coloring_loss, foreground_loss, semantic_loss

    if "foreground" in raw:
        terms = coloring_loss(_join_foreground(raw), target.labels, params)
        return {**terms, **foreground_loss(raw["foreground"], target.labels, params)}
    if "colors" in raw:
        terms = coloring_loss(raw["colors"], target.labels, params)
    else:
        sizes = [palette.shape[1] for palette in _palettes(raw)]
        joined = _join([raw["background"], *_palettes(raw)])
        terms = coloring_loss(joined, target.labels, params, target.classes, sizes)
    if "semantic" in raw:
        return {**terms, **semantic_loss(raw["semantic"], target.class_map, target.labels, params)}
    return terms


def activate(raw: Tensors, offset: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """Colour probabilities, and class probabilities where there are classes."""
    if "foreground" in raw:
        return {"colors": _join_foreground(raw).exp()}
    semantic = {"semantic": raw["semantic"].softmax(dim=1)} if "semantic" in raw else {}
    if "colors" in raw:
        return {"colors": raw["colors"].softmax(dim=1), **semantic}
    # filled up to palettes of one size with colours that are nowhere, so that a colour's number says its class
    palettes = _palettes(raw)
    largest = max(palette.shape[1] for palette in palettes)
    filled = [
        palette if palette.shape[1] == largest else _join([palette, _nowhere(palette, largest - palette.shape[1])])
        for palette in palettes
    ]
    colors = _join([raw["background"], *filled]).softmax(dim=1)
    sums = colors[:, 1:].reshape(len(colors), len(palettes), largest, *colors.shape[2:]).sum(dim=2)
    sums = _join([colors[:, :1], sums])
    return {"colors": colors, "class_colors": sums, **semantic}


def stages(params: Decode) -> tuple[Stage, ...]:
    """Winning colours, their connected pieces, merging and outlines."""
    return coloring_stages(params, (*merge_stages("colors", disagreement), *outline_stages(params)))


def _palettes(raw: Tensors) -> list[torch.Tensor]:
    """Return the logits of each class's colours, in the order of classes."""
    return [raw[f"colors_{index + 1}"] for index in range(sum(name.startswith("colors_") for name in raw))]


def _nowhere(palette: torch.Tensor, number: int) -> torch.Tensor:
    """Return logits of colours without any probability."""
    return palette[:, :1].expand(-1, number, *palette.shape[2:]).clone().fill_(-1e9)


def _join(channels: list[torch.Tensor]) -> torch.Tensor:
    """Join channels."""
    import torch

    return torch.cat(channels, dim=1)


def _join_foreground(raw: Tensors) -> torch.Tensor:
    """Return log-probabilities: of the background, and of each colour if it is foreground."""
    import torch
    from torch.nn.functional import logsigmoid

    palette, where = raw["colors"].float(), raw["foreground"].float()
    return torch.cat([logsigmoid(-where), logsigmoid(where) + palette.log_softmax(dim=1)], dim=1)


METHOD = Method(
    name="coloring",
    title="Deep coloring",
    reference="Kulikov, Yurchenko, Lempitsky 2018, Instance Segmentation by Deep Coloring",
    summary="A few colours so that neighbours differ; decodes fastest. Tells crowded objects apart less well than "
    "embeddings do.",
    network=Network,
    loss=Loss,
    decode=Decode,
    outputs=(
        Output("colors", "Colours", "Probability of each colour, (C, Y, X), the first background."),
        Output("semantic", "Classes", "Probability of each class, (K + 1, Y, X), the first none.", optional=True),
        Output(
            "class_colors",
            "Classes by colour",
            "Where each class has colours of its own: the sum of their probabilities, (K + 1, Y, X), the first "
            "background. The colours are then K palettes of one size.",
            optional=True,
        ),
    ),
    build=build,
    compute_loss=compute_loss,
    activate=activate,
    stages=stages,
    inspect=coloring_views(),
)
