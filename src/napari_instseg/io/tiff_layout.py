"""Which pages of a TIFF file are the image, in which order, as each kind of metadata says it.

Metadata only name what is there: pages of this file. Where they do not fit, the pages are read as a plain stack.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_instseg.core.units import micrometres, seconds
from napari_instseg.io.ome import is_ome, read_ome
from napari_instseg.io.tiff_pages import OFFSETS_WRAP, Chain, Page

if TYPE_CHECKING:
    import tifffile

VENDORS = ("lsm", "stk", "fluoview", "sis", "svs", "scn", "qpi", "ndpi", "bif", "avs", "eer", "philips", "scanimage")
"""Kinds of which `tifffile` knows where the image is."""


@dataclass
class Layout:
    """Where the pixels of the image are.

    Parameters
    ----------
    pages : sequence of int
        In the order of the leading axes, the last one fastest.
    lead : list of (str, int)
        Letter and length of each axis before those within a page.
    scale : dict
        Micrometres along X, Y, Z, seconds along T.
    notes : list of str
        What was left out or could not be made out.
    channels : tuple of str
        Names of the channels.
    claimed : int, optional
        How many pages the file should have, as far as its metadata say so.
    virtual : bool
        Whether the planes follow each other behind one page.
    samples : str
        What the samples of a page are, where metadata say so.
    is_intensity : bool
        Whether a colour map only shows the values.
    cut_off : str
        Why planes of the image are not in the file any more; empty where all are.
    """

    pages: Sequence[int]
    lead: list[tuple[str, int]] = field(default_factory=list)
    scale: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    channels: tuple[str, ...] = ()
    claimed: int | None = None
    virtual: bool = False
    samples: str = ""
    is_intensity: bool = False
    cut_off: str = ""


def find_layout(file: tifffile.TiffFile, chain: Chain, path: Path) -> Layout:
    """Return where the image is, by the first kind of metadata that fits the pages."""
    notes: list[str] = []
    for kind in (_micromanager, _ome, _imagej, _shaped):
        try:
            layout = kind(file, chain, path)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError, ArithmeticError) as error:
            # whatever is wrong with metadata, the pixels are read
            notes.append(f"its {kind.__name__[1:]} metadata are damaged ({type(error).__name__}) and were not used")
            continue
        if layout is not None:
            layout.notes[:0] = notes
            return layout
    layout = _plain(chain)
    layout.notes[:0] = notes
    return layout


def is_vendor(file: tifffile.TiffFile, chain: Chain) -> bool:
    """Return whether `tifffile` is to find the image: slides, microscopes' own kinds, classic files beyond 4 GiB."""
    if any(getattr(file, f"is_{kind}", False) for kind in VENDORS):
        return True
    return chain.size >= OFFSETS_WRAP and not file.is_bigtiff and len(chain.pages) == 0


def vendor_scale(file: tifffile.TiffFile) -> dict[str, float]:
    """Return the pixel size that a microscope or scanner wrote: micrometres along X, Y, Z, where it did."""
    try:
        if file.is_lsm:
            said: dict[str, Any] = file.lsm_metadata or {}
            return _known({letter: float(said.get(f"VoxelSize{letter}", 0)) * 1e6 for letter in "XYZ"})
        if file.is_stk:
            said = file.stk_metadata or {}
            unit = micrometres(str(said.get("CalibrationUnits", "")))
            if unit and said.get("SpatialCalibration"):
                return _known({letter: float(said.get(f"{letter}Calibration", 0)) * unit for letter in "XY"})
        if file.is_svs:
            for part in str(file.pages.first.description).split("|"):
                name, _, value = part.partition("=")
                if name.strip().upper() == "MPP":
                    return _known(dict.fromkeys("XY", float(value)))
        if file.is_sis:
            said = file.sis_metadata or {}
            return _known({letter: float(said.get(f"pixelsize{letter.lower()}", 0)) * 1e6 for letter in "XY"})
    except (ValueError, TypeError, AttributeError, KeyError):
        pass
    return {}


