"""Undo and redo of values that replace each other, such as decode parameters."""

from __future__ import annotations

from typing import Generic, TypeVar

Value = TypeVar("Value")

MOST = 1000
"""Steps that are remembered."""


class ValueHistory(Generic[Value]):
    """The values that were settled on, and where among them the user is."""

    def __init__(self, first: Value) -> None:
        self._past = [first]
        self._future: list[Value] = []

    @property
    def value(self) -> Value:
        """The value that was settled on last, or returned to."""
        return self._past[-1]

    @property
    def can_undo(self) -> bool:
        """Whether there is an earlier value."""
        return len(self._past) > 1

    @property
    def can_redo(self) -> bool:
        """Whether a value was undone."""
        return bool(self._future)

    def settle(self, value: Value) -> None:
        """Remember a value, unless it is the present one; what was undone is forgotten."""
        if value == self.value:
            return
        self._past = [*self._past[-MOST:], value]
        self._future.clear()

    def undo(self) -> Value:
        """Return to the value before."""
        if self.can_undo:
            self._future.append(self._past.pop())
        return self.value

    def redo(self) -> Value:
        """Return to the value that was undone last."""
        if self.can_redo:
            self._past.append(self._future.pop())
        return self.value
