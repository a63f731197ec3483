"""The pages of a TIFF file, found by following its directories, with what says whether the file is whole.

Everything takes time and memory in proportion to the size of the file, whatever the file claims.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass, field
from pathlib import Path

from napari_instseg.core.errors import InputError

SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, PLANAR = 254, 256, 257, 258, 259, 262, 277, 284
STRIPS, STRIP_BYTES, EXTRA_SAMPLES, KIND = 273, 279, 338, 339

_WANTED = {SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, PLANAR, STRIPS, STRIP_BYTES, KIND}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_SMALLEST = 5 * 12
"""A directory with fewer bytes describes no image."""

OFFSETS_WRAP = 2**32
"""Beyond this size some microscopes write classic TIFF with offsets that have lost their upper half."""


@dataclass(frozen=True)
class Page:
    """One directory of the file.

    Parameters
    ----------
    index : int
        Its place in the chain.
    offset : int
        In bytes.
    tags : dict
        First values of the tags that tell its size and kind, by number.
    """

    index: int
    offset: int
    tags: dict[int, int] = field(default_factory=dict)

    @property
    def kind(self) -> tuple[int, ...]:
        """What pages have in common that can be one stack."""
        return tuple(
            self.tags.get(tag, default)
            for tag, default in (
                (WIDTH, 0),
                (HEIGHT, 0),
                (BITS, 1),
                (KIND, 1),
                (SAMPLES, 1),
                (PLANAR, 1),
                (PHOTOMETRIC, 0),
            )
        )

    @property
    def is_reduced(self) -> bool:
        """Return whether it is a smaller copy of another page, or a mask of it."""
        return bool(self.tags.get(SUBFILE, 0) & 0b101)

    @property
    def nbytes(self) -> int:
        """Size of its pixels in memory."""
        width, height, bits, _, samples, *_ = self.kind
        return width * height * samples * max(1, (bits + 7) // 8)

    @property
    def end_of_pixels(self) -> int | None:
        """Where its pixels end in the file; None if they are compressed or in several parts."""
        stored = self.tags.get(STRIP_BYTES)
        if self.tags.get(COMPRESSION, 1) != 1 or STRIPS not in self.tags or stored is None or stored < self.nbytes:
            return None
        return self.tags[STRIPS] + self.nbytes


@dataclass(frozen=True)
class Chain:
    """The pages of a file in their order.

    Parameters
    ----------
    pages : tuple of Page
    size : int
        Of the file, in bytes.
    broken : str
        Why the chain does not end as it should; empty where it does.
    """

    pages: tuple[Page, ...]
    size: int
    broken: str = ""


def follow(path: Path) -> Chain:
    """Follow the chain of directories of a TIFF or BigTIFF file.

    Raises
    ------
    InputError
        If directories point back at earlier ones or overlap, or the first one is not there.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _follow(data, path)


def _follow(data: mmap.mmap, path: Path) -> Chain:
    size = len(data)
    order = "<" if data[:2] == b"II" else ">"
    big = size >= 16 and struct.unpack_from(order + "H", data, 2)[0] == 43
    # the formats of: an offset, a number of tags, a tag
    offset_of, count_of, entry = (
        struct.Struct(order + f) for f in (("Q", "Q", "HHQ8s") if big else ("I", "H", "HHI4s"))
    )
    start = 8 if big else 4
    if size < start + offset_of.size:
        return Chain((), size, "ends within its header")
    (at,) = offset_of.unpack_from(data, start)
    pages: list[Page] = []
    seen: set[int] = set()
    used = 0
    while at:
        if at in seen:
            raise InputError(
                f"'{path}' is damaged: its directory of page {len(pages)} points back at an earlier one, so that it "
                "has no end. Copy or export it again."
            )
        seen.add(at)
        if at + count_of.size > size:
            return Chain(tuple(pages), size, f"says that another page is at byte {at}, but ends at byte {size}")
        (count,) = count_of.unpack_from(data, at)
        first = at + count_of.size
        after = first + count * entry.size
        if after + offset_of.size > size:
            return Chain(tuple(pages), size, f"ends at byte {size}, within the directory of page {len(pages)}")
        used += max(count * entry.size, _SMALLEST)
        if used > size + 2 * _SMALLEST:
            raise InputError(f"'{path}' is damaged: its directories overlap. Copy or export it again.")
        tags = {}
        for place in range(first, after, entry.size):
            number, kind, values, raw = entry.unpack_from(data, place)
            if number in _WANTED and number not in tags:
                value = _first(data, order, kind, values, raw, offset_of)
                if value is not None and (values == 1 or number not in (STRIPS, STRIP_BYTES)):
                    tags[number] = value
        pages.append(Page(len(pages), at, tags))
        (at,) = offset_of.unpack_from(data, after)
    return Chain(tuple(pages), size)


def _first(data: mmap.mmap, order: str, kind: int, count: int, raw: bytes, offset: struct.Struct) -> int | None:
    """Return the first value of a tag of whole numbers."""
    if kind not in _INTEGERS or count == 0:
        return None
    form = order + _INTEGERS[kind]
    if _SIZES[kind] * count <= len(raw):
        return int(struct.unpack_from(form, raw)[0])
    (place,) = offset.unpack(raw)
    return int(struct.unpack_from(form, data, place)[0]) if place + _SIZES[kind] <= len(data) else None
