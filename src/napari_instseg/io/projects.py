"""The project folder: examples with what is known of them, model versions; whole or unchanged at every moment."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, ValidationError, model_validator

from napari_instseg.core.errors import InputError, ProjectError
from napari_instseg.core.method import Array
from napari_instseg.data.pairs import Example, Pair
from napari_instseg.io.atomic import write_bytes
from napari_instseg.io.gates import (
    FileName,
    PathText,
    Strict,
    Unreadable,
    check_record,
    numbers,
    read_arrays,
    read_json,
    scalar,
)
from napari_instseg.io.images import read_image

FORMAT = 3
"""Version of the folder's layout; a newer one is refused in words. 2: what models are to remember. 3: the model that
found the objects of an example."""

SPEC, IMAGES, EDITS, VERSIONS = "project.json", "images", "edits", "versions"
TRAINING = "training"
"""In a file of edits: int32 labels of the image, -1 where nothing is known."""
LARGEST_DIAMETER = 1e6
"""Pixels; no image has larger objects."""


def _made_by() -> str:
    """Return the name and version of this program."""
    return f"napari-instseg {version('napari-instseg')}"


class StoredPath(Strict):
    """Where a file or a folder lies."""

    path: PathText
    """Relative to the project folder, with forward slashes, where that is possible."""
    absolute: PathText = ""
    """Where it was when it was added; empty for a copy inside the project."""

    def candidates(self, folder: str | Path) -> list[Path]:
        """Return where to look for it, the likeliest place first."""
        return [Path(os.path.realpath(Path(folder) / self.path)), *([Path(self.absolute)] if self.absolute else [])]


class ImageRef(StoredPath):
    """Where the image of an example lies, and how to know it again."""

    sha256: str
    """Of the file's bytes."""
    take: tuple[int | None, ...]
    """Position along each axis of the file's array; None takes the whole axis."""
    axes: str
    """Letters of the axes that are left."""


class ExampleSpec(Strict):
    """One image that teaches."""

    name: FileName
    image: ImageRef
    diameter: Annotated[float, Field(gt=0, le=LARGEST_DIAMETER)] | None = None
    """Typical object diameter that the user gave for it, in pixels."""
    look: str = ""
    """Mark by which the image is known again when it is opened."""
    model: PathText = ""
    """The model that found its objects, named like that of the project; empty where nobody said."""


class VersionSpec(Strict):
    """A model that was made in the project, in ``versions/<name>``."""

    name: FileName
    start: PathText
    """The model that it started from: a shipped name or a folder."""
    state: Literal["running", "to judge", "kept", "replaced", "rejected"]
    made: str = ""
    """When, in ISO format."""
    before: dict[str, float] = Field(default_factory=dict)
    after: dict[str, float] = Field(default_factory=dict)
    """Scores on held-out corrections, by name."""
    words: str = ""
    """The verdict."""
    steps: int | None = None
    minutes: float | None = None
    """How long it was to learn, whichever the user said."""


class ProjectSpec(Strict):
    """What `project.json` says."""

    format: int = FORMAT
    made_by: str = Field(default_factory=_made_by)
    model: PathText = ""
    """The model in use: a shipped name, a folder, or a version as ``versions/<name>``."""
    examples: tuple[ExampleSpec, ...] = ()
    versions: tuple[VersionSpec, ...] = ()
    remembered: dict[str, StoredPath] = Field(default_factory=dict)
    """By model, named like `model`: the folder of annotated images of its own kind, mixed in when it is retrained."""

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        for what, named in (("examples", self.examples), ("versions", self.versions)):
            names = [one.name for one in named]
            if len(set(names)) < len(names):
                raise ValueError(f"two {what} have the same name")
        return self


Labels = Annotated[npt.NDArray[np.int32], numbers("i")]
Mask = Annotated[npt.NDArray[np.bool_], numbers("b")]


class _Edits(Strict):
    """What a file of edits holds; corrections are there but for those that `instseg` made without a window."""

    training: Labels
    labels: Labels | None = Field(None, alias="edits_labels")
    complete: Mask | None = Field(None, alias="edits_complete")
    emptied: Mask | None = Field(None, alias="edits_emptied")
    accepted: Annotated[Array, numbers("i", 1)] | None = Field(None, alias="edits_accepted")
    highest: Annotated[int, scalar("i"), Field(ge=0, lt=2**31)] | None = Field(None, alias="edits_highest")
    ndim: Annotated[int, scalar("i"), Field(ge=2, le=3)] | None = Field(None, alias="edits_ndim")

    @model_validator(mode="after")
    def _check_shapes(self) -> Self:
        shape = self.training.shape
        if len(shape) < (self.ndim or 2) or self.training.dtype != np.int32 or self.training.min(initial=0) < -1:
            raise ValueError(f"training: {self.training.dtype} of shape {shape}, not labels of an image")
        for name, array in (("labels", self.labels), ("complete", self.complete), ("emptied", self.emptied)):
            if array is not None and (array.shape != shape or array.dtype not in (np.int32, bool)):
                raise ValueError(f"{name}: {array.dtype} of shape {array.shape}, not as the labels, {shape}")
        ids = self.accepted
        if ids is not None and ids.size and not 0 < ids.min() <= ids.max() < 2**31:
            raise ValueError(f"accepted: ids from {ids.min()} to {ids.max()}")
        return self


