"""`instseg audit`: how right a segmentation is, by looking at a few objects and places that are drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_instseg.cli.console import in_words, say, show_table, write_json
from napari_instseg.cli.options import JsonOption
from napari_instseg.core.errors import InputError
from napari_instseg.io.gates import Strict, Unreadable, read_record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from napari_instseg.metrics.audit import AuditSample, Frame

TABLE, RECORD, PICTURES = "sample.csv", "audit.json", "pictures"
JUDGED = "judged"
PARTS = "parts"
SMALLEST_PICTURE = 480
"""Pixels along the longer side of a picture's half."""


class Drawn(Strict):
    """What a sample was drawn from."""

    format: int = 1
    labels: tuple[str, ...]
    digests: tuple[str, ...]
    objects: int
    places: int
    seed: int


def register(app: typer.Typer, arguments: Sequence[str]) -> None:
    """Add the group of commands."""
    group = typer.Typer(help="Say how right a segmentation is, with intervals, from a few judgements of yours.")
    group.command("draw")(in_words(draw))
    group.command("estimate")(in_words(estimate))
    app.add_typer(group, name="audit", no_args_is_help=True)


def draw(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="An image, or a folder of images.")],
    labels: Annotated[
        Path,
        typer.Argument(metavar="LABELS", help="Its label file, or a folder with a label file of each image's name."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="For the table to fill in and pictures.")],
    objects: Annotated[int, typer.Option("--objects", min=2, max=10000, help="Objects to judge.")] = 40,
    places: Annotated[int, typer.Option("--places", min=2, max=10000, help="Places to judge.")] = 20,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed draws the same.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a sample that is there.")] = False,
) -> None:
    """Draw objects and places to look at: writes pictures, and a table to fill in.

    In the column 'judged', write right, wrong, merged or split for an object (in 'parts' how many objects a merged one
    holds, or how many pieces a split one has; 2 if empty), and for a place how many objects were missed whose middle is
    inside the frame. Then call 'instseg audit estimate DIR'.
    """
    import pandas as pd

    from napari_instseg.cli.measure import paired
    from napari_instseg.io.atomic import make_folder
    from napari_instseg.io.images import read_image
    from napari_instseg.io.stamps import Stamp
    from napari_instseg.io.tables import write_table

    if (out / TABLE).exists() and not overwrite:
        raise InputError(f"'{out / TABLE}' is there already, maybe judged. Choose another folder, or say --overwrite.")
    pairs = paired(image, labels)
    found = [_read(path) for _, path in pairs]
    for (own, path), one in zip(pairs, found, strict=True):
        opened = read_image(own)
        sides = tuple(n for n, letter in zip(opened.array.shape, opened.axes, strict=True) if letter != "C")
        if one.shape != sides:
            raise InputError(f"'{path}' has the shape {one.shape}, '{own}' {sides}; expected labels of this image.")
    sample = _frame(found, [path for _, path in pairs]).draw(objects, places, seed)
    make_folder(out / PICTURES)
    rows = _rows(sample)
    for number, row in enumerate(rows, start=1):
        row["picture"] = f"{PICTURES}/{number:03d}_{row['kind']}.png"
    for number, ((own, _), one) in enumerate(zip(pairs, found, strict=True)):
        mine = [row for row in rows if row["image"] == number]
        if mine:
            _draw_pictures(out, own, one, mine)
    drawn = Drawn(
        labels=tuple(str(path.resolve()) for _, path in pairs),
        digests=tuple(Stamp.pixels(one) for one in found),
        objects=objects,
        places=places,
        seed=seed,
    )
    write_json(out / RECORD, drawn.model_dump())
    table = pd.DataFrame(
        {
            "picture": [row["picture"] for row in rows],
            "kind": [row["kind"] for row in rows],
            "file": [pairs[row["image"]][0].name for row in rows],
            "label": [row["label"] for row in rows],
            JUDGED: "",
            PARTS: "",
        }
    )
    write_table(out / TABLE, table)
    say(
        f"{len(sample.objects)} objects and {len(sample.cells)} places drawn. Look at the pictures in "
        f"'{out / PICTURES}', fill in '{out / TABLE}', and call: instseg audit estimate {out}"
    )


