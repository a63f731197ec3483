"""What is to be done with images too large for memory, as a file that every worker reads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from napari_instseg.core.errors import InputError, OutputError
from napari_instseg.inference.stitch import Blocks, Window, regions
from napari_instseg.io.atomic import write_bytes
from napari_instseg.io.sources import Location
from napari_instseg.scale.opened import open_model

FORMAT = 2
WORK = ".instseg"
"""Folder beside a store where its job, and blocks until they are joined, lie."""
JOB, DONE = "job.json", "done.json"
CHUNK, CHUNK_3D = 1024, 128
"""Side of a chunk of labels, in pixels."""
CHUNKS = 2
"""A region that one worker paints is so many chunks wide, so that no two write into one chunk."""


@dataclass(frozen=True)
class Piece:
    """One image of a job: how it is read, and how the network sees it.

    Parameters
    ----------
    place : Location
    axes : str
        Of the image.
    level : int
        Of its pyramid.
    stack : str
        Letters of the axes along which it is a stack of independent images.
    counts : tuple of int
        How many along each.
    shape, seen : tuple of int
        (Y, X) or (Z, Y, X) of the level, and as the network sees it.
    between : list
        For each image of the stack, what `napari_instseg.data.normalize.limits` found.
    skipped : list of list of int
        For each image of the stack, the blocks that are glass.
    group : str
        Where in the store its labels go.
    """

    place: Location
    axes: str
    level: int
    stack: str
    counts: tuple[int, ...]
    shape: tuple[int, ...]
    seen: tuple[int, ...]
    between: list[list[list[float]]]
    skipped: list[list[int]]
    group: str = ""

    @property
    def images(self) -> int:
        """How many images the stack has."""
        return len(self.between)

    @property
    def full_shape(self) -> tuple[int, ...]:
        """Of the labels, the stack's axes first."""
        return (*self.counts, *self.shape)

    def place_in_stack(self, image: int) -> tuple[int, ...]:
        """Return the position of an image along each axis of the stack."""
        found = []
        for count in reversed(self.counts):
            found.append(image % count)
            image //= count
        return tuple(reversed(found))


@dataclass(frozen=True)
class Unit:
    """One piece of work: a block or a region of an image of a stack."""

    piece: int
    image: int
    number: int

    def __str__(self) -> str:
        return f"{self.piece}-{self.image}-{self.number}"