def is_project(folder: str | Path) -> bool:
    """Return whether a folder is a project."""
    return os.path.isfile(Path(folder) / SPEC)


def create_project(folder: str | Path, model: str = "") -> ProjectSpec:
    """Make an empty project.

    Raises
    ------
    ProjectError
        If the folder holds something already.
    OutputError
        If it cannot be written.
    """
    folder = Path(folder)
    if folder.is_dir() and any(folder.iterdir()):
        what = "is a project already; open it" if is_project(folder) else "is not empty; choose a new or empty folder"
        raise ProjectError(f"'{folder}' {what}.")
    spec = ProjectSpec(model=model)
    write_project(folder, spec)
    return spec


def read_project(folder: str | Path) -> ProjectSpec:
    """Read what a project says of itself.

    Raises
    ------
    ProjectError
        If it is missing, damaged, or of a newer version.
    """
    path = Path(folder) / SPEC
    if not os.path.isfile(path):
        raise ProjectError(f"'{folder}' is no project: it has no {SPEC}. Choose another folder, or make a new project.")
    try:
        values = read_json(path)
        made = values.get("format") if isinstance(values, dict) else None
        if isinstance(made, int) and made > FORMAT:
            raise ProjectError(
                f"The project '{folder}' has layout {made}, made by {values.get('made_by', 'a newer version')}; this "
                f"version reads up to {FORMAT}. Update napari-instseg; the project was not changed."
            )
        return check_record(values, ProjectSpec)
    except (FileNotFoundError, Unreadable) as error:
        raise ProjectError(f"'{path}' is damaged ({error}); restore it from a copy. The edits lie beside it.") from None


def write_project(folder: str | Path, spec: ProjectSpec) -> None:
    """Write `project.json`, whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written, for example on a full disk; the older one stays.
    """
    spec = spec.model_copy(update={"format": FORMAT, "made_by": _made_by()})  # also where an older one was read
    write_bytes(Path(folder) / SPEC, (spec.model_dump_json(indent=2) + "\n").encode("utf-8"))


def copy_image(folder: str | Path, name: str, image: Array, axes: str) -> ImageRef:
    """Copy an image into the project, value by value.

    Parameters
    ----------
    image : array
        One dimension per letter of `axes`.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    buffer = io.BytesIO()
    np.save(buffer, image, allow_pickle=False)
    path = write_bytes(inside(folder, IMAGES, f"{name}.npy"), buffer.getvalue())
    return ImageRef(path=f"{IMAGES}/{name}.npy", sha256=hash_file(path), take=(None,) * len(axes), axes=axes)


def refer_to_image(folder: str | Path, path: str | Path, take: tuple[int | None, ...], axes: str) -> ImageRef:
    """Refer to an image file, which stays where it is.

    Parameters
    ----------
    path : str or Path
        A file that `read_image` reads.
    take, axes
        See `ImageRef`.
    """
    place = refer_to(folder, path)
    return ImageRef(**place.model_dump(), sha256=hash_file(path), take=take, axes=axes)


def refer_to(folder: str | Path, path: str | Path) -> StoredPath:
    """Refer to a file or a folder, which stays where it is."""
    path = Path(path).resolve()
    try:
        relative = Path(os.path.relpath(path, Path(folder).resolve())).as_posix()
    except ValueError:  # on another drive
        relative = path.as_posix()
    try:
        return StoredPath(path=relative, absolute=str(path))
    except ValidationError:
        raise InputError(
            f"The name of '{path!s}' is not UTF-8, so a project cannot keep it. Rename the file or its folder."
        ) from None


def read_example_image(folder: str | Path, example: ExampleSpec) -> Array:
    """Read the image of an example, its axes as ``example.image.axes``.

    Raises
    ------
    InputError
        If it has moved, or is another than when it was added.
    """
    ref = example.image
    places = ref.candidates(folder)
    found = [place for place in places if os.path.isfile(place)]
    if not found:
        raise InputError(
            f"The image of example '{example.name}' is gone: it was at '{ref.absolute or places[0]}'. "
            "Put it back, say where it is now, or remove the example; its labels are kept in the project."
        )
    same = next((place for place in found if hash_file(place) == ref.sha256), None)
    if same is None:
        raise InputError(
            f"'{found[0]}', the image of example '{example.name}', is not the file that was added: its content "
            "changed (SHA-256 differs). Put the old file back, or remove the example and add the new image."
        )
    array = read_image(same).array
    if len(ref.take) != array.ndim or not all(
        i is None or 0 <= i < n for i, n in zip(ref.take, array.shape, strict=True)
    ):
        raise InputError(
            f"Example '{example.name}' is the part {ref.take} of '{same}', whose shape is {array.shape}; there is no "
            "such part. Remove the example and add the image again."
        )
    taken: Array = array[tuple(slice(None) if i is None else i for i in ref.take)]
    return taken


def relocate(folder: str | Path, example: ExampleSpec, path: str | Path) -> ExampleSpec:
    """Return the example with its image at another place.

    Raises
    ------
    InputError
        If the file there is not the one that was added.
    """
    moved = refer_to_image(folder, path, example.image.take, example.image.axes)
    if moved.sha256 != example.image.sha256:
        raise InputError(f"'{path}' is not the image of example '{example.name}': its content differs. Choose another.")
    return example.model_copy(update={"image": moved})


def write_edits(folder: str | Path, name: str, training: npt.NDArray[np.int32], arrays: Mapping[str, Array]) -> None:
    """Write all that is known of an example, whole or not at all.

    Parameters
    ----------
    training : int32 array, the image's shape without channels
        0 background, object ids, -1 unknown.
    arrays : mapping of str to array
        Whatever the corrections need to go on.

    Raises
    ------
    OutputError
        If it cannot be written, for example on a full disk; what was written before stays.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{TRAINING: training}, **{f"edits_{key}": value for key, value in arrays.items()})  # type: ignore[arg-type]
    write_bytes(inside(folder, EDITS, f"{name}.npz"), buffer.getvalue())


