"""Retraining behind the window: start, pause, stop, go on after a restart, and what becomes of the result."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from psygnal import Signal

from napari_instseg.core.errors import InstsegError
from napari_instseg.core.events import Event, Message, Metric, Progress, Result
from napari_instseg.core.garbage import no_collection
from napari_instseg.io.models import SPEC
from napari_instseg.io.projects import VERSIONS, VersionSpec, inside
from napari_instseg.projects.comparison import CompareOrder, Comparison, compare
from napari_instseg.projects.project import Project
from napari_instseg.session.jobs import BackgroundJob, Ended, Post
from napari_instseg.session.status import Pace
from napari_instseg.session.torch_import import import_torch, import_training
from napari_instseg.training.curves import History, is_loss
from napari_instseg.training.finetune_params import PLACE, FinetuneParams, is_begun

if TYPE_CHECKING:
    from napari_instseg.training.verdict import Judgement

TO_JUDGE = "New model ready, under Retrain: keep it or discard it?"
PAUSED = "Learning is paused. Go on continues from there, also after a restart, until the time chosen above is over."
SAID: dict[str, tuple[str, str]] = {
    "better": ("The new model is better.", "good"),
    "not better": ("The new model is not better.", "warning"),
    "too few to tell": ("Too few test objects to tell whether it is better.", "warning"),
}
"""By judgement: words and tone."""
State = Literal["idle", "running", "paused", "to judge"]


@dataclass(frozen=True)
class Length:
    """How long to learn: so many steps, or so many minutes."""

    steps: int | None = None
    minutes: float | None = 5.0


class Retraining:
    """One fine-tuning at a time, of the project's corrections, in a thread of its own.

    All methods and signals belong to one thread, such as the window's.

    Parameters
    ----------
    post : callable
        See `Post`.
    """

    changed = Signal()
    """The state, or what can be done, is another."""
    learnt = Signal(int, dict)
    """A step, with loss terms or with scores on what is held out."""
    told = Signal(str, str)
    """A message, and its tone."""
    advanced = Signal(object, str)
    """Done fraction, or None, and count with time left."""
    compared = Signal(Comparison)
    kept = Signal(str)
    """The folder of a model that the user kept."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._project: Project | None = None
        self._job: BackgroundJob | None = None
        self._closed = False
        self._version: VersionSpec | None = None
        self._then: Callable[[], None] | None = None
        self._order: CompareOrder | None = None
        self.step = 0
        """Steps learnt so far."""

    # what there is

    @property
    def project(self) -> Project | None:
        """The project that it learns from and puts models into."""
        return self._project

    def take_project(self, project: Project | None) -> None:
        """Work with another project; what it had begun can go on."""
        self._project = project
        self._version = project.unfinished() if project is not None else None
        self.step = 0
        self.changed.emit()
        self._tell_course()
        if self._version is not None:
            self.told.emit(TO_JUDGE if self.state == "to judge" else PAUSED, "plain")

    def _tell_course(self) -> None:
        """Tell the steps that were learnt in an earlier session."""
        folder = self.folder
        if folder is None:
            return
        with suppress(InstsegError):  # what is damaged is told when it goes on
            for row in History.read(folder / PLACE).rows:
                self.step = int(row["step"])
                losses = {name: value for name, value in row.items() if is_loss(name)}
                scores = row.keys() - losses.keys() - {"step"}
                self.learnt.emit(self.step, losses)
                self.learnt.emit(self.step, {name: row[name] for name in scores})

    @property
    def running(self) -> bool:
        """Whether a thread works."""
        return self._job is not None

    @property
    def state(self) -> State:
        """Whether it learns, waits to go on, or waits for the user's decision."""
        if self.running:
            return "running"
        if self._version is None:
            return "idle"
        return "to judge" if self._version.state == "to judge" else "paused"

    @property
    def version(self) -> VersionSpec | None:
        """The model that is being made, or waits for the user's decision."""
        return self._version

    @property
    def folder(self) -> Path | None:
        """The folder of that model."""
        if self._project is None or self._version is None:
            return None
        return self._project.version_folder(self._version.name)

    def obstacle(self, model: str) -> str:
        """Say why retraining cannot start now; empty if it can."""
        if self._project is None:
            return "Make or open a project first: it keeps the corrections and the models."
        if not model:
            return "Choose a model first, in Segment."
        if not self._project.spec.examples:
            return "There is nothing to learn from yet. Correct or accept a few objects first."
        if self.state != "idle":
            return "A retraining is running, or its model waits for your decision."
        return ""

    # what the user does

    def start(
        self, model: str, length: Length, params: FinetuneParams, device: str, order: CompareOrder | None
    ) -> None:
        """Begin to learn, from all that is known in the project now.

        Raises
        ------
        OutputError
            If the project cannot be written.
        """
        obstacle = self.obstacle(model)
        project = self._project
        if obstacle or project is None:
            self.told.emit(obstacle, "error")
            return
        project.flush()
        self._version = project.start_version(model, steps=length.steps, minutes=length.minutes)
        self.step = 0
        self._run(_learn(model, project.folder, self.folder, length, params, device, order, resume=False), order)

    def pause(self) -> None:
        """Stop after the step that is being learnt, so that it can go on from there."""
        self._stop_job("Pausing after this step.")

    def _stop_job(self, words: str) -> None:
        if self._job is not None:
            self._job.stop()
            self.told.emit(words, "plain")

    def resume(self, length: Length, device: str, order: CompareOrder | None) -> None:
        """Go on where it was paused, also in an earlier session."""
        if self.state == "paused" and self._project is not None and self._version is not None:
            if length.steps != 0:  # else it is only judged
                told = {"steps": length.steps, "minutes": length.minutes}
                self._version = self._project.settle_version(self._version.name, **told)
            self._run(_learn("", self._project.folder, self.folder, length, None, device, order, resume=True), order)

    def finish(self, device: str, order: CompareOrder | None) -> None:
        """Learn no more, and judge what was learnt until now."""

        def judge() -> None:
            self.resume(Length(steps=0, minutes=None), device, order)

        if self.running:
            self._then = judge
            self._stop_job("Judging after this step.")
        else:
            judge()

    def keep(self, *, both: bool = False) -> None:
        """Keep the new model; unless `both` are kept, the one that it was made from leaves the list, if it is ours."""
        version, project, folder = self._version, self._project, self.folder
        if self.state != "to judge" or version is None or project is None or folder is None:
            return
        project.settle_version(version.name, state="kept")
        if not both:
            start = next((v for v in project.kept() if project.version_folder(v.name) == Path(version.start)), None)
            if start is not None:
                project.settle_version(start.name, state="replaced")
        self._version = None
        self.changed.emit()
        self.kept.emit(str(folder))

    def roll_back(self) -> None:
        """Throw the new model away; also one that was paused."""
        if self._version is None or self._project is None or self.running:
            return
        self._project.settle_version(self._version.name, state="rejected")
        self._version = None
        self.changed.emit()

    def compare_again(self, order: CompareOrder) -> None:
        """Compare on another image, or after a restart."""
        folder = self.folder
        if self.state == "to judge" and folder is not None:
            self._run(_compare(order, str(folder / "training" / "start"), str(folder)), order)

    def leave(self) -> None:
        """Tell nothing more, and end the thread after its step; what was learnt is kept, and can go on."""
        self._closed = True
        if self._job is not None:
            self._job.stop()

    @property
    def ended(self) -> bool:
        """Whether the thread has ended, which it may have before that is told."""
        return self._job is None or not self._job.running

    def close(self) -> None:
        """`leave`, and wait for the end of the thread."""
        self.leave()
        if self._job is not None:
            self._job.wait(60.0)

    # answers

    def _run(self, operation: Generator[Any, None, None], order: CompareOrder | None) -> None:
        pace = Pace()

        def receive(event: Any) -> None:
            if self._closed or job is not self._job:
                return
            if isinstance(event, Ended):
                self._job = None
                self._take_end(event)
                return
            try:
                self._take(event, pace)
            except InstsegError as error:
                self.told.emit(str(error), "error")

        self._order = order
        job: BackgroundJob | None = None  # the job's first event may come before the assignment below
        job = self._job = BackgroundJob(operation, receive, self._post)
        self.changed.emit()

    def _take(self, event: Event, pace: Pace) -> None:
        if isinstance(event, Metric):
            self.step = max(self.step, event.step)
            self.learnt.emit(event.step, dict(event.values))
        elif isinstance(event, Progress):
            self.advanced.emit(*pace.see(event))
        elif isinstance(event, Message):
            self.told.emit(event.text, "warning" if event.warning else "plain")
        elif isinstance(event, Result) and isinstance(event.value, Comparison):
            self.compared.emit(event.value)
        elif isinstance(event, Result):
            self._take_outcome(event.value)

    def _take_outcome(self, outcome: Any) -> None:
        assert self._project is not None
        assert self._version is not None
        verdict = outcome.verdict
        told = {"before": verdict.before, "after": verdict.after, "words": verdict.words}
        self._version = self._project.settle_version(self._version.name, state="to judge", **told)
        words, tone = SAID[verdict.outcome]
        self.told.emit(f"{words} {TO_JUDGE}", tone)

    def _take_end(self, end: Ended) -> None:
        then, self._then = self._then, None
        folder = self.folder
        if folder is not None and self.state == "paused" and not is_begun(folder):
            self.roll_back()  # it ended before there was anything to go on with
        if end.error:
            self.told.emit(end.error, "error")
        elif end.stopped and then is not None and self.state == "paused":
            then()
        elif end.stopped and self.state == "paused":
            self.told.emit(PAUSED, "plain")
        self.changed.emit()


