"""Parameters of the losses; declared apart from the losses, so that listing them does not import torch."""

from __future__ import annotations

from typing import Literal

from napari_instseg.core.params import Params, choice, tunable

Average = Literal["pixels", "objects"]
Background = Literal["mean", "sum"]
Norm = Literal["l2", "l1"]
Turns = Literal["in turn", "independent"]


class ColoringLoss(Params):
    """How objects get their colours while training."""

    margin: int = tunable(
        20,
        1,
        200,
        unit="px",
        title="Margin",
        help="Objects nearer than this should differ in colour. About the objects' diameter: less merges neighbours, "
        "more asks for more colours and splits objects.",
    )
    halo_weight: float = tunable(
        7.0,
        0.0,
        50.0,
        title="Halo weight",
        help="How much a free neighbourhood counts against the colour's probability inside when a colour is chosen.",
    )
    exploration: float = tunable(
        0.1,
        0.0,
        0.9,
        step=0.01,
        title="Exploration",
        help="Share of probability that every colour is granted alike when colours are chosen, so that a colour that "
        "the network does not use yet is taken where all others are crowded. 0 is the paper's rule, which can get "
        "stuck with two colours.",
        advanced=True,
    )
    balance: float = tunable(
        0.0,
        0.0,
        10.0,
        step=0.1,
        title="Balance",
        help="How much objects that choose in turn prefer colours that few objects of the batch have, so that all "
        "colours come into use. 0: they do not care.",
        when=("turns", ("in turn",)),
        advanced=True,
    )
    average: Average = choice(
        "pixels",
        title="Average over",
        help="pixels: every pixel counts alike. objects: each object's pixels are averaged, as in the paper, so that "
        "small objects count as much as large ones.",
    )
    background: Background = choice(
        "mean",
        title="Background counts",
        help="mean: all background together as much as one object. sum: each of its pixels as much as an object, as in "
        "the paper's equation 3; it takes longer until there are objects at all.",
        when=("average", ("objects",)),
        advanced=True,
    )
    turns: Turns = choice(
        "in turn",
        title="Objects choose",
        help="in turn: no object takes a colour that one in contact has taken already. independent: each by itself, as "
        "in the paper, which leaves touching objects that look alike in one colour for longer.",
        advanced=True,
    )


class DiscriminativeLoss(Params):
    """Forces on the pixels of objects in embedding space."""

    delta_v: float = tunable(
        0.5,
        0.01,
        10.0,
        unit="embedding distance",
        title="Pull margin (delta_v)",
        help="Pixels nearer than this to their object's mean are left alone; the natural bandwidth for decoding.",
    )
    delta_d: float = tunable(
        1.5,
        0.01,
        50.0,
        unit="embedding distance",
        title="Push margin (delta_d)",
        help="Means nearer than twice this are pushed apart. More than twice the pull margin keeps objects apart.",
    )
    norm: Norm = choice("l2", title="Norm", help="Distance in embedding space: Euclidean (l2) or city block (l1).")
    alpha: float = tunable(1.0, 0.0, 10.0, title="Weight of the variance term", help="Strength of the pull.")
    beta: float = tunable(1.0, 0.0, 10.0, title="Weight of the distance term", help="Strength of the push.")
    gamma: float = tunable(
        0.001,
        0.0,
        1.0,
        title="Weight of the regularisation",
        help="Strength of the pull of all means to the origin, which keeps embeddings bounded.",
        advanced=True,
    )
    reach: int = tunable(
        0,
        0,
        1000,
        unit="px",
        title="Reach of the push",
        help="Only objects nearer to each other than this repel. 0: all pairs in an image, as in the paper. With a "
        "reach, large images with very many objects need no more room in embedding space than small ones.",
    )


class ForegroundLoss(Params):
    """How the foreground, or the classes, are learnt."""

    foreground_weight: float = tunable(
        1.0,
        0.0,
        20.0,
        title="Weight of the foreground",
        help="Of what tells objects from background and classes apart, beside what tells objects apart.",
    )
    dice: float = tunable(
        0.5,
        0.0,
        1.0,
        title="Share of Dice",
        help="0: cross-entropy alone, well calibrated. 1: Dice alone, which small or rare objects gain from.",
        advanced=True,
    )
    gap_weight: float = tunable(
        1.0,
        1.0,
        100.0,
        title="Weight of gaps",
        help="How often background between two near objects counts in the cross-entropy. Higher: fewer neighbours "
        "merge, outlines are thinner where they are close. 1: like all other background.",
        advanced=True,
    )
    gap: int = tunable(
        3,
        1,
        100,
        unit="px",
        title="Reach of a gap",
        help="Background within so many pixels of two objects is a gap. About a tenth of the objects' diameter.",
        advanced=True,
    )


