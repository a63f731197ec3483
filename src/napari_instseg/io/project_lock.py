"""A project folder is open in one program at a time; opening it deletes nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_instseg.core.errors import ProjectError
from napari_instseg.io.atomic import write_bytes
from napari_instseg.io.gates import Strict, Unreadable, read_record
from napari_instseg.io.lock import held


@contextmanager
def opened_alone(folder: str | Path) -> Iterator[None]:
    """Keep others from opening the project meanwhile.

    Raises
    ------
    ProjectError
        If another window or program has it open; the message says which.
    """
    folder = Path(folder)
    holder = folder / ".opened-by.json"

    def taken() -> str:
        return (
            f"The project '{folder}' is open in another window{_who(holder)}. Close it there first, so that neither "
            "overwrites the other's edits."
        )

    with held(folder / ".lock", ProjectError, taken):
        import platform
        from datetime import datetime

        me = {"process": os.getpid(), "computer": platform.node(), "since": f"{datetime.now():%Y-%m-%d %H:%M}"}
        try:
            with suppress(OSError):  # it only serves the other's message
                write_bytes(holder, json.dumps(me).encode("utf-8"))
            yield
        finally:
            with suppress(OSError):
                holder.unlink(missing_ok=True)


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
