"""Parameters of the network; declared apart from it, so that listing them does not import torch."""

from __future__ import annotations

from typing import Literal

from napari_instseg.core.params import Params, choice, text, tunable

Coordinates = Literal["none", "image", "periodic"]


class NetworkParams(Params):
    """What the network is made of; a change asks for training anew."""

    backbone: str = text(
        "unet",
        title="Backbone",
        help="unet: the residual U-Net of this package, 2-d and 3-d. smp:Unet:resnet34 and the like: any encoder and "
        "decoder of segmentation-models-pytorch, 2-d, started from ImageNet weights where they can be had.",
    )
    width: int = tunable(
        32,
        4,
        256,
        step=4,
        unit="channels",
        title="Width",
        help="Channels at the finest level; time grows with the square.",
    )
    levels: int = tunable(4, 1, 6, title="Levels", help="Resolutions; one more doubles how far the network looks.")
    blocks: int = tunable(
        1, 1, 6, title="Blocks", help="Residual blocks at each coarser level; more make it deeper.", advanced=True
    )
    stem: int = tunable(
        2,
        1,
        4,
        unit="px",
        title="Stride of the stem",
        help="The finest level works at this fraction of the resolution; outputs are at full resolution all the same. "
        "1 is four times as slow as 2 and may help with objects of few pixels.",
    )
    coordinates: Coordinates = choice(
        "none",
        title="Coordinates as input",
        help="What the network is told of where a pixel lies. image: its place in the image, for images that all show "
        "one scene, such as a plant in a pot. periodic: its place on a grid of waves, by which it can give neighbours "
        "that look alike different answers in images of any size.",
    )
