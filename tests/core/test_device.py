"""Device choice: a wish that cannot be met says why, `auto` always works and gives its reason."""

import pytest
import torch

from napari_instseg.core.device import choose_device
from napari_instseg.core.errors import InstsegError


def test_cpu_is_always_there():
    assert choose_device("cpu").name == "cpu"


def test_auto_says_why_the_gpu_is_not_used():
    device = choose_device("auto")
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        assert device.name in ("cuda", "mps")
    else:
        assert device.name == "cpu"
        assert "no GPU found" in device.reason
        assert torch.__version__ in device.reason


@pytest.mark.parametrize("wish", ["cuda", "mps"])
def test_a_missing_gpu_is_refused_in_words(wish, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(InstsegError, match=f"Device '{wish}' cannot be used: .* Choose 'auto' or 'cpu'"):
        choose_device(wish)


def test_an_unknown_device_lists_the_known():
    with pytest.raises(InstsegError, match="Unknown device 'tpu'; expected one of auto, cuda, mps, cpu"):
        choose_device("tpu")
