"""A 2-d embedding converging on one image under the discriminative loss (De Brabandere et al. 2017, figure 3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_instseg.core.events import Event, Progress, Result
from napari_instseg.core.method import Array
from napari_instseg.data.simulate import simulate
from napari_instseg.data.simulate.rosettes import Rosettes
from napari_instseg.reproduce.report import Report, command_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = (0, 2, 4, 8, 16, 32, 64)
"""Steps that the figure shows."""

OBJECTS = 15
"""As in the paper's image."""


def run(*, quick: bool = False, seed: int = 0, scale: float = 1.0) -> Iterator[Event]:
    """Train on one rosette, and look at the embedding of its pixels after a few steps.

    See `napari_instseg.reproduce.Experiment.run`; the quick run takes a smaller image.
    """
    import torch

    from napari_instseg.losses.discriminative import discriminative_loss
    from napari_instseg.losses.params import DiscriminativeLoss
    from napari_instseg.networks.build import build_network
    from napari_instseg.networks.coordinates import coordinate_maps
    from napari_instseg.networks.params import NetworkParams

    field = 160 if quick else 384
    scene = next(simulate("rosettes", seed=seed, params=Rosettes(height=field, width=field, count=OBJECTS)))
    shown = [step for step in SHOWN if step <= max(SHOWN) * scale]
    torch.manual_seed(seed)
    # the paper's network starts from ImageNet; ours is told where pixels are, without which it starts with one point
    network: Any = build_network(NetworkParams(coordinates="image"), {"embedding": 2}, 3, 2)
    side = [length // network.stride * network.stride for length in scene.labels.shape]
    picture, labels = scene.image[: side[0], : side[1]], scene.labels[: side[0], : side[1]].astype(np.int64)
    batch = torch.from_numpy((picture / 255).astype(np.float32)).movedim(-1, 0)[None]
    maps, truth = coordinate_maps("image", side)[None], torch.from_numpy(labels)[None]
    loss = DiscriminativeLoss()
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    network.train()
    rows, points = [], []
    for step in range(shown[-1] + 1):
        optimizer.zero_grad()
        embedding = network(batch, maps)["embedding"]
        terms = discriminative_loss(embedding, truth, loss)
        if step in shown:
            points.append(embedding[0].detach().numpy()[:, labels > 0])
            rows.append(_row(step, points[-1], labels[labels > 0], loss.delta_v, terms))
        sum(terms.values()).backward()  # type: ignore[union-attr]
        optimizer.step()
        yield Progress(step, shown[-1], "steps")
    differs = (
        f"a simulated rosette of {OBJECTS} leaves instead of a CVPPP image; a small U-Net from "
        "scratch with coordinates as input, instead of a pretrained ResNet-38. The paper gives a picture and no "
        "numbers: after 64 steps all objects are apart."
    )
    figure = _draw(points, labels[labels > 0], shown)
    command = command_line("convergence", quick=quick, seed=seed, scale=scale, data=None)
    yield Result(Report("convergence", "A 2-d embedding converging", rows, differs, figure, command))


def _row(step: int, points: Array, labels: Array, delta_v: float, terms: dict[str, Any]) -> dict[str, Any]:
    """Tell how far each pixel is from its own object's mean, and whether that mean is the nearest one."""
    ids = np.unique(labels)
    means = np.stack([points[:, labels == label].mean(axis=1) for label in ids])
    apart = np.linalg.norm(points.T[:, None] - means[None], axis=2)
    own = np.searchsorted(ids, labels)
    return {
        "step": step,
        "variance term": float(terms["variance"].detach()),
        "distance term": float(terms["distance"].detach()),
        "within delta_v of own mean": float((apart[np.arange(len(own)), own] <= delta_v).mean()),
        "nearest to own mean": float((apart.argmin(axis=1) == own).mean()),
    }


def _draw(points: Sequence[Array], labels: Array, shown: Sequence[int]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3 * len(shown), 3.2))
    panels = np.atleast_1d(figure.subplots(1, len(shown)))
    for axes, cloud, step in zip(panels, points, shown, strict=True):
        axes.scatter(*cloud[:, ::7], c=labels[::7], s=2, cmap="tab20", linewidths=0)
        axes.set_title(f"step {step}")
        axes.set_aspect("equal", "datalim")
    return figure
