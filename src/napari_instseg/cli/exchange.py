"""`instseg export` and `instseg import`: objects to and from the files of other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_instseg.cli.console import in_words, say, show_table
from napari_instseg.cli.measure import known_table
from napari_instseg.cli.options import OutOption
from napari_instseg.core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


def register(app: typer.Typer, arguments: object) -> None:
    """Add the commands."""
    app.command("export")(in_words(export))
    app.command("import")(in_words(import_))
    app.command("formats")(in_words(formats))


def export(
    labels: Annotated[
        Path, typer.Argument(metavar="LABELS", help="A label file, or objects in any format that 'import' reads.")
    ],
    image: Annotated[Path, typer.Option("--image", "-i", metavar="IMAGE", help="The image that the objects lie in.")],
    out: OutOption,
    format_: Annotated[
        list[str],
        typer.Option(
            "--format", "-f", help="Such as geojson, rois, coco, svg, or all; repeat for several; see 'formats'."
        ),
    ],
    known: Annotated[
        Path | None,
        typer.Option(
            "--table",
            metavar="FILE",
            help="A CSV by a column 'label' with class, score, ... of each object.",
            show_default="that of 'segment', if the labels are its",
        ),
    ] = None,
    parent: Annotated[
        list[str] | None,
        typer.Option(
            "--parent", metavar="NAME=FILE", help="Labels in which these objects lie, for CellProfiler's Parent_NAME."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Begins the files' names.", show_default="that of the image")
    ] = None,
    axes: Annotated[
        str | None, typer.Option("--axes", help="A letter of T, C, Z, Y, X for each dimension.", show_default="guessed")
    ] = None,
) -> None:
    """Write objects for QuPath, Fiji, CellProfiler, ilastik, Cellpose, Illustrator, R, ...; several formats at once."""
    from napari_instseg.exchange import chosen_formats, export_objects, read_objects
    from napari_instseg.exchange.objects import Grid, Objects
    from napari_instseg.io.images import read_image
    from napari_instseg.io.pairs import stem

    chosen_formats(format_)
    opened = read_image(image, axes)
    grid = Grid.of(opened)
    found = read_objects(labels, grid)
    for note in found.notes:
        say(f"'{labels}': {note}", "yellow")
    parents = {}
    for text in parent or ():
        key, equals, file = text.partition("=")
        if not equals or not key.isidentifier():
            raise InputError(f"--parent is '{text}'; expected NAME=FILE, the name of letters, digits and '_'.")
        parents[key] = read_objects(Path(file), grid).labels
    table = known_table(known) if known is not None else beside(labels)
    if table is None and found.classes:
        import pandas as pd

        table = pd.DataFrame({"label": list(found.classes), "class": list(found.classes.values())})
    if table is None and found.scores:
        import pandas as pd

        table = pd.DataFrame({"label": list(found.scores), "score": list(found.scores.values())})
    objects = Objects(found.labels, name or stem(image), opened, known=table, parents=parents, covered=found.covered)
    if not len(objects.all_ids):
        say(f"'{labels}' has no object; the files are empty of objects.", "yellow")
    written, left_out = export_objects(objects, format_, out)
    show_table(("format", "file"), [(key, str(path)) for key, path in written.items()])
    for key, reason in left_out.items():
        say(f"Left out {key}: {reason}", "yellow")
    say(f"{len(objects.all_ids)} objects written in {len(written)} formats into '{out}'.")


def import_(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="GeoJSON, ImageJ regions (.zip, .roi), COCO, _seg.npy, HDF5, or a label image."
        ),
    ],
    image: Annotated[
        Path, typer.Option("--image", "-i", metavar="IMAGE", help="The image that the objects were drawn on.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="LABELS.tif", help="The label image to write.")],
    format_: Annotated[
        str | None, typer.Option("--format", "-f", help="See 'formats'.", show_default="told by the file")
    ] = None,
    axes: Annotated[
        str | None, typer.Option("--axes", help="A letter of T, C, Z, Y, X for each dimension.", show_default="guessed")
    ] = None,
) -> None:
    """Read objects of another program into a label image, which 'train' and 'Add labels…' take."""
    from napari_instseg.exchange import read_objects
    from napari_instseg.exchange.objects import Grid, Objects
    from napari_instseg.io.images import read_image
    from napari_instseg.io.labels import write_labels

    if out.suffix.lower() not in (".tif", ".tiff"):
        raise InputError(f"'{out}' is no name of a label image; expected one that ends in .tif.")
    opened = read_image(image, axes)
    found = read_objects(file, Grid.of(opened), format_)
    objects = Objects(found.labels, image=opened)
    write_labels(out, objects.labels, objects.axes, objects.scale)
    for note in found.notes:
        say(f"'{file}': {note}", "yellow")
    if not len(objects.ids):
        say(f"'{file}' has no object; '{out}' is empty.", "yellow")
    say(f"{len(objects.ids)} objects read; the labels are '{out}'.")


def formats() -> None:
    """List the formats of objects that can be written and read."""
    from napari_instseg.exchange import known_formats

    rows = [
        (one.name, one.title, f"NAME{one.ending}" if one.write else "", ", ".join(one.suffixes) if one.read else "")
        for one in known_formats().values()
    ]
    show_table(("format", "for", "writes", "reads"), rows)


def beside(labels: Path) -> pd.DataFrame | None:
    """Return class and score from the table that `instseg segment` wrote with these labels."""
    path = labels.parent.parent / "tables" / f"{labels.stem}.csv"
    if labels.parent.name != "labels" or not path.is_file():
        return None
    table = known_table(path)
    return table[[name for name in ("label", "class", "score") if name in table]] if "label" in table else None
