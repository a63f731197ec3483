"""All choices of a training run in one value, which is kept in its checkpoints for the run that resumes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from napari_instseg.core.errors import ParameterError, TrainingError
from napari_instseg.core.method import Method
from napari_instseg.core.params import Params
from napari_instseg.data.augment import Augmentation
from napari_instseg.data.normalize import Normalization
from napari_instseg.io.gates import Strict, Unreadable, check_record
from napari_instseg.io.models import MOST_CLASSES
from napari_instseg.methods import get_method
from napari_instseg.training.params import TrainParams

MAY_CHANGE = {"steps", "validate_every", "validate_on", "save_every", "workers", "remember"}
"""Training parameters that a resumed run may have otherwise."""

COMMON: dict[str, type[Params]] = {
    "training": TrainParams,
    "augmentation": Augmentation,
    "normalization": Normalization,
}
"""Parameter classes of every run, whatever its method."""


def parameter_groups(method: Method) -> dict[str, type[Params]]:
    """Return the parameter classes of a run by the name of their field in `Recipe`."""
    return {"network": method.network, "loss": method.loss, "decode": method.decode, **COMMON}


@dataclass(frozen=True)
class Recipe:
    """What to train and how.

    Parameters
    ----------
    method : Method
    network, loss, decode : Params
        Instances of the method's classes; `decode` is used in validation and becomes the model's default.
    training : TrainParams
    augmentation : Augmentation
    normalization : Normalization
    classes : tuple of str
        Names of the classes 1, 2, ...; empty for one kind of object.
    about : mapping of str to str
        For the model's card: ``title``, ``intended_use``, ``modality`` and ``stain`` (several by commas), and lines of
        one's own such as ``data`` and ``licence``.
    """

    method: Method
    network: Params
    loss: Params
    decode: Params
    training: TrainParams = field(default_factory=TrainParams)
    augmentation: Augmentation = field(default_factory=Augmentation)
    normalization: Normalization = field(default_factory=Normalization)
    classes: tuple[str, ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def make(
        cls,
        method: str,
        values: Mapping[str, Mapping[str, Any]] | None = None,
        classes: tuple[str, ...] = (),
        about: Mapping[str, str] | None = None,
    ) -> Recipe:
        """Make a recipe from plain values; what is not given keeps its default.

        Parameters
        ----------
        method : str
            Its name.
        values : mapping of str to mapping
            Parameters by group: ``network``, ``loss``, ``decode``, ``training``, ``augmentation``, ``normalization``.
        classes, about
            As in `Recipe`.

        Raises
        ------
        ParameterError
            If a name is unknown or a value out of range.
        """
        found = get_method(method)
        unknown = sorted(set(values or {}) - set(parameter_groups(found)))
        if unknown:
            expected = ", ".join(parameter_groups(found))
            raise ParameterError(f"There is no group of parameters '{unknown[0]}'; expected some of {expected}.")
        groups = {name: group(**(values or {}).get(name, {})) for name, group in parameter_groups(found).items()}
        return cls(method=found, classes=classes, about=dict(about or {}), **groups)  # type: ignore[arg-type]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Take up what `to_dict` gave.

        Raises
        ------
        TrainingError
            If it is no recipe.
        ParameterError
            If a name is unknown or a value out of range.
        """
        try:
            told = check_record(values, _RecipeFile)
        except Unreadable as error:
            raise TrainingError(f"This is no recipe ({error}); expected what Recipe.to_dict() returned.") from None
        return cls.make(told.method, told.parameters, told.classes, told.about)

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON-ready values."""
        parameters = {name: getattr(self, name).model_dump() for name in parameter_groups(self.method)}
        return {
            "method": self.method.name,
            "parameters": parameters,
            "classes": list(self.classes),
            "about": dict(self.about),
        }

    def changed(self, values: Mapping[str, Mapping[str, Any]]) -> Recipe:
        """Return a copy with some parameters replaced, by group."""
        old = self.to_dict()
        merged = {name: {**group, **values.get(name, {})} for name, group in old["parameters"].items()}
        return Recipe.from_dict({**old, "parameters": merged})

    def check_resumes(self, earlier: Recipe) -> None:
        """Check that a run of `earlier` may go on as this one.

        Raises
        ------
        TrainingError
            If something differs that would make it another run; the message names it.
        """
        differing = list(_differences(earlier.to_dict(), self.to_dict()))
        if differing:
            raise TrainingError(
                f"The run to resume was started with {'; '.join(differing)}. Leave that as it was (only "
                f"{', '.join(sorted(MAY_CHANGE))} may change), or start anew in another folder."
            )


class _RecipeFile(Strict):
    """A recipe as JSON-ready values; its parameters are checked by their classes."""

    method: str
    parameters: dict[str, dict[str, Any]]
    classes: tuple[str, ...] = Field(max_length=MOST_CLASSES)
    about: dict[str, Any]


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in ("method", "classes"):
        if old[name] != new[name]:
            yield f"{name} {old[name]}, not {new[name]}"
            return
    for group, values in old["parameters"].items():
        for name, value in values.items():
            if name not in MAY_CHANGE and new["parameters"][group][name] != value:
                yield f"{group} {name} {value}, not {new['parameters'][group][name]}"
