"""The command line in this process, and a small model that it trained."""

import numpy as np
import pytest

from napari_instseg.cli.main import main


@pytest.fixture(scope="session")
def instseg():
    """Run a command and give its exit code: ``instseg("train", folder, "--steps", 3)``."""

    def run(*arguments):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            return end.code or 0
        return 0

    return run


@pytest.fixture(scope="session")
def dots(instseg, tmp_path_factory):
    """A folder of simulated dots."""
    folder = tmp_path_factory.mktemp("data") / "dots"
    size = ("--height", 64, "--width", 64, "--diameter", 12, "--spacing", 20)
    assert instseg("simulate", "dots", "--out", folder, "--n", 4, "--seed", 3, *size) == 0
    return folder


NETWORK = ("--width", 8, "--levels", 2, "--patch-size", 64, "--elastic", 0, "--rotation", 0, "--scale", 0)
QUICK = (*NETWORK, "--steps", 3, "--batch-size", 2, "--device", "cpu")


@pytest.fixture(scope="session")
def quick():
    """Flags of a training that takes three steps."""
    return QUICK


@pytest.fixture(scope="session")
def model(instseg, dots, tmp_path_factory):
    """A model that finds the dots."""
    folder = tmp_path_factory.mktemp("models") / "dots model"
    learning = ("--steps", 60, "--batch-size", 4, "--learning-rate", 0.01, "--ema-decay", 0.9, "--device", "cpu")
    assert instseg("train", dots, "--method", "coloring", "--out", folder, *NETWORK, *learning) == 0
    return folder


@pytest.fixture
def gradient(tmp_path):
    """An image file that is no photograph, but can be segmented."""
    import tifffile

    path = tmp_path / "gradient.tif"
    tifffile.imwrite(path, np.arange(64 * 64, dtype=np.uint16).reshape(64, 64))
    return path
