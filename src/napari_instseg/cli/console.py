"""What commands say: progress with the time left and messages on stderr, results as tables on stdout or as JSON."""

from __future__ import annotations

import functools
import json
import math
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table

from napari_instseg.cli.exit_codes import STOPPED
from napari_instseg.core import events
from napari_instseg.core.errors import InstsegError

if TYPE_CHECKING:
    from rich.progress import TaskID

errors = Console(stderr=True, highlight=False, soft_wrap=True)


class Stopped(KeyboardInterrupt):
    """The user pressed Ctrl-C, and what was going on has been closed in good order; the message says what was kept."""


def say(text: str, style: str | None = None) -> None:
    """Tell the user something on stderr."""
    errors.print(printable(text), style=style, markup=False)


def printable(text: str) -> str:
    """Return a text with what no terminal can show, such as a byte of a name that is not UTF-8, spelled as a number."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def in_words(command: Callable[..., None]) -> Callable[..., None]:
    """Make a command end with words and an exit code instead of a traceback."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except InstsegError as error:
            say(f"Error: {error}", "red")
            raise typer.Exit(1) from None
        except KeyboardInterrupt as stop:
            say(f"Stopped. {stop}".rstrip(), "yellow")
            raise typer.Exit(STOPPED) from None
        except BrokenPipeError:
            # whoever read the output has seen enough, as in `instseg methods | head`
            sys.stderr.close()
            raise typer.Exit(1) from None
        except OSError as error:
            say(f"Error: {words_on_file(error)}", "red")
            raise typer.Exit(1) from None

    return run


def words_on_file(error: OSError) -> str:
    """Say what is wrong with a file."""
    return f"'{error.filename}' cannot be used: {error.strerror}. Check the name and the folder."


class Follower:
    """Shows the events of long operations as progress bars, and closes the operation when the user presses Ctrl-C.

    The first Ctrl-C waits for the next event, so that the operation ends between two steps or tiles; the second
    does not wait.
    """

    def __init__(self) -> None:
        # imported here, since most of rich is not needed to show a help
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=errors,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._asked = False
        self._rest = ""

    def __enter__(self) -> Follower:
        self._catches = threading.current_thread() is threading.main_thread()
        if self._catches:
            self._before = signal.signal(signal.SIGINT, self._ask)
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()
        if self._catches:
            signal.signal(signal.SIGINT, self._before)

    def run(self, operation: Iterator[events.Event], title: str = "") -> Any:
        """Follow an operation to its end and give its result.

        Raises
        ------
        Stopped
            If the user pressed Ctrl-C; the operation is closed by then.
        """
        value = None
        try:
            for event in operation:
                if isinstance(event, events.Result):
                    value = event.value
                else:
                    self._show(event, title)
                if self._asked:
                    raise Stopped
        finally:
            close = getattr(operation, "close", None)
            if close is not None:
                close()
        return value

    def progress(self, done: int, total: int, what: str) -> None:
        """Show a count of one's own."""
        self._show(events.Progress(done, total, what), "")
        if self._asked:
            raise Stopped

    def _show(self, event: events.Event, title: str) -> None:
        if isinstance(event, events.Progress):
            description = f"{title} {event.what}".strip()
            if event.what not in self._tasks:
                self._tasks[event.what] = self._bars.add_task(description, total=event.total)
            task = self._tasks[event.what]
            if event.done < (self._bars.tasks[self._bars.task_ids.index(task)].completed):
                self._bars.reset(task)
            text = f"{description} {self._rest}" if event.what in ("steps", "blocks") else description
            self._bars.update(task, completed=event.done, total=event.total, description=text)
        elif isinstance(event, events.Message):
            say(event.text, "yellow" if event.warning else None)
        elif isinstance(event, events.Metric) and "mean_ap" in event.values:
            scores = ", ".join(f"{name} {value:.3f}" for name, value in event.values.items())
            say(f"Step {event.step}: {scores}")
        elif isinstance(event, events.Metric):
            self._rest = " ".join(f"{name} {value:.3g}" for name, value in event.values.items())
        elif isinstance(event, events.Checkpoint) and event.best:
            say(f"Step {event.step}: best so far, written to {event.path}")

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        say("Stopping after this step; press Ctrl-C again to stop at once.", "yellow")


@contextmanager
def keeping(kept: Callable[[], str]) -> Iterator[None]:
    """Say what was kept when the user stops what is inside."""
    try:
        yield
    except KeyboardInterrupt:
        raise Stopped(kept()) from None


def show_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None, json: Path | None = None
) -> None:
    """Print a table, numbers to the right: on stdout, or on stderr where stdout is for the JSON."""
    table = Table(title=title, title_justify="left")
    rows = [list(row) for row in rows]
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console = Console(highlight=False, stderr=is_stdout(json))
    # into a file or a pipe no width is known: do not fold the table to a narrow one
    if not console.is_terminal:
        console.width = 200
    console.print(table)


def is_stdout(path: Path | None) -> bool:
    """Return whether what is written as JSON goes to stdout."""
    return str(path) == "-"


def write_json(path: Path | None, value: Any) -> None:
    """Write a value as JSON to a file, or to stdout for ``-``; nothing for None.

    Numbers that JSON does not know, such as the score of no objects at all, become null.
    """
    if path is None:
        return
    # not every terminal can show every letter, while a file is UTF-8
    terminal = is_stdout(path)
    text = json.dumps(_json_ready(value), indent=2, ensure_ascii=terminal, allow_nan=False) + "\n"
    if terminal:
        typer.echo(text, nl=False)
        return
    from napari_instseg.io.atomic import write_bytes

    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def _json_ready(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _json_ready(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_ready(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 100 else f"{value:.0f}"
    return printable(str(value))
