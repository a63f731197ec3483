"""Images of a model's own training kind, kept so that it does not forget them while it learns new ones."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from napari_instseg.core.events import Event, Progress
from napari_instseg.data.axes import guess_axes, to_channels
from napari_instseg.data.pairs import Pair
from napari_instseg.data.samples import SAMPLES, Sample
from napari_instseg.data.simulate import KINDS, simulate
from napari_instseg.io.pairs import open_split
from napari_instseg.io.projects import find_remembered, is_project, read_project
from napari_instseg.training.material import UNKNOWN, Plane, read_written, write_planes
from napari_instseg.zoo import shipped

FOLDER = "memory"
"""In a model folder."""
MOST = 300
"""Planes that are kept: the more there are, the less is forgotten of what is not among them."""
LARGEST = 4 * 2**20
"""Pixels of a plane at most: of larger ones to judge by, the middle is kept."""
LONGEST = 512
"""Of images to learn from, the middle is kept, with sides of so many pixels at most."""
Item = TypeVar("Item")

SUBJECTS: Mapping[str, tuple[str, ...]] = {
    "nuclei": ("nuclei",),
    "leaves": ("rosettes",),
    "shapes": ("rosettes", "worms", "bacteria"),
}
"""Kinds of simulated images that a shipped model knows, by the last part of its name."""
OWN_KIND = "images of its own kind"
TEACH, JUDGE = 10, 4
"""Simulated images of each look."""


def read_memory(model: str | Path) -> Generator[Event, None, tuple[Plane, ...]]:
    """Read the stored images of a model's own training kind, or make them.

    Parameters
    ----------
    model : str or Path
        A model folder, which may hold some; or a shipped name, such as ``"coloring-nuclei"``, for which images like the
        samples of that kind are simulated.

    Yields
    ------
    Progress
        In images.

    Returns
    -------
    tuple of Plane
        Empty if nothing is stored. Part of the planes is for learning, part for judging.
    """
    if not is_simulated(model):
        return read_written(Path(model) / FOLDER)
    kinds = simulated_kinds(model)
    samples = [sample for sample in SAMPLES.values() if sample.recipe is not None and sample.recipe.kind in kinds]
    planes: list[Plane] = []
    for sample in samples:
        for plane in _more_like(sample):
            planes.append(plane)
            yield Progress(len(planes), len(samples) * (TEACH + JUDGE), OWN_KIND)
    return tuple(planes)


def open_remembered(project: str | Path, model: str) -> tuple[tuple[Pair, ...], tuple[Pair, ...]] | None:
    """Open the annotated images that a project names for a model to remember: those to learn from, those to judge by.

    Parameters
    ----------
    project : str or Path
        A project folder; of others, and where the project names no images, the answer is None.
    model : str
        The model that learns: a shipped name or a folder.

    Raises
    ------
    InputError
        If the images are not there any more.
    ProjectError
        If the project cannot be read.
    """
    folder = find_remembered(project, read_project(project), model) if is_project(project) else None
    return None if folder is None else open_split(folder)


def is_simulated(model: str | Path) -> bool:
    """Tell whether the images that `read_memory` gives of a model are simulated: shipped models hold none."""
    return str(model) in shipped()


def describe_memory(model: str | Path) -> str:
    """Say in a few words what `read_memory` gives of a model."""
    if is_simulated(model):
        return "simulated images" if simulated_kinds(model) else "nothing"
    stored = len(list((Path(model) / FOLDER).glob("[0-9]*.npz")))
    return f"{stored} image{'s' * (stored != 1)} stored with it" if stored else "nothing"


def simulated_kinds(model: str | Path) -> tuple[str, ...]:
    """Give the kinds of images that are simulated for a shipped model; none for those of cells."""
    return SUBJECTS.get(str(model).rsplit("-", 1)[-1], ())


def remember(
    learn: Sequence[Pair], judge: Sequence[Pair], ndim: int, most: int = MOST, diameter: float | None = None
) -> Generator[Event, None, tuple[Plane, ...]]:
    """Take annotated images of a model's own training kind; of large ones the middle.

    Parameters
    ----------
    learn, judge : sequence of Pair
        Those to learn from, and those to judge by. A stack is many images, of which so many are taken as there is room.
    ndim : {2, 3}
    most : int
        At most so many of each, evenly chosen.
    diameter : float, optional
        Typical object diameter in the images, in pixels, where they are to be rescaled to what the model knows.

    Yields
    ------
    Progress
        In files.

    Returns
    -------
    tuple of Plane
    """
    planes: list[Plane] = []
    files = [(pair, judges) for pairs, judges in ((learn, False), (judge, True)) for pair in evenly(pairs, most)]
    for number, (pair, judges) in enumerate(files):
        yield Progress(number, len(files), OWN_KIND)
        of_each = most // min(len(judge if judges else learn), most)
        planes += _middles(pair, ndim, of_each, judges=judges, diameter=diameter)
    return tuple(planes)


def _middles(pair: Pair, ndim: int, most: int, *, judges: bool, diameter: float | None) -> Iterator[Plane]:
    """Take the middle of at most so many images of a pair, evenly chosen where it is a stack."""
    example = pair.read()
    channels, _ = to_channels(example.image, example.axes, "ZYX"[-ndim:])
    grid = channels.shape[-ndim:]
    images, labels = channels.reshape(-1, *channels.shape[-ndim - 1 :]), example.labels.reshape(-1, *grid)
    classes = None if judges or example.classes is None else example.classes.reshape(-1, *grid)
    fits = round(LARGEST ** (1 / ndim))
    middle = _middle(grid, fits if judges else min(LONGEST, fits))
    for number in evenly(range(len(images)), most):
        known = labels[number][middle]
        unknown = np.full_like(known, UNKNOWN)
        yield Plane(
            pair.name if len(images) == 1 else f"{pair.name} {number}",
            images[number][(slice(None), *middle)],
            unknown if judges else known,
            known if judges else unknown,
            diameter,
            None if classes is None else classes[number][middle],
        )


def evenly(items: Sequence[Item], most: int) -> list[Item]:
    """Choose at most so many, spread evenly."""
    number = min(len(items), most)
    return [items[index * len(items) // number] for index in range(number)]


def _middle(shape: tuple[int, ...], longest: int) -> tuple[slice, ...]:
    firsts = (max(side - longest, 0) // 2 for side in shape)
    return tuple(slice(first, first + longest) for first in firsts)


def write_memory(folder: Path, memory: Sequence[Plane], learnt: Sequence[Plane]) -> None:
    """Keep in a model folder what the model knew before and what it learnt now.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    new = [plane for plane in learnt if plane.learn.size <= LARGEST]
    write_planes(folder / FOLDER, [*memory, *new][-MOST:])


def _more_like(sample: Sample) -> Iterator[Plane]:
    """Simulate images that look like a sample."""
    assert sample.recipe is not None
    kind, values = sample.recipe.kind, sample.recipe.values
    made = simulate(kind, n=TEACH + JUDGE, seed=1000 + sample.recipe.seed, params=KINDS[kind].params(**values))
    for number, one in enumerate(made):
        image, _ = to_channels(one.image, guess_axes(one.image.shape))
        known, unknown = one.labels.astype(np.int32), np.full(one.labels.shape, UNKNOWN, np.int32)
        learn, judge = (known, unknown) if number < TEACH else (unknown, known)
        yield Plane(f"{sample.name} {number}", image, learn, judge, sample.diameter)
