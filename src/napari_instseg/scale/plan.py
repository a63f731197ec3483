"""From images and a wish to a job: the level that is read, its normalisation, and what is skipped."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_instseg.core.errors import InputError, ParameterError
from napari_instseg.core.method import Array
from napari_instseg.data.normalize import SAMPLE, limits
from napari_instseg.inference.auto import find_kind
from napari_instseg.inference.model import Model
from napari_instseg.inference.rescale import own_parameters, rescale_factor
from napari_instseg.inference.size import AUTO, OWN, busiest
from napari_instseg.io.models import SPEC, WEIGHTS
from napari_instseg.io.sources import ImageSource, UnreadableError
from napari_instseg.scale.job import CHUNK, CHUNK_3D, Job, Piece, work_folder
from napari_instseg.scale.opened import open_model
from napari_instseg.scale.tissue import find_tissue, glass_blocks
from napari_instseg.scale.work import as_picture, read_channels
from napari_instseg.zoo import find_model
from napari_instseg.zoo.kinds import MOST_SIDE, KindOfImage

PART = 2048
"""Side of the part on which the size of objects is found, in pixels."""
NARROW = 128
"""Where a part cannot be read, its halves are tried, down to so many rows."""
PREVIEW = 1024
"""Largest side of the small image that is kept beside labels, in pixels."""


@dataclass(frozen=True)
class Wish:
    """How images are to be segmented.

    Parameters
    ----------
    model : str
        Name or folder.
    diameter : float or {"auto", "model"}, optional
        Typical object diameter at full resolution, in pixels; the level nearest to what the model knows is read.
        "auto": found on a part of the first image, by a model that has learnt many sizes; "model" and None: its own.
    level : int, optional
        Of the pyramid, instead of the one that fits best.
    pixel_size : float, optional
        Micrometres; the level of this pixel size is read as it is.
    channels : tuple of int
        Those to take, from 0; all if empty.
    stain : str
        Take this stain of colours only.
    device : str
    tile : int
        Side of what the network sees at once, in pixels; 0 for the default.
    decode : mapping
        Decode parameters that differ from the model's.
    percentiles : (float, float), optional
        What becomes 0 and 1, instead of the model's.
    accurate : bool
        Average over views, see `napari_instseg.inference.views`.
    everywhere : bool
        Also look at glass.
    version : str
        Of OME-Zarr; that of the image if empty.
    block, chunk : int
        Sides in pixels; 0 for the defaults.
    """

    model: str
    diameter: float | str | None = None
    level: int | None = None
    pixel_size: float | None = None
    channels: tuple[int, ...] = ()
    stain: str = ""
    device: str = "auto"
    tile: int = 0
    decode: Mapping[str, Any] = field(default_factory=dict)
    percentiles: tuple[float, float] | None = None
    accurate: bool = False
    everywhere: bool = False
    version: str = ""
    block: int = 0
    chunk: int = 0


def plan(sources: Sequence[ImageSource], store: Path, wish: Wish) -> Job:
    """Make the job of segmenting images into one store.

    Parameters
    ----------
    sources : sequence of ImageSource
        One image, or those of a plate.
    store : Path
        The OME-Zarr to write.
    wish : Wish

    Raises
    ------
    InstsegError
        If the model cannot see the image, or there is no such level or channel.
    """
    model = open_model(wish.model)
    if wish.accurate:
        model.check_accurate()
    diameter_at_full, size = _settled(sources, model, wish)
    pieces, decode = [], {}
    notes = [f"Objects of {size}."] if size else []
    for source in sources:
        level, diameter, factor = choose_level(source, model, wish, diameter_at_full)
        decode = own_parameters(model.spec, diameter, **wish.decode).model_dump()
        piece, said = _piece(source, level, factor, model, wish)
        pieces.append(piece)
        where = f"{source.place.well}/{source.place.field}: " if source.place and source.place.well else ""
        notes += [f"{where}{note}." for note in [*source.notes, *said]]
    version = wish.version or sources[0].version or "0.5"
    return Job(
        work_folder(store),
        str(store),
        version,
        label_name(model.spec.name),
        str(wish.model),
        _digest(wish.model),
        model.spec.ndim,
        decode,
        tuple(pieces),
        wish.channels,
        wish.stain,
        wish.device,
        wish.tile,
        wish.block,
        wish.chunk or (CHUNK if model.spec.ndim == 2 else CHUNK_3D),
        tuple(notes),
        wish.accurate,
    )


def _settled(sources: Sequence[ImageSource], model: Model, wish: Wish) -> tuple[float | None, str]:
    """Settle on a diameter at full resolution, with what is to be told of it."""
    if wish.diameter == AUTO and model.spec.knows_sizes and wish.level is None and wish.pixel_size is None:
        # the channels are those that the network takes already, as the colours of a picture are
        for source in sources:
            part = np.moveaxis(_part(source, model, wish), 0, -1)
            if part.min() < part.max():
                size = model.find_size(part, axes="YXC", device=wish.device)
                return round(size.diameter, 1), size.words(source.pixel_size())
        return None, "unknown size, as all is empty"
    diameter = None if wish.diameter in (AUTO, OWN) else wish.diameter
    if isinstance(diameter, str):
        raise ParameterError(f"The diameter is '{diameter}'; expected a number of pixels, '{AUTO}' or '{OWN}'.")
    own_parameters(model.spec, diameter, **wish.decode)
    return diameter, ""


def _part(source: ImageSource, model: Model, wish: Wish) -> Array:
    """Read the part of the full resolution in whose surroundings values differ most, (C, Y, X)."""
    coarse = len(source.levels) - 1
    sizes = source.shape(0)
    places = {letter: size // 2 for letter, size in sizes.items() if letter not in "YXC"}
    where: dict[str, slice | int] = {**places, **_busiest(sizes, read_sample(source, coarse, places, model, wish))}
    return read_channels(source, 0, where, model, wish.channels, wish.stain)


def _busiest(sizes: Mapping[str, int], grey: Array) -> dict[str, slice]:
    """Return the part of the full resolution whose like in a small image (C, Y, X) differs most in values."""
    centre = busiest(grey, PART * grey.shape[1] / sizes["Y"]) or (grey.shape[1] / 2, grey.shape[2] / 2)
    where = {}
    for letter, at, length in zip("YX", centre, grey.shape[1:], strict=True):
        start = int(min(max(at * sizes[letter] / length - PART / 2, 0), max(sizes[letter] - PART, 0)))
        where[letter] = slice(start, min(start + PART, sizes[letter]))
    return where


def _middle(size: int, side: int) -> slice:
    start = max((size - side) // 2, 0)
    return slice(start, min(start + side, size))


def find_kind_of(sources: Sequence[ImageSource]) -> KindOfImage:
    """Tell the kind of images by the middle of the first one; where that is empty, by where values differ most.

    Raises
    ------
    InputError
        If all are empty.
    """
    for source in sources:
        sizes = source.shape(0)
        stack: dict[str, slice | int] = {letter: size // 2 for letter, size in sizes.items() if letter not in "YXC"}
        letters = "".join(letter for letter in source.axes if letter in "YXC")
        middle = {letter: _middle(sizes[letter], MOST_SIDE) for letter in "YX"}
        part, axes = as_picture(source.read(0, **stack, **middle), letters)
        if part.min() == part.max():
            grey = read_preview(source)[tuple(stack.get(letter, slice(None)) for letter in source.axes)]
            grey = np.moveaxis(grey, letters.index("C"), 0) if "C" in letters else grey[np.newaxis]
            part, axes = as_picture(source.read(0, **stack, **_busiest(sizes, grey)), letters)
        if part.min() < part.max():
            return find_kind(part, axes=axes)
    raise InputError(
        "There is nothing in the image to tell its kind by: every pixel that was looked at is the same. Check the "
        "channel, or name a --model."
    )


def label_name(model: str) -> str:
    """Return the name of a model's labels: one that every file system takes."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in model).strip(".") or "labels"


