"""A stranger's image with nothing said of it: the kind, the model and the size of objects are found by themselves."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from napari_instseg.core.method import Array
from napari_instseg.inference.size import AUTO
from napari_instseg.io.checks import check_image
from napari_instseg.zoo.kinds import KindOfImage, middle_of, tell_kind

if TYPE_CHECKING:
    from napari_instseg.decoding.segmentation import Segmentation
    from napari_instseg.inference.model import Model


def find_kind(image: Array, *, axes: str | None = None) -> KindOfImage:
    """Tell what kind of image it is, and by that which shipped model is for it; of a stack, by its middle.

    Parameters
    ----------
    image : array
        (Y, X), (Y, X, 3), (C, Y, X) or a stack of such.
    axes : str, optional
        One letter of T, C, Z, Y, X per dimension, where the shape alone does not say.

    Raises
    ------
    InputError
        If it is no image.
    """
    array, axes = check_image(image, axes)
    return tell_kind(middle_of(array, axes))


def segment(
    image: Array,
    *,
    model: str = AUTO,
    axes: str | None = None,
    diameter: float | str | None = AUTO,
    device: str = "auto",
    accurate: bool = False,
    **decode: Any,
) -> Segmentation:
    """Segment an image with nothing said of it: the kind of image, the model and the size of objects are found.

    Parameters
    ----------
    image : array
        (Y, X), (Y, X, 3), (C, Y, X), or a stack of such; any real number type.
    model : str
        A shipped model or a model folder; ``"auto"``: the shipped one for this kind of image.
    axes : str, optional
        One letter of T, C, Z, Y, X per dimension, where the shape alone does not say.
    diameter : float, str or None
        Typical object diameter in pixels; ``"auto"``: found by itself, if the model has learnt objects of many sizes;
        ``"model"`` or None: as in the images that the model learnt from.
    device : {"auto", "cuda", "mps", "cpu"}
        Where the network runs.
    accurate : bool
        Average over views of the image, see `Model.predict`; takes some four times as long.
    **decode
        Decode parameters that differ from the model's.

    Returns
    -------
    Segmentation

    Raises
    ------
    InputError
        If the image cannot be segmented; the message says what to do.
    ParameterError
        If it is to be accurate, and the model cannot average over views.

    Warns
    -----
    UserWarning
        If the image does not look like those that the models learnt from.
    """
    if model == AUTO:
        kind = find_kind(image, axes=axes)
        model = kind.model
        if kind.warning:
            import warnings

            warnings.warn(kind.warning, stacklevel=2)
    return _opened(model).segment(image, axes=axes, diameter=diameter, device=device, accurate=accurate, **decode)


@lru_cache(maxsize=2)
def _opened(name: str) -> Model:
    from napari_instseg.inference.model import load_model

    return load_model(name)
