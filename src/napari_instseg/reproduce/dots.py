"""Identical dots on a grid: plain against semi-convolutional embedding, k-means (Novotny et al. 2018, figure 3)."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.events import Event, Progress, Result
from napari_instseg.core.method import Array
from napari_instseg.data.simulate import simulate
from napari_instseg.data.simulate.dots import Dots
from napari_instseg.decoding.segmentation import Segmentation
from napari_instseg.inference.prediction import Prediction
from napari_instseg.metrics import adjusted_rand_index, evaluate_labels
from napari_instseg.reproduce.drawing import colored
from napari_instseg.reproduce.report import Report, command_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DIMENSIONS = 8
STEPS = 400


def run(*, quick: bool = False, seed: int = 0, scale: float = 1.0) -> Iterator[Event]:
    """Train both embeddings on one image of identical dots, by attraction alone, and cluster them by k-means.

    See `napari_instseg.reproduce.Experiment.run`.
    """
    side = 160 if quick else 320
    dots = next(simulate("dots", seed=seed, params=Dots(height=side, width=side, spacing=32, diameter=16)))
    steps = max(1, round((STEPS // 2 if quick else STEPS) * scale))
    found = {}
    for number, kind in enumerate(("plain", "semi-convolutional")):
        outputs = yield from _train(dots.image, dots.labels, kind, steps, number * steps, 2 * steps, seed)
        found[kind] = _cluster(outputs, dots.labels)
    paper = {"plain": "nearly random", "semi-convolutional": "almost perfect"}
    rows = [
        {"embedding": kind, **_scores(dots.labels, result.labels), "paper (in words)": paper[kind]}
        for kind, result in found.items()
    ]
    differs = (
        f"{dots.labels.max()} dots of our own; a small U-Net from scratch instead of ResNet-50 up to res2c with "
        f"ImageNet weights; {steps} steps of Adam instead of SGD. The paper gives a picture and no numbers."
    )
    yield Result(
        Report(
            "dots",
            "Identical dots",
            rows,
            differs,
            _draw(dots.image, dots.labels, found),
            command_line("dots", quick=quick, seed=seed, scale=scale, data=None),
        )
    )


def _train(
    image: Array, labels: Array, kind: str, steps: int, done: int, total: int, seed: int
) -> Generator[Event, None, dict[str, Array]]:
    """Train one embedding on the one image; give it as the outputs of the method semiconv."""
    import torch

    from napari_instseg.losses.params import SemiconvLoss
    from napari_instseg.losses.semiconv import semiconv_loss
    from napari_instseg.networks.build import build_network
    from napari_instseg.networks.params import NetworkParams
    from napari_instseg.networks.semiconv import SemiConvolution

    torch.manual_seed(seed)
    # it must not see the border, which would tell it where it is
    network: Any = build_network(NetworkParams(width=16, levels=2), {"embedding": DIMENSIONS}, 1, 2)
    if kind == "semi-convolutional":
        network = SemiConvolution(network)
    batch = torch.from_numpy((image / 255).astype(np.float32))[None, None]
    truth = torch.from_numpy(labels.astype(np.int64))[None]
    loss = SemiconvLoss(kernel_weight=0.0)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    network.train()
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        terms = semiconv_loss(network(batch)["embedding"], torch.ones(()), truth, loss)
        terms["attraction"].backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        yield Progress(done + step, total, "steps")
    network.eval()
    with torch.inference_mode():
        embedding = network(batch)["embedding"][0].numpy()
    return {"embedding": embedding, "foreground": (labels > 0).astype(np.float32)}


def _cluster(outputs: dict[str, Array], labels: Array) -> Segmentation:
    """Cluster the foreground by k-means into the true number; pieces are not split, which would help either."""
    prediction = Prediction("semiconv", outputs)
    return prediction.decode(
        clusterer="k-means", n_clusters=int(labels.max()), connected=False, min_size=0, absorb=False, fill_holes=0
    )


def _scores(truth: Array, found: Array) -> dict[str, float]:
    report = evaluate_labels([(truth, found)])
    inside = truth > 0
    return {
        "AP 0.5": float(report["ap"]["0.5"]),
        "SBD": float(report["sbd"]),
        "adjusted Rand index": float(adjusted_rand_index(truth[inside], found[inside])),
    }


def _draw(image: Array, labels: Array, found: dict[str, Segmentation]) -> Figure:
    from matplotlib.figure import Figure

    pictures: list[tuple[str, npt.NDArray[Any]]] = [("image", image), ("truth", colored(labels))]
    pictures += [(f"{kind}, k-means", colored(result.labels)) for kind, result in found.items()]
    figure = Figure(figsize=(4 * len(pictures), 4.3))
    for axes, (title, picture) in zip(figure.subplots(1, len(pictures)), pictures, strict=True):
        axes.imshow(picture, cmap="gray", interpolation="nearest")
        axes.set_title(title)
        axes.set_axis_off()
    return figure
