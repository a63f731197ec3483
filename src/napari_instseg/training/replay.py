"""Replay: images of a model's own training kind, kept so that it does not forget them while it learns new ones."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from napari_instseg.core.errors import ModelError
from napari_instseg.core.events import Event, Progress
from napari_instseg.data.axes import guess_axes
from napari_instseg.data.pairs import Example, Pair
from napari_instseg.data.samples import SAMPLES, Sample
from napari_instseg.data.simulate import KINDS, simulate
from napari_instseg.io.models import read_spec
from napari_instseg.io.pairs import open_split
from napari_instseg.io.projects import find_remembered, is_project, read_project
from napari_instseg.training.annotations import Annotated, all_unknown, read_annotated, split_up, write_annotated
from napari_instseg.zoo import find_model

FOLDER = "memory"
"""In a model folder, since version 0.1.0."""
MOST = 300
"""Images that are kept: the more there are, the less is forgotten of what is not among them."""
LARGEST = 4 * 2**20
"""Pixels of an image at most: of larger ones to judge by, the middle is kept."""
LONGEST = 512
"""Of images to learn from, the middle is kept, with sides of so many pixels at most."""
Item = TypeVar("Item")

OWN_KIND = "practice images"
TEACH, JUDGE = 10, 4
"""Simulated images of each look."""


def read_replay(model: str | Path) -> Generator[Event, None, tuple[Annotated, ...]]:
    """Read the stored images of a model's own training kind, or make them.

    Parameters
    ----------
    model : str or Path
        A folder or a shipped name. Where its folder holds no images, some like the samples of the kinds that its
        `model.json` names under ``replay`` are simulated.

    Yields
    ------
    Progress
        In images.

    Returns
    -------
    tuple of Annotated
        Empty if nothing is stored. Part of the images is for learning, part for judging.
    """
    if not is_simulated(model):
        return read_annotated(find_model(model) / FOLDER)
    kinds = simulated_kinds(model)
    samples = [sample for sample in SAMPLES.values() if sample.recipe is not None and sample.recipe.kind in kinds]
    images: list[Annotated] = []
    for sample in samples:
        for one in _more_like(sample):
            images.append(one)
            yield Progress(len(images), len(samples) * (TEACH + JUDGE), OWN_KIND)
    return tuple(images)


def open_replay(project: str | Path, model: str) -> tuple[tuple[Pair, ...], tuple[Pair, ...]] | None:
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
    """Return whether the images that `read_replay` gives of a model are simulated: its folder holds none."""
    return not _stored(model) and bool(simulated_kinds(model))


def describe_replay(model: str | Path) -> str:
    """Say in a few words what `read_replay` gives of a model."""
    try:
        stored, simulated = _stored(model), simulated_kinds(model)
    except ModelError:  # what is wrong with it is said where it is opened
        return "nothing"
    if stored:
        return f"{stored} image{'s' * (stored != 1)} stored with it"
    return "simulated images" if simulated else "nothing"


def simulated_kinds(model: str | Path) -> tuple[str, ...]:
    """Return the kinds of images that are simulated for a model to remember, as its `model.json` names them."""
    return tuple(kind for kind in read_spec(find_model(model)).replay if kind in KINDS)


def _stored(model: str | Path) -> int:
    """Count the images that lie in a model's folder."""
    return len(list((find_model(model) / FOLDER).glob("[0-9]*.npz")))


def take_replay(
    learn: Sequence[Pair], judge: Sequence[Pair], ndim: int, most: int = MOST, diameter: float | None = None
) -> Generator[Event, None, tuple[Annotated, ...]]:
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
    tuple of Annotated
    """
    images: list[Annotated] = []
    files = [(pair, judges) for pairs, judges in ((learn, False), (judge, True)) for pair in evenly(pairs, most)]
    for number, (pair, judges) in enumerate(files):
        yield Progress(number, len(files), OWN_KIND)
        of_each = most // min(len(judge if judges else learn), most)
        images += _middles(pair, ndim, of_each, judges=judges, diameter=diameter)
    return tuple(images)


def _middles(pair: Pair, ndim: int, most: int, *, judges: bool, diameter: float | None) -> Iterator[Annotated]:
    """Take the middle of at most so many images of a pair, evenly chosen where it is a stack."""
    fits = round(LARGEST ** (1 / ndim))
    for one in evenly(list(split_up(pair.name, pair.read(), ndim, diameter)), most):
        middle = _middle(one.learn.shape, fits if judges else min(LONGEST, fits))
        known = one.learn[middle]
        unknown = all_unknown(known.shape)
        learn, judge = (unknown, known) if judges else (known, unknown)
        class_of = None if judges else one.class_of
        image = one.image[(slice(None), *middle)]
        yield replace(one, image=image, learn=learn, judge=judge, class_of=class_of)


def evenly(items: Sequence[Item], most: int) -> list[Item]:
    """Choose at most so many, spread evenly."""
    number = min(len(items), most)
    return [items[index * len(items) // number] for index in range(number)]


def _middle(shape: tuple[int, ...], longest: int) -> tuple[slice, ...]:
    firsts = (max(side - longest, 0) // 2 for side in shape)
    return tuple(slice(first, first + longest) for first in firsts)


def write_replay(folder: Path, known: Sequence[Annotated], learnt: Sequence[Annotated]) -> None:
    """Keep in a model folder what the model knew before and what it learnt now.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    new = [one for one in learnt if one.learn.size <= LARGEST]
    write_annotated(folder / FOLDER, [*known, *new][-MOST:])


def _more_like(sample: Sample) -> Iterator[Annotated]:
    """Simulate images that look like a sample."""
    assert sample.recipe is not None
    kind, values = sample.recipe.kind, sample.recipe.values
    made = simulate(kind, n=TEACH + JUDGE, seed=1000 + sample.recipe.seed, params=KINDS[kind].params(**values))
    for number, one in enumerate(made):
        example = Example(one.image, guess_axes(one.image.shape), one.labels.astype(np.int32))
        (found,) = split_up(f"{sample.name} {number}", example, 2, sample.diameter)
        yield found if number < TEACH else replace(found, learn=found.judge, judge=found.learn)