def estimate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What 'audit draw' wrote, filled in.")],
    json: JsonOption = None,
) -> None:
    """Say precision, recall, count and mean area with 95 % confidence intervals, from what was judged so far."""
    from dataclasses import asdict

    from napari_instseg.io.stamps import Stamp

    try:
        drawn = read_record(folder / RECORD, Drawn)
    except FileNotFoundError:
        raise InputError(f"'{folder}' has no {RECORD}; expected a folder that 'instseg audit draw' wrote.") from None
    except Unreadable as error:
        raise InputError(f"'{folder / RECORD}' is not valid: {error}. Draw again.") from None
    paths = [Path(text) for text in drawn.labels]
    found = [_read(path) for path in paths]
    for path, one, digest in zip(paths, found, drawn.digests, strict=True):
        if Stamp.pixels(one) != digest:
            raise InputError(f"'{path}' was changed since the sample was drawn from it. Draw again, to judge it anew.")
    sample = _frame(found, paths).draw(drawn.objects, drawn.places, drawn.seed)
    judged = _judgements(folder / TABLE, sample)
    result = judged.estimate()
    rows = [
        (name, *(f"{number:.{digits}f}" for number in (interval.value, interval.low, interval.high)))
        for name, interval, digits in (
            ("objects", result.count, 0),
            ("precision", result.precision, 3),
            ("recall", result.recall, 3),
            ("mean area, px", result.area, 1),
        )
    ]
    show_table(("", "estimate", "from", "to"), rows, json=json)
    say(result.words())
    write_json(json, asdict(result))


def _read(path: Path) -> npt.NDArray[Any]:
    from napari_instseg.io.labels import read_labels

    return read_labels(path)


def _frame(found: Sequence[npt.NDArray[Any]], paths: Sequence[Path]) -> Frame:
    from napari_instseg.metrics.audit import Frame

    return Frame.of(found, [_scores(path, one) for path, one in zip(paths, found, strict=True)])


