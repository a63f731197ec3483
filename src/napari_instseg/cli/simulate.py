"""`instseg simulate`: images with exact truth, in the folders that `instseg train` reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_instseg.cli.console import Follower, in_words, keeping, say
from napari_instseg.cli.flags import Values, with_parameters
from napari_instseg.cli.options import OutOption
from napari_instseg.core.errors import OutputError

if TYPE_CHECKING:
    from napari_instseg.data.simulate import Kind, Simulated


def register(app: typer.Typer, arguments: Sequence[str]) -> None:
    """Add a command for each kind, with the flags of its parameters; the kinds are only loaded when they are needed."""
    group = typer.Typer(help="Simulate images with exact truth: leaf rosettes, worms, bacteria, sticks, dots, nuclei.")
    if arguments[:1] == ["simulate"]:
        from napari_instseg.data.simulate import KINDS

        for name, kind in KINDS.items():
            command = with_parameters(_command(name, kind), {"scene": kind.params}, {"scene": kind.title})
            group.command(name, help=f"{kind.title}.")(in_words(command))
    group.command("slide")(in_words(slide))
    group.command("plate")(in_words(plate))
    app.add_typer(group, name="simulate", no_args_is_help=True)


SeedOption = Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same images.")]
StoreOption = Annotated[Path, typer.Option("--out", "-o", metavar="NAME.zarr", help="The OME-Zarr to write.")]
VersionOption = Annotated[str, typer.Option("--ome-zarr", metavar="[0.4|0.5]", help="Version of OME-Zarr.")]


def slide(
    out: StoreOption,
    side: Annotated[int, typer.Option("--side", min=64, help="Side of the slide, in pixels.")] = 8192,
    seed: SeedOption = 0,
    version: VersionOption = "0.5",
) -> None:
    """Write a slide of nuclei as OME-Zarr, with its true labels in labels/truth; any size takes the same memory."""
    from napari_instseg.scale.simulate import simulate_slide

    with Follower() as follower, keeping(lambda: f"'{out}' is not whole; delete it."):
        count = follower.run(simulate_slide(out, side, seed, version))
    say(f"'{out}' has {side} x {side} pixels and {count} nuclei; the truth is in labels/truth.")


def plate(
    out: StoreOption,
    wells: Annotated[int, typer.Option("--wells", min=1, max=1536, help="Number of wells.")] = 24,
    fields: Annotated[int, typer.Option("--fields", min=1, max=64, help="Fields of each well.")] = 4,
    seed: SeedOption = 0,
    side: Annotated[int, typer.Option("--side", min=64, help="Side of a field, in pixels.")] = 512,
    version: VersionOption = "0.5",
) -> None:
    """Write a plate of nuclei as OME-Zarr, with the true labels of each field in labels/truth."""
    from napari_instseg.scale.simulate import simulate_plate

    with Follower() as follower, keeping(lambda: f"'{out}' is not whole; delete it."):
        count = follower.run(simulate_plate(out, wells, fields, seed, side, version))
    say(f"'{out}' has {wells} wells with {fields} fields each and {count} nuclei; the truth is in labels/truth.")


def _command(name: str, kind: Kind) -> Callable[..., None]:
    def command(
        out: OutOption,
        n: Annotated[int, typer.Option("--n", "-n", min=1, help="Number of images.")] = 10,
        seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same images.")] = 0,
        *,
        values: Values,
    ) -> None:
        from napari_instseg.data.simulate import simulate

        params = kind.params(**values["scene"])
        check_free(out, name)
        done = 0
        with Follower() as follower, keeping(lambda: f"{done} of {n} images are in '{out}'."):
            for simulated in simulate(name, n=n, seed=seed, params=params):
                follower.progress(done, n, "images")
                write(out, f"{name}-{seed}-{done:04d}", simulated)
                done += 1
        say(f"{n} images with labels are in '{out}'; learn from them: instseg train '{out}' --method NAME --out FOLDER")

    return command


def check_free(out: Path, name: str) -> None:
    """Check that the folder holds no images of somebody else's.

    Raises
    ------
    OutputError
        If it does: mixing them with simulated ones would spoil both.
    """
    folder = out / "images"
    others = [path.name for path in folder.iterdir() if not path.name.startswith(f"{name}-")] if folder.is_dir() else []
    if others:
        raise OutputError(f"'{folder}' holds other images, such as '{others[0]}'. Choose another folder.")


def write(out: Path, stem: str, simulated: Simulated) -> None:
    """Write image, labels and, where there are, whole masks of covered objects and classes.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    import json

    import numpy as np

    from napari_instseg.io.atomic import write_bytes
    from napari_instseg.io.labels import write_labels
    from napari_instseg.io.tiff import write_tiff

    write_tiff(out / "images" / f"{stem}.tif", simulated.image, "YXC"[: simulated.image.ndim], {})
    write_labels(out / "labels" / f"{stem}.tif", simulated.labels)
    if simulated.classes is not None:
        table = {str(label + 1): int(of) for label, of in enumerate(simulated.classes)}
        write_bytes(out / "classes" / f"{stem}.json", json.dumps(table).encode("utf-8"))
    if simulated.masks is not None:
        write_tiff(out / "masks" / f"{stem}.tif", simulated.masks.astype(np.uint8), "ZYX", {})
