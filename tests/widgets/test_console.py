"""What a user types into napari's console, beside an open window."""

import subprocess
import sys

import pytest

TRAIN = """
import napari
viewer = napari.Viewer()
viewer.add_image(__import__("numpy").eye(64))
viewer.window._qt_window.repaint()
viewer.screenshot()
from torch import nn
from napari_instseg.training.optimizer import make_optimizer
from napari_instseg.training.params import TrainParams
make_optimizer(nn.Conv2d(1, 1, 3), TrainParams())
print("made", flush=True)
import os
os._exit(0)
"""


@pytest.mark.timeout(300)
def test_training_beside_an_open_window_does_not_crash_it():
    """Torch imports triton with its first optimiser, whose LLVM crashes a program that Mesa draws."""
    done = subprocess.run([sys.executable, "-c", TRAIN], capture_output=True, text=True, timeout=240, check=False)
    assert done.stdout.strip().endswith("made"), done.stderr[-2000:]
