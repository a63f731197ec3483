"""The papers' experiments as commands: each gives a table beside the paper's numbers, and a picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
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
    data : str
        The folder of images that it can run on instead of its own; empty if there is none.
    """

    name: str
    title: str
    paper: str
    full: str
    data: str = ""

    def run(
        self, *, quick: bool = False, seed: int = 0, scale: float = 1.0, data: Path | None = None
    ) -> Iterator[Event]:
        """Run it.

        Parameters
        ----------
        quick : bool
            A smaller run, under half an hour on a CPU.
        seed : int
            The same seed on the same machine gives the same table.
        scale : float
            Share of the images and steps that is taken; for tests.
        data : Path, optional
            Folder of images to run on.

        Yields
        ------
        Progress
            In steps.
        Result
            At last, a `report.Report`.

        Raises
        ------
        InputError
            If it is given images and takes none, or they cannot be read.
        """
        if data is not None and not self.data:
            takers = ", ".join(name for name, experiment in EXPERIMENTS.items() if experiment.data)
            raise InputError(
                f"The experiment '{self.name}' makes its own images and takes no folder; leave it out. Those that take "
                f"one: {takers}."
            )
        run: Callable[..., Iterator[Event]] = import_module(f"{__name__}.{self.name}").run
        return run(quick=quick, seed=seed, scale=scale, **({"data": data} if data is not None else {}))


ANNOTATED = "folder with images/ and labels/, and maybe val.txt with the names of those to score on"
CVPPP = "folder of the CVPPP leaf challenge such as A1, with *_rgb.png and *_label.png"


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
                "sticks",
                "Crossing sticks: a discriminative embedding against Mask R-CNN",
                "De Brabandere et al. 2017, figure 4",
                "about 5 hours (estimated)",
            ),
            Experiment(
                "convergence",
                "A 2-d embedding converging on one image",
                "De Brabandere et al. 2017, figure 3",
                "2 minutes",
            ),
            Experiment(
                "worms",
                "Worms from their binary foreground: semi-convolutional Mask R-CNN, Mask R-CNN and the other methods",
                "Novotny et al. 2018, table 1",
                "about 30 hours (estimated)",
                "folder such as BBBC010 with labels/, masks_overlapping/, images/ of the same names, and maybe val.txt",
            ),
            Experiment(
                "leaves",
                "Leaves: seven post-processings of clusternet, coloring and discriminative",
                "Jaffe, Ben-Moshe 2019, table 1",
                "about 5 hours (estimated)",
                CVPPP,
            ),
            Experiment(
                "bandwidth",
                "Mean-shift's bandwidth and coloring's size threshold off their best, and seconds",
                "Kulikov et al. 2018, section 4.1",
                "about 5 minutes on 66 images (estimated)",
                ANNOTATED,
            ),
            Experiment(
                "seeds",
                "Diversity and number of seeds against average precision and recall",
                "Fathi et al. 2017, tables 2 and 3",
                "3 minutes on 66 images",
                ANNOTATED,
            ),
            Experiment(
                "tradeoff",
                "Speed, memory and parameters against accuracy, over networks and resolutions",
                "De Brabandere et al. 2017, table 4",
                "about 10 hours (estimated)",
                ANNOTATED,
            ),
            Experiment(
                "colors",
                "Sensitivity of deep coloring to margin and halo weight",
                "Kulikov et al. 2018, figure 3",
                "about a day (estimated)",
                CVPPP,
            ),
        )
    }
)
"""The experiments by name."""


def get_experiment(name: str) -> Experiment:
    """Return the experiment of that name.

    Raises
    ------
    InputError
        If there is none; the message lists those that there are.
    """
    if name not in EXPERIMENTS:
        raise InputError(f"There is no experiment '{name}'; expected one of: {', '.join(EXPERIMENTS)}.")
    return EXPERIMENTS[name]
