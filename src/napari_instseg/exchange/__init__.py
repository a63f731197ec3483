"""Objects in the formats of other programs, one file each in `formats/`; found there and at an entry point."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from napari_instseg.core.errors import InputError
from napari_instseg.core.plugins import find_plugins

if TYPE_CHECKING:
    from napari_instseg.exchange.format import Format
    from napari_instseg.exchange.objects import Found, Grid, Objects

ENTRY_POINTS = "napari_instseg.formats"


@cache
def known_formats() -> dict[str, Format]:
    """Find all formats by name: a module of `formats/`, or an entry point, offers one as ``FORMAT``.

    An entry point of another package that cannot be used is left out, and said so in the log.
    """
    from napari_instseg.exchange.format import Format

    folder = import_module(f"{__name__}.formats")
    return find_plugins(folder.__name__, folder.__path__, Format, ENTRY_POINTS)[0]


def get_format(name: str) -> Format:
    """Return the format of that name or alias.

    Raises
    ------
    InputError
        If there is none; the message lists those that there are.
    """
    for one in known_formats().values():
        if name.lower() in (one.name, *one.aliases):
            return one
    raise InputError(f"There is no format '{name}'; expected one of: {', '.join(known_formats())}, or all.")


def chosen_formats(names: Sequence[str]) -> list[Format]:
    """Return the formats of these names that can be written, each once; ``all`` stands for every one.

    Raises
    ------
    InputError
        If a name is unknown, or of a format that can only be read.
    """
    if "all" in (name.lower() for name in names):
        return [one for one in known_formats().values() if one.write is not None]
    found = {one.name: one for one in map(get_format, names)}
    closed = [name for name, one in found.items() if one.write is None]
    if closed:
        raise InputError(f"{', '.join(closed)} can be read, but not written. Choose another format.")
    return list(found.values())


def export_objects(
    objects: Objects, names: Sequence[str], folder: str | Path
) -> tuple[dict[str, Path], dict[str, str]]:
    """Write objects in several formats, ``<name of the image><ending of the format>`` each.

    Parameters
    ----------
    objects : Objects
    names : sequence of str
        Of formats; ``all`` stands for every one.
    folder : str or Path
        Made if missing; files of these names are replaced.

    Returns
    -------
    written : dict of str to Path
        By format.
    left_out : dict of str to str
        Why a format cannot hold these objects, by format; only for ``all``.

    Raises
    ------
    InputError
        If a format is unknown or, being asked for by name, cannot hold them.
    OutputError
        If a file cannot be written.
    """
    every = "all" in (name.lower() for name in names)
    written: dict[str, Path] = {}
    left_out: dict[str, str] = {}
    for one in chosen_formats(names):
        assert one.write is not None
        path = Path(folder) / f"{objects.name}{one.ending}"
        try:
            one.write(path, objects)
        except InputError as error:
            if not every:
                raise
            left_out[one.name] = str(error)
        else:
            written[one.name] = path
    return written, left_out


def recognise(path: str | Path) -> Format:
    """Tell the format of a file by the end of its name and, where several have that, by its content.

    Raises
    ------
    InputError
        If there is no such file, or it is of no format that can be read.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"There is no file '{path}'. Check the name and the folder.")
    name = path.name.lower()
    fitting = [
        (len(suffix), one)
        for one in known_formats().values()
        if one.read is not None
        for suffix in one.suffixes
        if name.endswith(suffix)
    ]
    for _, one in sorted(fitting, key=lambda pair: -pair[0]):
        if one.recognise is None or one.recognise(path):
            return one
    known = readable_suffixes()
    raise InputError(
        f"'{path}' is of no format that can be read here; expected a file that ends in one of {', '.join(known)}, with "
        "what such files hold."
    )


def read_objects(path: str | Path, grid: Grid, name: str | None = None) -> Found:
    """Read objects from a file of any format that is known.

    Parameters
    ----------
    path : str or Path
    grid : Grid
        Of the image that they belong on.
    name : str, optional
        Of the format; told by the file if not given.

    Raises
    ------
    InputError
        If the file cannot be read or is not of this image.
    """
    one = recognise(path) if name is None else get_format(name)
    if one.read is None:
        raise InputError(f"{one.title} can be written, but not read. Choose another file.")
    return one.read(Path(path), grid)


def readable_suffixes() -> tuple[str, ...]:
    """Return the ends of the names of files that can be read."""
    readable = (one for one in known_formats().values() if one.read is not None)
    return tuple(sorted({suffix for one in readable for suffix in one.suffixes}))
