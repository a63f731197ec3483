"""The papers' experiments as commands: each gives a table beside the paper's numbers, and a picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType

from napari_instseg.core.errors import InputError
from napari_instseg.core.events import Event


@dataclass(frozen=True)
class Experiment:
    """One experiment of a paper.

    Parameters
    ----------
    title : str
        What it shows.
    paper : str
        Where in which paper.
    full : str
        What a full run takes, on a CPU with 2 cores.
    """

    name: str
    title: str
    paper: str
    full: str

    def run(self, *, quick: bool = False, seed: int = 0, scale: float = 1.0) -> Iterator[Event]:
        """Run it.

        Parameters
        ----------
        quick : bool
            A smaller run, under half an hour on a CPU.
        seed : int
            The same seed on the same machine gives the same table.
        scale : float
            Share of the steps that is taken; for tests.

        Yields
        ------
        Progress
            In steps.
        Result
            At last, a `report.Report`.
        """
        run: Callable[..., Iterator[Event]] = import_module(f"{__name__}.{self.name}").run
        return run(quick=quick, seed=seed, scale=scale)


EXPERIMENTS: Mapping[str, Experiment] = MappingProxyType(
    {
        experiment.name: experiment
        for experiment in (
            Experiment(
                "dots",
                "Identical dots: a plain embedding fails, a semi-convolutional one tells them apart",
                "Novotny et al. 2018, figure 3",
                "5 minutes",
            ),
            Experiment(
                "convergence",
                "A 2-d embedding converging on one image",
                "De Brabandere et al. 2017, figure 3",
                "2 minutes",
            ),
        )
    }
)
"""The experiments by name."""


def get_experiment(name: str) -> Experiment:
    """Give the experiment of that name.

    Raises
    ------
    InputError
        If there is none; the message lists those that there are.
    """
    if name not in EXPERIMENTS:
        raise InputError(f"There is no experiment '{name}'; expected one of: {', '.join(EXPERIMENTS)}.")
    return EXPERIMENTS[name]
