"""The image that is worked on, the ways in which its axes can be read, and its planes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.core.method import Array
from napari_instseg.core.units import micrometres, seconds
from napari_instseg.data.stains import STAINS, unmix

if TYPE_CHECKING:
    from napari_instseg.session.annotation import Annotation

Role = Literal["stack", "channel", "volume", "plane", "color"]
Index = tuple[int, ...]
"""Position along the stack axes, in their order; empty where there are none."""

Channel = int | str
"""The number of a channel or colour, or the name of a stain; see `channels_of`."""

MOST_CHANNELS = 64
COLORS = ("Red", "Green", "Blue")


@dataclass(eq=False)
class Source:
    """An image as the viewer has it. Its name and place may change; other pixels are another source.

    Parameters
    ----------
    array : array-like
        Anything that numpy can index and convert, plane by plane: NumPy, dask, Zarr.
    name : str
        Layer name; results are named after it.
    rgb : bool
        Whether the last axis is red, green, blue (and transparency).
    axis_labels, scale, units, translate : tuple
        Of each axis but the colour one, as in the viewer; units by name.
    affine : array (n + 1, n + 1), optional
        What turns, shears or scales it beyond that, in world coordinates; None where nothing does.
    path : str
        The file that it is from; empty where that is not known.
    model : str
        Shipped model that whoever made the image suggests; empty where nobody did.
    diameter : float, optional
        Typical object diameter that they state, in pixels.
    channel : int or str, optional
        The channel that they suggest to look at.
    """

    array: Any
    name: str
    rgb: bool = False
    axis_labels: tuple[str, ...] = ()
    scale: tuple[float, ...] = ()
    units: tuple[str, ...] = ()
    translate: tuple[float, ...] = ()
    affine: Array | None = None
    path: str = ""
    model: str = ""
    diameter: float | None = None
    channel: Channel | None = None
    annotations: dict[tuple[tuple[int, ...], int], Annotation] = field(default_factory=dict, repr=False)
    """What the user said of it, by shape and dimensions in space; it lives as long as the image."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of all axes but the colour one."""
        shape = tuple(int(size) for size in self.array.shape)
        return shape[:-1] if self.rgb else shape

    @property
    def pixel_size(self) -> float | None:
        """Side of a pixel in micrometres, or None where the image has no length unit."""
        return self.micrometres(len(self.shape) - 1)

    def micrometres(self, axis: int) -> float | None:
        """Return the step along an axis in micrometres, or None where it has no length unit."""
        if axis >= min(len(self.units), len(self.scale)):
            return None
        return self._step(axis, micrometres(self.units[axis]))

    def seconds(self, axis: int) -> float | None:
        """Return the step along an axis in seconds, or None where it has no unit of time."""
        if axis >= min(len(self.units), len(self.scale)):
            return None
        return self._step(axis, seconds(self.units[axis]))

    def _step(self, axis: int, unit: float | None) -> float | None:
        more = 1.0 if self.affine is None else float(np.linalg.norm(self.affine[:-1, axis]))
        return None if unit is None else abs(float(self.scale[axis])) * more * unit


@dataclass(frozen=True)
class Reading:
    """What each axis of an image means.

    Parameters
    ----------
    roles : tuple of str
        One per axis of the array: ``"stack"`` axes hold independent images, ``"volume"`` is z of a 3-d image,
        ``"plane"`` y and x, ``"channel"`` and ``"color"`` the values of a pixel.
    title : str
        In the user's words.
    """

    roles: tuple[Role, ...]
    title: str

    @property
    def stack_axes(self) -> tuple[int, ...]:
        """Axes along which there are independent images."""
        return tuple(axis for axis, role in enumerate(self.roles) if role == "stack")

    @property
    def channel_axis(self) -> int | None:
        """Axis along which a channel or a colour can be chosen."""
        return next((axis for axis, role in enumerate(self.roles) if role in ("channel", "color")), None)

    @property
    def plane_axes(self) -> tuple[int, ...]:
        """Y and X."""
        return tuple(axis for axis, role in enumerate(self.roles) if role == "plane")

    @property
    def letters(self) -> str:
        """Axes of one plane in letters, as `Model.predict` takes them."""
        kept = [role for role in self.roles if role != "stack"]
        letters = {"channel": "C", "color": "C", "volume": "Z"}
        spatial = iter("YX")
        return "".join(letters.get(role) or next(spatial) for role in kept)


