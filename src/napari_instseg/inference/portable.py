"""A network on its own: image in, a method's outputs out, as TorchScript and as a bioimage.io package."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from napari_instseg.core.errors import InputError, ModelError
from napari_instseg.data.normalize import CLIP, limits, normalize
from napari_instseg.io.atomic import make_folder, write_bytes
from napari_instseg.io.models import ModelSpec, card
from napari_instseg.methods import get_method
from napari_instseg.networks import fuse
from napari_instseg.networks.coordinates import PERIODS

if TYPE_CHECKING:
    from napari_instseg.inference.model import Model

FORMAT_VERSION = "0.5.4"
"""Of bioimage.io's description of models."""
SIDE = 256
"""Least side of the test image, in pixels; longer where the network looks farther."""
SIDE_3D = 64


class Portable(nn.Module):
    """A network with its coordinates and its activation: ``forward(image) -> outputs``, in the method's order.

    Parameters
    ----------
    spec : ModelSpec
    network : Module, optional
        As the method builds it; made with random weights where none is given.
    """

    def __init__(self, spec: ModelSpec, network: nn.Module | None = None) -> None:
        super().__init__()
        method = get_method(spec.method)
        if network is None:
            network = method.build(method.network(**spec.network), spec.in_channels, spec.ndim, len(spec.classes))
        self.network: Any = network
        self._activate, self._ndim = method.activate, spec.ndim
        self._coordinates = str(self.network.coordinates)
        if self._coordinates not in ("none", "periodic"):
            raise ModelError(
                f"'{spec.name}' is told where pixels lie in the whole image, which a network on its own cannot know. "
                "Train with --coordinates periodic or none to give it away."
            )
        if any(output.layout == "rows" for output in method.outputs):
            raise ModelError(f"'{spec.name}' finds regions one by one ({method.title}), which is no map to give away.")
        self.names = tuple(output.name for output in method.outputs)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Compute the outputs (B, C, *S) of an image (B, C, *S) whose percentiles are 0 and 1; see `outputs`."""
        image = image.clamp(*CLIP)
        coordinates = self._waves(image) if self._coordinates == "periodic" else None
        found = self._activate(self.network(image, coordinates), (0,) * self._ndim)
        return tuple(found[name] for name in self.names if name in found)

    def outputs(self, image: Tensor) -> dict[str, Tensor]:
        """Return the outputs by name."""
        names = [name for name in self.names if name in self._activate_names(image)]
        return dict(zip(names, self(image), strict=True))

    def _activate_names(self, image: Tensor) -> set[str]:
        coordinates = self._waves(image) if self._coordinates == "periodic" else None
        return set(self._activate(self.network(image, coordinates), (0,) * self._ndim))

    def _waves(self, image: Tensor) -> Tensor:
        """Make periodic coordinates from the image's own size, so that a recorded network takes any."""
        maps = []
        for axis in range(self._ndim):
            one = torch.ones_like(image[:, :1])
            position = one.cumsum(axis + 2) - 1
            for period in PERIODS:
                phase = position * (2 * torch.pi / period)
                maps += [phase.sin(), phase.cos()]
        return torch.cat(maps, dim=1)


def portable(spec: dict[str, Any]) -> Portable:
    """Build the network of a `model.json`, for bioimage.io's `pytorch_state_dict`; weights are random until loaded."""
    return Portable(ModelSpec(**spec)).eval()


def trace(model: Model, image: Tensor) -> torch.jit.ScriptModule:
    """Record the network as TorchScript, for images of any size whose sides are multiples of the network's stride."""
    import warnings

    alone = Portable(model.spec, fuse(model.network)).eval().to(image.device)
    with torch.inference_mode(False), torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=torch.jit._trace.TracerWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.trace(alone, image, check_trace=False)  # type: ignore[no-any-return, no-untyped-call]


