"""Speed, memory and size against accuracy, over networks and resolutions (De Brabandere et al. 2017, table 4)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from napari_instseg.core.events import Event, Result
from napari_instseg.inference.model import Model
from napari_instseg.inference.prediction import Prediction
from napari_instseg.metrics import coco_ap
from napari_instseg.reproduce.drawing import colored, shown
from napari_instseg.reproduce.learning import TINY, Course, Effort, compare, diameter, predict
from napari_instseg.reproduce.material import Picture, annotated, simulated
from napari_instseg.reproduce.report import Report, command_line
from napari_instseg.reproduce.timing import cpu_seconds

if TYPE_CHECKING:
    import torch

FULL = Effort(images=400, tests=40, steps=3000, side=256, batch=8)
QUICK = Effort(images=240, tests=30, steps=600, side=192)
NETWORKS: Mapping[str, Mapping[str, Any]] = {
    "U-Net, width 8": {"width": 8, "levels": 3},
    "U-Net, width 16": {"width": 16, "levels": 4},
    "U-Net, width 32": {"width": 32, "levels": 4},
    "U-Net, width 64": {"width": 64, "levels": 4, "blocks": 2},
}
QUICK_NETWORKS = 3
RESOLUTIONS = (0.5, 0.75, 1.0)
"""Of the images' side; the paper's 512, 768 and 1024 columns."""

PAPER = (
    ("ENet", 512, 0.19, 0.21, 145, 0.36, 1.00),
    ("ENet", 768, 0.21, 0.25, 94, 0.36, 1.03),
    ("ENet", 1024, 0.20, 0.26, 61, 0.36, 1.12),
    ("SegNet", 512, 0.20, 0.22, 27, 29.4, 1.22),
    ("SegNet", 768, 0.22, 0.26, 14, 29.4, 1.29),
    ("SegNet", 1024, 0.18, 0.24, 8, 29.4, 1.47),
    ("Dilation", 512, 0.21, 0.24, 15, 134.3, 2.20),
    ("Dilation", 768, 0.24, 0.29, 6, 134.3, 2.64),
    ("Dilation", 1024, 0.23, 0.30, 4, 134.3, 3.27),
    ("ResNet-38", 512, 0.24, 0.27, 12, 124.0, 4.45),
    ("ResNet-38", 768, 0.29, 0.34, 5, 124.0, 8.83),
)
"""Network, columns of the image, AP, AP with the true foreground, images per second, 10^6 parameters, GB."""


def run(*, quick: bool = False, seed: int = 0, scale: float = 1.0, data: Path | None = None) -> Iterator[Event]:
    """Train one discriminative model for each network and resolution.

    See `napari_instseg.reproduce.Experiment.run`; a `scale` below `TINY` also takes fewer networks and resolutions.
    """
    budget = (QUICK if quick else FULL).times(scale)
    if data is None:
        size = {"height": budget.side, "width": budget.side, "count": 16}
        learnt, tests = simulated("nuclei", budget.images, budget.tests, seed, size)
    else:
        learnt, tests = annotated(data, budget.images, budget.tests)
    names = list(NETWORKS)[: QUICK_NETWORKS if quick else None]
    small = scale < TINY
    pairs = list(product(names[:2] if small else names, RESOLUTIONS[::2] if small else RESOLUTIONS))
    course = Course(budget, len(pairs) * budget.steps, seed)
    known = diameter(learnt)
    rows, found = [], {}
    for name, zoom in pairs:
        crop = {"patch_size": _multiple(budget.side * zoom)}
        model = yield from course.learn("discriminative", learnt, zoom=zoom, network=NETWORKS[name], training=crop)
        predictions = yield from predict(model, tests, known)
        found[name, zoom] = predictions[0].decode().labels
        rows.append({"network": name, **_row(model, tests, predictions, zoom), "source": "here"})
    rows += [dict(zip(rows[0], [*numbers, "paper"], strict=True)) for numbers in PAPER]
    differs = (
        f"{'images of the folder' if data else f'simulated nuclei of {budget.side} px'} ({len(learnt)} to learn from,"
        f" {len(tests)} scored) instead of cars of Cityscapes; U-Nets of this package from scratch, {budget.steps}"
        f" steps of {budget.batch} crops each, instead of four pretrained networks; speed by processor "
        "seconds (of the paper: by a GPU's seconds) and memory (of what the network computes, without its weights) on "
        "one image. Only our own rows compare with each other; the paper's show its trend."
    )
    command = command_line("tradeoff", quick=quick, seed=seed, scale=scale, data=data)
    figure = _draw(rows[: len(pairs)], tests[0], found)
    yield Result(Report("tradeoff", "Speed against accuracy", rows, differs, figure, command))


def _multiple(side: float, of: int = 16) -> int:
    return max(round(side / of), 1) * of


def _row(model: Model, tests: Sequence[Picture], predictions: Sequence[Prediction], zoom: float) -> dict[str, Any]:
    """Return one row of the table but for the network's name."""
    shape = [_multiple(side * zoom, model.network.stride) for side in tests[0].labels.shape]
    seconds, memory = _cost(model, shape)
    true_foreground = [
        Prediction(one.method, {**one.outputs, "foreground": (test.labels > 0).astype(np.float32)}, one.defaults)
        for one, test in zip(predictions, tests, strict=True)
    ]
    return {
        "columns, px": shape[-1],
        "AP": _ap(tests, predictions),
        "AP, true foreground": _ap(tests, true_foreground),
        "images per CPU s": 1 / seconds,
        "10^6 parameters": sum(weights.numel() for weights in model.network.parameters()) / 1e6,
        "memory, GB": memory / 1e9,
    }


