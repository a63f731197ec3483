"""A checkpoint gives back all that it was given, is replaced whole or not at all, and never runs code."""

import pickle

import pytest
import torch
from torch import nn

from napari_instseg.core.errors import TrainingError
from napari_instseg.training import checkpoints
from napari_instseg.training.optimizer import make_optimizer
from napari_instseg.training.params import TrainParams


def make(optimizer):
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Unflatten(1, (1, 3)), nn.Conv1d(1, 4, 3), nn.Flatten(), nn.BatchNorm1d(4), nn.Linear(4, 1)
    )
    kinds = {
        "muon": lambda: make_optimizer(network, TrainParams(optimizer="muon", learning_rate=0.1)),
        "adamw": lambda: torch.optim.AdamW(network.parameters(), lr=0.1),
        "sgd": lambda: torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, nesterov=True),
        "plain": lambda: torch.optim.SGD(network.parameters(), lr=0.1),
    }
    return network, kinds[optimizer]()


def learn(network, optimizer, steps):
    for step in steps:
        data = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        (network(data) - data.sum(1, keepdim=True)).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("optimizer", ["adamw", "muon", "sgd", "plain"])
def test_going_on_from_a_checkpoint_is_going_on(tmp_path, optimizer):
    network, steps = make(optimizer)
    learn(network, steps, range(3))
    path = tmp_path / "checkpoint.safetensors"
    checkpoints.save(path, checkpoints.collect({"network": network}, steps, {"step": 3}))
    learn(network, steps, range(3, 6))

    fresh, fresh_steps = make(optimizer)
    state = checkpoints.load(path)
    checkpoints.restore(state, {"network": fresh}, fresh_steps)
    assert state.values["step"] == 3
    assert checkpoints.load_values(path) == state.values
    learn(fresh, fresh_steps, range(3, 6))
    for name, value in network.state_dict().items():
        assert torch.equal(value, fresh.state_dict()[name]), name


def test_an_interrupted_write_leaves_the_older_checkpoint(tmp_path, monkeypatch):
    network, optimizer = make("adamw")
    path = tmp_path / "checkpoint.safetensors"
    checkpoints.save(path, checkpoints.collect({"network": network}, optimizer, {"step": 1}))

    def write_half(tensors, target, metadata):
        target.write_bytes(b"half a checkpoint")
        raise KeyboardInterrupt

    monkeypatch.setattr("safetensors.torch.save_file", write_half)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save(path, checkpoints.collect({"network": network}, optimizer, {"step": 2}))
    assert checkpoints.load(path).values["step"] == 1
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.safetensors"]


def test_missing_damaged_and_foreign_files_are_refused_in_words(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(TrainingError, match="nothing to resume"):
        checkpoints.load(path)
    ran = tmp_path / "ran"

    class Harmful:
        def __reduce__(self):
            return (open, (str(ran), "w"))

    path.write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(TrainingError, match="damaged"):
        checkpoints.load(path)
    assert not ran.exists()
    network, optimizer = make("adamw")
    checkpoints.save(path, checkpoints.collect({"network": network}, optimizer, {"step": 1}))
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(TrainingError, match="damaged"):
        checkpoints.load(path)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    network, optimizer = make("adamw")
    state = checkpoints.collect({"network": network}, optimizer, {"step": 1})
    other = nn.Linear(2, 2)
    with pytest.raises(TrainingError, match="does not fit"):
        checkpoints.restore(state, {"network": other}, torch.optim.AdamW(other.parameters()))


def test_a_checkpoint_of_a_newer_version_says_so(tmp_path, monkeypatch):
    network, optimizer = make("adamw")
    monkeypatch.setattr(checkpoints, "FORMAT", 99)
    path = checkpoints.save(tmp_path / "c.safetensors", checkpoints.collect({"n": network}, optimizer, {}))
    monkeypatch.undo()
    with pytest.raises(TrainingError, match="newer version"):
        checkpoints.load(path)
