"""Run a command, and end it with a word once it is silent: `python scripts/speaking.py SECONDS COMMAND ...`.

A test run that hangs would otherwise end only at the limit of the machine that it runs on, and nobody would know where.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time


def run(seconds: float, command: list[str]) -> int:
    """Pass a command's output on, and return its exit status; 124 if it was ended since it said nothing."""
    group = {"start_new_session": True} if os.name == "posix" else {}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **group)  # type: ignore[call-overload]
    heard = [time.monotonic()]
    ended = threading.Event()

    def listen() -> None:
        while chunk := os.read(child.stdout.fileno(), 65536):
            heard[0] = time.monotonic()
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
        ended.set()

    threading.Thread(target=listen, daemon=True).start()
    try:
        while not ended.wait(min(seconds / 10, 5)):
            if time.monotonic() - heard[0] > seconds:
                _end(child)
                print(f"\nNothing was said for {seconds:g} s, so this was ended: {' '.join(command)}", flush=True)
                return 124
    except KeyboardInterrupt:
        _end(child)
        raise
    return child.wait()


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a command and what it has started; first so that it can say where it was."""
    for number in ("SIGABRT", "SIGKILL"):  # at the first pytest's faulthandler writes where every thread is
        if os.name != "posix":
            child.kill()
            return
        with contextlib.suppress(ProcessLookupError):  # all have ended
            os.killpg(child.pid, getattr(signal, number))
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(10)


if __name__ == "__main__":
    sys.exit(run(float(sys.argv[1]), sys.argv[2:]))
