"""The strip under a slider: a steady number is grey, and green is only what true objects say is best."""

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QSlider

from napari_instseg.methods import get_method
from napari_instseg.tuning.strips import Point, Strip
from napari_instseg.widgets.strip import BEST, HEIGHT, STEADY, StripView


@pytest.mark.parametrize(("score", "wanted"), [(None, STEADY), (0.5, BEST)])
def test_only_a_score_makes_a_range_green(qtbot: QtBot, score: float | None, wanted: QColor) -> None:
    slider = QSlider(Qt.Orientation.Horizontal)
    view = StripView(slider, lambda point: str(point.n_objects))
    qtbot.addWidget(slider)
    qtbot.addWidget(view)
    view.resize(200, HEIGHT)
    points = tuple(Point(share / 8, share / 8, 187, score) for share in range(9))
    view.show_strip(Strip("min_size", points, get_method("discriminative").decode()))
    seen = view.grab().toImage().pixelColor(100, HEIGHT - 2)
    assert max(abs(a - b) for a, b in zip(seen.getRgb(), wanted.getRgb(), strict=True)) <= 3
    assert "does not say that the objects are right" in view.toolTip()