def _digest(model: str) -> str:
    folder = find_model(model)
    digest = hashlib.sha256()
    for name in (SPEC, WEIGHTS):
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()[:16]


def choose_level(
    source: ImageSource, model: Model, wish: Wish, wished: float | None
) -> tuple[int, float | None, float]:
    """Choose the level whose objects are nearest in size to those that the model knows.

    Parameters
    ----------
    source : ImageSource
    model : Model
    wish : Wish
    wished : float, optional
        Diameter of objects at full resolution, in pixels.

    Returns
    -------
    level : int
    diameter : float or None
        Of objects at this level, in pixels; None as the model presumes.
    factor : float
        By which the network sees that level enlarged.

    Raises
    ------
    InputError
        If there is no such level, or no pixel size where one is needed.
    """
    count = len(source.levels)
    spec = model.spec
    level = wish.level
    if level is not None and not 0 <= level < count:
        raise InputError(f"'{source.name}' has {count} levels, 0 to {count - 1}; there is no level {level}.")
    if (pixel_size := wish.pixel_size) is not None:
        size = source.pixel_size()
        if size is None:
            raise InputError(
                f"'{source.name}' does not say its pixel size, so no level can be chosen by --pixel-size. Say "
                "--pyramid-level or --diameter instead."
            )
        sizes = [size * source.factor(number) for number in range(count)]
        level = min(range(count), key=lambda number: abs(math.log(sizes[number] / pixel_size)))
    wanted = spec.presumed_diameter if wished is None else wished
    if not wanted > 0:
        raise ParameterError(f"The object diameter is {wanted}; expected more than 0 pixels.")
    if level is None:
        level = min(range(count), key=lambda number: abs(math.log(wanted / source.factor(number) / spec.diameter)))
    elif wished is None:  # the user says at which level objects look as the model knows them
        return level, None, rescale_factor(spec, None)
    if level == 0:
        return 0, wished, rescale_factor(spec, wished)
    diameter = wanted / source.factor(level)
    return level, diameter, rescale_factor(spec, diameter)