def readings(source: Source, ndim: int = 2) -> tuple[Reading, ...]:
    """List the ways in which the image can be read by an `ndim`-d model, the likeliest first.

    Raises
    ------
    InputError
        If the image has fewer dimensions than the model needs.
    """
    shape = source.shape
    if len(shape) < ndim or 0 in shape:
        raise InputError(
            f"'{source.name}' has shape {shape}; expected at least {ndim} dimensions, none of them empty. "
            f"Choose another image{' or a 2-d model' if ndim == 3 else ''}."
        )
    stack: Role = "stack"
    tail: tuple[Role, ...] = ("plane", "plane") if ndim == 2 else ("volume", "plane", "plane")
    end: tuple[Role, ...] = ("color",) if source.rgb else ()
    leading = len(shape) - ndim
    found = [Reading((*[stack] * leading, *tail, *end), _title(source, leading, None, ndim))]
    last, likely = len(shape) - 1, _likely_channels(source)
    for axis in range(0 if source.rgb or leading == 0 else len(shape)):
        if (axis < last - 1 and shape[axis] <= MOST_CHANNELS) or (axis == last and axis in likely):
            roles: list[Role] = [*[stack] * (leading - 1), *tail]
            roles.insert(axis, "channel")
            found.append(Reading(tuple(roles), _title(source, leading - 1, axis, ndim)))
    return tuple(sorted(found, key=lambda reading: reading.channel_axis not in (likely or (None,))))


def _likely_channels(source: Source) -> tuple[int, ...]:
    """Return the axis that is called channels; without one, the last one if it is far shorter than the two before."""
    shape = source.shape
    named = [axis for axis, label in enumerate(source.axis_labels) if label.lower() in ("c", "channel", "channels")]
    if named or source.rgb or len(shape) < 3:
        return tuple(named)
    return (len(shape) - 1,) if shape[-1] <= MOST_CHANNELS and shape[-1] * 4 <= min(shape[-3:-1]) else ()


def _title(source: Source, stack: int, channel: int | None, ndim: int) -> str:
    """Say a reading in words, with the names of axes where they have one."""
    shape = source.shape
    names = [source.axis_labels[axis] if axis < len(source.axis_labels) else "" for axis in range(len(shape))]
    # viewers number axes that nobody named
    names = ["" if name.lstrip("-").isdigit() or name.startswith("axis ") else name for name in names]
    words = []
    if channel is not None:
        words.append(f"{shape[channel]} channels along {names[channel] or f'axis {channel}'}")
    elif source.rgb:
        words.append("colour")
    elif not stack and ndim == 2:
        words.append("grey")
    axes = [axis for axis in range(len(shape)) if axis != channel][:stack]
    if axes:
        count = " × ".join(str(shape[axis]) for axis in axes)
        along = ", ".join(names[axis] for axis in axes if names[axis])
        words.append(f"stack of {count}{f' ({along})' if along else ''}, slice by slice")
    if ndim == 3:
        words.append("one volume" if not axes else "volume by volume")
    text = ", ".join(words).replace("slice by slice, ", "")
    return text[:1].upper() + text[1:]


def planes(source: Source, reading: Reading) -> Iterator[Index]:
    """Go over the independent images, by their position along the stack axes."""
    return product(*(range(source.array.shape[axis]) for axis in reading.stack_axes))


def stack_shape(source: Source, reading: Reading) -> tuple[int, ...]:
    """Return the number of independent images along each stack axis."""
    return tuple(int(source.array.shape[axis]) for axis in reading.stack_axes)


def labels_axes(reading: Reading) -> tuple[int, ...]:
    """Return the image's axes that a label image of it has: all but channels and colours."""
    return tuple(axis for axis, role in enumerate(reading.roles) if role not in ("channel", "color"))


def grid_shape(source: Source, reading: Reading) -> tuple[int, ...]:
    """Return the shape of a label image of the whole source."""
    return tuple(int(source.array.shape[axis]) for axis in labels_axes(reading))


def channels_of(source: Source, reading: Reading) -> tuple[tuple[str, Channel | None], ...]:
    """List what can be looked at, with its title: all channels, or a single one; empty without channels."""
    axis = reading.channel_axis
    if axis is None:
        return ()
    if reading.roles[axis] == "color":
        return (("Colours", None), *((title, number) for number, title in enumerate(COLORS)), *_titled(STAINS))
    count = int(source.array.shape[axis])
    return ((f"All {count}", None), *((f"Channel {number + 1}", number) for number in range(count)))


def _titled(names: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((title, name) for name, title in names.items())


def take_plane(source: Source, reading: Reading, index: Index, channel: Channel | None = None) -> tuple[Array, str]:
    """Read one of the independent images into memory.

    Parameters
    ----------
    index : tuple of int
        Position along the stack axes.
    channel : int or str, optional
        The only channel to read, or the stain; None reads all.

    Returns
    -------
    image : array
    axes : str
        Its axes in letters.
    """
    position = iter(index)
    where: list[Any] = [next(position) if role == "stack" else slice(None) for role in reading.roles]
    letters = reading.letters
    axis = reading.channel_axis
    if "color" in reading.roles:
        where[-1] = slice(0, 3)  # transparency is no intensity
    if channel is None or axis is None:
        return np.asarray(source.array[tuple(where)]), letters
    if isinstance(channel, int):
        where[axis] = channel
    taken = np.asarray(source.array[tuple(where)])
    return (unmix(taken, channel) if isinstance(channel, str) else taken), letters.replace("C", "")
