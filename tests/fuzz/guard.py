"""What no file may bring about: a file outside of its folder, a program, a connection, a pickle that is opened."""

import os
import sys
from contextlib import contextmanager

CHANGES = {
    "os.remove": (0,),
    "os.rename": (0, 1),
    "os.rmdir": (0,),
    "os.mkdir": (0,),
    "os.symlink": (1,),
    "os.link": (1,),
    "os.chmod": (0,),
    "os.truncate": (0,),
    "shutil.rmtree": (0,),
    "shutil.copyfile": (1,),
    "shutil.move": (1,),
}
NEVER = (
    "subprocess.",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "socket.connect",
    "socket.getaddrinfo",
)
OWN = ("__pycache__", "numba", ".nbi", ".nbc", "torch", "mpl")
"""In paths of what libraries keep for themselves, whatever is opened."""


class Guard:
    """Sees what the interpreter is asked for while a file is looked at."""

    def __init__(self):
        self.folder, self.broken = None, []
        sys.addaudithook(self._look)

    def _look(self, event, arguments):
        if self.folder is None:
            return
        if event.startswith(NEVER):
            self.broken.append((event, repr(arguments)[:200]))
        elif event == "open":
            path, mode, flags = (*arguments, None, None, None)[:3]
            writes = any(letter in (mode or "") for letter in "wax+") or (
                isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            )
            if writes:
                self._changes(event, path)
        elif event in CHANGES and not (event.startswith("os.") and arguments[-1] not in (-1, arguments[0])):
            for place in CHANGES[event]:
                self._changes(event, arguments[place])

    def _changes(self, event, path):
        if not isinstance(path, str | bytes | os.PathLike):
            return
        path = os.path.realpath(os.fsdecode(path))
        inside = os.path.commonpath([path, self.folder]) == self.folder
        if not inside and path != os.devnull and not any(part in path for part in OWN):
            self.broken.append((event, path))

    @contextmanager
    def watching(self, folder):
        """Raise AssertionError if anything outside of the folder was changed, run or asked for."""
        self.broken, self.folder = [], os.path.realpath(folder)
        try:
            yield
        finally:
            self.folder = None
        assert not self.broken, self.broken
