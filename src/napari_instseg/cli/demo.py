"""`instseg demo`: the shipped models on the bundled samples, to see at once what comes out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_instseg.cli.console import Follower, in_words, keeping, say, show_table, write_json
from napari_instseg.cli.options import Device, DeviceOption, JsonOption
from napari_instseg.core.errors import ModelError

if TYPE_CHECKING:
    from napari_instseg.data.samples import Sample

FAREWELL = """
Labels, overlays and tables are in '{out}'. To see the same in napari:

  python -m pip install "napari-instseg[napari]"     (once, in this environment)
  napari

then File > Open Sample > napari-instseg, and Plugins > Segment (napari-instseg)."""


def register(app: typer.Typer, arguments: Sequence[str]) -> None:
    """Add the command."""
    app.command("demo")(in_words(demo))


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the results.")] = Path(
        "demo_output"
    ),
    device: DeviceOption = Device.auto,  # type: ignore[attr-defined]
    json: JsonOption = None,
) -> None:
    """Segment the bundled sample images with the shipped models; nothing is downloaded and no display is needed."""
    from napari_instseg.cli.results import ResultFiles
    from napari_instseg.cli.segment import Settings, segment_image
    from napari_instseg.data.axes import guess_axes
    from napari_instseg.data.samples import load_sample
    from napari_instseg.inference.model import load_model
    from napari_instseg.io.images import Image

    runs = list(suited())
    if not runs:
        raise ModelError("No model is shipped with this installation; install napari-instseg again.")
    models = {name: load_model(name) for name in dict.fromkeys(name for _, name in runs)}
    results = ResultFiles(out)
    for sample, name in runs:
        results.check_unchanged(f"{sample.name}_{name}")
    rows: list[dict[str, Any]] = []
    with Follower() as follower, keeping(lambda: f"{len(rows)} of {len(runs)} results are in '{out}'."):
        for sample, name in runs:
            follower.progress(len(rows), len(runs), "samples")
            array, truth, _ = load_sample(sample.name)
            image = Image(array, guess_axes(array.shape), (None,) * array.ndim)
            settings = Settings(device=device.value, diameter=sample.diameter, stain=sample.stain)
            row = segment_image(image, f"{sample.name}_{name}", models[name], settings, results, follower)
            true = "" if truth is None else str(int(truth.max()))
            rows.append({**row, "image": sample.name, "model": name, "true_objects": true})
    results.write_record({"model": sorted(models)})
    show_table(
        ("image", "shows", "model", "objects", "true objects", "seconds"),
        [
            (sample.name, sample.title, name, row["objects"], row["true_objects"], float(row["seconds"]))
            for (sample, name), row in zip(runs, rows, strict=True)
        ],
        json=json,
    )
    write_json(json, rows)
    say(FAREWELL.format(out=out))


def suited() -> Iterator[tuple[Sample, str]]:
    """Return the samples that a shipped model was made for, with each model of that subject."""
    from napari_instseg.data.samples import SAMPLES
    from napari_instseg.zoo import shipped

    names = list(shipped())
    for sample in SAMPLES.values():
        if sample.model is not None:
            subject = sample.model.partition("-")[2]
            yield from ((sample, name) for name in names if name.partition("-")[2] == subject)
