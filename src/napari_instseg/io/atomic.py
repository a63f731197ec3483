"""Files that are there whole or not at all: written beside their place, then moved onto it."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_instseg.core.errors import OutputError


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Return a path to write to, in the folder of `path` and with its suffix, that becomes `path` at the end.

    When the body raises, nothing is left behind and an older file at `path` stays as it was.

    Parameters
    ----------
    path : str or Path
        Where the file shall be; its folder is made if missing.

    Yields
    ------
    Path
        A new, empty file.

    Raises
    ------
    OutputError
        If the file cannot be written: no such disk, no permission, disk full, file open elsewhere.
    """
    path = Path(path)
    make_folder(path.parent)
    # opened by hand rather than by tempfile, so that the file gets the permissions of the user's umask
    beside = path.parent / f".{uuid.uuid4().hex}{path.suffix}"
    try:
        with _in_words(path):
            beside.open("xb").close()
            yield beside
            _flush_to_disk(beside)
            os.replace(beside, path)
            _flush_to_disk(path.parent)
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


@contextmanager
def replacing_all(*paths: Path) -> Iterator[tuple[Path, ...]]:
    """Return paths to write whole files to that become `paths` together at the end: all of them appear, or none does.

    Parameters
    ----------
    *paths : Path
        Where the files shall be.

    Yields
    ------
    tuple of Path
        Beside them, hidden, in the same order; nothing is there yet.

    Raises
    ------
    OutputError
        As `replacing`; its message names the file as the user knows it.
    """
    staged = tuple(path.parent / f".{uuid.uuid4().hex}{path.suffix}" for path in paths)
    new = {path for path in paths if not path.exists()}
    moved: list[Path] = []
    try:
        try:
            yield staged
        except OutputError as error:
            text = str(error)
            for beside, path in zip(staged, paths, strict=True):
                text = text.replace(str(beside), str(path))
            raise OutputError(text) from error
        for path in paths:
            with _in_words(path):
                if path.is_dir():
                    raise IsADirectoryError(errno.EISDIR, "a folder is there", str(path))
        for beside, path in zip(staged, paths, strict=True):
            with _in_words(path):
                os.replace(beside, path)
            moved.append(path)
    except BaseException:
        for path in new.intersection(moved):
            with suppress(OSError):
                path.unlink(missing_ok=True)
        raise
    finally:
        for beside in staged:
            with suppress(OSError):
                beside.unlink(missing_ok=True)


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write a whole file atomically.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with replacing(path) as beside:
        beside.write_bytes(content)
    return Path(path)


def make_folder(path: str | Path) -> Path:
    """Make a folder, with those above it, if it is not there.

    Raises
    ------
    OutputError
        If it cannot be made.
    """
    path = Path(path)
    with _in_words(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"Cannot write '{path}': {_reason(error)}") from error


def _reason(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "the disk is full. Free some space or choose another folder, then run again; nothing was changed."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            "no permission to write there. Choose another folder, or close the program that has the file open, "
            "then run again."
        )
    if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.EISDIR):
        return "a file is where a folder is needed, or the other way round. Choose another name."
    if error.errno == errno.ENAMETOOLONG:
        return "the name is too long. Choose a shorter one."
    return f"{error.strerror or error}."


def _flush_to_disk(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows opens no folders
    # Windows flushes only what is open for writing, other systems open folders only for reading
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network drives cannot flush
            raise
    finally:
        os.close(handle)
