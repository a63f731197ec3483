"""The model folder: `model.json`, `weights.safetensors` and a card, `README.md`; opening one runs no code from it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from napari_instseg.core.errors import ModelError
from napari_instseg.io.gates import Strict, Unreadable, check_record, read_json
from napari_instseg.io.older_models import from_layout_1

if TYPE_CHECKING:
    import torch

FORMAT = 2
"""Version of the folder's layout; a newer one is refused in words. Since 2 it says what images a model is for."""

SMALLEST, LARGEST = 0.01, 1e6
"""Typical object diameters that a model may have, in pixels."""
MOST_CLASSES = 1000

SPEC, WEIGHTS, CARD = "model.json", "weights.safetensors", "README.md"
RUN = "training"
"""Where a run keeps what it needs to go on."""
PICKLES = {".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib"}


class Score(Strict):
    """What `instseg evaluate` found on one named set of images."""

    data: str
    modality: tuple[str, ...] = ()
    """How these images were taken, in the words of `ModelSpec.modality`."""
    images: int
    ap: dict[str, float]
    """TP/(TP+FP+FN), pooled, by IoU threshold."""
    mean_ap: float
    pq: float
    f1: float
    sbd: float
    fbd: float
    abs_dic: float


OBJECT_SIZES = "object_sizes"
"""In what a card tells of training: sizes of objects that were shown, in model diameters, if they were many."""
FINE_TUNED_FROM = "fine_tuned_from"
"""In what a card tells of training: the name of the model that it was made from by corrections."""


class ModelSpec(Strict):
    """All of a model but its weights: what `model.json` says."""

    format: int = FORMAT
    made_by: str = Field(default_factory=lambda: f"napari-instseg {version('napari-instseg')}")
    name: str
    method: str
    title: str = ""
    """What the model finds, in a few words: "Nuclei in fluorescence and histology"."""
    ndim: int = Field(default=2, ge=2, le=3)
    in_channels: int = Field(default=1, ge=1, le=64)
    diameter: float = Field(ge=SMALLEST, le=LARGEST)
    """Typical object diameter as the network sees it, in pixels."""
    usual_diameter: float | None = Field(default=None, ge=SMALLEST, le=LARGEST)
    """The same in the images that it learnt from, where these were rescaled."""
    classes: tuple[str, ...] = Field(default=(), max_length=MOST_CLASSES)
    """Names of the classes 1, 2, ...; empty for one kind of object."""
    network: dict[str, Any] = Field(default_factory=dict)
    loss: dict[str, Any] = Field(default_factory=dict)
    decode: dict[str, Any] = Field(default_factory=dict)
    normalization: dict[str, Any] = Field(default_factory=dict)
    training: dict[str, Any] = Field(default_factory=dict)
    """Data sets with licences, split, seed, steps, the command."""
    scores: tuple[Score, ...] = ()
    intended_use: str = ""
    modality: tuple[str, ...] = ()
    """How the images that it is for are taken: "fluorescence", "histology", "bright field", "phase contrast", ..."""
    stain: tuple[str, ...] = ()
    """What makes the objects visible in them, such as "H&E" or "DAPI"."""
    replay: tuple[str, ...] = ()
    """Kinds of simulated images to replay while it is fine-tuned, so that it forgets less, if its folder holds none."""

    @property
    def presumed_diameter(self) -> float:
        """Typical object diameter that an image is taken to have where nobody says another, in pixels."""
        return self.usual_diameter or self.diameter

    @property
    def knows_sizes(self) -> bool:
        """Whether it has learnt objects of many sizes, so that it can tell at which size it sees an image best."""
        return OBJECT_SIZES in self.training

    @property
    def is_fine_tuned(self) -> bool:
        """Whether it was made from another model by corrections."""
        return FINE_TUNED_FROM in self.training


