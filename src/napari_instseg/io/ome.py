"""What OME-XML says of the pages of one file, as far as it can be made out: broken metadata lose no pixels."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from napari_instseg.core.units import micrometres, seconds

if TYPE_CHECKING:
    from lxml.etree import _Element

Place = tuple[int, int, int]
"""Position of a plane along Z, C and T."""

MOST = 2**31
"""Larger sizes are no sizes."""


@dataclass
class OmeImage:
    """One `Image` element, as far as it concerns this file.

    Parameters
    ----------
    name : str
    order : str
        Axes of the planes, the slowest first.
    planes : dict
        Its position of each page of this file that belongs to it, by the page's number.
    missing : int
        Planes that should be in this file, but have no page.
    elsewhere : tuple of str
        Files that hold the rest of it.
    scale : dict
        Micrometres along X, Y, Z and seconds along T, where said.
    channels : tuple of str
        Names; empty for those without.
    notes : list of str
        What could not be made out.
    """

    name: str = ""
    order: str = "TZC"
    planes: dict[int, Place] = field(default_factory=dict)
    missing: int = 0
    elsewhere: tuple[str, ...] = ()
    scale: dict[str, float] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)


def is_ome(description: str) -> bool:
    """Return whether a TIFF's description is OME-XML, be it whole or not."""
    return "<OME" in description[:2000] or ":OME " in description[:2000]


def read_ome(description: str, name: str, pages: int) -> list[OmeImage]:
    """Return what OME-XML says of the pages of a file, one entry for each image that it describes.

    Parameters
    ----------
    description : str
        The XML; a bare ``&``, missing end tags and attributes, and decimal commas do no harm.
    name : str
        Name of the file, without its folder: planes that are in other files are left out.
    pages : int
        How many pages the file has.
    """
    root = _parse(description)
    if root is None:
        return []
    images = [one for one in root.iter() if _tag(one) == "Image"]
    owner = _Owner(root, images, name)
    used: set[int] = set()
    return [_read_image(one, owner, pages, used, len(images) == 1) for one in images]


def _parse(description: str) -> _Element | None:
    from lxml import etree

    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", description.strip("\0 \r\n\t\ufeff"))
    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True, load_dtd=False)
    try:
        return etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError):
        return None


class _Owner:
    """Tells which `TiffData` elements are of this file: by its name, or else, if it was renamed, by its UUID."""

    def __init__(self, root: _Element, images: list[_Element], name: str) -> None:
        self._name = name.lower()
        self._root = str(root.get("UUID", ""))
        said = [self._said(data) for image in images for data in image.iter() if _tag(data) == "TiffData"]
        self._by_name = any(file == self._name for file, _ in said)
        self._by_uuid = bool(self._root) and any(uuid == self._root for _, uuid in said)
        self._alone = len({file for file, _ in said if file}) <= 1

    def owns(self, data: _Element) -> bool:
        file, uuid = self._said(data)
        if not file and not uuid:
            return True
        if self._by_name:
            return file == self._name
        return uuid == self._root if self._by_uuid else self._alone

    def file(self, data: _Element) -> str:
        """Return the name of the file that it points to, in the file's own spelling."""
        return next((str(one.get("FileName", "")) for one in data if _tag(one) == "UUID"), "")

    def _said(self, data: _Element) -> tuple[str, str]:
        for one in data:
            if _tag(one) == "UUID":
                file = re.split(r"[/\\]", str(one.get("FileName", "")))[-1]
                return file.lower(), str(one.text or "").strip()
        return "", ""


