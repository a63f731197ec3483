"""Simulated images with exact truth: leaf rosettes, worms, bacteria, sticks, dots and nuclei."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.core.params import Params
from napari_instseg.core.seeds import rng_of
from napari_instseg.data.simulate import bacteria, dots, nuclei, rosettes, sticks, worms
from napari_instseg.data.simulate.scene import Simulated

__all__ = ["KINDS", "Kind", "Simulated", "simulate"]


@dataclass(frozen=True)
class Kind:
    """A simulator.

    Attributes
    ----------
    title : str
        What it shows, in a few words.
    params : type of Params
        What can be set.
    draw : callable
        ``draw(params, rng)`` gives a `Simulated`.
    classes : tuple of str
        Names of the classes 1, 2, ...; empty where the kind has none.
    """

    title: str
    params: type[Params]
    draw: Callable[[Any, np.random.Generator], Simulated]
    classes: tuple[str, ...] = ()


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "rosettes": Kind("Leaf rosettes on soil", rosettes.Rosettes, rosettes.simulate),
        "worms": Kind("Crossing worms in a well", worms.Worms, worms.simulate),
        "bacteria": Kind("Dividing rod bacteria", bacteria.Bacteria, bacteria.simulate, ("growing", "septating")),
        "sticks": Kind("Scattered sticks", sticks.Sticks, sticks.simulate),
        "dots": Kind("Identical dots on a grid", dots.Dots, dots.simulate),
        "nuclei": Kind("Nuclei, fluorescent or stained", nuclei.Nuclei, nuclei.simulate),
    }
)
"""The simulators by name."""


def simulate(kind: str, *, n: int = 1, seed: int = 0, params: Params | None = None) -> Iterator[Simulated]:
    """Simulate images, each from its own stream of random numbers.

    Image ``i`` of a seed is the same however many are asked for.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    n : int
        Number of images.
    seed : int
        Not negative; the same seed gives the same images.
    params : Params, optional
        An instance of the kind's parameter class; its defaults where None.

    Yields
    ------
    Simulated
        Image, labels, and masks and classes where the kind has them.

    Raises
    ------
    InputError
        If there is no such kind, or its objects do not fit into the field.
    """
    if kind not in KINDS:
        raise InputError(f"There is no simulator '{kind}'; expected one of: {', '.join(KINDS)}.")
    chosen = KINDS[kind]
    values = chosen.params() if params is None else params
    if not isinstance(values, chosen.params):
        raise InputError(f"The parameters for '{kind}' are {type(values).__name__}; expected {chosen.params.__name__}.")
    for index in range(n):
        yield chosen.draw(values, rng_of(seed, index))