class SemiconvLoss(Params):
    """How pixels learn to point at one place per object."""

    attraction: float = tunable(
        1.0,
        0.0,
        10.0,
        title="Weight of the attraction",
        help="Pull of an object's pixels to their mean, in pixels: all that the paper's own loss has.",
    )
    kernel_weight: float = tunable(
        1.0,
        0.0,
        10.0,
        title="Weight of the kernel",
        help="Cross-entropy of the affinity to each object's mean, which also pushes other objects' pixels away and "
        "learns how wide the kernel is. Tells touching objects apart better. 0: attraction alone, as in the paper.",
    )


class MetricLoss(Params):
    """How pixels learn to be similar within and unlike across objects."""

    samples: int = tunable(
        10,
        2,
        100,
        unit="px",
        title="Pixels per object",
        help="Drawn at random at every step; pairs of them are compared, and masks are grown from them.",
    )
    weighting: Literal["size", "object"] = choice(
        "size",
        title="Pairs weigh by",
        help="size: inversely to the size of both objects, as in the paper, small ones count more. object: all alike.",
        advanced=True,
    )
    seed_weight: float = tunable(
        0.2,
        0.0,
        5.0,
        title="Weight of the seediness",
        help="Largest weight (lambda) of the loss that learns which pixels grow into good masks.",
    )
    seed_ramp: float = tunable(
        0.5,
        0.0,
        1.0,
        step=0.05,
        title="Ramp of the seediness",
        help="Share of the training over which that weight rises from 0; the embedding comes first.",
        advanced=True,
    )
    good_iou: float = tunable(
        0.5,
        0.1,
        0.95,
        step=0.05,
        title="Good mask from IoU",
        help="A grown mask that overlaps an object by this much is a good one.",
        advanced=True,
    )
    mask_step: int = tunable(
        2,
        1,
        8,
        unit="px",
        title="Pixel step of masks",
        help="Grown masks are compared with the objects on every n-th row and column: 2 is four times as fast as 1.",
        advanced=True,
    )


class BoundaryLoss(Params):
    """What clusternet's paper adds to the discriminative loss."""

    boundary_weight: float = tunable(
        0.0,
        0.0,
        10.0,
        title="Weight of the boundary term (psi)",
        help="Push between the boundary pixels of different objects. 0 was best in the paper.",
    )
    boundary_samples: int = tunable(
        200,
        1,
        2000,
        unit="px",
        title="Boundary pixels",
        help="Most boundary pixels per object, drawn at random at every step.",
        advanced=True,
    )
    key_weight: float = tunable(
        1.0,
        1.0,
        1000.0,
        title="Weight of key points",
        help="How much the corners and the centre of an object count in its mean, against 1 for its other pixels. "
        "1 was best in the paper.",
    )


class MaskLoss(Params):
    """How the masks that ClusterNet draws are learnt."""

    mask_weight: float = tunable(
        1.0, 0.0, 10.0, title="Weight of the masks", help="Of the masks that are drawn anew, beside the other terms."
    )
    inside_weight: float = tunable(
        3.0,
        1.0,
        200.0,
        title="Weight of the inside",
        help="How much a pixel inside an object counts against one outside: about the ratio of their numbers balances "
        "them (105 in the paper), less gives tighter outlines.",
        advanced=True,
    )


class RegionLoss(Params):
    """How much the embedding counts beside the losses of Mask R-CNN."""

    embedding_weight: float = tunable(
        0.1,
        0.0,
        10.0,
        step=0.01,
        title="Weight of the embedding",
        help="Pull of each object's pixels to the place that they point at on average, in pixels.",
    )
    kernel_weight: float = tunable(
        1.0,
        0.0,
        10.0,
        title="Weight of the kernel",
        help="Of the cross-entropy that compares the affinity to the seed with the true mask.",
    )