def judge(version: VersionSpec) -> Judgement:
    """Say whether a version is better on what was held out with nothing forgotten, or that too few objects tell."""
    from napari_instseg.training.verdict import judge as of_scores

    return of_scores(version.before, version.after)


def version_models(project: Project) -> dict[str, Path]:
    """Return the folders of the models that were kept, by name."""
    found = {v.name: project.version_folder(v.name) for v in project.kept()}
    return {name: folder for name, folder in found.items() if (folder / SPEC).is_file()}


def _learn(
    model: str,
    project: Path,
    folder: Path | None,
    length: Length,
    params: FinetuneParams | None,
    device: str,
    order: CompareOrder | None,
    *,
    resume: bool,
) -> Generator[Event, None, None]:
    """Fine-tune, then compare the old and the new model on the open image."""
    assert folder is not None
    yield Message("Preparing to learn.")
    inside(project, VERSIONS, folder.name, PLACE)  # a project of somebody else may hold a link there
    with no_collection():
        import_torch()
        import_training()
        from napari_instseg.training.annotations import open_examples
        from napari_instseg.training.finetune import finetune
        from napari_instseg.training.replay import open_replay
    examples = [] if resume else open_examples(project)
    outcome: Any = None
    for event in finetune(
        model,
        examples,
        folder,
        steps=length.steps,
        minutes=length.minutes,
        params=params,
        remembered=None if resume else open_replay(project, model),
        device=device,
        resume=resume,
    ):
        if isinstance(event, Result):
            outcome = event.value
        yield event
    if order is not None and outcome is not None:
        yield from _compare(order, str(folder / "training" / "start"), str(outcome.folder))


def _compare(order: CompareOrder, old: str, new: str) -> Generator[Event, None, None]:
    try:
        yield from compare(order, old, new)
    except InstsegError as error:
        # the models are there all the same
        yield Message(f"The models cannot be compared on the open image: {error}", warning=True)
