"""Sample images by name: simulated ones with exact truth and real ones from scikit-image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InputError


@dataclass(frozen=True)
class SampleRecipe:
    """How a simulated sample is made: the kind of simulator, its seed, and the parameters that are not the default."""

    kind: str
    seed: int
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """What is known of a sample image.

    Attributes
    ----------
    name : str
        Name for `load_sample`; stem of the files of a simulated sample.
    title : str
        What it shows, for a menu.
    modality : str
        How such a picture is taken.
    model : str or None
        Shipped model to try first, where one was made for such images.
    recipe : SampleRecipe or None
        How it was simulated; None for a real image.
    source : str or None
        Function of `skimage.data` that gives a real image; None for a simulated one.
    diameter : float or None
        Typical diameter of its objects in pixels, where it is far from what the model knows.
    stain : str or None
        The stain to look at, see `data.stains`, where the model does not know the colours.
    """

    name: str
    title: str
    modality: str
    model: str | None = None
    recipe: SampleRecipe | None = None
    source: str | None = None
    diameter: float | None = None
    stain: str | None = None

    @property
    def image_path(self) -> Path | None:
        """The image file of a simulated sample."""
        return sample_folder() / "images" / f"{self.name}.tif" if self.recipe else None

    @property
    def labels_path(self) -> Path | None:
        """The label file of a simulated sample."""
        return sample_folder() / "labels" / f"{self.name}.tif" if self.recipe else None


SAMPLES: Mapping[str, Sample] = MappingProxyType(
    {
        sample.name: sample
        for sample in (
            Sample("nuclei", "Nuclei", "fluorescence", "discriminative-nuclei", SampleRecipe("nuclei", 1)),
            Sample(
                "nuclei-crowded",
                "Crowded nuclei",
                "fluorescence",
                "discriminative-nuclei",
                SampleRecipe("nuclei", 2, {"count": 110, "clustering": 0.85, "photons": 60.0}),
            ),
            Sample(
                "nuclei-stained",
                "Stained nuclei in tissue",
                "stained tissue",
                "discriminative-nuclei",
                SampleRecipe("nuclei", 3, {"look": "histology", "height": 320, "width": 320}),
            ),
            Sample(
                "bacteria",
                "Dividing bacteria",
                "bright field",
                "semiconv-shapes",
                SampleRecipe("bacteria", 4, {"count": 220}),
            ),
            Sample(
                "bacteria-phase",
                "Crowd of bacteria",
                "phase contrast",
                "semiconv-shapes",
                SampleRecipe("bacteria", 5, {"look": "phase-contrast", "colonies": 1, "count": 260}),
            ),
            Sample("worms", "Crossing worms", "bright field", "discriminative-shapes", SampleRecipe("worms", 6)),
            Sample(
                "worms-binary",
                "Crossing worms, foreground",
                "binary foreground",
                "discriminative-shapes",
                SampleRecipe("worms", 7, {"look": "binary"}),
            ),
            Sample(
                "rosette",
                "Leaf rosette",
                "colour photograph",
                "discriminative-leaves",
                SampleRecipe("rosettes", 8),
                diameter=42,
            ),
            Sample(
                "rosette-young",
                "Young leaf rosette",
                "colour photograph",
                "discriminative-leaves",
                SampleRecipe("rosettes", 9, {"count": 8, "reach": 0.36}),
                diameter=34,
            ),
            Sample(
                "sticks",
                "Scattered sticks",
                "colour photograph",
                recipe=SampleRecipe("sticks", 10, {"height": 320, "width": 320}),
            ),
            Sample(
                "dots",
                "Identical dots",
                "drawing",
                "discriminative-nuclei",
                SampleRecipe("dots", 11, {"height": 256, "width": 256}),
            ),
            Sample(
                "ihc",
                "Stained colon tissue",
                "stained tissue",
                "discriminative-nuclei",
                source="immunohistochemistry",
                diameter=14,
                stain="haematoxylin",
            ),
            Sample("coins", "Greek coins", "grey photograph", "discriminative-nuclei", source="coins", diameter=38),
        )
    }
)
"""The samples by name."""


def sample_folder() -> Path:
    """Return the folder of the simulated samples: inside the installed package, or at the top of a checkout.

    Raises
    ------
    InputError
        If there is no such folder.
    """
    here = Path(__file__).resolve()
    for folder in (here.parents[1] / "sample_data", here.parents[3] / "sample_data"):
        if folder.is_dir():
            return folder
    raise InputError("The sample images are missing from this installation; install napari-instseg again.")


def load_sample(name: str) -> tuple[npt.NDArray[Any], npt.NDArray[np.int32] | None, Sample]:
    """Read a sample; nothing is downloaded.

    Parameters
    ----------
    name : str
        One of `SAMPLES`.

    Returns
    -------
    image : uint8 or uint16 array, (Y, X) or (Y, X, 3)
        The image.
    labels : int32 array (Y, X), or None
        The exact truth of a simulated image, 0 background; None for a real one.
    sample : Sample
        Its title, its modality and the model to try first.

    Raises
    ------
    InputError
        If there is no such sample, or its file is missing.
    """
    if name not in SAMPLES:
        raise InputError(f"There is no sample '{name}'; expected one of: {', '.join(SAMPLES)}.")
    sample = SAMPLES[name]
    if sample.source is not None:
        from skimage import data

        return np.asarray(getattr(data, sample.source)()), None, sample
    assert sample.image_path is not None
    assert sample.labels_path is not None
    return _read(sample.image_path), _read(sample.labels_path).astype(np.int32), sample


def _read(path: Path) -> npt.NDArray[Any]:
    import tifffile

    if not path.is_file():
        raise InputError(f"The sample file {path} is missing; install napari-instseg again.")
    return np.asarray(tifffile.imread(path))
