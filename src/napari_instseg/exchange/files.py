"""Reading files of others with care: JSON and zip archives that are damaged, hostile or enormous."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from napari_instseg.core.errors import InputError

LARGEST_ENTRY = 256 << 20
"""Bytes that one entry of an archive may have when unpacked."""
LARGEST_SUM = 2 << 30
"""Bytes that all entries may have."""
LARGEST_ARRAYS = 16 << 30
"""Bytes that the arrays of a file may have."""


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    InputError
        If it cannot be read or is no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"'{path}' cannot be opened: {error.strerror}. Choose a file that you may read.") from None
    except RecursionError:
        raise InputError(f"'{path}' is nested deeper than any file of objects is. Export it again.") from None
    except ValueError as error:
        raise InputError(f"'{path}' is no JSON, or is damaged ({error}). Export it again.") from None


def read_zip(path: Path, suffix: str) -> Iterator[tuple[str, bytes]]:
    """Go through the entries of a zip archive whose name has this end; nothing is written to disk.

    Raises
    ------
    InputError
        If it is no zip archive, is damaged, encrypted or far too large when unpacked, or an entry's name leads out
        of the folder.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            for entry in entries:
                parts = PurePosixPath(entry.filename.replace("\\", "/"))
                if parts.is_absolute() or ".." in parts.parts or ":" in parts.parts[0]:
                    raise InputError(
                        f"'{path}' has an entry '{entry.filename}' that leads out of it; it is not opened."
                    )
            wanted = [entry for entry in entries if entry.filename.lower().endswith(suffix)]
            large = max((entry.file_size for entry in wanted), default=0)
            if large > LARGEST_ENTRY or sum(entry.file_size for entry in wanted) > LARGEST_SUM:
                raise InputError(f"'{path}' unpacks to far more than outlines take; it is not opened.")
            for entry in wanted:
                with archive.open(entry) as file:
                    content = file.read(entry.file_size + 1)  # what the archive says of sizes may be a lie
                if len(content) > entry.file_size:
                    raise InputError(f"'{path}' unpacks to more than it says; it is not opened.")
                yield entry.filename, content
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"'{path}' cannot be opened: {error.strerror or error}.") from None
    except Exception as error:  # zipfile and zlib raise whatever occurs to them at damaged files
        raise InputError(f"'{path}' is no zip archive, or is damaged ({error}). Export it again.") from None


def read_arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Read the arrays of an NPZ file by name.

    Raises
    ------
    InputError
        If it is no such file, is damaged, holds Python objects, or unpacks to far more than an image.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > LARGEST_ARRAYS:
                raise InputError(f"'{path}' unpacks to more than {LARGEST_ARRAYS >> 30} GiB; it is not opened.")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"'{path}' cannot be opened: {error.strerror or error}.") from None
    except Exception as error:  # numpy, zipfile and zlib raise whatever occurs to them at damaged files
        raise InputError(f"'{path}' is no file of arrays (NPZ), or is damaged ({error}). Save it again.") from None


def names_in(path: Path) -> set[str]:
    """Return the names of the arrays of an NPZ file, without reading them; none of any other file."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile, ValueError):
        return set()
