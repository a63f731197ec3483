"""Turn, shift and brighten images, segment them again, and count the objects that are others than before.

``python scripts/steadiness.py FOLDER --model NAME`` prints a line for each change. An object is the same if one of the
other segmentation covers it with an IoU above one half; those at the border are left out.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from skimage.segmentation import clear_border

from napari_instseg.inference.model import Model, load_model
from napari_instseg.io.images import SUFFIXES, read_image
from napari_instseg.metrics import match, overlap

Picture = np.ndarray
Change = tuple[Callable[[Picture], Picture], Callable[[Picture], Picture]]


def _wide(image: Picture) -> Picture:
    return image.astype(np.uint16) if image.dtype == np.uint8 else image.astype(np.float32)


CHANGES: dict[str, Change] = {
    "turned by 90 degrees": (lambda a: np.rot90(a, axes=(0, 1)), lambda a: np.rot90(a, -1, axes=(0, 1))),
    "turned by 180 degrees": (lambda a: np.rot90(a, 2, axes=(0, 1)), lambda a: np.rot90(a, 2, axes=(0, 1))),
    "mirrored": (lambda a: a[:, ::-1], lambda a: a[:, ::-1]),
    "shifted by a pixel": (lambda a: np.roll(a, (1, 1), (0, 1)), lambda a: np.roll(a, (-1, -1), (0, 1))),
    "shifted by seven pixels": (lambda a: np.roll(a, (7, 7), (0, 1)), lambda a: np.roll(a, (-7, -7), (0, 1))),
    "brightness times 2": (lambda a: _wide(a) * 2, lambda a: a),
    "brightness times 2, plus 100": (lambda a: _wide(a) * 2 + 100, lambda a: a),
    "in floating point, 0 to 1": (lambda a: a.astype(np.float32) / max(int(a.max()), 1), lambda a: a),
}
"""What is done to the image, and how its labels come back."""
BORDER = 8


def find(model: Model, image: Picture) -> Picture:
    """Segment one image of (Y, X) or (Y, X, 3)."""
    axes = "YX" if image.ndim == 2 else "YXC"
    return model.segment(np.ascontiguousarray(image), axes=axes, device="cpu").labels


def changed(before: Picture, after: Picture) -> tuple[int, int]:
    """Return how many objects have no partner on either side, and how many there were."""
    inner = (slice(BORDER, -BORDER),) * 2
    one, two = (clear_border(labels[inner]) for labels in (before, after))
    whole_one, whole_two = before[inner], after[inner]
    lost = len(np.setdiff1d(one, 0)) - _partners(one, whole_two)
    new = len(np.setdiff1d(two, 0)) - _partners(two, whole_one)
    return max(lost, new), len(np.setdiff1d(one, 0))


def _partners(labels: Picture, others: Picture) -> int:
    return len(match(overlap(labels, others), 0.5)) if labels.any() and others.any() else 0


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--images", type=int, default=8, help="at most so many")
    given = parser.parse_args()
    model = load_model(given.model)
    paths = sorted(path for path in given.folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    paths = [paths[i * len(paths) // given.images] for i in range(given.images)] if len(paths) > given.images else paths
    sums = {name: [0, 0] for name in CHANGES}
    for path in paths:
        image = read_image(path).array
        if image.ndim == 3 and image.shape[-1] == 4:
            image = image[..., :3]
        before = find(model, image)
        for name, (there, back) in CHANGES.items():
            counts = changed(before, back(find(model, there(image))))
            sums[name] = [a + b for a, b in zip(sums[name], counts, strict=True)]
    print(f"{given.model}, {len(paths)} images")
    for name, (others, count) in sums.items():
        print(f"| {name} | {count} | {others} | {100 * others / max(count, 1):.2f} % |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
