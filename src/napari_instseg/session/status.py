"""What runs, how far it is, and the last message: the words of the status line."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Literal

from napari_instseg.core.events import Progress

Tone = Literal["plain", "good", "warning", "error"]


@dataclass(frozen=True)
class Status:
    """One moment of the session, as it is told to the user.

    Parameters
    ----------
    running : str
        What runs, empty when nothing does.
    stopping : bool
        Whether it was cancelled and has not ended yet.
    fraction : float, optional
        Done part of it, 0 to 1; None while that is unknown.
    detail : str
        Count, speed, time left.
    device : str
        Where the network ran or runs, in short.
    device_reason : str
        Why there, in a sentence.
    message : str
        The last message.
    tone : {"plain", "good", "warning", "error"}
        Of the message.
    """

    running: str = ""
    stopping: bool = False
    fraction: float | None = None
    detail: str = ""
    device: str = ""
    device_reason: str = ""
    message: str = "Ready."
    tone: Tone = "plain"

    def started(self, what: str) -> Status:
        """Return the status at the start of something."""
        return replace(self, running=what, stopping=False, fraction=None, detail="", message="", tone="plain")

    def ended(self, message: str, tone: Tone = "plain") -> Status:
        """Return the status at the end, with a message."""
        return replace(self, running="", stopping=False, fraction=None, detail="", message=message, tone=tone)

    def at(self, fraction: float | None, detail: str) -> Status:
        """Return the status so far on the way; what was said of a step before is over, unless it warned."""
        message = self.message if self.tone in ("warning", "error") else ""
        return replace(self, fraction=fraction, detail=detail, message=message)

    def on(self, device: str, reason: str) -> Status:
        """Return the status with the device that was chosen."""
        return replace(self, device=device, device_reason=reason)

    def asked_to_stop(self) -> Status:
        """Return the status between cancelling and the end."""
        return replace(self, stopping=True)

    def said(self, message: str, tone: Tone = "plain") -> Status:
        """Return the status with another message."""
        return replace(self, message=message, tone=tone)


class Pace:
    """Speed and time left of a job of several images, from its progress."""

    def __init__(self, images: int = 1) -> None:
        self._images = images
        self._image = 0
        self._before = 0
        self._last = Progress(0, 0, "tiles")
        self._start = time.monotonic()

    def next_image(self) -> None:
        """Count an image as done."""
        self._image += 1
        self._before += self._last.total
        self._last = Progress(0, 0, self._last.what)

    def see(self, progress: Progress) -> tuple[float | None, str]:
        """Return the done fraction and a text such as ``"tile 3 of 16, 1.4 tiles/s, 9 s left"``."""
        self._last = progress
        if progress.total <= 0:
            return None, ""
        within = progress.done / progress.total
        fraction = (self._image + within) / self._images
        elapsed = time.monotonic() - self._start
        words = [f"image {self._image + 1} of {self._images}"] if self._images > 1 else []
        words.append(f"{progress.done} of {progress.total} {progress.what}")
        done = self._before + progress.done
        if done and elapsed > 0 and progress.what != "seconds":  # which say themselves how many are left
            rate = done / elapsed
            words.append(f"{rate:.{0 if rate >= 10 else 1}f} {progress.what}/s")
            if 0 < fraction < 1:
                words.append(f"{in_time(elapsed * (1 - fraction) / fraction)} left")
        return fraction, ", ".join(words)


def in_time(seconds: float) -> str:
    """Say a duration with the precision that one wants to read: ``"40 ms"``, ``"1.2 s"``, ``"3 min"``."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min"