def same_kind(chain: Chain) -> tuple[list[Page], list[list[Page]]]:
    """Return the pages that can be one stack with the first full image, and the further images."""
    full = [page for page in chain.pages if not page.is_reduced] or list(chain.pages)
    groups: dict[tuple[int, ...], list[Page]] = {}
    for page in full:
        groups.setdefault(page.kind, []).append(page)
    first, *rest = groups.values()
    return first, rest


def further(groups: Sequence[Sequence[Page]], names: Sequence[str] = ()) -> list[str]:
    """Say which further images a file has."""
    if not groups:
        return []
    words = []
    for number, group in enumerate(groups):
        width, height = group[0].kind[:2]
        name = f"'{names[number]}' " if number < len(names) and names[number] else ""
        many = f"{len(group)} pages of " if len(group) > 1 else ""
        words.append(f"{name}{many}{width} x {height}")
    return [f"the first of {len(groups) + 1} images; left out: {', '.join(words[:6])}{', ...' if words[6:] else ''}"]


def _plain(chain: Chain) -> Layout:
    pages, rest = same_kind(chain)
    numbers = [page.index for page in pages]
    return Layout(numbers, [("I", len(numbers))] if len(numbers) > 1 else [], notes=further(rest))


def _micromanager(file: tifffile.TiffFile, chain: Chain, path: Path) -> Layout | None:
    if not file.is_micromanager:
        return None
    said: dict[str, Any] = file.micromanager_metadata or {}
    index = said.get("IndexMap")
    if index is None or not len(index):
        return None
    index = np.asarray(index)
    by_offset = {page.offset: page.index for page in chain.pages}
    there = {by_offset[int(row[4])]: tuple(int(n) for n in row[:4]) for row in index if int(row[4]) in by_offset}
    claimed = int((index[:, 4] > 0).sum())
    if len(there) != len(set(there.values())) or not there:
        return None
    grid = _grid({page: (t, p, z, c) for page, (c, z, t, p) in there.items()}, "TRZC")
    if grid is None:
        return None
    summary = said.get("Summary") or {}
    layout = Layout(*grid, claimed=claimed)
    names = summary.get("ChNames")
    layout.channels = tuple(str(name) for name in names) if isinstance(names, list) else ()
    layout.scale = _known({"Z": _float(summary.get("z-step_um", 0)), **dict.fromkeys("XY", _mm_pixel(file, summary))})
    positions = {place[3] for place in there.values()}
    if int(summary.get("Positions", 1)) > len(positions):
        layout.notes.append(
            f"{len(positions)} of the {summary['Positions']} positions of its run; the others are in other files"
        )
    return layout


def _mm_pixel(file: tifffile.TiffFile, summary: dict[str, Any]) -> float:
    tag = file.pages.first.tags.get("MicroManagerMetadata")
    page = tag.value if tag is not None and isinstance(tag.value, dict) else {}
    return _float(page.get("PixelSizeUm", 0)) or _float(summary.get("PixelSize_um", 0))


def _ome(file: tifffile.TiffFile, chain: Chain, path: Path) -> Layout | None:
    description = description_of(file)
    if not is_ome(description):
        return None
    images = read_ome(description, path.name, len(chain.pages))
    here = [image for image in images if image.planes]
    if not here:
        layout = _plain(chain)
        layout.notes.append("its OME metadata do not say what its pages are, so that its axes are not known from them")
        return layout
    image = here[0]
    axis = {"Z": 0, "C": 1, "T": 2}
    places = {page: tuple(place[axis[a]] for a in image.order) for page, place in image.planes.items()}
    kinds = {chain.pages[page].kind for page in places}
    grid = _grid(places, image.order) if len(kinds) == 1 else None
    claimed = 0 if any(one.elsewhere for one in here) else sum(len(one.planes) + one.missing for one in here)
    notes = list(image.notes)
    if image.missing:
        notes.append(f"its metadata speak of {image.missing} more planes than it has")
    if image.elsewhere:
        names = ", ".join(f"'{name}'" for name in image.elsewhere[:3])
        more = ", ..." if len(image.elsewhere) > 3 else ""
        notes.append(f"one file of a set; only what is in it was read, the rest is in {names}{more}")
    if grid is None:
        layout = _plain(chain)
        layout.scale, layout.claimed = image.scale, claimed or None
        layout.notes[:0] = [*notes, "its OME metadata do not fit its pages, which were read as a plain stack"]
        return layout
    others = [[chain.pages[page] for page in one.planes] for one in here[1:]]
    described = {page for one in here for page in one.planes}
    left = [p for p in chain.pages if p.index not in described and not p.is_reduced]
    notes += further(others, [one.name for one in here[1:]])
    if left:
        notes.append(f"{len(left)} pages that its OME metadata do not describe were left out")
    return Layout(*grid, image.scale, notes, image.channels, claimed or None, is_intensity=True)