def _ap(tests: Sequence[Picture], predictions: Sequence[Prediction]) -> float:
    return coco_ap([compare(test, one.decode()) for test, one in zip(tests, predictions, strict=True)])["AP"]


def _cost(model: Model, shape: Sequence[int]) -> tuple[float, float]:
    """Return the processor seconds of one image through the network, and the most bytes held at once."""
    import torch

    from napari_instseg.networks.build import fuse

    network, image = fuse(model.network), torch.zeros(1, model.spec.in_channels, *shape)
    with torch.inference_mode():
        network(image)
        seconds = cpu_seconds(lambda: network(image))
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
            network(image)
    return seconds, _most_bytes(profile)


def _most_bytes(profile: torch.profiler.profile) -> float:
    """Add up what was taken and given back, in the order of time."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder) / "trace.json"
        profile.export_chrome_trace(str(path))
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    taken = sorted((event for event in events if event.get("name") == "[memory]"), key=lambda event: event["ts"])
    return float(max(accumulate(event["args"]["Bytes"] for event in taken)))


def _draw(rows: Sequence[Mapping[str, Any]], test: Picture, found: Mapping[tuple[str, float], Any]) -> Figure:
    """Draw accuracy over speed, and one image as the smallest and the largest model see it."""
    figure = Figure(figsize=(14, 3.8), layout="constrained")
    curve, *others = figure.subplots(1, 4, width_ratios=(1.6, 1, 1, 1))
    for name in dict.fromkeys(row["network"] for row in rows):
        own = [row for row in rows if row["network"] == name]
        (line,) = curve.semilogx([row["images per CPU s"] for row in own], [row["AP"] for row in own], "o-", label=name)
        for row in own:
            at = (row["images per CPU s"], row["AP"])
            curve.annotate(
                f"{row['columns, px']} px",
                at,
                xytext=(4, 4),
                textcoords="offset points",
                fontsize=7,
                color=line.get_color(),
            )
    curve.margins(0.12)
    curve.set_xlabel("images per CPU s")
    curve.set_ylabel("COCO AP")
    curve.legend(fontsize=7)
    names = list(found)
    images = [("image", shown(test.image, test.axes))]
    images += [(f"{name}, x {zoom:g}", colored(found[name, zoom])) for name, zoom in (names[0], names[-1])]
    for axes, (title, image) in zip(others, images, strict=True):
        axes.imshow(image, cmap="gray", interpolation="nearest")
        axes.set_title(title, fontsize=9)
        axes.set_axis_off()
    return figure
