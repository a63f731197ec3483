"""A project folder is open in one program at a time; opening it deletes nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_instseg.core.errors import ProjectError
from napari_instseg.io.atomic import make_folder, write_bytes
from napari_instseg.io.gates import Strict, Unreadable, read_record


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
    if (folder / ".lock").is_symlink():  # a lock is emptied as it is taken: what the link stands for would be lost
        raise ProjectError(f"'{folder / '.lock'}' is a link, which a project never makes. Delete it, then open again.")
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
        yield
    finally:
        with suppress(OSError):
            holder.unlink(missing_ok=True)
        lock.release()


def _who(holder: Path) -> str:
    try:
        who = read_record(holder, _Holder)
    except (OSError, Unreadable):
        return ""
    return f" (process {who.process} on {who.computer}, since {who.since})"


class _Holder(Strict):
    process: int
    computer: str
    since: str
