"""One program at a time: a lock of the system's, which it takes away from whoever ended, in whatever way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_instseg.core.errors import InstsegError
from napari_instseg.io.atomic import make_folder


def is_held(path: Path) -> bool:
    """Return whether another program, or another part of this one, holds a lock file."""
    from filelock import FileLock, Timeout

    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError, NotImplementedError):
        return True
    lock.release()
    return False


@contextmanager
def held(path: Path, error: type[InstsegError], taken: Callable[[], str]) -> Iterator[None]:
    """Hold a lock file.

    Parameters
    ----------
    path : Path
        Its folder is made where it is missing.
    error : type of InstsegError
        What is raised.
    taken : callable
        Gives the message where another program holds it.

    Raises
    ------
    InstsegError
        If another program holds it, or the folder cannot be locked.
    """
    from filelock import FileLock, Timeout

    make_folder(path.parent)
    if path.is_symlink():  # a lock is emptied as it is taken: what the link stands for would be lost
        raise error(f"'{path}' is a link, where only a lock of this program is expected. Delete it, then try again.")
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise error(taken()) from None
    except (OSError, NotImplementedError) as problem:
        raise error(f"'{path.parent}' cannot be locked ({problem}); choose a folder on a local disk.") from None
    try:
        yield
    finally:
        lock.release()
