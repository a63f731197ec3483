"""Per-object sums against a loop over images and ids."""

import numpy as np
import pytest
import torch

from napari_instseg.losses.objects import image_mean, index_objects, object_classes

LABELS = torch.tensor([[[0, 7, 7, -1], [3, 3, 0, 7]], [[0, 0, 0, 0], [0, -1, 0, 0]], [[5, 5, 5, 5], [1, 1, 900, 0]]])


def masks(labels):
    """Each object's image and mask, by image and then id."""
    return [(b, image == i) for b, image in enumerate(labels) for i in image.unique() if i > 0]


def test_objects_are_numbered_by_image_then_id():
    objects = index_objects(LABELS)
    expected = masks(LABELS)
    assert objects.number == len(expected) == 5
    assert objects.slots == 3
    assert objects.image.tolist() == [b for b, _ in expected] == [0, 0, 2, 2, 2]
    assert objects.slot.tolist() == [0, 1, 0, 1, 2]
    assert objects.size.tolist() == [mask.sum() for _, mask in expected]


def test_sums_means_and_boxes_equal_a_loop():
    values = torch.rand(3, 5, 2, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    objects = index_objects(LABELS)
    rows = objects.rows(values)
    low, high = objects.boxes()
    for number, (b, mask) in enumerate(masks(LABELS)):
        assert torch.allclose(objects.sum(rows)[number], values[b][:, mask].sum(1))
        assert torch.allclose(objects.mean(rows)[number], values[b][:, mask].mean(1))
        where = torch.nonzero(mask)
        assert torch.equal(low[number], where.amin(0))
        assert torch.equal(high[number], where.amax(0))


def test_sums_work_in_3d_and_on_channels_last():
    rng = np.random.default_rng(0)
    labels = torch.from_numpy(rng.integers(-1, 4, (2, 3, 4, 5)))
    values = torch.rand(2, 6, 3, 4, 5).contiguous(memory_format=torch.channels_last_3d)
    objects = index_objects(labels)
    sums = objects.sum(objects.rows(values))
    for number, (b, mask) in enumerate(masks(labels)):
        assert torch.allclose(sums[number], values[b][:, mask].sum(1))


def test_table_per_image_is_zero_where_there_is_no_object():
    objects = index_objects(LABELS)
    table = objects.per_image(torch.arange(1.0, 6.0))
    assert table.tolist() == [[1.0, 2.0, 0.0], [0.0, 0.0, 0.0], [3.0, 4.0, 5.0]]


def test_images_weigh_alike_however_many_objects_they_have():
    objects = index_objects(LABELS)
    assert image_mean(torch.tensor([1.0, 3.0, 10.0, 10.0, 40.0]), objects).item() == pytest.approx((2 + 20) / 2)


def test_classes_of_objects():
    objects = index_objects(LABELS)
    classes = torch.where(LABELS == 7, 2, torch.where(LABELS > 0, 1, 0))
    assert object_classes(objects, classes).tolist() == [1, 2, 1, 1, 1]
    assert object_classes(objects, torch.where(LABELS == 7, -1, classes)).tolist() == [1, -1, 1, 1, 1]
    assert object_classes(objects, None).tolist() == [-1] * 5


def test_nothing_there_is_nothing_counted():
    objects = index_objects(torch.zeros(2, 3, 3, dtype=torch.int64))
    assert (objects.number, objects.slots) == (0, 0)
    assert objects.mean(objects.rows(torch.rand(2, 4, 3, 3))).shape == (0, 4)
