"""What a network said about one image: computed once, decoded as often as the user likes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.core.method import Array, Method, spatial_shape
from napari_instseg.core.params import Params
from napari_instseg.decoding.pipeline import Pipeline, Segmentation
from napari_instseg.methods import get_method


@dataclass(frozen=True)
class Prediction:
    """Named arrays on the image's grid, and how they become objects.

    Parameters
    ----------
    method : str
        Name of the method whose decoder reads the arrays; see ``instseg methods``.
    outputs : mapping of str to array
        ``"channels"`` outputs have shape (C, Y, X) or (C, Z, Y, X), ``"map"`` outputs (Y, X) or (Z, Y, X);
        floating point, finite. Which ones a method has: ``instseg methods --json``.
    defaults : mapping
        Decode parameters that differ from the method's own defaults, such as those of a model.
    helpers : mapping
        Functions of the model that the decoder may call, such as a second network; see `Method.build`.

    Raises
    ------
    InputError
        If an output is unknown, missing, not finite, or of another shape than the others.
    """

    method: str
    outputs: Mapping[str, Array]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    helpers: Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_outputs(self.outputs, get_method(self.method))

    @property
    def shape(self) -> tuple[int, ...]:
        """The image grid, (Y, X) or (Z, Y, X)."""
        return spatial_shape(self.outputs, get_method(self.method).outputs)

    @cached_property
    def pipeline(self) -> Pipeline:
        """The stages with their cached results; kept, so that a changed parameter re-runs as little as possible."""
        return self.new_pipeline()

    def new_pipeline(self, cache_bytes: int = 1 << 30) -> Pipeline:
        """Make another pipeline over the same outputs, for who decodes beside the user and with less memory."""
        method = get_method(self.method)
        rows = [output.name for output in method.outputs if output.layout == "rows"]
        return Pipeline(self.outputs, method.stages, cache_bytes, rows=rows, helpers=self.helpers)

    def parameters(self, **changes: Any) -> Params:
        """Return the decode parameters: the method's, then the model's, then `changes`.

        Raises
        ------
        ParameterError
            If a name is unknown or a value out of range.
        """
        return get_method(self.method).decode(**{**self.defaults, **changes})

    def decode(self, **changes: Any) -> Segmentation:
        """Turn the outputs into objects; again with other parameters is cheap.

        Returns
        -------
        Segmentation
            ``.labels``, int32 (Y, X) or (Z, Y, X), and ``.table``, one row per object.
        """
        return self.pipeline.run(self.parameters(**changes))


def _check_outputs(outputs: Mapping[str, Array], method: Method) -> None:
    known = {output.name: output for output in method.outputs}
    if not isinstance(outputs, Mapping):
        raise InputError(f"The outputs are {type(outputs).__name__}; expected a mapping of names to arrays.")
    for name, array in outputs.items():
        if name not in known:
            raise InputError(f"The {method.name} method has no output '{name}'; expected {', '.join(known)}.")
        if not isinstance(array, np.ndarray):
            raise InputError(f"Output '{name}' is {type(array).__name__}; expected an array.")
    missing = [name for name, output in known.items() if not output.optional and name not in outputs]
    if missing:
        raise InputError(f"The {method.name} method needs the output {', '.join(missing)}; got {sorted(outputs)}.")
    shape = spatial_shape(outputs, method.outputs)
    if len(shape) not in (2, 3) or 0 in shape:
        raise InputError(f"The outputs have a grid of shape {shape}; expected (Y, X) or (Z, Y, X), not empty.")
    for name, array in outputs.items():
        if known[name].layout == "rows":
            if array.ndim != 2:
                raise InputError(f"Output '{name}' has the shape {array.shape}; expected rows of detections, (N, K).")
        else:
            grid = np.shape(array)[1:] if known[name].layout == "channels" else np.shape(array)
            if known[name].layout == "channels" and not array.shape[:1] > (0,):
                raise InputError(f"Output '{name}' has the shape {array.shape}; expected at least one channel.")
            if grid != shape:
                raise InputError(f"Output '{name}' has the grid {grid}; expected {shape}, as the others.")
        if not np.issubdtype(array.dtype, np.floating):
            raise InputError(f"Output '{name}' is {array.dtype}; expected floating point.")
        bad = int(array.size - np.count_nonzero(np.isfinite(array)))
        if bad:
            raise InputError(
                f"Output '{name}' has {bad} values that are NaN or infinite; expected finite numbers. "
                "If a network made it, its training went wrong or the image has extreme values."
            )
