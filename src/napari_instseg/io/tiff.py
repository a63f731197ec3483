"""TIFF of every flavour, with the axes and the pixel size that microscopes and their programs write into it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from napari_instseg.core.errors import InputError
from napari_instseg.core.method import Array
from napari_instseg.io.atomic import replacing
from napari_instseg.io.ome import is_ome
from napari_instseg.io.photometric import YCBCR, meaning_of, to_values
from napari_instseg.io.tiff_layout import (
    Layout,
    cut_off,
    description_of,
    find_layout,
    is_vendor,
    vendor_scale,
)
from napari_instseg.io.tiff_pages import COMPRESSION, OFFSETS_WRAP, Chain, follow

if TYPE_CHECKING:
    import tifffile

FRAMES = 64
"""Of stacks with more pages than this only the places of the pixels are read from each directory."""

DENSEST = 1000
PLAUSIBLE = 2**30
"""An image of more bytes than this, and more than `DENSEST` times its file, is no image."""


@dataclass(frozen=True)
class TiffImage:
    """The first image of a TIFF file, as the file has it.

    Parameters
    ----------
    array : array
    axes : str
        A letter for each dimension: T, C, Z, Y, X, S for the colours of a picture, others for what the file has beside.
    scale : dict
        Micrometres along X, Y and Z, and seconds along T, as far as the file says.
    channels : tuple of str
        Their names, as far as the file says.
    notes : tuple of str
        How it was read, and what was left out and why.
    """

    array: Array
    axes: str
    scale: dict[str, float] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_tiff(path: Path, palette: str = "colors") -> TiffImage:
    """Read the first image of a TIFF file at full resolution: only pages of this file, in bounded time and memory.

    Parameters
    ----------
    path : Path
    palette : {"colors", "indices"}
        ``"indices"`` leaves the values of a palette as they are, for labels.

    Raises
    ------
    InputError
        If it is cut off, its directories have no end, or its colours cannot be converted.
    """
    import tifffile

    chain = follow(path)
    if not chain.pages and chain.size < OFFSETS_WRAP:
        raise InputError(
            f"'{path}' is damaged or cut off: it {chain.broken or 'has no page'}. Copy or export it again."
        )
    with tifffile.TiffFile(path) as file:
        if is_vendor(file, chain) and not is_ome(description_of(file)):
            return _read_vendor(file, chain, path, palette)
        layout = find_layout(file, chain, path)
        lost = cut_off(layout, chain)
        if lost:
            raise InputError(f"'{path}' is damaged or cut off: {lost}. Copy or export it again.")
        _check_size(layout, chain, path)
        page = cast("tifffile.TiffPage", file.pages[layout.pages[0]])
        meaning = meaning_of(page, layout.is_intensity)
        array, inner = _pixels(file, page, layout, chain, path)
    try:
        array, samples, notes = to_values(array, meaning, palette)
    except InputError as error:
        raise InputError(f"'{path}' {error}.") from None
    if samples and layout.samples and not (samples == "S" and meaning.photometric != 1):
        samples = layout.samples
    array = array.reshape([n for _, n in layout.lead] + list(array.shape[1:]))
    axes = "".join(letter for letter, _ in layout.lead) + inner + samples
    return TiffImage(*_channels_first(array, axes), layout.scale, layout.channels, (*layout.notes, *notes))


def _read_vendor(file: tifffile.TiffFile, chain: Chain, path: Path, palette: str) -> TiffImage:
    if chain.broken and chain.size < OFFSETS_WRAP:
        raise InputError(f"'{path}' is damaged or cut off: it {chain.broken}. Copy or export it again.")
    series = file.series[0]
    _check_bytes(series.nbytes, chain, path)
    array, axes = series.asarray(), series.axes
    notes = []
    if len(file.series) > 1:
        words = [f"{one.name or 'image'} {' x '.join(map(str, one.shape))}" for one in file.series[1:7]]
        notes.append(f"the first of {len(file.series)} images; left out: {', '.join(words)}")
    inner = axes.replace("S", "")
    if "S" in axes:
        array = np.moveaxis(array, axes.index("S"), -1)
    array, samples, more = to_values(array, meaning_of(series.keyframe, is_intensity=True), palette)
    return TiffImage(*_channels_first(array, inner + samples), vendor_scale(file), (), (*notes, *more))


def _pixels(
    file: tifffile.TiffFile, page: tifffile.TiffPage, layout: Layout, chain: Chain, path: Path
) -> tuple[Array, str]:
    """Read pages, (n, ..., Y, X) or (n, ..., Y, X, S), with the letters of the axes within a page but for S."""
    count = len(layout.pages)
    if layout.virtual:
        count = int(np.prod([n for _, n in layout.lead], dtype=int))
        kind = np.dtype(page.dtype).newbyteorder(file.byteorder)
        start = page.dataoffsets[0]
        array = file.filehandle.read_array(kind, count * int(np.prod(page.shape)), start)
    else:
        if count > FRAMES and len({chain.pages[n].tags.get(COMPRESSION, 1) for n in layout.pages}) == 1:
            file.pages.useframes = True
            file.pages.set_keyframe(layout.pages[0])
        try:
            array = file.asarray(key=list(layout.pages))
        except (NotImplementedError, ValueError, RuntimeError):
            if page.photometric != YCBCR:
                raise
            return _by_pillow(path, layout.pages), "YX"
    array = np.asarray(array).reshape(count, *page.shape)
    axes = str(page.axes)
    if "S" in axes:
        array = np.moveaxis(array, 1 + axes.index("S"), -1)
    return array, axes.replace("S", "")


def _by_pillow(path: Path, pages: Any) -> Array:
    """Read colours whose samples differ in resolution, which `tifffile` does not put together."""
    from PIL import Image as Pillow

    planes = []
    with Pillow.open(path) as picture:
        for number in pages:
            picture.seek(number)
            # as stored, since the caller converts
            planes.append(np.asarray(picture.convert("YCbCr")))
    return np.stack(planes)


def _channels_first(array: Array, axes: str) -> tuple[Array, str]:
    """Put the samples of a page that are detectors before Y and X; a last C would be taken for colours."""
    if not axes.endswith("C") or "Y" not in axes:
        return array, axes
    if "C" in axes[:-1]:
        return array, axes[:-1] + "S"
    at = axes.index("Y")
    return np.moveaxis(array, -1, at), axes[:at] + "C" + axes[at:-1]


def _check_size(layout: Layout, chain: Chain, path: Path) -> None:
    if not layout.virtual:
        _check_bytes(sum(chain.pages[number].nbytes for number in layout.pages), chain, path)


def _check_bytes(claimed: int, chain: Chain, path: Path) -> None:
    if claimed > PLAUSIBLE and claimed > DENSEST * chain.size:
        raise InputError(
            f"'{path}' is damaged: it says that it holds {claimed / 2**30:.0f} GiB of pixels, but is "
            f"{chain.size / 2**20:.3g} MiB small. Copy or export it again."
        )


def write_tiff(
    path: Path,
    array: Array,
    axes: str,
    scale: Mapping[str, float],
    software: str | None = None,
    description: str = "",
) -> None:
    """Write an OME-TIFF, compressed without loss, with its axes, its pixel size, and what wrote it.

    Parameters
    ----------
    path : Path
    array : array
    axes : str
        One letter of T, C, Z, Y, X per dimension; a last C is red, green and blue.
    scale : mapping
        Micrometres along X, Y, Z and seconds along T, where they are known; nothing is written of the others.
    software : str, optional
        What the TIFF tag says.
    description : str
        Of the image, in the OME metadata.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    import tifffile

    colour = axes.endswith("C")  # channels last, as RGB has them
    metadata: dict[str, Any] = {"axes": axes[:-1] + "S" if colour else axes}
    if description:
        metadata["Description"] = description
    for letter, size in scale.items():
        if letter == "T":
            metadata |= {"TimeIncrement": size, "TimeIncrementUnit": "s"}
        else:
            metadata |= {f"PhysicalSize{letter}": size, f"PhysicalSize{letter}Unit": "µm"}
    # the plain TIFF tags too, for readers that know no OME
    resolution = (1e4 / scale["X"], 1e4 / scale["Y"]) if {"X", "Y"} <= set(scale) else (1.0, 1.0)
    unit = "CENTIMETER" if {"X", "Y"} <= set(scale) else "NONE"
    with replacing(path) as beside:
        tifffile.imwrite(
            beside,
            array,
            ome=True,
            metadata=metadata,
            photometric="rgb" if colour else "minisblack",
            compression="zlib",
            resolution=resolution,
            resolutionunit=unit,
            software=software,
        )
