"""What a shipped model remembers: practice images, some to learn from and some to judge by."""

import numpy as np
import pytest

from napari_instseg.core.events import Progress
from napari_instseg.data.pairs import Example, Pair
from napari_instseg.inference.model import load_model
from napari_instseg.training import replay
from napari_instseg.training.replay import LONGEST, read_replay, take_replay
from napari_instseg.training.verdict import score

from .conftest import drain


@pytest.mark.parametrize(
    ("name", "well"), [("discriminative-nuclei", 0.7), ("discriminative-leaves", 0.7), ("discriminative-shapes", 0.2)]
)
def test_a_shipped_model_remembers_images_of_what_it_knows(name, well, monkeypatch):
    monkeypatch.setattr(replay, "TEACH", 1)
    monkeypatch.setattr(replay, "JUDGE", 2)
    events = []
    planes = drain(read_replay(name), events)
    assert events[-1] == Progress(len(planes), len(planes), "practice images")
    assert sum((plane.learn > 0).any() for plane in planes) == len(planes) // 3
    assert all(((plane.learn >= 0).all()) != ((plane.judge >= 0).all()) for plane in planes)
    found = drain(score(load_model(name), planes, "judge", "cpu"))
    assert found["ap"]["0.5"] > well


def test_what_a_shipped_model_remembers_is_the_same_each_time_and_no_sample(monkeypatch):
    monkeypatch.setattr(replay, "TEACH", 1)
    monkeypatch.setattr(replay, "JUDGE", 1)
    first, again = (drain(read_replay("coloring-nuclei")) for _ in range(2))
    assert all(np.array_equal(one.image, other.image) for one, other in zip(first, again, strict=True))
    assert len({plane.image.tobytes() for plane in first}) == len(first)


def test_of_a_stack_as_many_slices_are_remembered_as_there_is_room_for():
    labels = np.arange(1, 11, dtype=np.int32)[:, None, None] * np.ones((10, 20, 20), np.int32)
    image = labels + np.linspace(0, 1, 20, dtype=np.float32)
    stack = Pair("film", lambda: Example(image, "TYX", labels))
    single = Pair("one", lambda: Example(image[0], "YX", labels[0]))
    planes = drain(take_replay([stack, single], [stack], 2, most=4))
    assert [plane.name for plane in planes] == ["film 0", "film 5", "one", "film 0", "film 2", "film 5", "film 7"]
    assert [int(plane.learn[0, 0]) for plane in planes] == [1, 6, 1, -1, -1, -1, -1]
    assert [int(plane.judge[0, 0]) for plane in planes] == [-1, -1, -1, 1, 3, 6, 8]
    volume = drain(take_replay([Pair("v", lambda: Example(image, "ZYX", labels))], [], 3))
    assert volume[0].learn.shape == labels.shape


def test_of_an_image_without_end_the_middle_judges(monkeypatch):
    monkeypatch.setattr(replay, "LARGEST", 100)
    labels = np.arange(30 * 8, dtype=np.int32).reshape(30, 8)
    (plane,) = drain(take_replay([], [Pair("long", lambda: Example(labels.astype(np.float32), "YX", labels))], 2))
    assert np.array_equal(plane.judge, labels[10:20])
    assert np.array_equal(plane.image[0], labels[10:20])


def test_of_a_large_image_the_middle_teaches_and_all_of_it_judges():
    shape = (700, 300)
    image = np.arange(700 * 300, dtype=np.float32).reshape(shape)
    labels = np.zeros(shape, np.int32)
    labels[350, 150] = 7
    pair = Pair("large", lambda: Example(image, "YX", labels))
    learn, judge = drain(take_replay([pair], [pair], 2))
    first = (700 - LONGEST) // 2
    assert np.array_equal(learn.image[0], image[first : first + LONGEST])
    assert np.array_equal(learn.learn, labels[first : first + LONGEST])
    assert np.array_equal(judge.image[0], image)
    assert np.array_equal(judge.judge, labels)
