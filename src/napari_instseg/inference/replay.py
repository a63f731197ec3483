"""How a result was made, so that it can be made again: `recipe.json`, and the same in the TIFF of the labels."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from napari_instseg.core.device import choose_device
from napari_instseg.core.errors import InputError
from napari_instseg.core.method import Array
from napari_instseg.io.gates import Strict, Unreadable, check_record, read_json
from napari_instseg.io.stamps import Stamp
from napari_instseg.methods import get_method

if TYPE_CHECKING:
    from napari_instseg.inference.model import Model
    from napari_instseg.io.images import Image

FORMAT = 1
"""Version of the recipe; a newer one is refused in words."""
FILE = "recipe.json"
PACKAGES = ("napari-instseg", "torch", "numpy", "scipy", "scikit-image")


class UsedModel(Strict):
    """The model that was used."""

    name: str
    asked: str
    """As the user named it: a shipped name or a folder."""
    method: str
    weights: str
    """SHA-256 of names and values of its weights."""


class UsedImage(Strict):
    """The image that was segmented."""

    file: str
    path: str = ""
    """Where it lay; not told in the metadata of a label file, which may be given away."""
    digest: str
    """SHA-256 of its axes, shape, type and pixels, as read."""
    axes: str
    shape: tuple[int, ...]


class MadeBy(Strict):
    """How one label image was made."""

    versions: dict[str, str]
    model: UsedModel
    image: UsedImage
    axes: str | None = None
    """The axes that the user said, if any."""
    channels: tuple[int, ...] = ()
    stain: str | None = None
    diameter: float | None = None
    tile: int = Field(ge=1)
    device: str
    accurate: bool = False
    """Whether it was averaged over views."""
    normalization: dict[str, Any] = Field(default_factory=dict)
    """The percentiles that were used; empty for the model's."""
    decode: dict[str, Any] = Field(default_factory=dict)
    """Every parameter of the decoder."""
    corrections: int = 0
    """Objects that were edited by hand afterwards; these are not repeated."""
    objects: int
    labels: str
    """SHA-256 of the labels, see `Stamp.pixels`."""


class Recipes(Strict):
    """What `recipe.json` holds."""

    format: int = FORMAT
    images: dict[str, MadeBy] = Field(default_factory=dict)


def describe(
    model: Model,
    image: Image,
    labels: Array,
    *,
    asked: str = "",
    name: str = "",
    axes: str | None = None,
    channels: tuple[int, ...] = (),
    stain: str | None = None,
    diameter: float | None = None,
    tile: int,
    device: str = "auto",
    accurate: bool = False,
    decode: Mapping[str, Any],
) -> MadeBy:
    """Describe how labels were made.

    Parameters
    ----------
    model : Model
    image : Image
        As read, with all its channels.
    labels : array of int
    asked : str
        The model as the user named it.
    name : str
        Of the image, where it has no file.
    axes, channels, stain, diameter, tile, device, accurate
        As the user said them.
    decode : mapping
        All parameters of the decoder.
    """
    path, spec = image.path, model.spec
    return MadeBy(
        versions={"python": platform.python_version(), **{package: version(package) for package in PACKAGES}},
        model=UsedModel(name=spec.name, asked=asked or spec.name, method=spec.method, weights=digest_weights(model)),
        image=UsedImage(
            file=path.name if path else name,
            path=str(path.resolve()) if path else "",
            digest=digest_image(image.array, image.axes),
            axes=image.axes,
            shape=image.array.shape,
        ),
        axes=axes,
        channels=channels,
        stain=stain,
        diameter=diameter,
        tile=tile,
        device=choose_device(device).name,
        accurate=accurate,
        normalization=model.normalization.model_dump(),
        decode=dict(decode),
        objects=int(np.count_nonzero(np.bincount(labels.ravel())[1:])) if labels.size else 0,
        labels=Stamp.pixels(labels),
    )


def digest_image(array: Array, axes: str) -> str:
    """Return the digest of an image as read: its pixels count, not the file that holds them."""
    plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    digest = hashlib.sha256(repr((axes, plain.shape, plain.dtype.str)).encode())
    digest.update(plain.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def digest_weights(model: Model) -> str:
    """Return the digest of a model's weights, the same on every machine."""
    digest = hashlib.sha256()
    for name, values in sorted(model.network.state_dict().items()):
        array = values.detach().cpu().numpy()
        digest.update(f"{name} {array.shape} {array.dtype.str}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def read_recipes(path: str | Path) -> Recipes:
    """Read `recipe.json`.

    Raises
    ------
    InputError
        If it cannot be read, is no recipe, or is of a newer version.
    """
    try:
        values = read_json(path)
        if isinstance(values, dict) and isinstance(values.get("format"), int) and values["format"] > FORMAT:
            raise InputError(
                f"'{path}' is a recipe of format {values['format']}; this version reads up to {FORMAT}. Update "
                "napari-instseg."
            )
        return check_record(values, Recipes)
    except FileNotFoundError:
        raise InputError(f"There is no file '{path}'. Expected the {FILE} of a results folder.") from None
    except Unreadable as error:
        raise InputError(f"'{path}' is no recipe ({error}). Expected the {FILE} of a results folder.") from None


def methods_paragraph(made: MadeBy, objects: int | None = None) -> str:
    """Write what a paper's methods section says of such a result, with citations.

    Parameters
    ----------
    made : MadeBy
    objects : int, optional
        Over all images; those of this one if not given.
    """
    method = get_method(made.model.method)
    seen = []
    if made.channels:
        seen.append(f"channel{'s' if len(made.channels) > 1 else ''} {', '.join(map(str, made.channels))} (from 0)")
    if made.stain:
        seen.append(f"the {made.stain} stain")
    diameter = f" at a typical object diameter of {made.diameter:g} px" if made.diameter else ""
    defaults = {parameter.name: parameter.default for parameter in method.decode.parameters()}
    changed = {name: value for name, value in made.decode.items() if name in defaults and value != defaults[name]}
    said = ", ".join(f"{name.replace('_', ' ')} {_shown(value)}" for name, value in changed.items())
    parameters = f" Decoding parameters that differ from the method's defaults: {said}." if said else ""
    edited = f" {made.corrections} objects were corrected by hand." if made.corrections else ""
    count = made.objects if objects is None else objects
    return (
        f"Objects were segmented with napari-instseg {made.versions.get('napari-instseg', '')} (PyTorch "
        f"{made.versions.get('torch', '')}) using the model '{made.model.name}' (weights SHA-256 "
        f"{made.model.weights[:12]}), which implements {method.title} ({method.reference})"
        f"{', applied to ' + ' and '.join(seen) if seen else ''}{diameter}.{parameters}{edited} "
        f"{count} object{' was' if count == 1 else 's were'} found. The recipe that repeats this is given as {FILE}."
    )


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value)
