"""Decode parameters that agree best with known objects: a coordinate search over predictions, without training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_instseg.core.errors import InputError, ParameterError
from napari_instseg.core.events import Event, Progress, Result
from napari_instseg.core.labels import UNKNOWN
from napari_instseg.core.params import Parameter, Params
from napari_instseg.core.scale import share_of, value_at
from napari_instseg.core.seeds import rng_of
from napari_instseg.inference.prediction import Prediction
from napari_instseg.methods import get_method
from napari_instseg.metrics import THRESHOLDS, Counts, Overlap, count, overlap_known

if TYPE_CHECKING:
    from napari_instseg.data.pairs import Pair
    from napari_instseg.inference.model import Model

MOST_TRIES = 400
RANDOM_STARTS = 8
WIDE = tuple(np.linspace(0, 1, 9).tolist())
"""Shares of a number's range that are tried first."""
FINE = (1 / 16, 1 / 32, 1 / 64, 1 / 128)
"""Steps to either side of the best share, tried after that."""
ROUNDS = 3
CACHE_BYTES = 512 << 20
"""Memory for what decoding remembers, shared by all predictions."""
WORTH_CROPPING = 0.5
"""Share of the image up to which only the part around the known objects is decoded while searching."""


@dataclass(frozen=True, eq=False)
class Known:
    """A prediction, and what is true of its image.

    Parameters
    ----------
    prediction : Prediction
    truth : int array (Y, X) or (Z, Y, X)
        0 background, above 0 the ids of true objects, -1 pixels of which nothing is known; see
        `napari_instseg.metrics.overlap_known` for what is judged then.

    Raises
    ------
    InputError
        If the truth has another shape than the prediction.
    """

    prediction: Prediction
    truth: npt.NDArray[Any]

    def __post_init__(self) -> None:
        if not isinstance(self.truth, np.ndarray) or self.truth.dtype.kind not in "iu":
            found = self.truth.dtype if isinstance(self.truth, np.ndarray) else type(self.truth).__name__
            raise InputError(f"The true labels are {found}; expected an array of whole numbers, -1 where unknown.")
        if self.truth.shape != self.prediction.shape:
            raise InputError(
                f"The true labels have shape {self.truth.shape} and the image {self.prediction.shape}; expected the "
                "same. Draw or load labels of this image."
            )

    def compare(self, labels: npt.NDArray[np.int32], window: tuple[slice, ...] | None = None) -> Overlap:
        """Return the overlap of the truth with found objects, of the image or of a window of it."""
        return overlap_known(self.truth if window is None else self.truth[window], labels)

    def window(self) -> tuple[slice, ...] | None:
        """Return the part of the image that has to be decoded to judge; None for all of it."""
        known = np.nonzero(self.truth != UNKNOWN)
        if not len(known[0]):
            return None
        box = tuple(slice(int(axis.min()), int(axis.max()) + 1) for axis in known)
        part = np.prod([side.stop - side.start for side in box]) / self.truth.size
        return box if part <= WORTH_CROPPING else None


@dataclass(frozen=True, order=True)
class Agreement:
    """How well found objects agree with true ones; the first number counts, the second breaks ties.

    Parameters
    ----------
    mean_ap : float
        Mean of TP / (TP + FP + FN) over the IoU thresholds .5 to .9.
    mean_iou : float
        Mean over true objects of the largest IoU with a found one.
    """

    mean_ap: float
    mean_iou: float

    def clearly_above(self, other: Agreement) -> bool:
        """Return whether this is better by more than rounding to a thousandth."""
        return _rounded(self) > _rounded(other)


@dataclass(frozen=True)
class Fit:
    """What a search found.

    Parameters
    ----------
    parameters : Params
        The best ones; those that it started from where none are better.
    before, after : Agreement
        With the parameters at the start, and with the best ones.
    n_objects : int
        True objects that were judged.
    tries : int
        Parameters that were decoded with.
    """

    parameters: Params
    before: Agreement
    after: Agreement
    n_objects: int
    tries: int


def fit(known: Sequence[Known], start: Params | None = None, **options: Any) -> Fit:
    """Search the decode parameters that agree best with known objects.

    Parameters
    ----------
    known : sequence of Known
        At least one object in all.
    start : Params, optional
        Decode parameters to start from; those of the first prediction, ``prediction.parameters()``, if None.
    **options
        See `fit_events`.

    Returns
    -------
    Fit
    """
    *_, last = fit_events(known, start, **options)
    assert isinstance(last, Result)
    found: Fit = last.value
    return found


