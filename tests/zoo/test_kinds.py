"""What kind of image it is: the bundled samples are told apart, and what is like none of them is said to be so."""

import numpy as np
import pytest

from napari_instseg.core.errors import InputError
from napari_instseg.data.samples import load_sample
from napari_instseg.inference.auto import find_kind
from napari_instseg.zoo import shipped
from napari_instseg.zoo.kinds import KINDS, KindOfImage, tell_kind


@pytest.mark.parametrize(
    ("sample", "kind"),
    [
        ("nuclei", "fluorescent nuclei"),
        ("nuclei-crowded", "fluorescent nuclei"),
        ("nuclei-stained", "stained nuclei"),
        ("worms", "worms"),
        ("rosette", "leaves"),
        ("rosette-young", "leaves"),
        ("bacteria", "bacteria"),
        ("bacteria-phase", "bacteria"),
    ],
)
def test_samples_are_told_apart(sample, kind):
    image, _, _ = load_sample(sample)
    found = find_kind(image)
    assert found.kind == kind
    assert found.model == KINDS[kind][1]


def test_every_kind_has_a_shipped_model():
    assert {model for _, model in KINDS.values()} <= shipped().keys()


def test_a_grey_picture_saved_as_rgb_is_the_same_kind():
    image, _, _ = load_sample("nuclei")
    grey = np.asarray(image, np.float32)
    assert find_kind(np.repeat(grey[..., None], 3, -1)).kind == find_kind(grey).kind
    assert find_kind(np.stack([grey] * 5), axes="ZYX").kind == find_kind(grey).kind
    assert find_kind(np.stack([grey] * 2), axes="CYX").kind == find_kind(grey).kind


def test_brightness_and_contrast_do_not_matter():
    image, _, _ = load_sample("nuclei")
    channels = np.asarray(image, np.float32)[None]
    assert tell_kind(channels * 3 + 700).kind == tell_kind(channels).kind


def test_what_is_like_no_known_image_is_said_to_be_so():
    y, x = np.mgrid[:300, :300]
    chess = (((y // 10) + (x // 10)) % 2).astype(np.float32)
    found = tell_kind(chess[None])
    assert not found.known
    assert "taken for" in found.warning


def test_words_of_doubt():
    assert KindOfImage("worms", 0.99, 0.5, 1.0).warning == ""
    assert KindOfImage("worms", 0.99, 1.5, 1.0).warning.startswith("None of the models knows images like this one")
    assert KindOfImage("worms", 0.4, 0.5, 1.0).warning.startswith("It is not certain what this image shows")


def test_flat_empty_and_impossible_images():
    assert tell_kind(np.zeros((1, 20, 30))).kind in KINDS
    assert tell_kind(np.full((1, 20, 30), np.nan)).kind in KINDS
    for impossible in (np.zeros((20, 30)), np.full((20, 30), np.nan), np.arange(5)):
        with pytest.raises(InputError):
            find_kind(impossible)