def _imagej(file: tifffile.TiffFile, chain: Chain, path: Path) -> Layout | None:
    if not file.is_imagej:
        return None
    said: dict[str, Any] = file.imagej_metadata or {}
    counts = {letter: _count(said.get(key)) for letter, key in (("T", "frames"), ("Z", "slices"), ("C", "channels"))}
    claimed = max(math.prod(counts.values()), _count(said.get("images")))
    pages, rest = same_kind(chain)
    first = pages[0]
    layout = Layout([page.index for page in pages], scale=_imagej_scale(file, said), notes=further(rest))
    layout.is_intensity = True
    labels = said.get("Labels")
    if isinstance(labels, list) and len(labels) == counts["C"] > 1:
        layout.channels = tuple(str(label) for label in labels)
    samples = first.kind[4]
    if samples > 1 and samples == counts["C"] and math.prod(counts.values()) != len(pages):
        # channels that are stored as the samples of a page
        counts["C"], layout.samples, claimed = 1, "C", max(1, claimed // samples)
    if len(pages) == 1 and claimed > 1:
        _fill_virtual(layout, first, chain, claimed)
    count = claimed if layout.virtual else len(pages)
    product = math.prod(counts.values())
    order = {"czt": "TZC", "ctz": "ZTC", "zct": "TCZ", "ztc": "CTZ", "tcz": "ZCT", "tzc": "CZT"}
    letters = order.get(str(said.get("order", "czt")).lower(), "TZC")
    layout.claimed = claimed
    if product == count:
        layout.lead = [(letter, counts[letter]) for letter in letters]
    elif count > 1:
        layout.lead = [("Z" if product == 1 else "I", count)]
    if product != count and product > 1:
        layout.notes.append(f"its metadata speak of {product} planes, it has {count}")
    return layout


def _imagej_scale(file: tifffile.TiffFile, said: dict[str, Any]) -> dict[str, float]:
    unit = str(said.get("unit", ""))
    units = {"X": unit, "Y": str(said.get("yunit", unit)), "Z": str(said.get("zunit", unit))}
    sizes = {"Z": abs(_float(said.get("spacing", 0))) * (micrometres(units["Z"]) or 0)}
    tags = file.pages.first.tags
    for letter in "XY":
        tag = tags.get(f"{letter}Resolution")
        if tag is not None and isinstance(tag.value, tuple) and tag.value[0]:
            pixels, length = tag.value
            sizes[letter] = length / pixels * (micrometres(units[letter]) or 0)
    interval = _float(said.get("finterval", 0))
    sizes["T"] = interval * (seconds(str(said.get("tunit", "sec"))) or 0)
    return _known(sizes)


def _shaped(file: tifffile.TiffFile, chain: Chain, path: Path) -> Layout | None:
    """Read what `tifffile` writes by itself: the shape of the array, and maybe its axes."""
    import json

    text = file.pages.first.shaped_description
    if not text:
        return None
    said = json.loads(text) if text.startswith("{") else {}
    shape = tuple(int(n) for n in said.get("shape", ()))
    if not shape or min(shape) < 1:
        return None
    pages, rest = same_kind(chain)
    first = file.pages.first
    inner = str(first.axes)
    planes, remainder = divmod(math.prod(shape), math.prod(first.shape))
    layout = Layout([page.index for page in pages], notes=further(rest))
    layout.claimed = planes
    if remainder:
        return None
    if len(pages) == 1 and planes > 1:
        _fill_virtual(layout, pages[0], chain, planes, bool(said.get("truncated")))
        if not layout.virtual:
            layout.notes.append(f"its metadata speak of {planes} planes, it has 1")
            return layout
    elif planes < len(pages):
        layout.pages = layout.pages[:planes]
        left = len(pages) - planes
        layout.notes += [f"the first array of the file; {left} further pages left out"]
    elif planes > len(pages):
        layout.notes.append(f"its metadata speak of {planes} planes, it has {len(pages)}")
        layout.lead = [("I", len(pages))]
        return layout
    axes = str(said.get("axes", "")).upper()
    if len(axes) != len(shape) or len(set(axes) - {"Q"}) != len(axes.replace("Q", "")):
        axes = _reshaped(shape, tuple(first.shape), inner)
    lead = [(letter, n) for letter, n in zip(axes, shape, strict=True) if letter not in "YXS" and letter not in inner]
    spare = [one for one in lead if one[0] == "C"]
    if math.prod(n for _, n in lead) != planes and spare and spare[0][1] == pages[0].kind[4]:
        # channels that are stored as the samples of a page
        lead.remove(spare[0])
        layout.samples = "C"
    layout.lead = lead if math.prod(n for _, n in lead) == planes else [("Q", planes)]
    return layout


def _reshaped(shape: tuple[int, ...], page: tuple[int, ...], inner: str) -> str:
    """Name the axes of an array whose last ones are those of a page, but for lengths of one."""
    if shape[-len(page) :] == page:
        return "Q" * (len(shape) - len(page)) + inner
    bare = [n for n in shape if n != 1]
    wanted = [(letter, n) for letter, n in zip(inner, page, strict=True) if n != 1]
    if bare[len(bare) - len(wanted) :] != [n for _, n in wanted]:
        return "Q" * len(shape)
    names = iter("Q" * (len(bare) - len(wanted)) + "".join(letter for letter, _ in wanted))
    return "".join("Q" if n == 1 else next(names) for n in shape)


def _fill_virtual(layout: Layout, page: Page, chain: Chain, claimed: int, said: bool = False) -> None:
    """Find out whether planes follow behind the only page, as in stacks beyond 4 GiB, and whether all are there."""
    end = page.end_of_pixels
    if end is None:
        return
    behind, missing = chain.size - end, (claimed - 1) * page.nbytes
    if behind >= missing > 0:
        layout.virtual = True
    elif said or (behind > 512 and page.offset < end) or claimed * page.nbytes >= OFFSETS_WRAP - 2**26:
        layout.cut_off = f"it should have {claimed} planes, but ends after {1 + behind // page.nbytes}"


def cut_off(layout: Layout, chain: Chain) -> str:
    """Say that planes of the image are not in the file any more; empty if all are there, or never were."""
    if layout.cut_off:
        return layout.cut_off
    if chain.broken and (layout.claimed is None or layout.claimed > len(chain.pages)):
        many = f"; it should have {layout.claimed} planes" if layout.claimed else ""
        return f"it {chain.broken}{many}"
    return ""


def _grid(places: dict[int, tuple[int, ...]], letters: str) -> tuple[list[int], list[tuple[str, int]]] | None:
    """Put pages in the order of their positions; None if they do not fill a grid."""
    pages = sorted(places, key=lambda page: places[page])
    sizes = [len({place[axis] for place in places.values()}) for axis in range(len(letters))]
    if math.prod(sizes) != len(pages) or len(set(places.values())) != len(pages):
        return None
    return pages, list(zip(letters, sizes, strict=True))


def description_of(file: tifffile.TiffFile) -> str:
    """Return the description of the first page, whatever letters it is written in."""
    tag = file.pages.first.tags.get("ImageDescription")
    value = "" if tag is None else tag.value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _known(sizes: dict[str, float]) -> dict[str, float]:
    return {letter: size for letter, size in sizes.items() if math.isfinite(size) and size > 0}


def _count(value: Any) -> int:
    return value if isinstance(value, int) and 0 < value < 2**31 else 1


def _float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0