def fit_events(
    known: Sequence[Known],
    start: Params | None = None,
    *,
    own: Params | None = None,
    names: Sequence[str] | None = None,
    most_tries: int = MOST_TRIES,
    seed: int = 0,
) -> Iterator[Event]:
    """Do as `fit` does, yielding progress in tries and last the `Fit`.

    One parameter after the other is moved to where the agreement is best, first over its whole range, then in ever
    smaller steps, until a round over all parameters changes nothing. The search starts from the best of: the given
    parameters, the model's own, the method's defaults, and some drawn at random.

    Parameters
    ----------
    known, start
        See `fit`.
    own : Params, optional
        The model's own parameters; where several values are equally good, the one nearest to these is taken.
    names : sequence of str, optional
        Parameters to search; all that are neither text nor for experts if None.
    most_tries : int
        The search ends after so many.
    seed : int
        Of the random starts.

    Yields
    ------
    Progress
    Result
        A `Fit`.

    Raises
    ------
    InputError
        If there is no true object.
    ParameterError
        If a name is unknown.
    """
    start = _check_known(known, start, own)
    n_objects = sum(len(np.unique(one.truth[one.truth > 0])) for one in known)
    if n_objects == 0:
        raise InputError("There is no true object to fit to; draw or correct at least one.")
    search = _Search(_Judge(known), start, own or start, _searched(start, names), most_tries)
    yield Progress(0, most_tries, "tries")
    for _ in search.run(rng_of(seed)):
        yield Progress(min(search.judge.tries, most_tries), most_tries, "tries")
    whole = _Judge(known, crop=False)
    before, after = whole(start), whole(search.best)
    best = search.best if after.clearly_above(before) else start
    yield Progress(most_tries, most_tries, "tries")
    yield Result(Fit(best, before, max(before, after), n_objects, search.judge.tries))


def _check_known(known: Sequence[Known], start: Params | None, own: Params | None) -> Params:
    """Check that predictions and parameters belong to one method; return the parameters to start from."""
    if not isinstance(known, Sequence) or not all(isinstance(one, Known) for one in known):
        raise InputError("Expected a list of Known, each a prediction with what is true of its image.")
    if not known:
        raise InputError("There is no true object to fit to; draw or correct at least one.")
    wanted = get_method(known[0].prediction.method).decode
    start = known[0].prediction.parameters() if start is None else start
    for given in (start, own or start, *(one.prediction.parameters() for one in known)):
        if type(given) is not wanted:
            raise ParameterError(
                f"The parameters are {type(given).__name__} of {type(given).__module__}; expected those of the method "
                f"'{known[0].prediction.method}', as prediction.parameters() returns them."
            )
    return start


def predict_known(model: Model, pairs: Sequence[Pair], *, some: bool = False, **options: Any) -> Iterator[Event]:
    """Run the network over annotated images.

    Parameters
    ----------
    model : Model
    pairs : sequence of Pair
    some : bool
        Whether only some objects of each image are labelled; the rest of it is unknown then.
    **options
        As `Model.predict` takes them: `diameter`, `device`, `tile`.

    Yields
    ------
    Progress
        In images.
    Result
        A list of `Known`.

    Raises
    ------
    InputError
        If an image cannot be read or predicted; the message names it.
    """
    known = []
    for done, pair in enumerate(pairs):
        yield Progress(done, len(pairs), "images")
        example = pair.read()
        try:
            prediction = model.predict(example.image, axes=example.axes, **options)
        except InputError as error:
            raise InputError(f"{pair.name}: {error}") from error
        known.append(Known(prediction, only_objects(example.labels) if some else example.labels))
    yield Progress(len(pairs), len(pairs), "images")
    yield Result(known)