def export_bioimageio(
    model: Model,
    folder: str | Path,
    *,
    license_: str,
    authors: Sequence[str],
    test_image: np.ndarray[Any, Any] | None = None,
) -> Path:
    """Write a bioimage.io model package: `rdf.yaml`, weights as TorchScript and as state dict, test tensors, cover.

    Parameters
    ----------
    model : Model
    folder : str or Path
        Made if missing.
    license_ : str
        SPDX identifier of the licence of the weights, such as ``"CC-BY-4.0"``.
    authors : sequence of str
        Names.
    test_image : array (C, *S), optional
        What the outputs are recorded for; a simulated one if not given. Sides are multiples of the network's stride and
        more than twice its half receptive field.

    Returns
    -------
    Path
        `rdf.yaml`.

    Raises
    ------
    InputError
        If no author is named.
    ModelError
        If the network cannot stand on its own.
    OutputError
        If the folder cannot be written.
    """
    if not [name for name in authors if name.strip()]:
        raise InputError("A package names its authors; give one at least.")
    spec, folder = model.spec, make_folder(folder)
    stride, halo = int(model.network.stride), int(model.network.halo)
    least = -(-(2 * halo + stride) // stride) * stride
    raw = _test_image(spec, max(least, SIDE if spec.ndim == 2 else SIDE_3D)) if test_image is None else test_image
    low_high = limits(raw, model.normalization)
    image = torch.from_numpy(normalize(raw, model.normalization, low_high)[None])
    alone = Portable(spec, model.network).eval()
    with torch.no_grad():
        outputs = alone.outputs(image)
    files: dict[str, bytes] = {
        "weights.torchscript.pt": _bytes(lambda file: torch.jit.save(trace(model, image), file)),
        "weights.state_dict.pt": _bytes(lambda file: torch.save(alone.state_dict(), file)),
        "README.md": card(spec).encode(),
        "cover.png": _cover(model, raw),
        "test_input.npy": _bytes(lambda file: np.save(file, raw[None].astype(np.float32))),
    }
    for name, tensor in outputs.items():
        files[f"test_{name}.npy"] = _bytes(lambda file, tensor=tensor: np.save(file, tensor.numpy()))
    for name, content in files.items():
        write_bytes(folder / name, content)

    def source(name: str) -> dict[str, str]:
        return {"source": name, "sha256": hashlib.sha256(files[name]).hexdigest()}

    method, letters = get_method(spec.method), "zyx"[-spec.ndim :]
    version = torch.__version__.split("+")[0]
    described = {output.name: output.help for output in method.outputs}
    rdf = {
        "format_version": FORMAT_VERSION,
        "type": "model",
        "name": _plain(spec.name),
        "description": f"{spec.title or spec.name}: {method.title}, by {spec.made_by}.",
        "authors": [{"name": name} for name in authors if name.strip()],
        "cite": [{"text": method.reference, "url": "https://pypi.org/project/napari-instseg/"}],
        "license": license_,
        "tags": ["instance-segmentation", "napari-instseg", spec.method, *spec.modality],
        "documentation": "README.md",
        "covers": ["cover.png"],
        "inputs": [
            {
                "id": "raw",
                "description": f"An image in which objects measure about {spec.diameter:g} pixels.",
                "axes": [
                    {"type": "batch"},
                    {"type": "channel", "channel_names": [f"channel{number}" for number in range(spec.in_channels)]},
                    *({"type": "space", "id": axis, "size": {"min": least, "step": stride}} for axis in letters),
                ],
                "data": {"type": "float32"},
                "test_tensor": source("test_input.npy"),
                "preprocessing": [
                    {
                        "id": "scale_range",
                        "kwargs": {
                            "axes": [*([] if model.normalization.per_channel else ["channel"]), *letters],
                            "min_percentile": model.normalization.low,
                            "max_percentile": model.normalization.high,
                        },
                    }
                ],
            }
        ],
        "outputs": [
            {
                "id": name,
                "description": described[name][:128],
                "axes": [
                    {"type": "batch"},
                    {"type": "channel", "channel_names": [f"{name}{number}" for number in range(tensor.shape[1])]},
                    *(
                        {
                            "type": "space",
                            "id": axis,
                            "size": {"tensor_id": "raw", "axis_id": axis, "offset": 0},
                            "halo": halo,
                        }
                        for axis in letters
                    ),
                ],
                "data": {"type": "float32"},
                "test_tensor": source(f"test_{name}.npy"),
            }
            for name, tensor in outputs.items()
        ],
        "weights": {
            "torchscript": {
                **source("weights.torchscript.pt"),
                "parent": "pytorch_state_dict",
                "pytorch_version": version,
            },
            "pytorch_state_dict": {
                **source("weights.state_dict.pt"),
                "pytorch_version": version,
                "architecture": {
                    "import_from": portable.__module__,
                    "callable": portable.__name__,
                    "kwargs": {"spec": json.loads(spec.model_dump_json())},
                },
            },
        },
        "config": {"napari-instseg": {"method": spec.method, "decode": spec.decode, "diameter": spec.diameter}},
    }
    # JSON is YAML too
    path = folder / "rdf.yaml"
    write_bytes(path, (json.dumps(rdf, indent=2, ensure_ascii=False) + "\n").encode())
    return path


def _bytes(write: Any) -> bytes:
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def _plain(name: str) -> str:
    """Leave out what bioimage.io does not take in a name."""
    kept = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_- ()") else "-" for letter in name)
    return kept.ljust(5, "-")[:128]


def _test_image(spec: ModelSpec, side: int) -> np.ndarray[Any, Any]:
    """Make an image of bright disks (balls) of the model's size on a noisy background."""
    rng = np.random.default_rng(0)
    grid = np.indices((side,) * spec.ndim)
    image = rng.normal(10, 1, (side,) * spec.ndim)
    for middle in rng.uniform(0, side, (max(6, int(side / spec.diameter) ** spec.ndim // 6), spec.ndim)):
        distance = np.sqrt(sum((along - at) ** 2 for along, at in zip(grid, middle, strict=True)))
        image = np.maximum(image, 10 + 40 / (1 + np.exp(2 * (distance - spec.diameter / 2))))
    return np.repeat(image[None], spec.in_channels, axis=0).astype(np.float32)


def _cover(model: Model, image: np.ndarray[Any, Any]) -> bytes:
    from PIL import Image

    from napari_instseg.io.overlay import draw_overlay

    axes = "CZYX"[-model.spec.ndim :]
    picture, order = (np.moveaxis(image, 0, -1), axes + "C") if len(image) == 3 else (image, "C" + axes)
    found = model.segment(picture, axes=order, diameter="model", device="cpu")
    return _bytes(lambda file: Image.fromarray(draw_overlay(image[0], axes, found.labels)).save(file, format="PNG"))