def read_edits(folder: str | Path, name: str) -> tuple[npt.NDArray[np.int32], dict[str, Array]]:
    """Read what `write_edits` wrote.

    Raises
    ------
    ProjectError
        If it is missing or damaged.
    """
    path = Path(folder) / EDITS / f"{name}.npz"
    try:
        held = read_arrays(path, _Edits)
    except FileNotFoundError:
        raise ProjectError(f"The edits of example '{name}' are missing: no '{path}'. Remove the example.") from None
    except Unreadable as error:
        raise ProjectError(f"'{path}' is damaged ({error}); restore it from a copy, or remove the example.") from None
    arrays = {key: value for key, value in held if key != TRAINING and value is not None}
    return held.training, {key: np.asarray(value) for key, value in arrays.items()}


def project_pairs(folder: str | Path) -> tuple[tuple[Pair, float | None], ...]:
    """Return the examples as pairs of image and labels, with the typical diameter that the user gave for each.

    Labels are -1 where nothing is known.

    Raises
    ------
    ProjectError
        If the project cannot be read.
    """
    folder = Path(folder)

    def pair(example: ExampleSpec) -> Pair:
        def read() -> Example:
            image = read_example_image(folder, example)
            return Example(image, example.image.axes, read_edits(folder, example.name)[0])

        return Pair(example.name, read)

    return tuple((pair(example), example.diameter) for example in read_project(folder).examples)


def name_model(folder: str | Path, model: str) -> str:
    """Return the name by which a project knows a model: its own as ``versions/<name>``, others as they are."""
    path, own = Path(model), Path(folder).resolve()
    if os.path.isdir(path) and path.resolve().is_relative_to(own):
        return path.resolve().relative_to(own).as_posix()
    return model


def find_remembered(folder: str | Path, spec: ProjectSpec, model: str) -> Path | None:
    """Return the folder of annotated images that a project names for a model to remember; None if it names none.

    If it is at none of the places where it may be, that where it was.
    """
    place = spec.remembered.get(name_model(folder, model))
    if place is None:
        return None
    candidates = place.candidates(folder)
    return next((candidate for candidate in candidates if os.path.isdir(candidate)), candidates[-1])


def inside(folder: str | Path, *parts: str) -> Path:
    """Return the path of what is to be written or deleted in a project.

    Raises
    ------
    ProjectError
        If the path leads out of the project folder, as a link among its folders does.
    """
    path, own = Path(folder, *parts), Path(folder).resolve()
    if not path.resolve().is_relative_to(own) or path.resolve() == own:
        raise ProjectError(
            f"'{path}' leads out of the project, to '{path.resolve()}', so nothing was changed there. Replace the link "
            "by the folder that it stands for."
        )
    return path


def hash_file(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"'{path}' cannot be read ({error.strerror or error}). Check the file.") from None
