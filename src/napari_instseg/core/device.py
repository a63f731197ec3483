"""Where the network runs, and why there."""

from __future__ import annotations

from dataclasses import dataclass

from napari_instseg.core.errors import InstsegError

DEVICES = ("auto", "cuda", "mps", "cpu")


@dataclass(frozen=True)
class Device:
    """A torch device name and one sentence on why it was chosen."""

    name: str
    reason: str


def choose_device(wish: str = "auto") -> Device:
    """Choose the device to run on.

    Parameters
    ----------
    wish : {"auto", "cuda", "mps", "cpu"}
        ``"auto"`` takes CUDA, then MPS (Apple), then the CPU.

    Raises
    ------
    InstsegError
        If the wished device is not there; the message says why.
    """
    if wish not in DEVICES:
        raise InstsegError(f"Unknown device '{wish}'; expected one of {', '.join(DEVICES)}.")
    if wish == "cpu":
        return Device("cpu", "CPU, as asked for.")
    obstacles = {"cuda": _why_no_cuda(), "mps": _why_no_mps()}
    if wish == "auto":
        for name, obstacle in obstacles.items():
            if not obstacle:
                return Device(name, f"GPU found ({_gpu_name(name)}).")
        return Device("cpu", f"Running on CPU (no GPU found): {obstacles['cuda']}")
    if obstacles[wish]:
        raise InstsegError(f"Device '{wish}' cannot be used: {obstacles[wish]} Choose 'auto' or 'cpu'.")
    return Device(wish, f"GPU, as asked for ({_gpu_name(wish)}).")


def _gpu_name(name: str) -> str:
    import torch

    return torch.cuda.get_device_name() if name == "cuda" else "Apple"


def _why_no_cuda() -> str:
    import torch

    if torch.cuda.is_available():
        return ""
    if torch.version.cuda is None:
        return f"this torch ({torch.__version__}) was built without CUDA."
    return f"torch {torch.__version__} finds no NVIDIA GPU with a driver for CUDA {torch.version.cuda}."


def _why_no_mps() -> str:
    import torch

    if torch.backends.mps.is_available():
        return ""
    return "this is not a Mac with an Apple GPU and macOS 12.3 or newer."
