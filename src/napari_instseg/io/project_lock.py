"""A project folder is open in one program at a time; what killed writes left in it is swept away."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from napari_instseg.core.errors import ProjectError
from napari_instseg.io.atomic import make_folder, write_bytes
from napari_instseg.io.projects import EDITS, IMAGES

_LEFT_OVER = re.compile(r"\.[0-9a-f]{32}\.\w+")
"""What `io.atomic.replacing` leaves when the program is killed."""


@contextmanager
def opened_alone(folder: str | Path) -> Iterator[None]:
    """Keep others from opening the project meanwhile.

    The system takes the lock away from a program that ended in whatever way, so none is ever left behind.

    Raises
    ------
    ProjectError
        If another window or program has it open; the message says which.
    """
    from filelock import FileLock, Timeout

    folder = make_folder(folder)
    lock, holder = FileLock(folder / ".lock"), folder / ".opened-by.json"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ProjectError(
            f"The project '{folder}' is open in another window{_who(holder)}. Close it there first, so that neither "
            "overwrites the other's edits."
        ) from None
    except (OSError, NotImplementedError) as error:
        raise ProjectError(f"'{folder}' cannot be locked ({error}); choose a folder on a local disk.") from None
    try:
        import platform
        from datetime import datetime

        me = {"process": os.getpid(), "computer": platform.node(), "since": f"{datetime.now():%Y-%m-%d %H:%M}"}
        with suppress(OSError):  # it only serves the other's message
            write_bytes(holder, json.dumps(me).encode("utf-8"))
        _sweep(folder)
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def _who(holder: Path) -> str:
    try:
        values: dict[str, Any] = json.loads(holder.read_text(encoding="utf-8"))
        return f" (process {values['process']} on {values['computer']}, since {values['since']})"
    except (OSError, ValueError, KeyError):
        return ""


def _sweep(folder: Path) -> None:
    """Remove what killed writes left."""
    for place in (folder, folder / EDITS, folder / IMAGES):
        for path in place.iterdir() if place.is_dir() else ():
            if _LEFT_OVER.fullmatch(path.name):
                with suppress(OSError):
                    path.unlink()
