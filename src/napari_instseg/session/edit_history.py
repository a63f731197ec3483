"""The history of edits: undo and redo without limit, each edit kept as small compressed patches."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import Any
from weakref import finalize

import numpy as np
import numpy.typing as npt

from napari_instseg.core.method import Array

IN_MEMORY_BYTES = 32 << 20
"""Compressed patches beyond this lie in a temporary file, which ends with the program."""

Box = tuple[slice, ...]


@dataclass(frozen=True)
class Patch:
    """What changed in a box of one of the arrays: where, and the values before and after.

    Parameters
    ----------
    name : str
        Of the array.
    box : tuple of slice
    where : bool array
        The pixels of the box that changed.
    before, after : array (N,)
        Their values.
    """

    name: str
    box: Box
    where: npt.NDArray[np.bool_]
    before: Array
    after: Array

    @classmethod
    def between(cls, name: str, box: Box, before: Array, after: Array) -> Patch | None:
        """Compare a box of an array before and after an edit; None if nothing changed."""
        where = before != after
        if not where.any():
            return None
        return cls(name, box, where, before[where], after[where])


@dataclass(frozen=True)
class Edit:
    """One step that can be undone.

    Parameters
    ----------
    title : str
        In the user's words, such as ``"split"``.
    patches : sequence of Patch
        In the order in which they were made.
    accepted, rejected : frozenset of int
        Ids that it made accepted, and that it made not accepted any more.
    seen_at : tuple of int, optional
        A pixel of what it was about, where it changed none.
    """

    title: str
    patches: Sequence[Patch] = ()
    accepted: frozenset[int] = frozenset()
    rejected: frozenset[int] = frozenset()
    seen_at: tuple[int, ...] | None = None

    @property
    def changes(self) -> bool:
        """Whether it changed anything."""
        return bool(self.patches or self.accepted or self.rejected)

    @property
    def place(self) -> tuple[int, ...] | None:
        """Where one wants to look: the middle of the first box; None if that is not known."""
        if not self.patches:
            return self.seen_at
        return tuple((part.start + part.stop) // 2 for part in self.patches[0].box)


@dataclass(frozen=True)
class _Stored:
    """An edit whose pixels lie in the store, from one byte to another."""

    title: str
    names: tuple[tuple[str, Box, str], ...]
    begin: int
    lengths: tuple[int, ...]
    accepted: frozenset[int]
    rejected: frozenset[int]
    seen_at: tuple[int, ...] | None


@dataclass(eq=False)
class EditHistory:
    """The edits of one image, and where among them the user is.

    Edits are appended to one file in their order, first in memory, then on disk; edits that were undone are cut off
    by the next one. So neither time nor memory of an edit depends on how many there are.
    """

    _done: list[_Stored] = field(default_factory=list)
    _undone: list[_Stored] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115
        finalize(self, self._file.close)

    @property
    def undo_title(self) -> str:
        """The edit that undo would take back; empty if there is none."""
        return self._done[-1].title if self._done else ""

    @property
    def redo_title(self) -> str:
        """The edit that redo would make again; empty if there is none."""
        return self._undone[-1].title if self._undone else ""

    def __len__(self) -> int:
        return len(self._done)

    @property
    def nbytes(self) -> int:
        """Bytes of all compressed patches, in memory or in the temporary file."""
        latest = self._undone[0] if self._undone else self._done[-1] if self._done else None
        return 0 if latest is None else latest.begin + sum(latest.lengths)

    def add(self, edit: Edit) -> None:
        """Remember an edit that was made; what was undone is forgotten."""
        begin = (self._done[-1].begin + sum(self._done[-1].lengths)) if self._done else 0
        self._undone.clear()
        parts = [zlib.compress(_pack(patch), 1) for patch in edit.patches]
        self._file.seek(begin)
        self._file.truncate()
        self._file.write(b"".join(parts))
        names = tuple((patch.name, patch.box, patch.before.dtype.str) for patch in edit.patches)
        lengths = tuple(map(len, parts))
        self._done.append(_Stored(edit.title, names, begin, lengths, edit.accepted, edit.rejected, edit.seen_at))

    def undo(self, arrays: Mapping[str, Array], accepted: set[int]) -> Edit | None:
        """Take the last edit back in `arrays` and `accepted`; give it, or None if there is none."""
        if not self._done:
            return None
        edit = self._load(self._done[-1])
        for patch in reversed(edit.patches):
            arrays[patch.name][patch.box][patch.where] = patch.before
        accepted -= edit.accepted
        accepted |= edit.rejected
        self._undone.append(self._done.pop())
        return edit

    def redo(self, arrays: Mapping[str, Array], accepted: set[int]) -> Edit | None:
        """Make the edit that was undone last again; give it, or None if there is none."""
        if not self._undone:
            return None
        edit = self._load(self._undone[-1])
        for patch in edit.patches:
            arrays[patch.name][patch.box][patch.where] = patch.after
        accepted |= edit.accepted
        accepted -= edit.rejected
        self._done.append(self._undone.pop())
        return edit

    def _load(self, stored: _Stored) -> Edit:
        self._file.seek(stored.begin)
        patches = [
            _unpack(zlib.decompress(self._file.read(length)), *name)
            for name, length in zip(stored.names, stored.lengths, strict=True)
        ]
        return Edit(stored.title, patches, stored.accepted, stored.rejected, stored.seen_at)


def _pack(patch: Patch) -> bytes:
    return np.packbits(patch.where).tobytes() + patch.before.tobytes() + patch.after.tobytes()


def _unpack(data: bytes, name: str, box: Box, dtype: str) -> Patch:
    shape = tuple(part.stop - part.start for part in box)
    size = int(np.prod(shape))
    bits = np.frombuffer(data, np.uint8, (size + 7) // 8)
    where = np.unpackbits(bits, count=size).astype(bool).reshape(shape)
    values: npt.NDArray[Any] = np.frombuffer(data, dtype, offset=len(bits))
    half = len(values) // 2
    return Patch(name, box, where, values[:half], values[half:])
