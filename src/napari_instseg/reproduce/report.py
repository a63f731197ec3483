"""What an experiment found: a table as CSV and Markdown, and a picture."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_instseg.io.atomic import make_folder, write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Report:
    """The outcome of an experiment.

    Parameters
    ----------
    name, title : str
    rows : sequence of mapping
        The table, with the same columns in every row; the paper's own numbers are columns or rows of it.
    differs : str
        What differs from the paper: data, network, budget.
    figure : Figure
    command : str
        What made it.
    """

    name: str
    title: str
    rows: Sequence[Mapping[str, Any]]
    differs: str
    figure: Figure
    command: str

    def write(self, folder: str | Path) -> tuple[Path, ...]:
        """Write ``NAME.csv``, ``NAME.md`` and ``NAME.png`` into a folder, which is made where it is missing.

        Raises
        ------
        OutputError
            If they cannot be written.
        """
        folder = make_folder(folder)
        picture = io.BytesIO()
        self.figure.savefig(picture, format="png", dpi=120, bbox_inches="tight")
        return (
            write_bytes(folder / f"{self.name}.csv", self.csv().encode("utf-8")),
            write_bytes(folder / f"{self.name}.md", self.markdown().encode("utf-8")),
            write_bytes(folder / f"{self.name}.png", picture.getvalue()),
        )

    def csv(self) -> str:
        """Return the table as CSV."""
        import pandas as pd

        return pd.DataFrame(list(self.rows)).to_csv(index=False, lineterminator="\n", float_format="%.6g")

    def markdown(self) -> str:
        """Return title, table, what differs and the command as Markdown."""
        columns = list(self.rows[0])
        lines = [f"# {self.title}", "", _line(columns), _line(["---"] * len(columns))]
        lines += [_line([_cell(row[column]) for column in columns]) for row in self.rows]
        lines += ["", f"What differs from the paper: {self.differs}", "", f"Made by `{self.command}`.", ""]
        return "\n".join([*lines, f"![{self.title}]({self.name}.png)", ""])


def command_line(name: str, *, quick: bool, seed: int, scale: float, data: Path | None) -> str:
    """Return what to type to run an experiment so again; the folder's name is the user's own."""
    flags = [*(["--quick"] if quick else []), f"--seed {seed}"]
    flags += [f"--scale {scale:g}"] if scale != 1 else []
    flags += ["--data FOLDER"] if data is not None else []
    return " ".join(["instseg reproduce", name, *flags])


def _cell(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _line(cells: Sequence[str]) -> str:
    # a bar within a cell, as in |DiC|, would begin another column
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
