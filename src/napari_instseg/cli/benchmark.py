"""`instseg benchmark`: how fast and how frugal, on this machine, beside named baselines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_instseg.cli.console import Follower, in_words, is_stdout, keeping, show_table, write_json
from napari_instseg.cli.options import DiameterOption, JsonOption
from napari_instseg.core.errors import ModelError, ParameterError
from napari_instseg.core.events import Event

if TYPE_CHECKING:
    from napari_instseg.data.pairs import Pair


class Start(Enum):
    """What to learn from."""

    model = "model"
    nothing = "nothing"


def register(app: typer.Typer, arguments: Sequence[str]) -> None:
    """Add the group of commands."""
    group = typer.Typer(help="Measure speed and memory on this machine, beside named baselines.")
    group.command("predict")(in_words(predict))
    group.command("decode")(in_words(decode))
    group.command("finetune")(in_words(finetune))
    group.command("edits")(in_words(edits))
    group.command("coverage")(in_words(coverage))
    group.command("scale")(in_words(scale))
    app.add_typer(group, name="benchmark", no_args_is_help=True)


def predict(
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", help="Repeat for several.", show_default="all that are shipped")
    ] = None,
    size: Annotated[int, typer.Option("--size", min=64, max=8192, help="Side of the image, in pixels.")] = 1024,
    objects: Annotated[int, typer.Option("--objects", min=1, max=3000, help="Nuclei in the image.")] = 500,
    repeat: Annotated[int, typer.Option("--repeat", min=1, help="Repetitions; the median counts.")] = 3,
    memory_size: Annotated[
        int, typer.Option("--memory-size", min=0, help="Side of the huge image, in pixels; 0 measures no memory.")
    ] = 8192,
    json: JsonOption = None,
) -> None:
    """Seconds for network and decoding on simulated nuclei, and the peak memory for a huge image."""
    from napari_instseg.benchmarks.predict import benchmark_predict
    from napari_instseg.zoo import shipped

    names = model or list(shipped())
    if not names:
        raise ModelError("No model is shipped with this installation; name one by --model.")
    with Follower() as follower, keeping(lambda: "Nothing was written."):
        timings, memories = follower.run(
            benchmark_predict(names, size=size, objects=objects, repeat=repeat, memory_size=memory_size)
        )
    fastest = next(timing for timing in timings if timing.name == names[0])
    show_table(
        ("what", "network s", "decoding s", "total s", f"times {names[0]}", "objects"),
        [
            (
                f"{timing.name} (recorded)" if timing.recorded else timing.name,
                timing.network,
                timing.decoding,
                timing.total,
                timing.total / fastest.total,
                "" if timing.objects is None else str(timing.objects),
            )
            for timing in timings
        ],
        f"{size} x {size} pixels, {objects} simulated nuclei",
        json,
    )
    if memories:
        show_table(
            ("model", "peak memory GiB", "seconds", "objects"),
            [(memory.name, memory.gibibytes, memory.seconds, memory.objects) for memory in memories],
            f"{memory_size} x {memory_size} pixels",
            json,
        )
    write_json(
        json,
        {
            "size": size,
            "objects": objects,
            "timings": [timing.to_dict() for timing in timings],
            "memory": [vars(memory) for memory in memories],
        },
    )


def decode(
    size: Annotated[
        list[int] | None, typer.Option("--size", min=64, help="Side of the image, in pixels; repeat for several.")
    ] = None,
    objects: Annotated[
        list[int] | None,
        typer.Option("--objects", min=1, help="Objects for 1024 x 1024 pixels; repeat for several."),
    ] = None,
    dims: Annotated[
        list[int] | None, typer.Option("--dims", min=1, max=64, help="Embedding dimensions; repeat for several.")
    ] = None,
    changes: Annotated[int, typer.Option("--changes", min=1, help="Positions along each slider.")] = 50,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="A decoder, such as mean-shift or coloring; repeat for several.")
    ] = None,
    baselines: Annotated[
        bool, typer.Option("--baselines/--no-baselines", help="Also what one would use otherwise, on small images.")
    ] = True,
    samples: Annotated[
        bool, typer.Option("--samples", help="Instead what each shipped model says of a sample; --only names models.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same scenes.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Measure only what the file of --json does not have yet.")
    ] = False,
    seconds: Annotated[
        float | None,
        typer.Option("--seconds", help="Begin nothing further after so long; --resume goes on.", show_default=False),
    ] = None,
    json: JsonOption = None,
) -> None:
    """Seconds of decoding, at first and after each parameter's change, of simulated or shipped models' predictions."""
    from napari_instseg.benchmarks.decode import benchmark_decode, benchmark_samples, read_rows

    rows = read_rows(json) if resume and json is not None and json.exists() else []

    events = (
        benchmark_samples(changes=changes, only=only or (), seconds=seconds, rows=rows)
        if samples
        else benchmark_decode(
            size or (1024,),
            objects or (480,),
            dims or (8,),
            changes=changes,
            only=only or (),
            with_baselines=baselines,
            seed=seed,
            seconds=seconds,
            rows=rows,
        )
    )
    with Follower() as follower, keeping(lambda: f"{len(rows)} rows were measured; --resume goes on from --json."):
        follower.run(_saving(events, rows, json))
    if not rows:
        raise ParameterError(f"There is no decoder named {', '.join(only or ())}; leave --only out to see them all.")
    show_table(
        (
            *("decoder", "what", "size", "objects", "dims", "median ms", "95 % ms", "CPU ms"),
            *("memory MiB", "found", "agreement"),
        ),
        [
            (
                row.subject,
                row.what,
                row.size,
                row.objects,
                row.dims,
                row.median * 1000,
                row.p95 * 1000,
                "" if row.cpu is None else row.cpu * 1000,
                *("" if value is None else f"{value:.3g}" for value in (row.mebibytes, row.found, row.agreement)),
            )
            for row in rows
        ],
        "Decoding simulated predictions",
        json,
    )
    write_json(json, [row.to_dict() for row in rows])


QUICK = "discriminative-nuclei"
"""Learns the most in a minute."""


def finetune(
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Holds images/, labels/ and val.txt with those to score on; by default simulated bacteria.",
        ),
    ] = None,
    remember: Annotated[
        Path | None,
        typer.Option(
            "--remember", metavar="DIR", help="The like, of the models' own training kind; by default simulated."
        ),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", help="Repeat for several.", show_default="all that are shipped")
    ] = None,
    objects: Annotated[
        list[int] | None,
        typer.Option("--objects", min=1, help="Corrected objects; repeat.", show_default="10, 30, 100, 300"),
    ] = None,
    minutes: Annotated[
        list[float] | None, typer.Option("--minutes", min=0.0, help="Of learning; repeat.", show_default="2, 5, 10")
    ] = None,
    images: Annotated[int, typer.Option("--images", min=1, help="At most so many to correct in.")] = 40,
    start: Annotated[
        list[Start] | None,
        typer.Option("--start", help="From the model, or from random weights; repeat for both.", show_default="both"),
    ] = None,
    diameter: DiameterOption = None,
    seconds_per_step: Annotated[
        float | None,
        typer.Option(
            "--seconds-per-step",
            min=1e-3,
            help="Count so much time for each step instead of asking the clock, where the machine is busy.",
            show_default=False,
        ),
    ] = None,
    goes: Annotated[
        int,
        typer.Option(
            "--goes",
            min=1,
            help="In so many goes objects are corrected; before each but the first the model learns for 2 minutes, "
            "which count, and its worst objects are the next.",
        ),
    ] = 1,
    quick: Annotated[bool, typer.Option("--quick", help="About five minutes: one model, 10 and 100 objects.")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed corrects and draws the same.")] = 0,
    json: JsonOption = None,
) -> None:
    """Score after so many corrected objects and minutes; a simulated user corrects the worst objects first."""
    from napari_instseg.benchmarks.finetune import NOTHING, THE_MODEL, Row, benchmark_finetune
    from napari_instseg.io.pairs import open_split
    from napari_instseg.zoo import shipped

    names = model or ([QUICK] if quick else list(shipped()))
    learn, held_out = _simulated_bacteria(seed) if data is None else open_split(data)
    learn, held_out = learn[: 8 if quick else images], held_out[: 2 if quick else None]
    old_learn, old_held_out = ((), ()) if remember is None else open_split(remember)
    # of the held-out images of the old kind one half judges on the way, the other scores the result
    old = None if remember is None else (old_learn, old_held_out[::2])
    rows: list[Row] = []

    events = benchmark_finetune(
        names,
        learn,
        held_out,
        objects=objects or ((10, 100) if quick else (10, 30, 100, 300)),
        minutes=minutes or ((1.0,) if quick else (2.0, 5.0, 10.0)),
        diameter=diameter,
        remembered=old,
        old_held_out=old_held_out[1::2],
        starts=[THE_MODEL if one is Start.model else NOTHING for one in start or Start],
        seconds_per_step=seconds_per_step,
        goes=goes,
        rows=rows,
        seed=seed,
    )
    with Follower() as follower, keeping(lambda: f"{len(rows)} rows were measured."):
        follower.run(_saving(events, rows, json))
    show_table(
        ("model", "learnt from", "objects", "minutes", "steps", "mean AP", "AP 0.5", "old before", "old after"),
        [
            (
                row.model,
                row.start,
                row.objects,
                row.minutes,
                row.steps,
                row.mean_ap,
                row.ap_50,
                *("" if value is None else f"{value:.3f}" for value in (row.old_before, row.old_after)),
            )
            for row in rows
        ],
        f"{len(learn)} images to correct in, {len(held_out)} to score on",
        json,
    )
    write_json(json, [row.to_dict() for row in rows])


def _simulated_bacteria(seed: int) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
    from napari_instseg.data.simulate import KINDS, simulate
    from napari_instseg.io.pairs import pairs_from_arrays

    look = {"look": "phase-contrast", "colonies": 2, "count": 120}
    made = list(simulate("bacteria", n=10, seed=seed, params=KINDS["bacteria"].params(**look)))
    pairs = pairs_from_arrays([one.image for one in made], [one.labels for one in made])
    return pairs[:8], pairs[8:]


def edits(
    data: Annotated[Path, typer.Argument(help="images/ and labels/; where there is a val.txt, those that it names.")],
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", help="Repeat for several.", show_default="all that are shipped")
    ] = None,
    clicks: Annotated[int, typer.Option("--clicks", min=1, help="Objects and pairs clicked on in each image.")] = 8,
    images: Annotated[int | None, typer.Option("--images", min=1, help="Most images.", show_default="all")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same clicks.")] = 0,
    json: JsonOption = None,
) -> None:
    """How often one click grows the right object and two clicks split right, and how long that takes."""
    from napari_instseg.benchmarks.edits import RIGHT, TIMED_SIDE, benchmark_edits
    from napari_instseg.zoo import shipped

    names = model or list(shipped())
    if not names:
        raise ModelError("No model is shipped with this installation; name one by --model.")
    with Follower() as follower, keeping(lambda: "Nothing was written."):
        rows = follower.run(benchmark_edits(names, data, clicks=clicks, images=images, seed=seed))
    show_table(
        ("model", "edit", "tries", f"IoU > {RIGHT:g}, %", "median ms", "95 % ms"),
        [
            (
                row.model,
                row.what,
                row.tries,
                100 * row.right,
                *("" if value != value else f"{1000 * value:.1f}" for value in (row.median, row.p95)),
            )
            for row in rows
        ],
        f"Clicks on true objects; times at {TIMED_SIDE} x {TIMED_SIDE} pixels",
        json,
    )
    write_json(json, [row.to_dict() for row in rows])


def _saving(events: Iterator[Event], rows: Sequence[Any], json: Path | None) -> Iterator[Event]:
    """Pass events on; at each, the file holds what was measured so far."""
    for event in events:
        if not is_stdout(json):
            write_json(json, [row.to_dict() for row in rows])
        yield event


def coverage(
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Populations of each kind.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same populations.")] = 0,
    json: JsonOption = None,
) -> None:
    """How often the 95 % intervals of 'instseg audit' hold the truth, in drawn populations whose truth is known."""
    from napari_instseg.benchmarks.coverage import QUANTITIES, measure_coverage

    rows = list(measure_coverage(repeats=repeats, seed=seed))
    show_table(
        ("population", "objects", "places", *QUANTITIES),
        [
            (row["population"]["name"], row["objects"], row["places"], *(row["coverage"][name] for name in QUANTITIES))
            for row in rows
        ],
        "Share of intervals that hold the truth",
        json,
    )
    write_json(json, rows)


def scale(
    model: Annotated[str, typer.Option("--model", "-m", help="Name or folder.")] = "discriminative-nuclei",
    sides: Annotated[
        list[int] | None,
        typer.Option(
            "--sides",
            min=256,
            help="Of simulated square slides, in pixels; repeat for several.",
            show_default="1024, 2048, 4096, 8192",
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="sides, workers, stacks or faces; repeat for several.", show_default="all"),
    ] = None,
    workers_side: Annotated[
        int, typer.Option("--workers-side", min=256, help="Of the slide that one worker, then two, segment.")
    ] = 4096,
    planes: Annotated[int, typer.Option("--planes", min=1, help="Of the stack.")] = 100,
    images: Annotated[int, typer.Option("--images", min=1, help="In the folder of images.")] = 500,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Where slides are simulated and kept for the next time; else they are deleted."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same slides.")] = 0,
    json: JsonOption = None,
) -> None:
    """What images of any size cost: network, time, memory, workers, joining; and errors where blocks meet."""
    import tempfile

    from napari_instseg.benchmarks.scale import Faces, Row, benchmark_scale

    rows: list[Row] = []
    faces: list[Faces] = []
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        events = benchmark_scale(
            model,
            folder or Path(temporary),
            sides=sides or (1024, 2048, 4096, 8192),
            workers_side=workers_side,
            planes=planes,
            images=images,
            only=only or (),
            seed=seed,
            rows=rows,
            faces=faces,
        )
        with Follower() as follower, keeping(lambda: f"{len(rows)} rows were measured."):
            follower.run(_saving(events, rows, json))
    if rows:
        show_table(
            ("image", "Mpx", "objects", "seen per pixel", "CPU s / Mpx", "s / Mpx", "joining %", "peak GiB"),
            [
                (
                    row.what,
                    row.megapixels,
                    row.objects,
                    *(
                        "" if value != value else f"{value:.2f}"
                        for value in (
                            row.seen_per_pixel,
                            row.processor_seconds,
                            row.seconds,
                            100 * row.joining,
                            row.gibibytes,
                        )
                    ),
                )
                for row in rows
            ],
            f"Images of any size, {model}",
            json,
        )
    if faces:
        show_table(
            ("scene", "objects at faces", "errors per 1,000: ours", "joined by faces"),
            [(one.scene, one.across, one.ours_per_1000, one.by_faces_per_1000) for one in faces],
            "The same blocks, joined in two ways",
            json,
        )
    write_json(json, {"rows": [row.to_dict() for row in rows], "faces": [vars(one) for one in faces]})
