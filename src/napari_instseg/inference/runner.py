"""A network made ready to look at tiles: on its device, in its fastest exact form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_instseg.core.method import Array, Tensors

if TYPE_CHECKING:
    import torch

Activate = Callable[[Tensors, tuple[int, ...]], Mapping[str, "torch.Tensor"]]


class Runner:
    """Runs a network on one tile at a time, without gradients and in mixed precision where that is faster.

    Parameters
    ----------
    network : Module
        In evaluation mode; its weights are not changed.
    activate : callable
        From raw heads and the tile's offset to outputs.
    ndim : int
        2 or 3 spatial dimensions.
    device : str
        A torch device name.
    """

    def __init__(self, network: torch.nn.Module, activate: Activate, ndim: int, device: str) -> None:
        import torch

        from napari_instseg.networks import fuse

        layout = torch.channels_last if ndim == 2 else torch.channels_last_3d
        self._network: Any = fuse(network).to(device).to(memory_format=layout)
        self._activate = activate
        self._layout = layout
        self.device = device
        self.half = half_precision(device)

    def __call__(self, tile: Array, offset: tuple[int, ...], full_shape: tuple[int, ...]) -> dict[str, Array]:
        """Return the outputs for one normalised tile.

        Parameters
        ----------
        tile : float32 array (C, *S)
            Sides are multiples of the network's stride.
        offset : tuple of int
            Position of its first pixel in the whole image.
        full_shape : tuple of int
            Shape of the whole image, for coordinate maps.

        Returns
        -------
        dict of str to float32 array (C, *S)
        """
        import torch

        from napari_instseg.networks import coordinate_maps

        with torch.inference_mode():
            image = torch.from_numpy(np.ascontiguousarray(tile))[None]
            if self.device == "cuda":
                image = image.pin_memory()
            image = image.to(self.device, non_blocking=True).contiguous(memory_format=self._layout)
            coordinates = None
            if self._network.coordinates != "none":
                maps = coordinate_maps(self._network.coordinates, tile.shape[1:], offset, full_shape)
                coordinates = maps[None].to(self.device)
            with torch.autocast(self.device, dtype=self.half or torch.bfloat16, enabled=self.half is not None):
                raw = self._network(image, coordinates)
            outputs = self._activate({name: head.float() for name, head in raw.items()}, offset)
            return {name: output[0].float().cpu().contiguous().numpy() for name, output in outputs.items()}

    def release(self) -> None:
        """Free memory cached on the device, after it ran out."""
        import torch

        if self.device == "cuda":
            torch.cuda.empty_cache()


def half_precision(device: str) -> torch.dtype | None:
    """Return the number type that is faster than float32 on this device, if there is one."""
    import torch

    if device == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    # not public, and absent from older versions of torch; without it the CPU computes in float32
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return torch.bfloat16 if device == "cpu" and native() else None
