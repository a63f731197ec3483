"""Deep coloring: objects take one of a few colours, unlike their neighbours; components of a colour are objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from napari_instseg.core.method import Method, Output, Stage, Target, Tensors
from napari_instseg.core.params import choice, flag, tunable
from napari_instseg.decoding.color_views import coloring_views
from napari_instseg.decoding.coloring import ColoringDecode, coloring_stages
from napari_instseg.decoding.merging import MergeParams, disagreement, merge_stages
from napari_instseg.losses.params import ColoringLoss, ForegroundLoss
from napari_instseg.networks.params import NetworkParams
from napari_instseg.refining.outlines import OutlineParams, outline_stages

if TYPE_CHECKING:
    import torch


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
    class_colors: Literal["shared", "per class"] = choice(
        "shared",
        title="Classes from",
        help="shared: one palette, and a semantic map beside it tells the class. per class: each class has its own "
        "colours. Without classes it makes no difference.",
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
    """Make the network with its heads."""
    from napari_instseg.networks import build_network

    if classes and params.class_colors == "per class":
        heads = {f"colors_{index + 1}": params.colors - 1 for index in range(classes)}
        heads = {"background": 1, **heads}
    elif classes:
        heads = {"colors": params.colors, "semantic": classes + 1}
    elif params.foreground_head:
        heads = {"colors": params.colors - 1, "foreground": 1}
    else:
        heads = {"colors": params.colors}
    return build_network(params, heads, in_channels, ndim)


def compute_loss(raw: Tensors, target: Target, params: Loss) -> dict[str, torch.Tensor]:
    """Equations 2 and 3 of the paper; with a semantic head also its loss (section 4.2), so too for the foreground."""
    from napari_instseg.losses import coloring_loss, foreground_loss, semantic_loss

    if "colors" not in raw:
        return coloring_loss(_join_palettes(raw), target.labels, params, target.classes)
    if "foreground" in raw:
        terms = coloring_loss(_join_foreground(raw), target.labels, params)
        return {**terms, **foreground_loss(raw["foreground"], target.labels, params)}
    terms = coloring_loss(raw["colors"], target.labels, params)
    if "semantic" in raw:
        return {**terms, **semantic_loss(raw["semantic"], target.class_map, target.labels, params)}
    return terms


def activate(raw: Tensors, offset: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """Colour probabilities, and class probabilities where there are classes."""
    import torch

    if "foreground" in raw:
        return {"colors": _join_foreground(raw).exp()}
    if "colors" in raw:
        return {name: logits.softmax(dim=1) for name, logits in raw.items()}
    colors = _join_palettes(raw).softmax(dim=1)
    sizes = [raw[name].shape[1] for name in raw if name != "background"]
    blocks = torch.split(colors[:, 1:], sizes, dim=1)
    semantic = torch.cat([colors[:, :1], *(block.sum(dim=1, keepdim=True) for block in blocks)], dim=1)
    return {"colors": colors, "semantic": semantic}


def stages(params: Decode) -> tuple[Stage, ...]:
    """Winning colours, their connected pieces, merging and outlines."""
    return coloring_stages(params, (*merge_stages("colors", disagreement), *outline_stages(params)))


def _join_palettes(raw: Tensors) -> torch.Tensor:
    import torch

    return torch.cat(list(raw.values()), dim=1)


def _join_foreground(raw: Tensors) -> torch.Tensor:
    """Give log-probabilities: of the background, and of each colour if it is foreground."""
    import torch
    from torch.nn.functional import logsigmoid

    palette, where = raw["colors"].float(), raw["foreground"].float()
    return torch.cat([logsigmoid(-where), logsigmoid(where) + palette.log_softmax(dim=1)], dim=1)


METHOD = Method(
    name="coloring",
    title="Deep coloring",
    reference="Kulikov, Yurchenko, Lempitsky 2018, Instance Segmentation by Deep Coloring",
    summary="A few colours so that neighbours differ; decodes fastest, good for many crowded objects.",
    network=Network,
    loss=Loss,
    decode=Decode,
    outputs=(
        Output("colors", "Colours", "Probability of each colour, (C, Y, X), the first background."),
        Output("semantic", "Classes", "Probability of each class, (K + 1, Y, X), the first none.", optional=True),
    ),
    build=build,
    compute_loss=compute_loss,
    activate=activate,
    stages=stages,
    inspect=coloring_views(),
)
