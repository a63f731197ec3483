"""`instseg benchmark`: how fast and how frugal, on this machine, beside named baselines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from napari_instseg.cli.console import Follower, in_words, keeping, show_table, write_json
from napari_instseg.cli.options import JsonOption
from napari_instseg.core.errors import ModelError, ParameterError


def register(app: typer.Typer, arguments: Sequence[str]) -> None:
    """Add the group of commands."""
    group = typer.Typer(help="Measure speed and memory on this machine, beside named baselines.")
    group.command("predict")(in_words(predict))
    group.command("decode")(in_words(decode))
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
    )
    if memories:
        show_table(
            ("model", "peak memory GiB", "seconds", "objects"),
            [(memory.name, memory.gibibytes, memory.seconds, memory.objects) for memory in memories],
            f"{memory_size} x {memory_size} pixels",
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
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same scenes.")] = 0,
    json: JsonOption = None,
) -> None:
    """Seconds of decoding, at first and after each parameter's change, on simulated predictions."""
    from napari_instseg.benchmarks.decode import benchmark_decode

    with Follower() as follower, keeping(lambda: "Nothing was written."):
        rows = follower.run(
            benchmark_decode(
                size or (1024,),
                objects or (480,),
                dims or (8,),
                changes=changes,
                only=only or (),
                with_baselines=baselines,
                seed=seed,
            )
        )
    if not rows:
        raise ParameterError(f"There is no decoder named {', '.join(only or ())}; leave --only out to see them all.")
    show_table(
        ("decoder", "what", "size", "objects", "dims", "median ms", "95 % ms", "memory MiB", "found", "agreement"),
        [
            (
                row.subject,
                row.what,
                row.size,
                row.objects,
                row.dims,
                row.median * 1000,
                row.p95 * 1000,
                *("" if value is None else f"{value:.3g}" for value in (row.mebibytes, row.found, row.agreement)),
            )
            for row in rows
        ],
        "Decoding simulated predictions",
    )
    write_json(json, [row.to_dict() for row in rows])