def only_objects(labels: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Return the truth that says something of its objects only: all else is unknown."""
    return np.where(labels > 0, labels, UNKNOWN).astype(np.int32)


def agreement(tables: Sequence[Overlap]) -> Agreement:
    """Pool the overlaps of several images."""
    ap = [sum((count(table, at) for table in tables), Counts(at)).ap for at in THRESHOLDS]
    best = [np.zeros(table.n_true) for table in tables]
    for table, values in zip(tables, best, strict=True):
        np.maximum.at(values, table.true_index, table.iou)
    each = np.concatenate(best) if best else np.zeros(0)
    return Agreement(float(np.mean(ap)), float(each.mean()) if len(each) else 1.0)


class _Judge:
    """Agreement by parameters; each is decoded with once."""

    def __init__(self, known: Sequence[Known], *, crop: bool = True) -> None:
        bytes_each = max(CACHE_BYTES // len(known), 1 << 20)
        self._known = [(one, one.prediction.new_pipeline(bytes_each), one.window() if crop else None) for one in known]
        self._given: dict[Params, Agreement] = {}

    @property
    def tries(self) -> int:
        return len(self._given)

    def knows(self, params: Params) -> bool:
        return params in self._given

    def __call__(self, params: Params) -> Agreement:
        if params not in self._given:
            tables = [one.compare(pipeline.run(params, window).labels, window) for one, pipeline, window in self._known]
            self._given[params] = agreement(tables)
        return self._given[params]


class _Search:
    """Coordinate search; its generators yield after each try."""

    def __init__(self, judge: _Judge, start: Params, own: Params, searched: set[str], most_tries: int) -> None:
        self.judge, self._own, self._searched, self._most = judge, own, searched, most_tries
        self.best = start

    def run(self, rng: np.random.Generator) -> Iterator[None]:
        others = [self._taking(self._own), self._taking(type(self.best)())]
        yield from self._choose([self.best, *others, *self._random(rng)])
        for turn in range(ROUNDS):
            before = self.best
            for parameter in self.best.parameters():
                # a choice made in this round may have changed which others apply
                if parameter.name in self._searched and parameter in self.best.visible():
                    yield from self._move(parameter, wide=turn == 0)
            if self.best == before:
                return

    def _move(self, parameter: Parameter, *, wide: bool) -> Iterator[None]:
        name = parameter.name
        if parameter.kind == "bool":
            yield from self._choose([self.best, self._with(name, not getattr(self.best, name))])
        elif parameter.kind == "choice":
            yield from self._choose([self.best, *(self._with(name, value) for value in parameter.choices)])
        else:
            if wide:
                own = share_of(parameter, getattr(self._own, name))
                # from the model's own value outwards: the first of equals is taken
                shares = sorted((own, *WIDE), key=lambda share: abs(share - own))
                yield from self._choose([self.best, *(self._with(name, value_at(parameter, s)) for s in shares)])
            for step in FINE:
                at = share_of(parameter, getattr(self.best, name))
                near = [value_at(parameter, share) for share in (at - step, at + step) if 0 <= share <= 1]
                yield from self._choose([self.best, *(self._with(name, value) for value in near)])

    def _choose(self, candidates: Sequence[Params]) -> Iterator[None]:
        """Take the first candidate, unless a later one is clearly better."""
        best = candidates[0]
        for candidate in candidates:
            if not self.judge.knows(candidate):
                if self.judge.tries >= self._most:
                    break
                self.judge(candidate)
                yield
            if self.judge(candidate).clearly_above(self.judge(best)):
                best = candidate
        self.best = best

    def _with(self, name: str, value: Any) -> Params:
        return self.best.changed(**{name: value})

    def _taking(self, other: Params) -> Params:
        """Return the start with the values of others, as far as they are searched."""
        return self.best.changed(**{name: getattr(other, name) for name in self._searched})

    def _random(self, rng: np.random.Generator) -> list[Params]:
        numbers = [p for p in self.best.visible() if p.name in self._searched and p.kind in ("int", "float")]
        return [
            self.best.changed(**{parameter.name: value_at(parameter, rng.random()) for parameter in numbers})
            for _ in range(RANDOM_STARTS)
        ]


def _searched(params: Params, names: Sequence[str] | None) -> set[str]:
    known = {parameter.name: parameter for parameter in params.parameters() if parameter.kind != "text"}
    if names is None:
        return {name for name, parameter in known.items() if not parameter.advanced}
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ParameterError(f"There is no parameter {', '.join(unknown)} to fit; expected some of {', '.join(known)}.")
    return set(names)


def _rounded(agreement: Agreement) -> tuple[float, float]:
    return round(agreement.mean_ap, 3), round(agreement.mean_iou, 3)
