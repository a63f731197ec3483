"""The plug-point: one file format for objects, declared in one file of `exchange/formats/`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from napari_instseg.exchange.objects import Found, Grid, Objects


@dataclass(frozen=True)
class Format:
    """A way to write objects to a file, to read them, or both.

    Parameters
    ----------
    name, title : str
        As `instseg export --format` takes it, and in words with the program that it is for.
    ending : str
        What follows the image's name in that of the file, such as ``"_rois.zip"``.
    write : callable, optional
        ``write(path, objects)``; writes beside and renames, see `io.atomic`. Raises InputError where the format cannot
        hold the objects.
    read : callable, optional
        ``read(path, grid)``; `grid` is that of the image that the objects belong on.
    aliases : tuple of str
        Other names by which a user may ask for it.
    suffixes : tuple of str
        Ends of the names of files, in small letters, that may be of this format.
    recognise : callable, optional
        Tells from the content whether a file with such a name is of this format; by default every one is.
    """

    name: str
    title: str
    ending: str
    write: Callable[[Path, Objects], None] | None = None
    read: Callable[[Path, Grid], Found] | None = None
    aliases: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    recognise: Callable[[Path], bool] | None = None
