"""The course of a training run: a CSV of every named loss and score, and a picture of it."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from napari_instseg.core.errors import TrainingError
from napari_instseg.io.atomic import write_bytes
from napari_instseg.metrics import THRESHOLDS

SCORES = ("mean_ap", *(f"ap_{threshold:g}" for threshold in THRESHOLDS), "pq", "f1", "sbd", "fbd", "abs_dic")
"""Names of the pooled scores, as flat columns of a history."""
SHOWN = ("mean_ap", "ap_0.5", "pq", "f1", "sbd")
"""The scores that the picture shows; all are in the CSV."""
Row = Mapping[str, float]


def is_loss(name: str) -> bool:
    """Return whether a column of a history is a term of the loss, or their sum."""
    return name.removeprefix("old_") not in (*SCORES, "step", "learning_rate", "objects", "judged")


class History:
    """Rows of named numbers by step, in memory; written whole, so that a killed run leaves no half line."""

    def __init__(self, rows: Sequence[Row] = ()) -> None:
        self.rows: list[dict[str, float]] = [dict(row) for row in rows]

    def add(self, step: int, values: Row) -> None:
        """Add numbers to the row of a step."""
        if not self.rows or self.rows[-1]["step"] != step:
            self.rows.append({"step": step})
        self.rows[-1].update(values)

    @property
    def is_judged(self) -> bool:
        """Whether the last step's weights were scored."""
        # a run of version 0.1.0 that was not a fine-tuning has no such mark
        return bool(self.rows) and ("judged" in self.rows[-1] or "mean_ap" in self.rows[-1])

    def table(self) -> pd.DataFrame:
        """Return the rows as a table; scores are missing at the steps without validation."""
        return pd.DataFrame(self.rows)

    def write(self, folder: Path) -> None:
        """Write `history.csv` into a folder.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        if self.rows:
            write_bytes(folder / "history.csv", self.table().to_csv(index=False).encode("utf-8"))

    def draw(self, folder: Path) -> None:
        """Draw the curves as `history.png` in a folder; takes far longer than `write`.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        if self.rows:
            write_bytes(folder / "history.png", draw_curves(self.table()))

    @classmethod
    def read(cls, folder: Path, step: float = math.inf) -> History:
        """Read the rows up to a step: those that a checkpoint of that step knows.

        Raises
        ------
        TrainingError
            If the CSV is damaged.
        """
        path = folder / "history.csv"
        if not path.is_file():
            return cls()
        try:
            table = pd.read_csv(path).apply(pd.to_numeric)
            table = table[table["step"] <= step]
        except (ValueError, KeyError, TypeError, OverflowError, OSError) as error:
            raise TrainingError(f"'{path}' cannot be read ({error}); move it away and resume again.") from error
        records = table.to_dict("records")
        return cls([{str(name): value for name, value in row.items() if pd.notna(value)} for row in records])


def draw_curves(table: pd.DataFrame) -> bytes:
    """Draw losses, scores and learning rate over the steps as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    scores = [name for name in SHOWN if name in table]
    losses = [name for name in table if is_loss(str(name))]
    # a Figure of its own, not pyplot: nothing global, and safe in the window's worker thread
    figure = Figure(figsize=(8, 7))
    FigureCanvasAgg(figure)
    figure.subplots_adjust(left=0.1, right=0.98, bottom=0.07, top=0.98, hspace=0.06)
    axes = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1))
    for name in losses:
        known = table[["step", str(name)]].dropna()
        axes[0].plot(known["step"], _smooth(known[str(name)]), label=name)
    for name in scores:
        known = table[["step", name]].dropna()
        axes[1].plot(known["step"], known[name], marker=".", label=name)
    axes[2].plot(table["step"], table["learning_rate"], color="0.3")
    axes[0].set(ylabel="loss", yscale="log" if (table[losses].min().min() > 0) else "linear")
    axes[1].set(ylabel="validation score", ylim=(0, 1.02))
    axes[2].set(ylabel="learning rate", xlabel="step")
    for axis in axes[:2]:
        axis.grid(alpha=0.3)
        if axis.get_legend_handles_labels()[1]:
            axis.legend(fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()


def _smooth(values: pd.Series[float]) -> pd.Series[float]:
    """Average over a fiftieth of the run, so that the trend is seen through the noise of single batches."""
    return values.rolling(max(len(values) // 50, 1), min_periods=1).mean()
