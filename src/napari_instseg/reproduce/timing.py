"""Processor time of a call, which is the same whatever else the machine does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

LEAST = 0.1
"""Seconds that are measured at least: some systems count processor time in steps of a sixtieth of a second."""


def cpu_seconds(call: Callable[[], Any]) -> float:
    """Return the mean processor time of a call, of all threads together, repeated until there is enough to measure."""
    calls, used, start = 0, 0.0, time.process_time()
    while used < LEAST:
        call()
        calls, used = calls + 1, time.process_time() - start
    return used / calls