def _scores(path: Path, labels: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
    """Return the scores that `instseg segment` wrote with these labels, in the order of the ids."""
    import numpy as np

    from napari_instseg.cli.exchange import beside

    table = beside(path)
    if table is None or "score" not in table:
        return None
    known = dict(zip(table["label"].tolist(), table["score"].tolist(), strict=True))
    ids = np.unique(labels[labels > 0])
    return np.array([known.get(number, np.nan) for number in ids.tolist()], float)


def _rows(sample: AuditSample) -> list[dict[str, Any]]:
    """List objects, then places, as the table has them."""
    frame = sample.frame
    rows: list[dict[str, Any]] = [
        {"kind": "object", "image": int(frame.image[at]), "label": int(frame.label[at])} for at in sample.objects
    ]
    for at in sample.cells:
        image, *box = frame.cells[at].tolist()
        rows.append({"kind": "place", "image": image, "label": "", "box": box})
    return rows


def _draw_pictures(out: Path, image: Path, labels: npt.NDArray[Any], rows: Sequence[dict[str, Any]]) -> None:
    """Write a picture of each row: the image, and the same with outlines, the object tinted or the place framed."""
    import numpy as np
    from PIL import Image as Pillow

    from napari_instseg.io.images import read_image
    from napari_instseg.io.overlay import draw_overlay, write_overlay

    opened = read_image(image)
    plain = draw_overlay(opened.array, opened.axes, np.zeros_like(labels))
    outlined = draw_overlay(opened.array, opened.axes, labels)
    factor = outlined.shape[0] // labels.shape[0]
    for row in rows:
        if row["kind"] == "object":
            inside = np.argwhere(labels == row["label"])
            (top, left), (bottom, right) = inside.min(0).tolist(), (inside.max(0) + 1).tolist()
        else:
            top, bottom, left, right = row["box"]
        around = max(16, (bottom - top) // 2, (right - left) // 2) if row["kind"] == "object" else 8
        rows_, columns = slice(max(0, top - around), bottom + around), slice(max(0, left - around), right + around)
        large = tuple(slice(part.start * factor, part.stop * factor) for part in (rows_, columns))
        halves = [plain[large].copy(), outlined[large].copy()]
        if row["kind"] == "object":
            own = (labels[rows_, columns] == row["label"]).repeat(factor, 0).repeat(factor, 1)
            halves[1][own] = (halves[1][own] * 0.75 + np.array([255, 220, 0]) * 0.25).astype(np.uint8)
        else:
            y, x = (top - rows_.start) * factor, (left - columns.start) * factor
            height, width = (bottom - top) * factor, (right - left) * factor
            for half in halves:
                half[[y, y + height - 1], x : x + width] = (255, 220, 0)
                half[y : y + height, [x, x + width - 1]] = (255, 220, 0)
        gap = np.full((halves[0].shape[0], max(2, factor), 3), 255, np.uint8)
        picture = np.concatenate([halves[0], gap, halves[1]], axis=1)
        times = max(1, SMALLEST_PICTURE // max(halves[0].shape[:2]))
        if times > 1:
            size = (picture.shape[1] * times, picture.shape[0] * times)
            picture = np.asarray(Pillow.fromarray(picture).resize(size, Pillow.Resampling.NEAREST))
        write_overlay(out / row["picture"], picture)


def _judgements(path: Path, sample: AuditSample) -> AuditSample:
    """Read the table, in which the rows may stand in any order and some may be empty.

    Raises
    ------
    InputError
        If it is not the table of this sample, or holds other words.
    """
    from dataclasses import replace

    import numpy as np

    from napari_instseg.metrics.audit import IN_MERGED, VERDICTS

    table = _read_table(path)
    wanted = {f"{PICTURES}/{number:03d}_{row['kind']}.png": number - 1 for number, row in enumerate(_rows(sample), 1)}
    if not {"picture", JUDGED} <= set(table) or set(table["picture"]) - wanted.keys():
        raise InputError(f"'{path}' is not the table of this sample; expected its columns and pictures. Draw again.")
    if table["picture"].duplicated().any():
        raise InputError(f"'{path}' has a picture twice; expected each once.")
    verdicts: dict[int, tuple[str, int]] = {}
    missed: dict[int, int] = {}
    for line, (picture, said, parts) in enumerate(
        zip(table["picture"], table[JUDGED], table[PARTS] if PARTS in table else [""] * len(table), strict=True), 2
    ):
        said, parts = said.strip().lower(), parts.strip().removesuffix(".0")
        at = wanted[picture]
        if not said:
            continue
        if at < len(sample.objects):
            if said not in VERDICTS:
                raise InputError(f"'{path}', line {line}: found '{said}'; expected one of {', '.join(VERDICTS)}.")
            if parts and not (parts.isdecimal() and int(parts) >= 2):
                raise InputError(f"'{path}', line {line}: found '{parts}' parts; expected a whole number from 2.")
            verdicts[at] = said, int(parts or IN_MERGED)
        else:
            number = said.removesuffix(".0")
            if not number.isdecimal():
                raise InputError(f"'{path}', line {line}: found '{said}'; expected how many were missed, from 0.")
            missed[at - len(sample.objects)] = int(number)
    # what was not judged is left out, as if it had not been drawn
    sample = replace(
        sample,
        objects=sample.objects[np.array(sorted(verdicts), int)],
        cells=sample.cells[np.array(sorted(missed), int)],
    )
    for at in sorted(verdicts):
        sample = sample.judged(*verdicts[at])
    for at in sorted(missed):
        sample = sample.counted(missed[at])
    return sample


def _read_table(path: Path) -> pd.DataFrame:
    """Read a CSV as text, also one that a spreadsheet program wrote with semicolons."""
    import csv

    import pandas as pd

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline()
        separator = ";" if head.count(";") > head.count(",") else ","
        return pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (OSError, UnicodeError, ValueError, csv.Error) as error:
        raise InputError(f"'{path}' cannot be read ({error}); expected the table, as CSV in UTF-8.") from None
