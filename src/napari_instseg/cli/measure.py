"""`instseg measure`: a table of what each object is like; one for an image, or one for all images of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_instseg.cli.console import in_words, say
from napari_instseg.core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

TABLES = (".csv", ".parquet")


def register(app: typer.Typer, arguments: object) -> None:
    """Add the command."""
    app.command("measure")(in_words(measure))


def measure(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="An image, or a folder of images.")],
    labels: Annotated[
        Path,
        typer.Argument(metavar="LABELS", help="Its label file, or a folder with a label file of each image's name."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The table: .csv or .parquet.")],
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group",
            help="What to measure; repeat for several: size, shape, position, intensity, ring, neighbours.",
            show_default="all",
        ),
    ] = None,
    ring_width: Annotated[
        float,
        typer.Option(
            "--ring-width", min=0.01, help="Width of the ring, in µm where the image says its pixel size, else px."
        ),
    ] = 5.0,
    percentile: Annotated[
        list[float] | None,
        typer.Option(
            "--percentile", min=0, max=100, help="Of intensities; repeat for several.", show_default="5 25 75 95"
        ),
    ] = None,
    slices: Annotated[bool, typer.Option("--slices", help="Measure each z plane apart, as areas.")] = False,
    known: Annotated[
        Path | None,
        typer.Option(
            "--table", metavar="FILE", help="A CSV of what is known beside, by a column 'label': score, class."
        ),
    ] = None,
    axes: Annotated[
        str | None, typer.Option("--axes", help="A letter of T, C, Z, Y, X for each dimension.", show_default="guessed")
    ] = None,
) -> None:
    """Measure objects: size, shape, position, intensities, a ring around, neighbours.

    Columns end in their unit: _px and, where the image says its pixel size, _um, _um2, _um3. Time points are measured
    apart.
    """
    if out.suffix.lower() not in TABLES:
        raise InputError(f"'{out}' is no name of a table; expected one that ends in {' or '.join(TABLES)}.")
    options: dict[str, Any] = {"groups": group, "ring_width": ring_width, "slices": slices}
    if percentile:
        options["percentiles"] = percentile
    pairs = paired(image, labels)
    if known is not None and len(pairs) > 1:
        raise InputError("--table is of one image; leave it out for a folder.")
    tables = [_measure_file(path, of, axes, known, options) for path, of in pairs]
    if len(tables) > 1:
        for (path, _), table in zip(pairs, tables, strict=True):
            table.insert(0, "file", path.name)
    import pandas as pd

    from napari_instseg.io.tables import write_parquet, write_table

    table = pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]
    write = write_table if out.suffix.lower() == ".csv" else write_parquet
    write(out, table)
    images = "" if len(pairs) == 1 else f" of {len(pairs)} images"
    say(f"{len(table)} objects{images} measured in {len(table.columns)} columns; the table is '{out}'.")


def known_table(path: Path) -> pd.DataFrame:
    """Read a CSV of what is known of objects, by a column ``label``.

    Raises
    ------
    InputError
        If it cannot be read, or has a column twice.
    """
    import csv

    import pandas as pd

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            raise InputError(f"'{path}' has the column '{twice[0]}' twice; expected each once. Rename or drop one.")
        return pd.read_csv(path, encoding="utf-8-sig")
    except (OSError, UnicodeError, ValueError, csv.Error) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"'{path}' is no table that can be read ({error}); expected a CSV in UTF-8.") from None


def paired(image: Path, labels: Path) -> list[tuple[Path, Path]]:
    """Return an image file and its label file, or those of two folders by their names.

    Raises
    ------
    InputError
        If one is a folder and the other a file, or an image has no labels.
    """
    if image.is_dir() != labels.is_dir():
        raise InputError("One is a folder and the other a file; expected two files, or two folders.")
    if not image.is_dir():
        return [(image, labels)]
    from napari_instseg.cli.inputs import find_images
    from napari_instseg.io.images import SUFFIXES
    from napari_instseg.io.pairs import match_labels

    images, told = find_images([image])
    for words in told:
        say(words, "yellow")
    folder = labels / "labels" if (labels / "labels").is_dir() else labels
    # results of this program and of others are no images, but they are labels
    of = [
        path for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    ]
    if not of:
        raise InputError(f"'{folder}' has no label file; expected files of type {', '.join(SUFFIXES)}.")
    return list(match_labels(list(images.values()), of))


def _measure_file(
    image: Path, labels: Path, axes: str | None, known: Path | None, options: dict[str, Any]
) -> pd.DataFrame:
    from napari_instseg.exchange import read_objects
    from napari_instseg.exchange.objects import Grid, Objects
    from napari_instseg.io.images import read_image
    from napari_instseg.measure import measure_stack

    opened = read_image(image, axes)
    found = read_objects(labels, Grid.of(opened))
    for note in found.notes:
        say(f"'{labels}': {note}", "yellow")
    if found.labels.max(initial=0) == 0:
        say(f"'{labels}' has no object; its table is empty.", "yellow")
    objects = Objects(found.labels, image.stem, opened, known=None if known is None else known_table(known))
    channels = objects.channels
    return measure_stack(
        objects.labels, channels, axes=objects.axes, scale=objects.scale, known=objects.known, **options
    )
