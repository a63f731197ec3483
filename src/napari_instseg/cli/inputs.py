"""Which images the user named: files, and what lies in folders, but for results of earlier work."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from napari_instseg.core.errors import InputError


def find_images(paths: Sequence[Path]) -> tuple[dict[str, Path], list[str]]:
    """Find the image files by name, looking into folders; a file that is missing is kept, to be reported as bad.

    Returns
    -------
    files : dict
    told : list of str
        Which files of a folder are left out, and why: results of earlier work, and what is not read.

    Raises
    ------
    InputError
        If there is no image, or two would write the same results.
    """
    from napari_instseg.io.images import SUFFIXES
    from napari_instseg.io.pairs import stem

    told: list[str] = []

    def files() -> Iterator[Path]:
        for path in paths:
            if not os.path.isdir(path):  # which, unlike Path.is_dir, is no error where a name is too long
                yield path
                continue
            folder = path / "images" if (path / "images").is_dir() else path
            inside, words = _look_into(folder, SUFFIXES)
            told.extend(words)
            if not inside:
                wanted = f"expected files of type {', '.join(SUFFIXES)}"
                raise InputError(" ".join([f"'{folder}' has no images; {wanted}.", *words]))
            yield from inside

    found: dict[str, Path] = {}
    for path in files():
        name = stem(path)
        if name in found and found[name] != path:
            raise InputError(
                f"'{found[name]}' and '{path}' have the same name, so their results would too. Segment them into two "
                "folders, or rename one."
            )
        found[name] = path
    return found, told


def _look_into(folder: Path, suffixes: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Return the images of a folder, and what to tell of its other files."""
    from napari_instseg.data.pairs import listed
    from napari_instseg.io.leftovers import why_no_image

    # a link to nowhere is kept, to be reported as bad
    files = [path for path in sorted(folder.iterdir()) if not path.is_dir() and not path.name.startswith(".")]
    readable = [path for path in files if path.suffix.lower() in suffixes]
    stems = {path.stem for path in files}
    images: list[Path] = []
    results: list[Path] = []
    for path in readable:
        (results if why_no_image(path, stems) else images).append(path)
    told = []
    if results:
        whose = sorted({why_no_image(path, stems) for path in results})
        told.append(f"Left out of '{folder}', as results of {', '.join(whose)}: {listed([p.name for p in results])}.")
    others = [path.name for path in files if path.suffix.lower() not in suffixes]
    if others:
        told.append(f"Not read in '{folder}', by their suffixes: {listed(others)}.")
    return images, told
