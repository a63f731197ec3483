"""Is the new model better? Scores where only part is known, before and after, and the verdict in words."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from napari_instseg.core.events import Event, Progress
from napari_instseg.core.method import Array
from napari_instseg.inference.model import Model
from napari_instseg.metrics import Evaluation, evaluate_labels, settle_unknown
from napari_instseg.training.annotations import Annotated

MOST_IMAGES = 24
"""Images that are judged, those with the most objects."""
MOST_LOSS = 0.02
"""Of mean AP on the old kind of images: more than this is forgetting."""
SPARE = 0.4
"""Of what may be forgotten, since other images of the old kind lost two to four times as much as those that judge."""
LEAST_SHARE, SHARE_STEP = 0.2, 0.05
"""Of the new weights, the rest being those of the start."""
FEW_OBJECTS = 10
"""With fewer held-out objects chance decides: three objects called a model \"not better\" that was."""
FEW_OLD = 300
"""Objects of the old kind that judge. Two images of 20 to remember saw no loss where others lost .046 mean AP."""
SMALLEST_GAIN = 0.005
LOST = "old_lost"
"""Among the scores before: mean AP on the old kind that the versions lost which the model was made of."""

Scores = dict[str, float]
Judgement = Literal["better", "not better", "too few to tell"]


@dataclass(frozen=True)
class Verdict:
    """What came of a fine-tuning.

    Parameters
    ----------
    outcome : {"better", "not better", "too few to tell"}
        Whether the new model is better on held-out corrections and has not forgotten; too few where fewer than
        `FEW_OBJECTS` corrections are held out and nothing is known to be forgotten.
    words : str
        The verdict in a few sentences, with the reasons where it got worse.
    before, after : dict of str to float
        Scores by name on held-out corrections (``mean_ap``, ...) and, with ``old_`` before the name, on images of the
        model's own training kind.
    """

    outcome: Judgement
    words: str
    before: Scores = field(default_factory=dict)
    after: Scores = field(default_factory=dict)

    @property
    def better(self) -> bool:
        """Whether the new model may be kept by default."""
        return self.outcome == "better"

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready values."""
        return asdict(self)


def score(
    model: Model, images: Sequence[Annotated], part: str, device: str
) -> Generator[Event, None, Evaluation | None]:
    """Segment images and score them where something is known.

    Parameters
    ----------
    part : {"judge", "learn"}
        Which labels of the images are the truth.

    Returns
    -------
    Evaluation or None
        None if no image has a known object.
    """
    chosen = [one for one in images if (getattr(one, part) > 0).any()]
    counts = [len(np.unique(getattr(one, part))) for one in chosen]
    order = np.argsort(counts, kind="stable")[::-1][:MOST_IMAGES]
    pairs: list[tuple[Array, Array]] = []
    for done, number in enumerate(sorted(order)):
        yield Progress(done, len(order), "images scored")
        one = chosen[number]
        image, axes = one.as_taken
        found = model.segment(image, axes=axes, diameter=one.diameter, device=device)
        pairs.append(settle_unknown(getattr(one, part), found.labels))
    yield Progress(len(order), len(order), "images scored")
    return evaluate_labels(pairs) if pairs else None


def in_short(new: Evaluation | None, old: Evaluation | None) -> Scores:
    """Return the scores of both as flat numbers, those of the old kind as ``old_...``."""
    flat: Scores = {}
    for prefix, found in (("", new), ("old_", old)):
        if found is not None:
            flat |= {f"{prefix}mean_ap": found["mean_ap"], f"{prefix}ap_0.5": found["ap"]["0.5"]}
            flat |= {f"{prefix}pq": found["pq"], f"{prefix}objects": float(found["true_objects"])}
    return flat


def standard_error(found: Scores) -> float:
    """Return that of the mean AP, as of a share of so many objects; 0 where none judge."""
    share, objects = found.get("mean_ap", 0.0), found.get("objects", 0.0)
    return float(np.sqrt(share * (1 - share) / objects)) if objects else 0.0


def forgotten(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """Return the mean AP that was lost on the old kind, by the versions before too; 0 where nothing old is known."""
    if "old_mean_ap" not in before:
        return 0.0
    return before["old_mean_ap"] - after.get("old_mean_ap", 0.0) + before.get(LOST, 0.0)


def smaller_share(share: float, lost: float) -> float:
    """Guess the largest share of the new weights that forgets no more than it may.

    Parameters
    ----------
    share : float
        Of the new weights, 0 to 1; the rest are those of the start.
    lost : float
        Mean AP that these weights lose on the old kind. Near the start, where the old loss is least, it grows with
        the square of the share.

    Returns
    -------
    float
        The share itself if it does not forget too much, or is the least that is tried.
    """
    most = SPARE * MOST_LOSS
    if lost <= most or share <= LEAST_SHARE:
        return share
    steps = min(math.floor(share * math.sqrt(most / lost) / SHARE_STEP), round(share / SHARE_STEP) - 1)
    return max(round(steps * SHARE_STEP, 2), LEAST_SHARE)


def is_better(before: Mapping[str, float], after: Mapping[str, float]) -> bool:
    """Tell whether scores got better on what is held out, without forgetting the old kind of images."""
    gain = after.get("mean_ap", 0.0) - before.get("mean_ap", 0.0)
    return gain > SMALLEST_GAIN and forgotten(before, after) <= MOST_LOSS


def judge(before: Mapping[str, float], after: Mapping[str, float]) -> Judgement:
    """Say whether a new model is better, or that too few held-out objects judge it."""
    if forgotten(before, after) > MOST_LOSS:
        return "not better"
    if before.get("objects", 0.0) < FEW_OBJECTS:
        return "too few to tell"
    return "better" if is_better(before, after) else "not better"


def give_verdict(
    before: Scores,
    after: Scores,
    learnt: Scores,
    *,
    steps: int,
    images: int,
    objects: int,
    simulated: bool = False,
) -> Verdict:
    """Compare, and say in words what came of it.

    Parameters
    ----------
    before, after : dict
        As `in_short` gives them.
    learnt : dict
        Scores of the new model on the very examples that it learnt from.
    steps, images, objects : int
        How long it learnt, and from how much.
    simulated : bool
        Whether the images of the old kind are simulated.
    """
    if not steps:
        return Verdict("not better", "Nothing was learnt: 0 steps. The model is the same.", before, after)
    outcome = judge(before, after)
    lines = []
    if "mean_ap" in before:
        gain = after["mean_ap"] - before["mean_ap"]
        how = "better" if gain > SMALLEST_GAIN else "worse" if gain < -SMALLEST_GAIN else "as good as before"
        held_out = f"{before['objects']:.0f} held-out object{'' if before['objects'] == 1 else 's'}"
        lines.append(
            f"On {held_out} it is {how}: mean AP {before['mean_ap']:.2f} before, {after['mean_ap']:.2f} after."
        )
        if before["objects"] < FEW_OBJECTS:
            lines.append(f"That is too few objects to tell ({FEW_OBJECTS} or more are needed); compare both results.")
    else:
        lines.append("There is only one corrected object, so none was held out and nothing can be said for sure.")
    if "old_mean_ap" in before:
        lost = f" (the versions before it lost {before[LOST]:.2f})" if before.get(LOST, 0.0) >= SMALLEST_GAIN else ""
        lines.append(
            f"On images of its original kind: {before['old_mean_ap']:.2f} before{lost}, "
            f"{after['old_mean_ap']:.2f} after."
        )
        if forgotten(before, after) > MOST_LOSS:
            lines.append("It forgets what it knew: raise Guard the old model, or give it more of its original images.")
        elif simulated or before.get("old_objects", FEW_OLD) < FEW_OLD:
            what, more = ("simulated", "annotated") if simulated else ("few", "more")
            lines.append(
                f"These are {what}; others may have lost more. Keep the old model for them, or give it {more} images "
                "of its original kind."
            )
    else:
        lines.append("There were no images of its original kind to judge by, so what it forgot is not known.")
    if outcome == "not better" or after.get("mean_ap", 0.0) < before.get("mean_ap", 0.0) - SMALLEST_GAIN:
        lines += _reasons(after, learnt, steps=steps, images=images, objects=objects)
    return Verdict(outcome, " ".join(lines), before, after)


def _reasons(after: Scores, learnt: Scores, *, steps: int, images: int, objects: int) -> list[str]:
    """Say what may be the cause that it did not get better."""
    reasons = []
    if objects < FEW_OBJECTS:
        reasons.append(
            f"it learnt from {objects} object{'' if objects == 1 else 's'} only; correct {FEW_OBJECTS} or more"
        )
    if images == 1:
        reasons.append("all examples are from one image; add another")
    if learnt.get("mean_ap", 1.0) < 0.3 and steps >= 100:
        reasons.append(
            "it does not even find the examples that it learnt from; see whether the labels agree with each other, or "
            "learn longer"
        )
    elif learnt.get("mean_ap", 0.0) > after.get("mean_ap", 1.0) + 0.3:
        reasons.append("it learnt its examples by heart; correct objects in more places")
    if steps < 20:
        reasons.append(f"it learnt for {steps} step{'' if steps == 1 else 's'} only")
    return [f"Possible reasons: {'; '.join(reasons)}."] if reasons else []
