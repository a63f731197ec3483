"""`instseg segment`: images in, labels, overlays and tables out; one bad image does not stop the others."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_instseg.cli.console import Follower, in_words, keeping, say, show_table, words_on_file, write_json
from napari_instseg.cli.flags import Values, with_parameters
from napari_instseg.cli.inputs import find_images
from napari_instseg.cli.large import (
    EverywhereOption,
    FormatOption,
    InsideOption,
    JobOption,
    JobsOption,
    LargeOptions,
    LevelOption,
    PixelSizeOption,
    SchedulerOption,
    SlurmOption,
    WellOption,
    WorkersOption,
    segment_large_images,
    split_images,
)
from napari_instseg.cli.large import report as report_large
from napari_instseg.cli.options import (
    AccurateOption,
    AnyDiameterOption,
    Device,
    DeviceOption,
    JsonOption,
    ModelOption,
    OutOption,
    StainOption,
    TileOption,
)
from napari_instseg.core.errors import InputError, InstsegError
from napari_instseg.core.events import Event, Message
from napari_instseg.core.params import Params
from napari_instseg.inference.tiles import TILE

if TYPE_CHECKING:
    from napari_instseg.cli.results import ResultFiles
    from napari_instseg.decoding.segmentation import Segmentation
    from napari_instseg.inference.model import Model
    from napari_instseg.io.images import Image
    from napari_instseg.zoo.kinds import KindOfImage


def register(app: typer.Typer, arguments: Sequence[str]) -> None:
    """Add the command, with the decode flags of the model that the arguments name."""
    name = named(arguments, "--model", "-m") if arguments[:1] == ["segment"] else None
    app.command("segment", epilog="With --model, this help also lists the decode parameters of that model.")(
        in_words(with_parameters(segment, *decode_flags(name)))
    )


def decode_flags(
    model: str | None,
) -> tuple[dict[str, type[Params]], dict[str, str], dict[str, Mapping[str, Any]]]:
    """Return what `with_parameters` needs for the decode parameters of a model; nothing if none is named.

    Raises
    ------
    ModelError
        If there is no such model.
    """
    if model in (None, "auto"):
        return {"decode": Params}, {}, {}
    from napari_instseg.io.models import read_spec
    from napari_instseg.methods import get_method
    from napari_instseg.zoo import find_model

    spec = read_spec(find_model(model))
    method = get_method(spec.method)
    return (
        {"decode": method.decode},
        {"decode": f"Decoding of {spec.name}: {method.title}"},
        {"decode": spec.decode},
    )


def named(arguments: Sequence[str], *flags: str) -> str | None:
    """Find the value of an option before the command line is parsed; the last one counts."""
    value = None
    for position, argument in enumerate(arguments):
        if argument == "--":
            break
        if argument in flags and position + 1 < len(arguments):
            value = arguments[position + 1]
        for flag in flags:
            if flag.startswith("--") and argument.startswith(f"{flag}="):
                value = argument.removeprefix(f"{flag}=")
    return value


def segment(
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE_OR_FOLDER...", help="Image files, folders of them, OME-Zarr or URLs.")
    ],
    out: OutOption,
    model: ModelOption = "auto",
    axes: Annotated[
        str | None,
        typer.Option(
            "--axes", help="A letter of T, C, Z, Y, X for each dimension, such as ZCYX.", show_default="guessed"
        ),
    ] = None,
    channel: Annotated[
        list[int] | None, typer.Option("--channel", min=0, help="Take this channel, from 0; repeat for several.")
    ] = None,
    stain: StainOption = None,
    diameter: AnyDiameterOption = "auto",
    device: DeviceOption = Device.auto,  # type: ignore[attr-defined]
    tile: TileOption = TILE,
    accurate: AccurateOption = False,
    percentiles: Annotated[
        tuple[float, float] | None,
        typer.Option(
            "--percentiles",
            metavar="LOW HIGH",
            help="These percentiles of an image become 0 and 1 before the network sees it.",
            show_default="the model's",
        ),
    ] = None,
    format: FormatOption = "auto",
    workers: WorkersOption = 1,
    scheduler: SchedulerOption = None,
    slurm: SlurmOption = None,
    job: JobOption = None,
    jobs: JobsOption = None,
    well: WellOption = None,
    everywhere: EverywhereOption = False,
    pyramid_level: LevelOption = None,
    pixel_size: PixelSizeOption = None,
    inside: InsideOption = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Also replace label files that were changed by hand or are of other images."),
    ] = False,
    json: JsonOption = None,
    *,
    values: Values,
) -> None:
    """Segment images: writes labels (TIFF), overlays (PNG) and measurement tables (CSV).

    With nothing said, the kind of each image, the model for it and the size of its objects are found; how, is told.

    OME-Zarr, plates, whole slides and other large images are read region by region: labels go into DIR/NAME.zarr, the
    table of objects into DIR/tables. Stopped or killed, the same command goes on.

    Stacks over time, and over z for a 2-d model, are segmented image by image. Results of an earlier run are replaced;
    label files that were changed by hand since, or that are of another image of the same name, are not. Tables are in
    pixels; where the image has a length unit, area_um2 (volume_um3 of a 3-d model) is in micrometres.
    """
    from napari_instseg.cli.results import ResultFiles
    from napari_instseg.inference.model import load_model

    wish = {
        "diameter": diameter,
        "channels": tuple(channel or ()),
        "stain": stain.value if stain else "",
        "device": device.value,
        "tile": tile,
        "accurate": accurate,
        "decode": values["decode"],
        "percentiles": percentiles,
    }
    options = LargeOptions(
        format,
        workers,
        scheduler,
        slurm,
        job,
        jobs,
        well,
        everywhere,
        pyramid_level,
        pixel_size,
        inside,
        overwrite,
        axes,
        wish,
    )
    options.check()
    large, images = split_images(images, options)
    found = segment_large_images(large, model, out, options) if large else {"images": [], "failed": {}}
    report_large(found, json)
    if not images:
        write_json(json, {"model": model, **found})
        if found["failed"]:
            raise typer.Exit(1)
        return
    files, told = find_images(images)
    for line in told:
        say(line, "yellow")

    @cache
    def opened(name: str) -> Model:
        found = load_model(name)
        if percentiles is not None:
            found.normalization = found.normalization.changed(low=percentiles[0], high=percentiles[1])
        return found

    if model != "auto":
        named_one = opened(model)  # what is wrong with it is told before anything is read
        if accurate:
            named_one.check_accurate()
    results = ResultFiles(out)
    settings = Settings(
        axes,
        tuple(channel or ()),
        stain.value if stain else None,
        diameter,
        device.value,
        tile,
        values["decode"],
        overwrite,
        str(Path(model).resolve()) if os.path.isdir(model) else model,
        accurate,
    )
    last: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    bad: dict[str, str] = {}
    with Follower() as follower, keeping(lambda: f"{len(rows)} of {len(files)} images are done; they are in '{out}'."):
        try:
            for done, (stem, path) in enumerate(files.items()):
                follower.progress(done, len(files), "files")
                try:
                    rows.append(segment_file(path, stem, opened, settings, results, follower))
                    say(f"{stem}: {rows[-1]['read']['how']}")
                    for warning in rows[-1]["doubts"]:
                        say(f"{stem}: {warning}", "yellow")
                    last = settings.to_dict(opened(rows[-1]["model"]))
                except Exception as error:  # whatever is wrong with one file, the others are done
                    bad[stem] = in_a_sentence(error)
            follower.progress(len(files), len(files), "files")
        finally:
            results.write_record({"model": model, **(last if model == "auto" else settings.to_dict(opened(model)))})
    report(rows, bad, out, json)
    if accurate and rows:
        say(price_in_words(sum(float(row["seconds"]) for row in rows), len(rows)))
    failed = bad | found["failed"]
    write_json(json, {"model": model, "images": rows + found["images"], "failed": failed})
    if failed:
        raise typer.Exit(1)


@dataclass(frozen=True)
class Settings:
    """How every image of a run is segmented."""

    axes: str | None = None
    channels: tuple[int, ...] = ()
    stain: str | None = None
    diameter: float | str | None = None
    device: str = "auto"
    tile: int = TILE
    decode: Mapping[str, Any] = field(default_factory=dict)
    overwrite: bool = False
    model: str = ""
    """As the user named it."""
    accurate: bool = False

    def to_dict(self, model: Model) -> dict[str, Any]:
        """Return what is needed to do the same again, JSON-ready."""
        from napari_instseg.inference.rescale import own_parameters

        number = None if isinstance(self.diameter, str) else self.diameter
        return {
            "axes": self.axes,
            "channels": list(self.channels),
            "stain": self.stain,
            "diameter": self.diameter,
            "normalization": model.normalization.model_dump(),
            "decode": own_parameters(model.spec, number, **self.decode).model_dump(),
        }

    def sized(self, image: Image, model: Model) -> tuple[Settings, str]:
        """Settle on a diameter for an image: the settings with it, and what is to be told of it."""
        if self.diameter != "auto" or not model.spec.knows_sizes:
            return (replace(self, diameter=None) if isinstance(self.diameter, str) else self), ""
        size = model.find_size(image.array, axes=image.axes, device=self.device)
        step = image.scale[image.axes.index("X")] if "X" in image.axes else None
        return replace(self, diameter=round(size.diameter, 1)), f"objects of {size.words(step)}"


def segment_file(
    path: Path,
    stem: str,
    opened: Callable[[str], Model],
    settings: Settings,
    results: ResultFiles,
    follower: Follower,
) -> dict[str, Any]:
    """Segment one file with the model that the settings name, or its kind asks for; give what was found, JSON-ready.

    Raises
    ------
    InstsegError
        If the file cannot be read or segmented, or the results cannot be written.
    """
    from napari_instseg.io.images import read_image

    replaced = not settings.overwrite and results.check_replaceable(stem, path)
    image = read_image(path, settings.axes)
    kind, settings = choose_kind(image, settings)
    row = segment_image(image, stem, opened(settings.model), settings, results, follower)
    if kind is not None:
        row["read"]["how"] += f"; {kind.words}: {kind.model}"
        row["doubts"] += [kind.warning] if kind.warning else []
        row["kind"] = {"kind": kind.kind, "probability": round(kind.probability, 3), "known": kind.known}
    return row | {"replaced": replaced, "model": settings.model}


def choose_kind(image: Image, settings: Settings) -> tuple[KindOfImage | None, Settings]:
    """Find the model for an image where none is named: the settings with it, and what the image was taken for."""
    from napari_instseg.inference.auto import find_kind

    if settings.model != "auto":
        return None, settings
    chosen = choose_channels(image, settings.channels)
    kind = find_kind(chosen.array, axes=chosen.axes)
    return kind, replace(settings, model=kind.model)


def segment_image(
    image: Image, stem: str, model: Model, settings: Settings, results: ResultFiles, follower: Follower
) -> dict[str, Any]:
    """Segment an image that is read already, otherwise as `segment_file`."""
    from napari_instseg.inference.replay import describe

    read = image
    start = time.perf_counter()
    told: list[str] = []
    chosen = choose_channels(read, settings.channels)
    settings, size = settings.sized(chosen if settings.stain is None else choose_stain(chosen, settings.stain), model)
    image, segmentation = find_objects(read, model, settings, follower, told)
    seconds = time.perf_counter() - start
    about: dict[str, Any] = {
        "image": str(image.path or stem),
        "objects": segmentation.n_objects,
        "seconds": round(seconds, 3),
    }
    about["read"] = _how_read(read, settings, model)
    about["told"] = told
    about["doubts"] = []
    if size:
        about["diameter"] = settings.diameter
        about["read"]["how"] += f"; {size}"
    said = {**settings.to_dict(model), "channels": settings.channels, "axes": settings.axes}
    del said["normalization"]  # which the model knows
    made = describe(
        model,
        read,
        segmentation.labels,
        asked=settings.model,
        name=stem,
        tile=settings.tile,
        device=settings.device,
        accurate=settings.accurate,
        **said,
    )
    results.write(stem, image, segmentation, about, model.spec.ndim, made)
    return {"name": stem, **about}


def find_objects(
    image: Image, model: Model, settings: Settings, follower: Follower, told: list[str]
) -> tuple[Image, Segmentation]:
    """Segment an image as the settings say; give it with the chosen channels only, and its objects.

    What is said in words on the way is added to `told`.
    """
    image = choose_channels(image, settings.channels)
    seen = image if settings.stain is None else choose_stain(image, settings.stain)
    segmentation = follower.run(
        _noting(
            model.segment_events(
                seen.array,
                axes=seen.axes,
                diameter=settings.diameter,
                device=settings.device,
                tile=settings.tile,
                accurate=settings.accurate,
                **settings.decode,
            ),
            told,
        )
    )
    return image, segmentation


def _noting(operation: Iterator[Event], told: list[str]) -> Iterator[Event]:
    """Pass events on, and keep what was said in words."""
    for event in operation:
        if isinstance(event, Message):
            told.append(event.text)
        yield event


def _how_read(image: Image, settings: Settings, model: Model) -> dict[str, Any]:
    """Say how an image was read and what the network saw of it, JSON-ready, with a line in words under ``"how"``."""
    words = [image.described]
    names = [image.channels[c] if c < len(image.channels) else "" for c in settings.channels]
    for number, name in zip(settings.channels, names, strict=True):
        words.append(f"channel {number}{f' ({name})' if name else ''}")
    if settings.stain:
        words.append(f"stain {settings.stain}")
    colors = image.axes.endswith("C") and not settings.channels and not settings.stain
    if colors and model.spec.in_channels == 1:
        words.append("the mean of its colours")
    return {
        "axes": image.axes,
        "shape": list(image.array.shape),
        "scale": {letter: step for letter, step in zip(image.axes, image.scale, strict=True) if step is not None},
        "channel_names": list(image.channels),
        "notes": list(image.notes),
        "how": "; ".join(words),
    }


def in_a_sentence(error: Exception) -> str:
    """Say why a file could not be segmented."""
    from napari_instseg.inference.tiles import is_out_of_memory

    if isinstance(error, InstsegError):
        return str(error)
    if isinstance(error, OSError):
        return words_on_file(error)
    if is_out_of_memory(error):
        return "There is not enough memory for it. Close other programs, say a smaller --tile, or crop the image."
    return (
        f"An unexpected {type(error).__name__} ({error}). That is a defect of this program; please report it, with "
        "the command and the image."
    )


def choose_stain(image: Image, stain: str) -> Image:
    """Take a stain of a colour image in the place of its colours.

    Raises
    ------
    InputError
        If the image has no colours.
    """
    from napari_instseg.data.stains import unmix

    if not image.axes.endswith("C"):
        raise InputError(f"The image has the axes {image.axes}; a stain is unmixed from colours. Leave --stain out.")
    return replace(image, array=unmix(image.array, stain), axes=image.axes[:-1], scale=image.scale[:-1])


def choose_channels(image: Image, channels: Sequence[int]) -> Image:
    """Keep only these channels, in this order; all if none is named.

    Raises
    ------
    InputError
        If the image has no such channel.
    """
    if not channels:
        return image
    if "C" not in image.axes:
        stack = next((letter for letter in "ZT" if letter in image.axes), "")
        if stack:
            named = image.axes.replace(stack, "C")
            count = image.array.shape[image.axes.index(stack)]
            advice = f"If its {count} images along {stack} are channels, say --axes {named}"
        else:
            advice = "It is a single grey image"
        raise InputError(
            f"The image has the axes {image.axes}, so no channel can be chosen. {advice}; to segment it as it is, say "
            "no --channel."
        )
    axis = image.axes.index("C")
    size = image.array.shape[axis]
    if max(channels) >= size:
        raise InputError(f"The image has {size} channels, 0 to {size - 1}; there is no channel {max(channels)}.")
    return replace(image, array=image.array.take(channels, axis=axis))


def price_in_words(seconds: float, images: int) -> str:
    """Say what averaging over views costs, of what it took."""
    from napari_instseg.inference.views import PRICE, VIEWS

    each = seconds / images
    return (
        f"Accurate: {each:.2g} s an image, in which the network looked at it {len(VIEWS)} times; about "
        f"{each / PRICE:.2g} s without --accurate."
    )


def report(rows: Sequence[Mapping[str, Any]], bad: Mapping[str, str], out: Path, json: Path | None = None) -> None:
    """Print what was done as a table, and what could not be done as errors."""
    if rows:
        show_table(
            ("image", "objects", "seconds"),
            [(row["name"], row["objects"], float(row["seconds"])) for row in rows],
            json=json,
        )
        replaced = sum(bool(row.get("replaced")) for row in rows)
        again = f" (results of an earlier run replaced for {replaced})" if replaced else ""
        say(f"{len(rows)} images segmented into '{out}'{again}: labels, overlays, tables.")
    empty = [row["name"] for row in rows if row["objects"] == 0]
    if empty:
        say(f"No object was found in {', '.join(empty)}. Try another model, --diameter or --channel.", "yellow")
    for stem, message in bad.items():
        say(f"Error in {stem}: {message}", "red")
    if bad:
        say(f"{len(bad)} of {len(rows) + len(bad)} images failed.", "red")
