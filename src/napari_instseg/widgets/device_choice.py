"""The choice of where a network runs."""

from __future__ import annotations

from napari_instseg.core.device import DEVICES
from napari_instseg.widgets.parts import Choice

DEVICE_TITLES = {
    "auto": "Automatic",
    "cuda": "NVIDIA GPU (CUDA)",
    "mps": "Apple GPU (MPS)",
    "cpu": "CPU",
}


class DeviceChoice(Choice):
    """Automatic, or one of the kinds of device.

    Parameters
    ----------
    what : str
        What runs there, as a sentence, for the tooltip.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} Automatic takes a GPU where one can be used.")
        self.offer([(DEVICE_TITLES[name], name) for name in DEVICES], "auto")
