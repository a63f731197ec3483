"""Make sample_data/ anew: every simulated sample with its truth, and the README that lists them.

Run from anywhere: python scripts/make_samples.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

from napari_instseg.data.samples import SAMPLES, Sample
from napari_instseg.data.simulate import KINDS, Simulated, simulate
from napari_instseg.io.atomic import replacing

FOLDER = Path(__file__).resolve().parents[1] / "sample_data"

INTRODUCTION = """\
# Sample images

Simulated images with exact truth: `images/<name>.tif` and `labels/<name>.tif`, uint16 label images with 0 = background
and one id per object. They travel with the package: `napari_instseg.load_sample("nuclei")`, or File > Open Sample in
napari. Where objects cover each other the label is that of the one on top; `instseg simulate` gives more such images.

Made by `python scripts/make_samples.py` from the recipes in `napari_instseg/data/samples.py`: each is image 0 of its
simulator's seed. Dedicated to the public domain (CC0 1.0): do with them what you like.

| name | shows | simulator | seed | parameters | objects | image |
|---|---|---|---|---|---|---|
"""


def make(sample: Sample) -> Simulated:
    """Simulate a sample from its recipe."""
    recipe = sample.recipe
    assert recipe is not None
    params = KINDS[recipe.kind].params(**recipe.values)
    return next(simulate(recipe.kind, seed=recipe.seed, params=params))


def write(path: Path, array: np.ndarray) -> None:
    """Write a compressed TIFF."""
    color = array.ndim == 3
    with replacing(path) as beside:
        tifffile.imwrite(
            beside,
            array,
            compression="zlib",
            compressionargs={"level": 9},
            photometric="rgb" if color else "minisblack",
            metadata=None,
        )


def row(sample: Sample, made: Simulated) -> str:
    """Describe a sample in one line of the README's table."""
    recipe = sample.recipe
    assert recipe is not None
    values = ", ".join(f"{name} {value}" for name, value in recipe.values.items()) or "defaults"
    size = " x ".join(str(length) for length in made.image.shape)
    cells = [
        f"`{sample.name}`",
        f"{sample.title} ({sample.modality})",
        recipe.kind,
        recipe.seed,
        values,
        made.labels.max(),
        f"{size} {made.image.dtype}",
    ]
    return "| " + " | ".join(str(cell) for cell in cells) + " |\n"


def main() -> None:
    """Write all samples and the README."""
    text = INTRODUCTION
    for sample in SAMPLES.values():
        if sample.recipe is None:
            continue
        made = make(sample)
        write(FOLDER / "images" / f"{sample.name}.tif", made.image)
        write(FOLDER / "labels" / f"{sample.name}.tif", made.labels.astype(np.uint16))
        text += row(sample, made)
    with replacing(FOLDER / "README.md") as beside:
        beside.write_text(text, encoding="utf-8", newline="\n")
    size = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file())
    print(f"{FOLDER}: {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