def _read_image(element: _Element, owner: _Owner, pages: int, used: set[int], alone: bool) -> OmeImage:
    image = OmeImage(str(element.get("Name", "")))
    pixels = next((one for one in element if _tag(one) == "Pixels"), None)
    if pixels is None:
        image.notes.append("its OME metadata describe no pixels")
        return image
    parts = [one for one in pixels if _tag(one) == "TiffData"]
    channels = [one for one in pixels if _tag(one) == "Channel"]
    image.channels = tuple(str(one.get("Name", "")) for one in channels)
    image.scale = _scale(pixels, image.notes)
    samples = (_whole(channels[0].get("SamplesPerPixel")) or 1) if channels else 1
    sizes = _sizes(pixels, samples, pages if alone else 1, image.notes)
    order = _order(pixels, sizes, image.notes)
    image.order = order[::-1]
    here = [one for one in parts if owner.owns(one)]
    others = {owner.file(one) for one in parts if not owner.owns(one)}
    image.elsewhere = tuple(sorted(name for name in others if name))
    total = math.prod(sizes.values())
    if not parts:
        _place(image, {}, 0, total, sizes, order, pages, used)
    for one in here:
        first = _whole(one.get("IFD"), least=0)
        count = _whole(one.get("PlaneCount")) or _whole(one.get("NumPlanes"))
        start = {letter: _whole(one.get(f"First{letter}"), least=0) or 0 for letter in "ZCT"}
        if count is None:
            count = 1 if first is not None else total
        if first is None:
            # the standard says 0, but what an earlier image has used is not meant
            first = next((page for page in range(pages) if page not in used), 0) if len(here) == 1 else 0
        _place(image, start, first, count, sizes, order, pages, used)
    return image


def _place(
    image: OmeImage,
    start: dict[str, int],
    first: int,
    count: int,
    sizes: dict[str, int],
    order: str,
    pages: int,
    used: set[int],
) -> None:
    """Note the positions of `count` pages from the `first` on; those that are not there are only counted."""
    there = max(0, min(count, pages - first))
    places = list(islice(_positions(start, sizes, order), there))
    for page, place in enumerate(places, first):
        image.planes[page] = place
        used.add(page)
    image.missing += count - len(places)


def _positions(start: dict[str, int], sizes: dict[str, int], order: str) -> Iterator[Place]:
    at = {letter: start.get(letter, 0) for letter in "ZCT"}
    while all(at[letter] < sizes[letter] for letter in "ZCT"):
        yield at["Z"], at["C"], at["T"]
        for letter in order:
            at[letter] += 1
            if at[letter] < sizes[letter]:
                break
            at[letter] = 0
        else:
            return


def _sizes(pixels: _Element, samples: int, pages: int, notes: list[str]) -> dict[str, int]:
    found = {letter: _whole(pixels.get(f"Size{letter}")) for letter in "ZCT"}
    if found["C"] is not None and samples > 1:
        found["C"] = max(1, found["C"] // samples)
    unknown = [letter for letter, size in found.items() if size is None]
    known = math.prod(size for size in found.values() if size is not None)
    if unknown:
        notes.append(f"its OME metadata do not say the size along {', '.join(unknown)}")
    # one size that is missing follows from the number of pages
    if len(unknown) == 1 and pages % known == 0:
        found[unknown[0]] = pages // known
    return {letter: size or 1 for letter, size in found.items()}


def _order(pixels: _Element, sizes: dict[str, int], notes: list[str]) -> str:
    said = str(pixels.get("DimensionOrder", "")).upper()[2:]
    if sorted(said) == sorted("ZCT"):
        return said
    if sum(size > 1 for size in sizes.values()) > 1:
        notes.append("its OME metadata do not say the order of its planes; taken as channels, then Z, then T")
    return "CZT"


def _scale(pixels: _Element, notes: list[str]) -> dict[str, float]:
    scale = {}
    for letter, key, unit, default, length in (
        *((x, f"PhysicalSize{x}", f"PhysicalSize{x}Unit", "µm", micrometres) for x in "XYZ"),
        ("T", "TimeIncrement", "TimeIncrementUnit", "s", seconds),
    ):
        said = pixels.get(key)
        if said is None:
            continue
        number, name = _number(said), str(pixels.get(unit) or default)
        factor = length(name)
        if number is None:
            notes.append(f"{key} is {str(said)!r}, which is no size")
        elif factor is None:
            notes.append(f"{key} is in {name!r}, which is no unit known here")
        else:
            scale[letter] = number * factor
    return scale


def _tag(element: Any) -> str:
    return element.tag.rpartition("}")[2].rpartition(":")[2] if isinstance(element.tag, str) else ""


def _number(text: Any) -> float | None:
    try:
        number = float(str(text).strip().replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) and number > 0 else None


def _whole(text: Any, least: int = 1) -> int | None:
    try:
        number = int(str(text).strip())
    except ValueError:
        return None
    return number if least <= number < MOST else None
