"""Frozen values that long operations yield; stopping such an operation is closing its generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Progress:
    """So much of so much is done."""

    done: int
    total: int
    what: str
    """Unit of the count, in the plural: ``"tiles"``, ``"steps"``, ``"images"``."""


@dataclass(frozen=True)
class Metric:
    """Named numbers at a training step, such as loss terms or a validation score."""

    step: int
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint lies on disk."""

    step: int
    path: Path
    best: bool = False


@dataclass(frozen=True)
class Message:
    """A sentence for the user."""

    text: str
    warning: bool = False


@dataclass(frozen=True)
class Result:
    """The last event: what the operation was for."""

    value: Any


Event = Progress | Metric | Checkpoint | Message | Result
