"""The history is whole at any time, and its picture puts losses and scores where they belong."""

import pytest
from matplotlib.axes import Axes

from napari_instseg.core.errors import TrainingError
from napari_instseg.training.curves import History, draw_curves


def fill():
    history = History()
    for step in range(1, 7):
        history.add(step, {"learning_rate": 0.1, "loss": 2.0 / step, "pull": 1.0 / step})
        if step % 3 == 0:
            history.add(step, {"mean_ap": step / 10, "ap_0.9": 0.0, "abs_dic": 4.0})
    return history


def test_rows_up_to_a_step_are_read_back(tmp_path):
    history = fill()
    history.write(tmp_path)
    again = History.read(tmp_path, 4)
    assert again.rows == history.rows[:4]
    assert "mean_ap" not in again.rows[3]
    assert again.rows[2]["mean_ap"] == pytest.approx(0.3)
    assert History.read(tmp_path / "nothing", 4).rows == []


def test_a_damaged_history_is_said(tmp_path):
    (tmp_path / "history.csv").write_text("not,a,history\n1,2,3\n")
    with pytest.raises(TrainingError, match="history"):
        History.read(tmp_path, 4)


def test_losses_and_scores_are_drawn_in_their_own_panels(tmp_path, monkeypatch):
    drawn = []
    plot = Axes.plot
    monkeypatch.setattr(Axes, "plot", lambda self, *a, **k: drawn.append((self, k.get("label"))) or plot(self, *a, **k))
    assert draw_curves(fill().table()).startswith(b"\x89PNG")
    panels = [axes for axes, _ in drawn]
    labels = {label: panels.index(axes) for axes, label in drawn}
    assert labels["loss"] == labels["pull"] != labels["mean_ap"] != labels[None]
    assert "ap_0.9" not in labels
    assert "abs_dic" not in labels
    fill().draw(tmp_path)
    assert (tmp_path / "history.png").exists()
