"""An open project: examples that are saved after every edit, and the versions of the model made from them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from psygnal import Signal

from napari_instseg.core.errors import InputError, InstsegError, ProjectError
from napari_instseg.core.method import Array
from napari_instseg.io import projects
from napari_instseg.io.checks import check_image
from napari_instseg.io.images import read_image
from napari_instseg.io.labels import read_labels
from napari_instseg.io.models import SPEC
from napari_instseg.io.pairs import open_pairs
from napari_instseg.io.project_lock import opened_alone
from napari_instseg.io.projects import ExampleSpec, ImageRef, ProjectSpec, VersionSpec
from napari_instseg.projects.autosave import Autosaver
from napari_instseg.session.annotation import Annotation
from napari_instseg.session.identity import axes_of, fingerprint_of, numbers_of, take_of, where_of
from napari_instseg.session.jobs import Post
from napari_instseg.session.source import Channel, Reading, Source


class Project:
    """A project folder that this program alone has open.

    Parameters
    ----------
    folder : str or Path
    post : callable
        See `Post`: what the autosave says comes by it.
    create : bool
        Make a new project in a new or empty folder.
    remembers : bool
        Whether corrections that it saves are its own from then on, see `name_of`.

    Raises
    ------
    ProjectError
        If it is missing, damaged, of a newer version, or open elsewhere.
    OutputError
        If it cannot be written.
    """

    changed = Signal()
    """Examples or versions are others."""
    saved = Signal(int, str)
    """So many examples wait to be saved, and the problem in words, if there was one."""

    def __init__(self, folder: str | Path, post: Post, *, create: bool = False, remembers: bool = True) -> None:
        self.folder, self._post, self._remembers = Path(folder).resolve(), post, remembers
        self._writing, self._naming = Lock(), Lock()
        self._names: set[str] = set()
        self._held = ExitStack()
        if create:
            projects.create_project(self.folder)
        projects.read_project(self.folder)
        self._held.enter_context(opened_alone(self.folder))
        try:
            # read again: another window may have written it until now
            self.spec: ProjectSpec = projects.read_project(self.folder)
            self._forget_unbegun()
        except InstsegError:
            self._held.close()
            raise
        self._saver = Autosaver(self.saved.emit, post)
        self._followed: dict[str, tuple[Annotation, Callable[[], None]]] = {}
        self._facts: dict[str, dict[str, Any]] = {}
        """Of `ExampleSpec`, by name: what is said of each image that is followed."""

    def leave(self) -> None:
        """Take no more edits; those that were made are saved behind the window."""
        for name in list(self._followed):
            self._stop_following(name)

    def close(self) -> None:
        """Save what is not yet saved, and let others open it."""
        self.leave()
        self._saver.close()
        self._held.close()

    @property
    def idle(self) -> bool:
        """Whether all is saved."""
        return self._saver.idle

    def flush(self) -> bool:
        """Wait until all is saved; tell whether it is."""
        return self._saver.flush()

    # examples

    def follow(
        self,
        source: Source,
        reading: Reading,
        corrections: Annotation,
        *,
        channel: Channel | None = None,
        diameter: float | None = None,
        model: str = "",
        anew: bool = False,
    ) -> str:
        """Take an image as an example, and save its corrections now and after each of their changes.

        Saving is done behind the window; see `saved`, and `flush` to wait for it.

        Parameters
        ----------
        source, reading, corrections
            The image, and what is known of it.
        channel : int or str, optional
            The only channel or stain that is looked at.
        diameter : float, optional
            Typical object diameter that the user gave, in pixels.
        model : str
            That found its objects.
        anew : bool
            Make another example of an image that has one, instead of overwriting what is known by that one.

        Returns
        -------
        str
            Name of the example.

        Raises
        ------
        InputError
            If the image cannot be one.
        """
        axes_of(reading, channel)
        known = None if anew else self.find(source, reading, channel)
        name = self.name_of(corrections) or (known.name if known is not None else self._free_name(source.name))
        self._stop_following(name)

        def save() -> None:
            snapshot = corrections.snapshot()
            self._saver.save(name, lambda: write(snapshot()))

        def write(arrays: dict[str, Array]) -> None:
            self._save(name, source, reading, channel, self._facts[name], arrays)
            if self._remembers:
                corrections.saved_as = self._mark(name)

        corrections.changed.append(save)
        self._followed[name] = (corrections, save)
        self._facts[name] = {"diameter": diameter, "model": projects.name_model(self.folder, model)}
        save()
        return name

    def resize(self, corrections: Annotation, diameter: float | None) -> None:
        """Take note of another typical object diameter in the image of these corrections, in pixels."""
        self._note(corrections, diameter=diameter)

    def found_by(self, corrections: Annotation, model: str) -> None:
        """Take note of the model that found the objects of the image of these corrections."""
        self._note(corrections, model=projects.name_model(self.folder, model))

    def _note(self, corrections: Annotation, **facts: Any) -> None:
        for name, (followed, save) in self._followed.items():
            if followed is corrections and self._facts[name] != {**self._facts[name], **facts}:
                self._facts[name] = {**self._facts[name], **facts}
                save()

    def is_of(self, example: ExampleSpec, model: str) -> bool:
        """Return whether a model found the saved objects of an example.

        Projects of earlier versions do not say so: there, a model that was made in the project is younger than they.
        """
        name = projects.name_model(self.folder, model)
        return example.model == name if example.model else not name.startswith(f"{projects.VERSIONS}/")

    def _save(
        self,
        name: str,
        source: Source,
        reading: Reading,
        channel: Channel | None,
        facts: dict[str, Any],
        arrays: dict[str, Array],
    ) -> None:
        """Write the edits, then the example if it is new; in the autosave's thread."""
        self._check_there()
        training = Annotation.from_arrays(arrays).training_labels()
        known = next((e for e in self.spec.examples if e.name == name), None)
        if known is None:
            image = self._keep_image(name, source, reading, channel)
            look = fingerprint_of(take_of(source, reading, channel))
            known = ExampleSpec(name=name, image=image, look=look, **facts)
            projects.write_edits(self.folder, name, training, arrays)
            self._write(lambda spec: {"examples": (*spec.examples, known)})
            return
        projects.write_edits(self.folder, name, training, arrays)
        other = known.model_copy(update=facts)
        if other != known:
            self._write(lambda spec: {"examples": tuple(other if e.name == name else e for e in spec.examples)})

    def _stop_following(self, name: str) -> None:
        corrections, call = self._followed.pop(name, (None, None))
        if corrections is not None and call in corrections.changed:
            corrections.changed.remove(call)

    def find(self, source: Source, reading: Reading, channel: Channel | None = None) -> ExampleSpec | None:
        """Return the example that was made of an image, wherever its file is now; None if there is none."""
        look, axes = fingerprint_of(take_of(source, reading, channel)), axes_of(reading, channel)
        return next((e for e in self.spec.examples if e.look == look and e.image.axes == axes), None)

    def corrections(self, name: str) -> Annotation:
        """Read the corrections of an example.

        Raises
        ------
        ProjectError, InputError
            If they are missing or damaged.
        """
        corrections = Annotation.from_arrays(projects.read_edits(self.folder, name)[1])
        corrections.saved_as = self._mark(name)
        return corrections

    def name_of(self, corrections: Annotation) -> str:
        """Return the name of the example that is made from these corrections, or last was; empty if none is.

        What was written by somebody else since is another's.
        """
        following = (name for name, (followed, _) in self._followed.items() if followed is corrections)
        saved = (e.name for e in self.spec.examples if corrections.saved_as == self._mark(e.name) != ())
        return next(chain(following, saved), "")

    def image(self, name: str) -> Array:
        """Read the image of an example; see `read_example_image`."""
        return projects.read_example_image(self.folder, self._example(name))

    def import_labels(self, image: str | Path, labels: str | Path, diameter: float | None = None) -> ExampleSpec:
        """Take an image file with a label file as an example in which all is known; in any thread.

        Raises
        ------
        InputError
            If a file cannot be read or they do not fit.
        OutputError
            If the project cannot be written.
        """
        found = read_image(image)
        array, axes = check_image(found.array, found.axes, name=f"'{image}'")
        grid = tuple(size for size, letter in zip(array.shape, axes, strict=True) if letter != "C")
        known = read_labels(labels, grid, image=f"'{image}'")
        corrections = Annotation(known.copy(), 2)
        corrections.mark((slice(None),) * corrections.labels.ndim, np.ones(corrections.labels.shape, bool))
        name = self._free_name(Path(image).stem)
        ref = projects.refer_to_image(self.folder, image, (None,) * found.array.ndim, axes)
        example = ExampleSpec(name=name, image=ref, diameter=diameter, look=fingerprint_of(found.array))
        projects.write_edits(self.folder, name, corrections.training_labels(), corrections.snapshot()())
        self._write(lambda spec: {"examples": (*spec.examples, example)})
        return example

    def relocate(self, name: str, path: str | Path) -> None:
        """Say where the image of an example is now; see `io.projects.relocate`."""
        moved = projects.relocate(self.folder, self._example(name), path)
        self._write(lambda spec: {"examples": tuple(moved if e.name == name else e for e in spec.examples)})

    def remove(self, name: str) -> None:
        """Take an example out of the project; its edits stay on disk."""
        self._stop_following(name)
        self._write(lambda spec: {"examples": tuple(e for e in spec.examples if e.name != name)})

    def count(self) -> int:
        """Count the known objects of all examples, as they are on disk."""
        return sum(
            len(np.unique(labels[labels > 0]))
            for labels in (projects.read_edits(self.folder, e.name)[0] for e in self.spec.examples)
        )

    # versions

    def start_version(self, start: str, **values: Any) -> VersionSpec:
        """Take note that a version is being made from a model, with other `values`; its folder is `version_folder`."""
        base = re.sub(r"-v\d+$", "", Path(start).name)
        number = 2
        while any(v.name == f"{base}-v{number}" for v in self.spec.versions) or self._version(base, number).exists():
            number += 1
        projects.inside(self.folder, projects.VERSIONS, f"{base}-v{number}")
        made = f"{datetime.now():%Y-%m-%d %H:%M}"
        new = VersionSpec(name=f"{base}-v{number}", start=start, state="running", made=made, **values)
        self._write(lambda spec: {"versions": (*spec.versions, new)})
        return new

    def version_folder(self, name: str) -> Path:
        """Return the model folder of a version."""
        return self.folder / projects.VERSIONS / name

    def unfinished(self) -> VersionSpec | None:
        """Return the version that is being made or waits to be judged; None if there is none."""
        return next((v for v in self.spec.versions if v.state in ("running", "to judge")), None)

    def kept(self) -> tuple[VersionSpec, ...]:
        """Return the versions that were kept, oldest first."""
        return tuple(v for v in self.spec.versions if v.state == "kept")

    def settle_version(self, name: str, **values: Any) -> VersionSpec:
        """Change what is known of a version: its ``state``, scores ``before`` and ``after``, or ``words``.

        A rejected one is deleted.
        """
        old = next(v for v in self.spec.versions if v.name == name)
        new = old.model_copy(update=values)
        if new.state == "rejected":
            folder = projects.inside(self.folder, projects.VERSIONS, name)
            self._write(lambda spec: {"versions": tuple(v for v in spec.versions if v.name != name)})
            shutil.rmtree(folder, ignore_errors=True)
        else:
            self._write(lambda spec: {"versions": tuple(new if v.name == name else v for v in spec.versions)})
        return new

    def use(self, model: str) -> None:
        """Remember the model in use."""
        name = projects.name_model(self.folder, model)
        self._write(lambda spec: {"model": name})

    @property
    def model(self) -> str:
        """The model in use, as `find_model` takes it; empty if none was chosen."""
        inside = self.folder / self.spec.model
        return str(inside) if self.spec.model and os.path.isfile(inside / SPEC) else self.spec.model

    def remember(self, model: str, images: str | Path | None) -> None:
        """Name the folder of annotated images that a model is to remember; None takes those that it has itself.

        Raises
        ------
        InputError
            If the folder holds no pairs of images and labels.
        """
        name = projects.name_model(self.folder, model)
        if images is not None:
            open_pairs(images)
        named = {} if images is None else {name: projects.refer_to(self.folder, images)}
        self._write(lambda spec: {"remembered": {k: v for k, v in spec.remembered.items() if k != name} | named})

    def remembered(self, model: str) -> Path | None:
        """Return the folder that `remember` was told for a model; None if there is none."""
        return projects.find_remembered(self.folder, self.spec, model)

    @property
    def there(self) -> bool:
        """Whether its folder is still there."""
        return projects.is_project(self.folder)

    # helpers

    def _check_there(self) -> None:
        if not self.there:
            raise ProjectError(
                f"The project folder '{self.folder}' is not there any more: it was moved, renamed or deleted. Put it "
                "back and edit on, or press New… to keep your corrections in another one."
            )

    def _mark(self, name: str) -> tuple[Any, ...]:
        """Return a mark of what is saved of an example, which is another when it is written again; empty if nothing."""
        path = self.folder / projects.EDITS / f"{name}.npz"
        try:
            found = path.stat()
        except OSError:
            return ()
        return path, found.st_mtime_ns, found.st_size

    def _version(self, base: str, number: int) -> Path:
        return self.version_folder(f"{base}-v{number}")

    def _example(self, name: str) -> ExampleSpec:
        found = next((e for e in self.spec.examples if e.name == name), None)
        if found is None:
            raise ProjectError(f"There is no example '{name}' in '{self.folder}'.")
        return found

    def _free_name(self, wanted: str) -> str:
        base = re.sub(r"[^\w.-]+", "_", wanted).strip("._") or "image"
        edits = self.folder / projects.EDITS
        with self._naming:  # two threads may take names
            taken = {e.name for e in self.spec.examples} | self._names
            name, number = base, 2
            while name in taken or (edits / f"{name}.npz").exists():
                name, number = f"{base}-{number}", number + 1
            self._names.add(name)
        return name

    def _keep_image(self, name: str, source: Source, reading: Reading, channel: Channel | None) -> ImageRef:
        """Refer to the image's file where it holds just this image, else copy the image."""
        axes, taken = axes_of(reading, channel), take_of(source, reading, channel)
        take = numbers_of(source, reading, channel)
        if source.path and not isinstance(channel, str):
            try:
                found = read_image(source.path).array
                same = found.ndim == len(take) and fingerprint_of(found[where_of(take)]) == fingerprint_of(taken)
                if same:
                    return projects.refer_to_image(self.folder, source.path, tuple(take), axes)
            except (InputError, IndexError):
                pass  # a format that only the viewer reads, or reads otherwise
        return projects.copy_image(self.folder, name, np.asarray(taken), axes)

    def _write(self, change: Callable[[ProjectSpec], dict[str, Any]]) -> None:
        """Change `project.json`, on disk first, so that what is here is never more than what is there."""
        self._check_there()
        with self._writing:
            spec = self.spec.model_copy(update=change(self.spec))
            projects.write_project(self.folder, spec)
            self.spec = spec
        self._post(self.changed.emit)

    def _forget_unbegun(self) -> None:
        """Forget versions whose making had not yet begun when the program ended.

        Nothing is deleted, and `project.json` stays as it is until something is added to the project: a folder that
        `project.json` does not name may be one that it named before it was restored from a copy.
        """
        from napari_instseg.training.finetune_params import is_begun

        begun = (v for v in self.spec.versions if v.state != "running" or is_begun(self.version_folder(v.name)))
        self.spec = self.spec.model_copy(update={"versions": tuple(begun)})
