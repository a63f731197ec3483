"""Batches depend on seed and step alone, keep ids and classes right, and bring objects to one size."""

import numpy as np
import pytest
import torch

from napari_instseg.core.errors import InputError
from napari_instseg.data.augment import Augmentation
from napari_instseg.data.normalize import Normalization
from napari_instseg.data.pairs import Example, Pair
from napari_instseg.training.annotations import Annotated, all_unknown, typical_diameter
from napari_instseg.training.crops import CropsOfAll, load_batches, match_channels
from napari_instseg.training.train import read_data

from .conftest import drain

STILL = Augmentation(flip=False, rotation=0, scale=0, shear=0, elastic=0, intensity=0, noise=0, blur=0, invert=0)


def squares(side=64, width=10, first=1):
    """A label image with four squares of this width, and the image of them."""
    labels = np.zeros((side, side), np.int32)
    for number, (y, x) in enumerate([(8, 8), (8, 40), (40, 8), (40, 40)]):
        labels[y : y + width, x : x + width] = first + number
    return (labels > 0).astype(np.uint8) * 100 + 20, labels


def pair(name="a", image=None, axes="YX", classes=None, **options):
    made, labels = squares(**options)
    return Pair(name, lambda: Example(made if image is None else image(made), axes, labels, classes))


def annotated(image, labels):
    return Annotated("a", image, labels, all_unknown(labels.shape))


def read(pairs, **options):
    return drain(read_data(pairs, Normalization(), **options))


def test_the_diameter_of_disks_and_balls_is_theirs():
    y, x = np.mgrid[:101, :101] - 50
    disk = (y**2 + x**2 <= 20**2).astype(np.int32)
    assert typical_diameter([disk]) == pytest.approx(40, rel=0.01)
    z, y, x = np.mgrid[:41, :41, :41] - 20
    ball = (z**2 + y**2 + x**2 <= 15**2).astype(np.int32)
    assert typical_diameter([ball]) == pytest.approx(30, rel=0.01)


def test_the_typical_diameter_is_the_median_over_all_images_without_unknown_pixels():
    small, large = squares(width=6)[1], squares(width=20)[1]
    large[large == 4] = -1
    small[small == 4] = 0
    three_small_and_three_large = typical_diameter([small, large])
    assert three_small_and_three_large == pytest.approx((6 + 20) / 2 * 2 / np.sqrt(np.pi))


def test_no_objects_and_no_images_are_said():
    with pytest.raises(InputError, match="any object"):
        typical_diameter([np.zeros((4, 4), int)])
    with pytest.raises(InputError, match="no images"):
        read([])


def test_rescaling_brings_objects_to_the_diameter_asked_for():
    data = read([pair(width=20)], diameter=20 / np.sqrt(np.pi))
    assert data.diameter == pytest.approx(40 / np.sqrt(np.pi))
    assert data.scale == pytest.approx(0.5)
    assert data.images[0].learn.shape == data.images[0].image.shape[1:] == (32, 32)
    assert np.unique(data.images[0].learn, return_counts=True)[1].tolist() == [1024 - 400, 100, 100, 100, 100]


def test_grey_images_are_repeated_beside_colour_ones_and_other_numbers_refused():
    data = read([pair("a"), pair("b", image=lambda grey: np.stack([grey] * 3, -1), axes="YXC")])
    assert data.channels == 3
    assert np.array_equal(data.images[0].image, data.images[1].image)
    with pytest.raises(InputError, match="2 channels, another 3"):
        match_channels(np.zeros((2, 4, 4)), 3)


def test_stacks_are_slices_or_volumes():
    image, labels = squares()
    stack = Pair("stack", lambda: Example(np.stack([image] * 5), "ZYX", np.stack([labels] * 5)))
    assert (read([stack]).ndim, len(read([stack]).images)) == (3, 1)
    flat = read([stack], dimensions="2")
    assert (flat.ndim, len(flat.images)) == (2, 5)
    assert np.array_equal(flat.images[3].learn, labels)


def test_a_crop_is_the_same_whenever_it_is_asked_for():
    samples = read([pair("a"), pair("b", width=14), pair("c", width=6)]).images
    crops, again = (CropsOfAll(samples, (32, 32), Augmentation(), seed=3) for _ in range(2))
    forward = [crops[number] for number in range(6)]
    backward = [again[number] for number in reversed(range(6))][::-1]
    for (image, labels, _), (other, other_labels, _) in zip(forward, backward, strict=True):
        assert np.array_equal(image, other)
        assert np.array_equal(labels, other_labels)
    different = CropsOfAll(samples, (32, 32), Augmentation(), seed=4)[0][0]
    assert not np.array_equal(forward[0][0], different)


def test_batches_from_the_middle_are_the_middle_batches():
    samples = read([pair("a"), pair("b", width=14)]).images
    crops = CropsOfAll(samples, (32, 32), Augmentation(), seed=0)
    whole = list(load_batches(crops, 2, range(1, 5), 0, "cpu"))
    rest = list(load_batches(crops, 2, range(3, 5), 0, "cpu"))
    assert (len(whole), len(rest)) == (4, 2)
    assert torch.equal(whole[2].images, rest[0].images)
    assert torch.equal(whole[3].target.labels, rest[1].target.labels)
    assert whole[0].images.shape == (2, 1, 32, 32)
    assert whole[0].images.dtype == torch.float32


def test_each_image_is_taken_once_before_any_is_taken_again():
    images = [np.full((1, 8, 8), value, np.float32) for value in range(5)]
    samples = [annotated(image, np.ones((8, 8), np.int32)) for image in images]
    crops = CropsOfAll(samples, (8, 8), STILL, seed=0)
    seen = [round(float(crops[number][0].mean())) for number in range(15)]
    for start in (0, 5, 10):
        assert sorted(seen[start : start + 5]) == [0, 1, 2, 3, 4]
    assert seen[:5] != seen[5:10] or seen[:5] != seen[10:]


def test_ids_are_counted_from_one_in_each_crop_and_unknown_stays_unknown():
    labels = np.zeros((16, 16), np.int32)
    labels[2:6, 2:6], labels[8:12, 8:12], labels[0, 0] = 70_000, 300, -1
    _, out, classes = CropsOfAll([annotated(np.zeros((1, 16, 16), np.float32), labels)], (16, 16), STILL, seed=0)[0]
    assert classes is None
    assert np.unique(out).tolist() == [-1, 0, 1, 2]
    assert (out[9, 9], out[3, 3], out[0, 0], out[15, 15]) == (1, 2, -1, 0)


def test_every_pixel_has_the_class_of_its_object():
    image, labels = squares(first=5)
    of = np.where(labels > 0, labels % 2 + 1, 0)
    with_classes = Pair("a", lambda: Example(image, "YX", labels, of))
    data = read([with_classes, pair("b")])
    assert data.classes == 2
    crops = CropsOfAll(data.images, (64, 64), STILL, seed=0)
    # images in which no classes are known teach none: -1 inside their objects
    known, unknown = sorted((crops[number] for number in range(2)), key=lambda crop: -crop[2].max())
    assert np.array_equal(known[2][known[1] > 0], np.where(known[1][known[1] > 0] % 2 == 1, 2, 1))
    assert (known[2][known[1] == 0] == 0).all()
    assert (unknown[2][unknown[1] > 0] == -1).all()
    batch = next(iter(load_batches(crops, 2, range(1, 2), 0, "cpu")))
    assert batch.target.classes.shape == (2, 64, 64)