@dataclass(frozen=True)
class Job:
    """All that a worker needs to know.

    Parameters
    ----------
    folder : Path
        Where the job is, and what workers leave for each other.
    store : str
        The OME-Zarr that labels are written to.
    version : str
        Of OME-Zarr.
    labels : str
        Name of the label image in each group.
    model : str
        Name or folder.
    weights : str
        Digest of the model, so that a changed one is another job.
    ndim : int
    decode : mapping
        Decode parameters on the grid of the level.
    pieces : tuple of Piece
    channels : tuple of int
    stain : str
    device : str
    tile : int
    block : int
        Side of a block with its margins, in pixels; 0 for the model's.
    chunk : int
        Side of a chunk of the labels, in pixels.
    notes : tuple of str
        What is to be told.
    accurate : bool
        Average over views.
    """

    folder: Path
    store: str
    version: str
    labels: str
    model: str
    weights: str
    ndim: int
    decode: Mapping[str, Any]
    pieces: tuple[Piece, ...]
    channels: tuple[int, ...] = ()
    stain: str = ""
    device: str = "auto"
    tile: int = 0
    block: int = 0
    chunk: int = CHUNK
    notes: tuple[str, ...] = field(default=())
    accurate: bool = False

    @cached_property
    def digest(self) -> str:
        """Tell two jobs apart that would not give the same labels."""
        values = asdict(self)
        for name in ("folder", "device", "tile", "notes"):
            del values[name]
        values["format"] = FORMAT
        return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:16]

    def grid(self, piece: int) -> Blocks:
        """Return the blocks of an image, on the grid that the network sees."""
        seen = self.pieces[piece].seen
        if seen not in self._grids:
            self._grids[seen] = open_model(self.model).blocks(seen, self.block or None)
        return self._grids[seen]

    @cached_property
    def _grids(self) -> dict[tuple[int, ...], Blocks]:
        return {}

    def blocks(self) -> list[Unit]:
        """Return all blocks that are to be segmented, in order."""
        return [
            Unit(number, image, block)
            for number, piece in enumerate(self.pieces)
            for image in range(piece.images)
            for block in range(len(self.grid(number)))
            if block not in piece.skipped[image]
        ]

    def regions(self, piece: int, level: int = 0) -> list[Window]:
        """Return the regions, each of whole chunks, in which the labels of one image are written."""
        shape = level_shapes(self.pieces[piece].shape)[level]
        return regions(shape, (self.chunk * CHUNKS,) * len(shape))

    def file(self, kind: str, unit: Unit | str) -> Path:
        """Return the file in which a worker leaves what it found."""
        return self.folder / kind / f"{unit}.npz"

    def write(self) -> None:
        """Write the job into its folder.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        values = {"format": FORMAT, "digest": self.digest, **asdict(self)}
        values["folder"] = str(self.folder)
        write_bytes(self.folder / JOB, (json.dumps(values, indent=1, default=str) + "\n").encode())

    @classmethod
    def read(cls, folder: Path) -> Job:
        """Read the job of a folder, wherever that is now.

        Raises
        ------
        InputError
            If there is none, or it is damaged.
        """
        try:
            values = json.loads((folder / JOB).read_text(encoding="utf-8"))
            if values.pop("format") != FORMAT:
                raise InputError(
                    f"'{folder / JOB}' is of another version of this program. Start again in a new folder."
                )
            values.pop("digest")
            values["folder"] = folder
            values["pieces"] = tuple(
                Piece(
                    **{
                        **piece,
                        "place": Location(**piece["place"]),
                        **{name: tuple(piece[name]) for name in ("counts", "shape", "seen")},
                    }
                )
                for piece in values["pieces"]
            )
            values["channels"] = tuple(values["channels"])
            values["notes"] = tuple(values["notes"])
            return cls(**values)
        except InputError:
            raise
        except FileNotFoundError:
            raise InputError(
                f"'{folder}' has no {JOB}, so nothing was begun there. Run instseg segment first."
            ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"'{folder / JOB}' is damaged ({error}). Delete '{folder}' and segment again.") from None


def level_shapes(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the shapes of a pyramid of labels: every second pixel along Y and X until all fit into 512 pixels."""
    shapes = [tuple(shape)]
    while max(shapes[-1][-2:]) > 512:
        *rest, height, width = shapes[-1]
        shapes.append((*rest, (height + 1) // 2, (width + 1) // 2))
    return shapes


def work_folder(store: Path) -> Path:
    """Return the folder of the job that writes a store."""
    name = store.name.removesuffix(".zarr")
    return store.parent / WORK / name


def find_jobs(out: Path) -> list[Path]:
    """Find the folders of all jobs whose results go into a folder.

    Raises
    ------
    InputError
        If there is none.
    """
    found = sorted(path.parent for path in (out / WORK).glob(f"*/{JOB}"))
    if not found:
        raise InputError(
            f"'{out}' has no work that was begun; expected the folder of --out. Run instseg segment first."
        )
    return found


def check_same(job: Job) -> bool:
    """Say whether the same job was begun in its folder before.

    Raises
    ------
    OutputError
        If another one was.
    """
    path = job.folder / JOB
    if not path.is_file():
        return False
    try:
        before = json.loads(path.read_text(encoding="utf-8")).get("digest")
    except (OSError, ValueError):
        before = None
    if before != job.digest:
        raise OutputError(
            f"'{job.store}' was begun with another image, model or other settings, so it is kept. Choose another "
            "folder, say the same settings to go on, or --overwrite to start anew."
        )
    return True
