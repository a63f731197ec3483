"""Wires the Retrain section to project and retraining, and shows what they say."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_instseg.core.errors import InstsegError, OutputError
from napari_instseg.io.models import read_spec
from napari_instseg.io.pairs import match_labels
from napari_instseg.io.projects import VERSIONS, read_example_image
from napari_instseg.projects.comparison import CompareOrder, Comparison
from napari_instseg.projects.importing import Importing
from napari_instseg.projects.project import Project
from napari_instseg.projects.recent import Recent
from napari_instseg.projects.retraining import Length, Retraining, version_models
from napari_instseg.projects.unsaved import Kept, Rest, Unsaved
from napari_instseg.session.annotation import Annotation
from napari_instseg.session.results import Results
from napari_instseg.session.session import Session
from napari_instseg.session.source import readings
from napari_instseg.session.state import State
from napari_instseg.session.status import Tone
from napari_instseg.training.replay import describe_replay
from napari_instseg.widgets.image_choice import ImageChoice
from napari_instseg.widgets.images import describe_source, images_in
from napari_instseg.widgets.painting import draw_next_turn, next_turn
from napari_instseg.widgets.projects.closing import Closing, is_closing
from napari_instseg.widgets.projects.comparison_layers import ComparisonLayers
from napari_instseg.widgets.projects.rest import RestNote
from napari_instseg.widgets.projects.section import RetrainSection

if TYPE_CHECKING:
    from napari import Viewer


AGAIN_MS = 200
"""Until a project that is being closed is tried again."""


class ProjectsBinder(QObject):
    """Between the Retrain section, the project and the retraining.

    Parameters
    ----------
    viewer : Viewer
    section : RetrainSection
    session : Session
    image : ImageChoice
    run : callable
        Finds the objects of the open image.
    rest : RestNote
        Offers what an earlier session left in no project.
    folder : Path, optional
        Where the list of recent projects is kept, and corrections that are in no project; the user's folders if None.
    """

    def __init__(
        self,
        viewer: Viewer,
        section: RetrainSection,
        session: Session,
        image: ImageChoice,
        run: Callable[[], None],
        rest: RestNote,
        folder: Path | None = None,
    ) -> None:
        super().__init__(section)
        self._image, self._run, self._rest = image, run, rest
        self._unsaved = Unsaved(session.post, session.fail, folder)
        self._viewer, self._section, self._session = viewer, section, session
        self._recent = Recent(folder)
        self._layers = ComparisonLayers(viewer, partial(draw_next_turn, section))
        self._followed: Annotation | None = None
        self.project: Project | None = None
        self.retraining, self.importing = Retraining(session.post), Importing(session.post)
        self._connect()
        self._show_project()
        self._offer_rest()

    @property
    def idle(self) -> bool:
        """Whether nothing learns and all is saved."""
        saved = all(project is None or project.idle for project in (self.project, self._unsaved.project))
        return saved and not self.retraining.running and not self.importing.running and self._layers.idle

    def leave(self) -> None:
        """Stop learning, so that it can go on later, and close the project as soon as all is saved."""
        self._layers.clear()
        if self.project is not None:
            Closing(self.project, self.retraining, self.importing)
            self.project = None
        if self._unsaved.project is not None:
            Closing(self._unsaved.project)
            self._unsaved.project = None

    def release(self) -> None:
        """Do so at once, waiting for it."""
        self._layers.stop()
        if self.project is not None:
            self.retraining.close()
            self.importing.close()
            self.project.close()
            self.project = None
        if self._unsaved.project is not None:
            self._unsaved.project.close()
            self._unsaved.project = None

    # what is corrected

    def _follow(self) -> None:
        """Keep the corrections of the open image in the project, from the first one on; without one, beside it."""
        corrections, results, project = self._session.annotation, self._session.state.results, self.project
        if results is None or corrections is None or corrections is self._followed:
            return
        state = self._session.state
        if project is None:
            if corrections.says_something:
                self._unsaved.keep(self._kept(results))
                self._followed = corrections
            return
        own = bool(project.name_of(corrections))
        example = project.find(results.source, results.reading, state.channel)
        if not own and not corrections.says_something and not self._restore():
            return
        anew = example is not None and corrections.says_something and not own
        if example is not None and state.diameter is None:
            self._session.choose_diameter(example.diameter)
        kept = self._kept(results)
        name = kept.into(project, anew=anew)
        self._followed = kept.corrections
        self._unsaved.drop(kept.corrections)
        if anew:
            self._tell(f"The project has other corrections of this image; these are kept beside them as '{name}'.")

    def _kept(self, results: Results) -> Kept:
        state, corrections = self._session.state, self._session.annotation_of(results)
        return Kept(results.source, results.reading, corrections, state.channel, state.diameter, results.model)

    def _note_model(self) -> None:
        """Keep which model found the objects of the open image."""
        results = self._session.state.results
        if self.project is not None and results is not None and self._followed is self._session.annotation:
            self.project.found_by(self._session.annotation_of(results), results.model)

    def _resize(self, diameter: float | None) -> None:
        """Keep the object size that the user says, with the corrections of the open image."""
        if self.project is not None and self._followed is not None and self._followed is self._session.annotation:
            self.project.resize(self._followed, diameter)

    def _restore(self) -> bool:
        """Take up the corrections that the project has of the open image; tell whether it has any."""
        results, project = self._session.state.results, self.project
        if project is None or results is None:
            return False
        example = project.find(results.source, results.reading, self._session.state.channel)
        if example is None:
            return False
        corrections = project.corrections(example.name)
        self._followed = corrections
        renew = not project.is_of(example, results.model)
        self._session.restore(corrections, renew=renew)
        self._followed = None
        if renew:
            own = len(corrections.accepted)
            by = f"by '{Path(example.model).name}'" if example.model else "by an earlier model"
            self._tell(
                f"The objects that were saved had been found {by}. Shown are those of "
                f"'{Path(results.model).name}', and your {own} corrected one{'s' * (own != 1)}."
            )
        return True

    # what the user does

    def _connect(self) -> None:
        section, retraining, choice = self._section, self.retraining, self._section.project
        choice.made.connect(lambda folder: self.open_project(folder, create=True))
        choice.opened.connect(self.open_project)
        choice.example_opened.connect(self._guarded(self._open_example))
        choice.example_removed.connect(self._guarded(self._remove))
        choice.labels_imported.connect(self._guarded(self._import))
        choice.import_stopped.connect(self.importing.stop)
        self._rest.opened.connect(self._guarded(self._open_rest))
        self._rest.discarded.connect(self._discard_rest)
        section.started.connect(self._guarded(self._start))
        section.paused.connect(retraining.pause)
        section.resumed.connect(lambda: retraining.resume(section.length, section.device, self._order()))
        section.finished.connect(lambda: retraining.finish(section.device, self._order()))
        section.kept.connect(self._guarded(retraining.keep))
        section.kept_both.connect(self._guarded(lambda: retraining.keep(both=True)))
        section.rolled_back.connect(self._guarded(self._roll_back))
        section.compare_asked.connect(self._compare)
        section.remember_chosen.connect(self._guarded(self._remember))
        self.importing.changed.connect(self._show_importing)
        self.importing.advanced.connect(choice.show_progress)
        self.importing.told.connect(self._tell)
        retraining.changed.connect(self._show_state)
        retraining.changed.connect(self._show_remembered)
        retraining.learnt.connect(section.curves.add)
        retraining.told.connect(self._tell)
        retraining.advanced.connect(self._show_progress)
        retraining.compared.connect(self._show_comparison)
        retraining.kept.connect(self._guarded(self._use))
        self._session.changed.connect(self._redraw)

    def _redraw(self, before: State, now: State) -> None:
        if now.offers_other_work(before):
            self._show_state()
        if now.differs(before, "spec", "model"):
            self._show_remembered()
        if now.differs(before, "source") and now.source is not None and now.source.path:
            self._section.project.start_in(Path(now.source.path).absolute().parent)
        if now.edits != before.edits or now.found_since(before) is not None:
            self._guarded(self._follow)()
        if now.found_since(before) is not None:
            self._note_model()
        if now.differs(before, "diameter"):
            self._resize(now.diameter)

    def open_project(self, folder: Path | None, *, create: bool = False) -> None:
        """Open a project, or close the one that is open if None."""
        if self.retraining.running or self.importing.running:
            what = "retraining" if self.retraining.running else "adding of labels"
            self._tell(f"Pause or stop the {what} first.", "warning")
            return
        if self.project is not None and not self.project.there:
            self.project.close()
            self.project = None
        if folder is not None and self.project is not None and folder.resolve() == self.project.folder:
            return
        if folder is not None and is_closing(folder):
            self._tell("The project is still being saved; it opens when that is done.")
            next_turn(self._section, partial(self.open_project, folder, create=create), AGAIN_MS)
            return
        try:
            project = Project(folder, self._session.post, create=create) if folder is not None else None
        except InstsegError as error:
            self._show_project()
            self._fail(str(error))
            return
        if self.project is not None:
            self.project.close()
        self.project = project
        if project is not None and folder is not None:
            self._recent.add(folder)
            project.changed.connect(self._show_project)
            project.saved.connect(self._show_saved)
            self._guarded(self._offer_models)(project)
            if project.model:
                self._guarded(self._session.choose_model)(project.model)
        self._section.curves.clear()
        self._say(f"The project '{folder.name}' is open." if folder is not None else "No project is open.")
        self.retraining.take_project(project)
        begun = self.retraining.version
        if begun is not None and (begun.steps or begun.minutes):
            self._section.set_length(Length(begun.steps, begun.minutes))
        self._show_project()
        self._followed = None
        if project is not None and create:
            self._guarded(self._unsaved.move_into)(project)
        self._guarded(self._follow)()

    def _offer_rest(self) -> None:
        """Offer the newest of what earlier sessions left in no project."""
        self._rest.offer(next(iter(self._unsaved.left()), None))

    def _open_rest(self, rest: Rest) -> None:
        """Make a project of what was left, and show its first image."""
        try:
            folder = self._unsaved.rescue(rest)
        except OSError as error:
            raise OutputError(
                f"'{rest.folder}' cannot be moved ({error}). Open it with Open…, under Retrain."
            ) from None
        self._offer_rest()
        self.open_project(folder)
        if self.project is not None and self.project.spec.examples:
            self._open_example(self.project.spec.examples[0].name)
        self._say(f"Your corrections are the project '{folder.name}', under Retrain.")

    def _discard_rest(self, rest: Rest) -> None:
        self._unsaved.discard(rest)
        self._offer_rest()

    def _offer_models(self, project: Project) -> None:
        """Let the list of models hold those that the project keeps, and no others of it."""
        kept = {str(folder) for folder in version_models(project).values()}
        others = {
            name: spec
            for name, spec in self._session.state.models.items()
            if Path(name).parent != project.folder / VERSIONS or name in kept
        }
        self._session.offer_models({**others, **{folder: read_spec(folder) for folder in sorted(kept)}})

    def _open_example(self, name: str) -> None:
        """Show an example's image, opening it if it is not open, with its corrections."""
        project = self.project
        if project is None:
            return
        example = next(e for e in project.spec.examples if e.name == name)
        for layer in images_in(self._viewer):
            source = describe_source(layer)
            if any(project.find(source, reading) is example for reading in readings(source)):
                self._image.choose(layer)
                self._viewer.layers.selection.active = layer
                return
        image = read_example_image(project.folder, example)
        rgb = example.image.axes.endswith("C")
        self._viewer.add_image(image, name=name, rgb=rgb)
        if example.diameter is not None:
            self._session.choose_diameter(example.diameter)
        if not self._session.obstacle():
            self._run()

    def _remove(self, name: str) -> None:
        if self.project is not None:
            self.project.remove(name)
            self._followed = None  # if it is edited again, it is an example again

    def _import(self, images: list[Path], labels: list[Path]) -> None:
        if self.retraining.running:
            self._tell("Pause or stop the retraining first.", "warning")
        elif self.project is not None:
            self.importing.start(self.project, match_labels(images, labels), self._session.state.diameter)

    def _start(self) -> None:
        section, state = self._section, self._session.state
        section.curves.clear()
        self._layers.clear()
        if self.project is not None and state.model:
            self.project.use(state.model)
        self._session.say("A model learns, under Retrain.")
        self.retraining.start(state.model, section.length, section.params, section.device, self._order())

    def _remember(self, images: Path | None) -> None:
        """Keep in the project which images the model is to remember."""
        if self.project is not None:
            try:
                self.project.remember(self._session.state.model, images)
            finally:
                self._show_remembered()

    def _roll_back(self) -> None:
        self.retraining.roll_back()
        self._layers.clear()
        self._say("The old model stays; the new one is deleted.")

    def _use(self, folder: str) -> None:
        """Take the model that was kept, and find the objects of the open image with it."""
        session = self._session
        self._layers.clear()
        session.choose_model(folder)
        if self.project is not None:
            self.project.use(folder)
            self._offer_models(self.project)
        self._tell(f"'{Path(folder).name}' is in the list of models, under Segment.", "good")
        if not session.obstacle():
            self._run()

    def _compare(self) -> None:
        order = self._order()
        if order is None:
            self._tell("Open an image to compare on.", "warning")
        else:
            self.retraining.compare_again(order)

    def _order(self) -> CompareOrder | None:
        state = self._session.state
        if state.source is None or state.reading is None:
            return None
        stack = len(state.reading.stack_axes)
        index = state.index if len(state.index) == stack else (0,) * stack
        device = self._section.device
        return CompareOrder(state.source, state.reading, index, state.channel, state.diameter, device)

    # what is told

    def _show_project(self) -> None:
        project = self.project
        folder, examples = (project.folder, project.spec.examples) if project is not None else (None, ())
        self._section.project.show_project(folder, self._recent.read(), examples)
        if project is None:
            self._section.project.say(
                "A project keeps your corrections and the models made from them. Corrections in none are kept aside, "
                "and offered when napari is started again."
            )
        else:
            self._section.project.say(_words_on(project))
        self._show_state()
        self._show_remembered()

    def _show_saved(self, waiting: int, problem: str) -> None:
        if problem:
            self._section.project.say(f"NOT SAVED: {problem}", "error")
            self._session.fail(f"NOT SAVED: {problem}")
        elif not waiting and self.project is not None:
            self._section.project.say(f"{_words_on(self.project)} All is saved.")

    def _show_state(self) -> None:
        retraining = self.retraining
        obstacle = retraining.obstacle(self._session.state.model)
        self._section.show_state(retraining.state, obstacle, retraining.version)

    def _show_importing(self) -> None:
        self._section.project.show_importing(running=self.importing.running)
        self._show_project()

    def _show_remembered(self) -> None:
        project, model = self.project, self._session.state.model
        named = project.remembered(model) if project is not None else None
        self._section.show_remembered(describe_replay(model) if project is not None and model else "", named)

    def _show_progress(self, fraction: float | None, detail: str) -> None:
        self._section.show_progress(fraction)
        self._section.tell(detail)

    def _show_comparison(self, comparison: Comparison) -> None:
        self._layers.show(comparison)
        self._section.tell(f"{comparison.words} Red: gone, green: new, yellow: another shape.")

    def _tell(self, words: str, tone: Tone = "plain") -> None:
        self._section.tell(words, tone)
        if tone != "plain":
            self._session.say(words, tone)

    def _say(self, words: str) -> None:
        """Tell it here and in the status line, in the place of what stands there."""
        self._section.tell(words)
        self._session.say(words)

    def _fail(self, words: str) -> None:
        self._section.tell(words, "error")
        self._session.fail(words)

    def _guarded(self, call: Callable[..., object]) -> Callable[..., None]:
        """Turn an error of a call into a message."""

        def tell(*values: object) -> None:
            try:
                call(*values)
            except InstsegError as error:
                self._fail(str(error))

        return tell


def _words_on(project: Project) -> str:
    number, place = len(project.spec.examples), _in_short(project.folder)
    if not number:
        return f"{place}: nothing yet. Correct or accept objects of an image, and it is an example."
    return f"{place}: {number} example{'s' * (number != 1)}."


def _in_short(folder: Path) -> str:
    """Write a path as people do, from their home on."""
    try:
        return str(Path("~") / folder.relative_to(Path.home()))
    except (ValueError, RuntimeError):  # elsewhere; no home is known
        return str(folder)
