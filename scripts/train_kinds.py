"""Train the classifier that tells what kind of image it sees, and say how often it is right on images held out.

Run as `python scripts/train_kinds.py --data DATA --out src/napari_instseg/zoo/kinds.json`. It learns from real
images and from simulated ones; sets that may be measured on only are never learnt from. Takes minutes of one core.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from train_wide import learnt_and_chosen

from napari_instseg.data.axes import to_channels
from napari_instseg.data.look import FEATURES, measure_look
from napari_instseg.data.simulate import KINDS as SIMULATORS
from napari_instseg.data.simulate import simulate
from napari_instseg.io.images import read_image
from napari_instseg.io.pairs import open_pairs
from napari_instseg.zoo.kinds import KINDS, tell_kind

Channels = npt.NDArray[np.float32]
SIMULATED = (
    ("worms", "worms", {}, 30),
    ("leaves", "rosettes", {}, 30),
    ("bacteria", "bacteria", {}, 20),
    ("bacteria", "bacteria", {"look": "phase-contrast"}, 20),
    ("stained nuclei", "nuclei", {"look": "histology"}, 15),
)
"""Kind, simulator, its parameters, and how many images."""
VIEWS, MOST = 150, 110
"""Least number of views of a kind, of which each image gives at least one; and most real images of a kind."""
ALARMS = 0.05
"""Share of images of known kinds that may be warned of wrongly."""
DECAY = 3e-3


def real_images(data: Path, part: str) -> Iterator[tuple[str, Channels]]:
    """Return the real images by kind: those that are ``learnt`` from, kept aside (``chosen``) or held out (``val``)."""
    with (data / "dsb2018" / "modality.csv").open() as file:
        modality = {row["id"]: row["modality"] for row in csv.DictReader(file)}
    kind_of = {
        "micronuclei": "fluorescent nuclei",
        "bbbc039": "fluorescent nuclei",
        "yeast_phase": "yeast",
        "usiigaci": "adherent cells",
    }
    measured = {"bbbc010": "worms", "glioma_he": "stained nuclei", "tissue_nuclei_e2f": "fluorescent nuclei"}
    for name in ("dsb2018", *kind_of, *(measured if part == "val" else ())):
        if part == "val":
            listed = data / name / "val.txt"
            names = set(listed.read_text().split()) if listed.exists() else None
            pairs = [pair for pair in open_pairs(data / name) if names is None or pair.name in names]
        else:
            pairs = learnt_and_chosen(data / name)[part == "chosen"]
        for pair in pairs:
            dark = modality.get(pair.name) == "grey_dark_background"
            kind = {**kind_of, **measured}.get(name) or ("fluorescent nuclei" if dark else "stained nuclei")
            example = pair.read()
            yield kind, as_channels(example.image, example.axes)
    if part == "val":
        for path in sorted((data / "ecoli_brightfield" / "images").iterdir()):
            yield "bacteria", as_channels(read_image(path).array, "YX")


def as_channels(image: Any, axes: str | None) -> Channels:
    """Bring an image to (C, Y, X), without transparency."""
    axes = axes or ("YXC" if image.ndim == 3 else "YX")
    channels, _ = to_channels(image, axes, "YX")
    return np.asarray(channels[:3] if len(channels) >= 3 else channels, np.float32)


def views(channels: Channels, number: int, rng: np.random.Generator) -> list[npt.NDArray[np.float32]]:
    """Measure an image as it is, and parts of it at other sizes, brightnesses and noise."""
    found = [measure_look(channels)]
    for _ in range(number - 1):
        part = channels
        share = rng.uniform(0.4, 1.0)
        size = [max(int(side * share), 64) for side in part.shape[1:]]
        start = [
            int(rng.integers(0, max(side - length, 0) + 1)) for side, length in zip(part.shape[1:], size, strict=True)
        ]
        part = part[:, start[0] : start[0] + size[0], start[1] : start[1] + size[1]]
        low, high = np.percentile(part, (0.1, 99.9))
        part = np.clip((part - low) / max(float(high - low), 1e-9), 0, 1) ** np.exp(rng.normal(0, 0.25))
        if rng.random() < 0.5:
            part = ndimage.zoom(part, (1, *([float(np.exp(rng.normal(0, 0.35)))] * 2)), order=1)
        if rng.random() < 0.4:
            part = part + rng.normal(0, rng.uniform(0, 0.05), part.shape)
        if rng.random() < 0.3:
            part = ndimage.gaussian_filter(part, (0, *([rng.uniform(0.3, 1.5)] * 2)))
        if rng.random() < 0.15 and len(part) == 1:
            part = np.repeat(part, 3, axis=0)
        found.append(measure_look(np.asarray(part[:, ::-1] if rng.random() < 0.5 else part, np.float32)))
    return found


def learn(rows: npt.NDArray[Any], of: npt.NDArray[Any], weight: npt.NDArray[Any]) -> dict[str, Any]:
    """Fit a linear classifier, and how far images of each kind lie from its middle."""
    middle, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-3
    x, y, w = torch.tensor((rows - middle) / spread), torch.tensor(of), torch.tensor(weight)
    x = x.double().clamp(-5, 5)
    matrix = torch.zeros(len(KINDS), x.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([matrix], max_iter=400, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        scores = x @ matrix[:, :-1].T + matrix[:, -1]
        error = (torch.nn.functional.cross_entropy(scores, y, reduction="none") * w).sum() / w.sum()
        total = error + DECAY * (matrix[:, :-1] ** 2).sum()
        total.backward()
        return total

    optimizer.step(loss)
    seen = x.numpy()
    means = np.stack([seen[of == kind].mean(axis=0) for kind in range(len(KINDS))])
    left = (seen - means[of]) * np.sqrt(weight)[:, None]
    covariance = left.T @ left / weight.sum()
    covariance += 0.05 * np.eye(len(covariance))
    root = np.linalg.cholesky(np.linalg.inv(covariance))
    return {
        "middle": middle.tolist(),
        "spread": spread.tolist(),
        "matrix": matrix.detach().numpy().tolist(),
        "means": means.tolist(),
        "root": root.tolist(),
    }


def main(args: argparse.Namespace) -> None:
    """Learn, write, and say how often it is right."""
    rng = np.random.default_rng(args.seed)
    names = list(KINDS)
    images: dict[str, list[Channels]] = {name: [] for name in names}
    for kind, channels in real_images(args.data, "learnt"):
        images[kind].append(channels)
    for kind, simulator, values, number in SIMULATED:
        params = SIMULATORS[simulator].params(**values)
        images[kind] += [as_channels(one.image, None) for one in simulate(simulator, n=number, seed=7, params=params)]
    rows, of = [], []
    for number, name in enumerate(names):
        print(name, len(images[name]), "images", flush=True)
        chosen = [images[name][index] for index in rng.permutation(len(images[name]))[:MOST]]
        for channels in chosen:
            found = views(channels, max(1, -(-VIEWS // len(chosen))), rng)
            rows += found
            of += [number] * len(found)
    kinds = np.array(of)
    weight = 1.0 / np.bincount(kinds, minlength=len(names))[kinds]
    fitted = learn(np.stack(rows).astype(np.float64), kinds, weight)
    measured = {"features": list(FEATURES), "kinds": names, **fitted, "farthest": 1.0}
    far = [tell_kind(channels, measured).distance for _, channels in real_images(args.data, "chosen")]
    measured["farthest"] = float(np.quantile(far, 1 - ALARMS))
    args.out.write_text(json.dumps(rounded(measured), indent=1) + "\n")
    for part in ("chosen", "val"):
        table: dict[str, list[tuple[str, float, float]]] = {}
        for kind, channels in real_images(args.data, part):
            told = tell_kind(channels, measured)
            table.setdefault(kind, []).append((told.kind, told.probability, told.distance / measured["farthest"]))
        right = sum(kind == told for kind, found in table.items() for told, _, _ in found)
        print(f"{part}: right for {right} of {sum(map(len, table.values()))}")
        for kind, found in table.items():
            others = sorted({told for told, _, _ in found if told != kind})
            distances = np.array([distance for _, _, distance in found])
            share = np.mean([told == kind for told, _, _ in found])
            print(f"  {kind:20s} {share:.2f} of {len(found)}; farther than known {np.mean(distances > 1):.2f}", others)


def rounded(values: Any) -> Any:
    """Keep six digits."""
    if isinstance(values, float):
        return float(f"{values:.6g}")
    if isinstance(values, dict):
        return {name: rounded(value) for name, value in values.items()}
    return (
        [rounded(value) for value in values] if isinstance(values, Sequence) and not isinstance(values, str) else values
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    main(parser.parse_args())
