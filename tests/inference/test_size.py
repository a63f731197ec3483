"""The size of objects: found where the network is most certain, in its own pixels and in the image's."""

import numpy as np
import pytest
from scipy import ndimage

from napari_instseg import InstsegError
from napari_instseg.inference.model import Model
from napari_instseg.inference.prediction import Prediction
from napari_instseg.inference.size import Size, find_size
from napari_instseg.io.models import ModelSpec

SPEC = ModelSpec(name="any", method="discriminative", in_channels=1, diameter=24)


def disks(diameter: float, side: int, seed: int = 0) -> np.ndarray:
    """Draw disks of one size, far enough apart that no two touch."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    image = np.zeros((1, side, side), np.float32)
    step = 1.6 * diameter
    for cy in np.arange(step / 2, side - diameter / 2, step):
        for cx in np.arange(step / 2, side - diameter / 2, step):
            dy, dx = rng.uniform(-0.1, 0.1, 2) * diameter
            image[0][np.hypot(y - cy - dy, x - cx - dx) < diameter / 2] = 1
    return image


def predict(part: np.ndarray) -> Prediction:
    """Find what is bright, the more certain the nearer its size is to 24 pixels, as a network does."""
    labels, count = ndimage.label(part[0] > 0.5)
    sizes = 2 * np.sqrt(np.bincount(labels.ravel(), minlength=count + 1) / np.pi)
    certain = np.exp(-np.abs(np.log(np.maximum(sizes, 1) / 24)) / 2)
    foreground = np.where(labels > 0, 0.5 + certain[labels] / 2, 0.0)
    places = np.random.default_rng(1).uniform(-50, 50, (count + 1, 8))
    embedding = np.moveaxis(places[labels], -1, 0)
    return Prediction(
        "discriminative", {"embedding": embedding.astype(np.float32), "foreground": foreground.astype(np.float32)}, {}
    )


@pytest.mark.parametrize(("diameter", "side"), [(7, 200), (15, 300), (30, 400), (100, 500)])
def test_the_size_of_disks_is_found(diameter: float, side: int) -> None:
    size = find_size(disks(diameter, side), SPEC, predict)
    assert size.found
    assert size.diameter == pytest.approx(diameter, rel=0.12)
    assert size.confidence > 0.8


def test_nothing_to_see_leaves_the_size_of_the_model() -> None:
    size = find_size(np.zeros((1, 100, 80), np.float32), SPEC, predict)
    assert not size.found
    assert size.diameter == 24
    assert size.confidence == 0
    assert "no object was found" in size.words()


def test_looks_go_where_the_objects_are() -> None:
    image = np.zeros((1, 3000, 3000), np.float32)
    image[:, 2500:2900, 2500:2900] = disks(12, 400)
    assert find_size(image, SPEC, predict).diameter == pytest.approx(12, rel=0.15)


def test_a_size_that_cannot_be_looked_at_is_not_found() -> None:
    specks = np.zeros((1, 200, 200), np.float32)
    specks[:, ::3, ::3] = 1
    assert 2.4 < find_size(specks, SPEC, predict).diameter < 1200


def test_words_give_the_length_where_a_pixel_has_one() -> None:
    assert Size(34.2, 0.9, True).words(0.35) == "about 34 px (12 um), found by itself"
    assert Size(34.2, 0.3, True).words() == "about 34 px, found by itself, not certain"


def small_model(**training: object) -> Model:
    return Model(SPEC.model_copy(update={"training": training, "network": {"width": 8, "levels": 2}}))


def test_a_model_that_knows_one_size_says_so() -> None:
    image = disks(12, 64)[0]
    model = small_model()
    size = model.find_size(image)
    assert (size.diameter, size.found) == (24, False)
    assert "one size only" in size.words()
    np.testing.assert_array_equal(model.segment(image, diameter="auto").labels, model.segment(image).labels)


def test_auto_is_the_size_that_was_found() -> None:
    image = disks(12, 96)[0]
    model = small_model(object_sizes=[0.4, 2.5])
    size = model.find_size(image)
    assert size.looks
    found = model.segment(image, diameter="auto").labels
    np.testing.assert_array_equal(found, model.segment(image, diameter=size.diameter).labels)
    np.testing.assert_array_equal(model.segment(image[None], axes="TYX", diameter="auto").labels[0], found)
    own = model.segment(image, diameter="model").labels
    np.testing.assert_array_equal(own, model.segment(image).labels)


def test_another_word_is_told() -> None:
    with pytest.raises(InstsegError, match="'large'.*'auto' or 'model'"):
        small_model().segment(disks(12, 64)[0], diameter="large")