def _piece(source: ImageSource, level: int, factor: float, model: Model, wish: Wish) -> tuple[Piece, list[str]]:
    sizes, spatial = source.shape(level), "ZYX"[-model.spec.ndim :]
    missing = [letter for letter in spatial if letter not in sizes]
    if missing:
        raise InputError(
            f"'{source.name}' has the axes {source.axes}; expected {spatial}, as the model sees {len(spatial)}-d "
            "images."
        )
    stack = "".join(letter for letter in source.axes if letter not in spatial + "C")
    counts = tuple(sizes[letter] for letter in stack)
    shape = tuple(sizes[letter] for letter in spatial)
    if 0 in shape or 0 in counts:
        raise InputError(f"'{source.name}' has the shape {source.levels[level].shape}, without any pixel.")
    seen = shape if factor == 1 else tuple(max(1, round(side * factor)) for side in shape)
    assert source.place is not None
    piece = Piece(source.place, source.axes, level, stack, counts, shape, seen, [], [], source.place.group)
    grid, notes = model.blocks(seen, wish.block or None), []
    coarse = coarse_level(source, level)
    total = math.prod(counts) if counts else 1
    normalization = model.normalization
    if wish.percentiles is not None:
        normalization = normalization.changed(low=wish.percentiles[0], high=wish.percentiles[1])
    for image in range(total):
        places = dict(zip(stack, piece.place_in_stack(image), strict=True))
        sample = read_sample(source, coarse, places, model, wish)
        piece.between.append(np.asarray(limits(sample, normalization), float).tolist())
        skipped: list[int] = []
        if not wish.everywhere and len(spatial) == 2 and sample.dtype == np.uint8 and sample.shape[0] == 3:
            tissue = find_tissue(sample) if "C" in source.axes else None
            skipped = [] if tissue is None else glass_blocks(tissue, grid)
        piece.skipped.append(skipped)
    empty = sum(all(low == high for low, high in between) for between in piece.between)
    if empty:
        whose = "the image is" if total == 1 else f"{empty} of {total} images are"
        notes.append(f"{whose} empty, as every pixel that was looked at is the same")
    left_out = sum(map(len, piece.skipped))
    if left_out:
        notes.append(
            f"{left_out} of {total * len(grid)} blocks are glass without tissue and are skipped; --everywhere looks "
            "there too"
        )
    if len(source.levels) > 1 and level:
        notes.append(f"level {level} is read, where objects have about the size that the model knows")
    return piece, notes


def coarse_level(source: ImageSource, level: int) -> int:
    """Return the smallest level that still has enough pixels for percentiles."""

    def pixels(number: int) -> int:
        sizes = source.shape(number)
        return math.prod(sizes[letter] for letter in "ZYX" if letter in sizes)

    enough = [number for number in range(level, len(source.levels)) if pixels(number) >= SAMPLE // 4]
    return enough[-1] if enough else level


def read_sample(source: ImageSource, level: int, places: Mapping[str, int], model: Model, wish: Wish) -> Array:
    """Read a regular grid of pixels (C, *S) of a level, as `limits` takes it of an image in memory, in bands."""
    spatial = "ZYX"[-model.spec.ndim :]
    sizes = source.shape(level)
    shape = [sizes[letter] for letter in spatial]
    step = max(1, round((math.prod(shape) / SAMPLE) ** (1 / len(shape))))
    band = max(step, (SAMPLE * 4 // max(math.prod(shape[1:]), 1)) // step * step)
    parts: list[Array] = []
    error: InputError | None = None
    waiting = [(start, min(start + band, shape[0])) for start in range(0, shape[0], band)][::-1]
    while waiting:
        start, end = waiting.pop()
        where: dict[str, Any] = {**places, spatial[0]: slice(start, end)}
        try:
            part = read_channels(source, level, where, model, wish.channels, wish.stain)
        except UnreadableError as broken:  # named when its block is read; the rest tells enough of the grey values
            error, half = broken, (end - start) // 2 // step * step
            if end - start > NARROW and half:
                waiting += [(start + half, end), (start, start + half)]
            continue
        parts.append(part[(slice(None), *(slice(None, None, step),) * len(shape))])
    if not parts and error is not None:
        raise error
    return np.concatenate(parts, axis=1)


def read_preview(source: ImageSource) -> Array:
    """Read the image made small, with the axes of the source."""
    sides = [max(source.shape(number)[letter] for letter in "YX") for number in range(len(source.levels))]
    level = max((number for number, side in enumerate(sides) if side >= PREVIEW), default=0)
    sizes = source.shape(level)
    step = max(1, -(-max(sizes["Y"], sizes["X"]) // PREVIEW))
    band = max(step, (1 << 26) // max(math.prod(sizes.values()) // sizes["Y"], 1) // step * step)
    at = source.axes.index("Y")
    cut = tuple(slice(None, None, step) if letter in "YX" else slice(None) for letter in source.axes)
    parts = []
    for start in range(0, sizes["Y"], band):
        part = slice(start, min(start + band, sizes["Y"]))
        try:
            region = source.read(level, Y=part)
        except UnreadableError:  # named when its block is read
            shape = [part.stop - part.start if letter == "Y" else size for letter, size in sizes.items()]
            region = np.zeros(shape, source.levels[level].dtype)
        parts.append(region[cut])
    return np.concatenate(parts, axis=at)
