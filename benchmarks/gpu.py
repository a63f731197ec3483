"""Check and measure everything on a GPU, in one command; without one it says so.

    python benchmarks/gpu.py [--json FILE]

Outputs on the GPU are compared with those of the CPU, labels too; then images per second of prediction, memory, and
training steps per second of both devices, with their ratio.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from napari_instseg.benchmarks.predict import crowded_image
from napari_instseg.core.device import choose_device
from napari_instseg.core.events import Metric
from napari_instseg.data.simulate import simulate
from napari_instseg.inference.model import Model, load_model
from napari_instseg.io.pairs import pairs_from_arrays
from napari_instseg.metrics import evaluate_labels
from napari_instseg.training.recipe import Recipe
from napari_instseg.training.train import train
from napari_instseg.zoo import shipped

SIZE, REPEAT, STEPS = 1024, 5, 30
TOLERANCE = 0.05
"""Largest mean difference of outputs, relative to their standard deviation: what half precision costs."""
AGREEMENT = 0.98
"""Least share of objects that both devices find alike, TP/(TP+FP+FN) at IoU 0.5."""


def main() -> int:
    """Run all checks; 1 if one fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    args = parser.parse_args()
    device = choose_device("auto")
    if device.name == "cpu":
        print(f"No GPU: {device.reason} Nothing to check.")
        return 0
    print(device.reason)
    image = crowded_image(SIZE, 500)
    rows = [measure_model(name, image, device.name) for name in shipped()]
    rows += [measure_training(method, device.name) for method in ("coloring", "discriminative")]
    for row in rows:
        print(
            "  ".join(
                f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()
            )
        )
    if args.json:
        args.json.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    return 0 if all(row.get("passed", True) for row in rows) else 1


def measure_model(name: str, image: np.ndarray, device: str) -> dict[str, Any]:
    """Compare a shipped model on both devices."""
    model = load_model(name)
    reference, result = model.predict(image, device="cpu"), model.predict(image, device=device)
    difference = max(
        float(np.abs(result.outputs[key] - array).mean() / array.std()) for key, array in reference.outputs.items()
    )
    agreement = evaluate_labels([(reference.decode().labels, result.decode().labels)])["ap"]["0.5"]
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    on_cpu, on_gpu = (seconds(model, image, where) for where in ("cpu", device))
    return {
        "model": name,
        "difference": difference,
        "agreement": agreement,
        "passed": difference <= TOLERANCE and agreement >= AGREEMENT,
        "cpu_images_per_second": 1 / on_cpu,
        "gpu_images_per_second": 1 / on_gpu,
        "times_faster": on_cpu / on_gpu,
        "gpu_mebibytes": torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else float("nan"),
    }


def seconds(model: Model, image: np.ndarray, device: str) -> float:
    """Return the median time of a prediction."""
    times = []
    for _ in range(REPEAT):
        start = time.perf_counter()
        model.predict(image, device=device)
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def measure_training(method: str, device: str) -> dict[str, Any]:
    """Count training steps per second on both devices."""
    scenes = list(simulate("nuclei", n=4, seed=1))
    pairs = pairs_from_arrays([scene.image for scene in scenes], [scene.labels for scene in scenes])
    recipe = Recipe.make(method, {"training": {"steps": STEPS, "validate_every": STEPS}})
    speed = {where: steps_per_second(recipe, pairs, where) for where in ("cpu", device)}
    return {
        "training": method,
        "cpu_steps_per_second": speed["cpu"],
        "gpu_steps_per_second": speed[device],
        "times_faster": speed[device] / speed["cpu"],
    }


def steps_per_second(recipe: Recipe, pairs: Any, device: str) -> float:
    """Time the second half of a short run, when everything is warm."""
    with tempfile.TemporaryDirectory() as folder:
        marks = [
            time.perf_counter()
            for event in train(recipe, pairs, (), Path(folder) / "model", device=device)
            if isinstance(event, Metric) and "loss" in event.values
        ]
    half = len(marks) // 2
    return (len(marks) - 1 - half) / (marks[-1] - marks[half])


if __name__ == "__main__":
    sys.exit(main())