def read_spec(folder: str | Path) -> ModelSpec:
    """Read what a model folder says of itself, without its weights.

    Raises
    ------
    ModelError
        If the folder or its `model.json` is missing, damaged, or of a newer layout.
    """
    folder = Path(folder)
    path = folder / SPEC
    if not os.path.isdir(folder):
        raise ModelError(f"No model folder at '{folder}'; expected a folder with {SPEC} and {WEIGHTS}.")
    if not os.path.isfile(path):
        if os.path.isdir(folder / RUN):
            raise ModelError(
                f"'{folder}' holds a training that was stopped before its first validation, so there is no model yet. "
                "Go on with it by the command that started it and --resume."
            )
        found = _only_pickles(folder)
        raise ModelError(f"'{folder}' has no {SPEC}{found}; expected a folder that instseg train wrote.")
    try:
        values = read_json(path)
    except (FileNotFoundError, Unreadable) as error:
        raise ModelError(f"{path} cannot be read ({error}); copy the model folder again.") from None
    made = values.get("format") if isinstance(values, dict) else None
    if isinstance(made, int) and made > FORMAT:
        raise ModelError(
            f"The model in '{folder}' has layout {made}, made by {values.get('made_by', 'a newer version')}; this "
            f"version reads up to {FORMAT}. Update napari-instseg."
        )
    if isinstance(values, dict) and made in (None, 1):
        values = {**from_layout_1(values), "format": FORMAT}
    try:
        return check_record(values, ModelSpec)
    except Unreadable as error:
        raise ModelError(f"{path} is not valid: {error}. Copy the model folder again.") from None


def read_weights(folder: str | Path) -> dict[str, torch.Tensor]:
    """Read the weights as float32 tensors by name.

    Raises
    ------
    ModelError
        If they are missing or damaged. A pickle is never opened, since it can run code.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(folder) / WEIGHTS
    if not os.path.isfile(path):
        raise ModelError(f"'{folder}' has no {WEIGHTS}{_only_pickles(Path(folder))}.")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} is damaged ({error}); copy the model folder again.") from None
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def write_model(folder: str | Path, spec: ModelSpec, weights: Mapping[str, torch.Tensor]) -> Path:
    """Write a model folder, with half-precision weights and the card; an older one is replaced file by file.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    from safetensors.torch import save

    from napari_instseg.io.atomic import make_folder, write_bytes

    folder = make_folder(folder)
    half = {
        name: (tensor.detach().half() if tensor.is_floating_point() else tensor.detach()).cpu().contiguous()
        for name, tensor in weights.items()
    }
    write_bytes(folder / WEIGHTS, save(half))
    write_bytes(folder / CARD, card(spec).encode("utf-8"))
    write_bytes(folder / SPEC, (spec.model_dump_json(indent=2) + "\n").encode("utf-8"))
    return folder


def card(spec: ModelSpec) -> str:
    """Write the model card as Markdown: use, data and licence, split, scores, defaults."""
    about = f"{spec.title or spec.name}. Method: `{spec.method}`. {spec.intended_use}".strip()
    lines = [f"# {spec.name}", "", about, ""]
    seen = f", seen at {spec.diameter:g} px" if spec.usual_diameter else ""
    lines += [f"- Typical object diameter: {spec.presumed_diameter:g} px{seen}"]
    lines += [f"- Input channels: {spec.in_channels}"]
    lines += [f"- Modality: {', '.join(spec.modality)}"] if spec.modality else []
    lines += [f"- Stain: {', '.join(spec.stain)}"] if spec.stain else []
    lines += [f"- Classes: {', '.join(spec.classes)}"] if spec.classes else []
    lines += [f"- {key.replace('_', ' ').capitalize()}: {value}" for key, value in spec.training.items()]
    lines += [f"- Made by: {spec.made_by}"]
    if spec.scores:
        thresholds = list(spec.scores[0].ap)
        head = ["data", "images", *(f"AP {t}" for t in thresholds), "mean AP", "PQ", "F1", "SBD", "FBD", "abs DiC"]
        lines += ["", "## Scores", "", "AP is TP/(TP+FP+FN) at that IoU, pooled over all objects.", ""]
        lines += [_row(head), _row(["---"] * len(head))]
        for score in spec.scores:
            numbers = [*score.ap.values(), score.mean_ap, score.pq, score.f1, score.sbd, score.fbd]
            lines.append(_row([score.data, str(score.images), *(f"{n:.3f}" for n in numbers), f"{score.abs_dic:.2f}"]))
    return "\n".join(lines) + "\n"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _only_pickles(folder: Path) -> str:
    found = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)
    if not found:
        return ""
    return f" but holds {', '.join(found)}, which is a pickle and could run code, so it is not opened"
