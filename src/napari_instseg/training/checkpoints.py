"""Checkpoints: one safetensors file with a JSON header, written whole or not at all, opened without running code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from napari_instseg.core.errors import TrainingError
from napari_instseg.io.gates import Unreadable, parse_json

FORMAT = 1


@dataclass(frozen=True)
class RunState:
    """All that a run needs to go on from a step.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        Weights, averaged weights and optimiser state, by name.
    values : mapping
        JSON-ready: the step, the configuration, the best score.
    """

    tensors: Mapping[str, torch.Tensor]
    values: Mapping[str, Any]


def collect(modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer, values: Mapping[str, Any]) -> RunState:
    """Gather the state of modules and optimiser under flat names, on the CPU."""
    tensors = {
        f"{prefix}/{name}": tensor for prefix, module in modules.items() for name, tensor in module.state_dict().items()
    }
    scalars: dict[str, dict[str, Any]] = {}
    state = optimizer.state_dict()
    for index, entries in state["state"].items():
        for name, value in entries.items():
            if isinstance(value, torch.Tensor):
                tensors[f"optimizer/{index}/{name}"] = value
            else:
                scalars.setdefault(str(index), {})[name] = value
    held = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    return RunState(held, {**values, "optimizer": scalars})


def restore(state: RunState, modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer) -> None:
    """Put a state back into modules and optimiser of the same build.

    Raises
    ------
    TrainingError
        If the checkpoint is of another network or optimiser.
    """
    try:
        for prefix, module in modules.items():
            module.load_state_dict(_under(state.tensors, prefix))
        entries: dict[int, dict[str, Any]] = {int(k): dict(v) for k, v in state.values["optimizer"].items()}
        for key, tensor in _under(state.tensors, "optimizer").items():
            index, name = key.split("/", 1)
            entries.setdefault(int(index), {})[name] = tensor
        optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})
        _check_shapes(optimizer)
    except (RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise TrainingError(
            f"The checkpoint does not fit this network or optimiser ({error}). Resume with the parameters of the "
            "first start, or start anew in another folder."
        ) from error


def _check_shapes(optimizer: torch.optim.Optimizer) -> None:
    """Check that what is remembered of a weight has its shape, which no optimiser does."""
    for weight, entries in optimizer.state.items():
        for name, value in entries.items():
            if isinstance(value, torch.Tensor) and value.ndim and value.shape != weight.shape:
                raise ValueError(f"'{name}' of shape {tuple(value.shape)} for a weight of shape {tuple(weight.shape)}")


def save(path: Path, state: RunState) -> Path:
    """Write a checkpoint; an older one is replaced only when the new one is whole.

    Raises
    ------
    OutputError
        If it cannot be written, for example on a full disk.
    """
    from safetensors.torch import save_file

    from napari_instseg.io.atomic import replacing

    with replacing(path) as beside:
        save_file(dict(state.tensors), beside, metadata={"state": json.dumps({"format": FORMAT, **state.values})})
    return path


def load(path: Path) -> RunState:
    """Read a checkpoint.

    Raises
    ------
    TrainingError
        If there is none, it is damaged, or a newer version wrote it.
    """
    with _opened(path) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        return RunState(tensors, _values(file))


def load_values(path: Path) -> Mapping[str, Any]:
    """Read what a checkpoint says without its tensors; raises as `load` does."""
    with _opened(path) as file:
        return _values(file)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise TrainingError(f"No checkpoint at '{path}'; there is nothing to resume. Start without --resume.")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, Unreadable, OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        if isinstance(error, TrainingError):
            raise
        raise TrainingError(f"The checkpoint '{path}' is damaged ({error}); start anew in another folder.") from None


def _values(file: Any) -> dict[str, Any]:
    values = parse_json((file.metadata() or {})["state"])
    made = values.pop("format", None) if isinstance(values, dict) else None
    if not isinstance(made, int):
        raise Unreadable("it has no state of a run")
    if made > FORMAT:
        raise TrainingError("The checkpoint was written by a newer version; update napari-instseg.")
    return dict(values)


def _under(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(f"{prefix}/"): t for name, t in tensors.items() if name.startswith(f"{prefix}/")}
