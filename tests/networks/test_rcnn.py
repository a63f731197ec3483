"""The parts that make torchvision's Mask R-CNN semi-convolutional, and what unknown pixels do to it."""

import math
import sys

import pytest
import torch

from napari_instseg.core.errors import ModelError
from napari_instseg.core.method import Target
from napari_instseg.core.rows import MASK_SIDE
from napari_instseg.methods import get_method
from napari_instseg.networks.rcnn import PYRAMID_GRADIENT, steered_kernel, weaken_gradient
from napari_instseg.networks.regions import class_loss, mostly_unknown, region_targets


@pytest.fixture(scope="module")
def method():
    return get_method("semiconv_rcnn")


def make(method, **values):
    torch.manual_seed(0)
    return method.build(method.network(width=8, finest="1", anchor=8, **values), 1, 2, 0)


def scene():
    labels = torch.zeros(1, 32, 32, dtype=torch.int64)
    labels[0, 4:12, 4:20], labels[0, 18:30, 10:16] = 4, 9
    image = (labels > 0).float()[:, None] + 0.1 * torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    return image, labels


def slow_kernel(logits, points, sigma):
    """Equation 10 with the expected seed, one region, one class and one pixel at a time."""
    found = torch.zeros_like(logits)
    for r in range(len(logits)):
        for c in range(logits.shape[1]):
            weight = torch.exp(logits[r, c]) / torch.exp(logits[r, c]).sum()
            seed = sum(weight[y, x] * points[r, :, y, x] for y in range(3) for x in range(4))
            for y in range(3):
                for x in range(4):
                    found[r, c, y, x] = -torch.linalg.norm(points[r, :, y, x] - seed) / sigma
    return found


def test_kernel_agrees_with_a_slow_twin_and_has_the_right_gradient():
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 2, 3, 4, generator=rng, dtype=torch.float64, requires_grad=True)
    points = 3 * torch.randn(2, 5, 3, 4, generator=rng, dtype=torch.float64)
    points.requires_grad_(True)
    sigma = torch.tensor(1.7, dtype=torch.float64, requires_grad=True)
    found, seeds = steered_kernel(logits, points, sigma)
    assert seeds.shape == (2, 2, 5)
    torch.testing.assert_close(found, slow_kernel(logits, points, sigma))
    assert torch.autograd.gradcheck(lambda *values: steered_kernel(*values)[0], (logits, points, sigma))


def test_a_tenth_of_the_gradient_reaches_the_pyramid():
    values = torch.tensor([2.0, -3.0], requires_grad=True)
    weak = weaken_gradient(values)
    torch.testing.assert_close(weak, values)
    (weak * torch.tensor([10.0, 1.0])).sum().backward()
    torch.testing.assert_close(values.grad, PYRAMID_GRADIENT * torch.tensor([10.0, 1.0]))


def test_targets_are_the_boxes_classes_and_masks_of_the_labels():
    _, labels = scene()
    labels[0, :, 31] = -1
    (target,) = region_targets(labels, (labels == 9) * 2 + (labels == 4) * 1)
    assert target["boxes"].tolist() == [[4, 4, 20, 12], [10, 18, 16, 30]]
    assert target["labels"].tolist() == [1, 2]
    assert target["masks"].sum((1, 2)).tolist() == [128, 72]
    assert (~target["known"]).sum() == 32
    (empty,) = region_targets(torch.zeros(1, 8, 8, dtype=torch.int64), None)
    assert empty["boxes"].shape == (0, 4)


@pytest.mark.parametrize("classes", [1, 3])
def test_an_unknown_class_is_no_background(classes):
    _, labels = scene()
    (target,) = region_targets(labels, torch.where(labels > 0, -1, 0), classes)
    assert target["labels"].tolist() == [1, 1]
    assert target["class_known"].tolist() == [classes == 1] * 2
    (target,) = region_targets(labels, None, classes)
    assert target["class_known"].tolist() == [classes == 1] * 2


def test_a_region_of_unknown_class_is_of_any_class():
    logits = torch.zeros(3, 4, requires_grad=True)
    known = torch.tensor([True, False, True])
    loss = class_loss(logits, torch.tensor([0, 1, 2]), known)
    assert loss.item() == pytest.approx((2 * math.log(4) + math.log(4 / 3)) / 3)
    loss.backward()
    assert logits.grad[1, 1] == logits.grad[1, 2] == logits.grad[1, 3] < 0 < logits.grad[1, 0]


def test_a_classed_network_learns_from_labels_without_classes(method):
    image, labels = scene()
    torch.manual_seed(0)
    network = method.build(method.network(width=8, finest="1", anchor=8), 1, 2, 3)
    for classes in (None, torch.where(labels > 0, -1, 0)):
        target = Target(labels, classes)
        terms = method.compute_loss(network(image, None, target), target, method.loss())
        sum(terms.values()).backward()
        assert all(torch.isfinite(term) for term in terms.values())
        assert terms["mask"] > 0


def test_boxes_over_unknown_pixels_are_found():
    known = torch.ones(1, 40, 40, dtype=torch.bool)
    known[0, :, 20:] = False
    boxes = torch.tensor([[0.0, 0, 10, 10], [22, 0, 38, 10], [8, 8, 24, 24], [16, 0, 36, 30]])
    assert mostly_unknown(boxes, known).tolist() == [False, True, False, True]
    assert not mostly_unknown(boxes, torch.ones_like(known)).any()


def test_losses_are_those_of_mask_rcnn_and_two_for_the_embedding(method):
    image, labels = scene()
    plain = method.compute_loss(make(method, dimensions=0)(image, None, Target(labels)), Target(labels), method.loss())
    assert set(plain) == {"objectness", "proposals", "region_class", "box", "mask"}
    ours = method.compute_loss(make(method)(image, None, Target(labels)), Target(labels), method.loss())
    assert set(ours) == {*plain, "kernel", "attraction"}
    network = make(method)
    raw = network(image, None, Target(labels))
    (raw["mask"] + raw["kernel"]).backward()
    assert network.log_sigma.grad.abs() > 0
    assert network.embed[0].weight.grad.abs().max() > 0


def test_detections_are_rows_and_positions_count_in_the_whole_image(method):
    image, _ = scene()
    network = make(method).eval()
    network.roi_heads.score_thresh = 0.0
    with torch.inference_mode():
        raw = network(image)
        here, there = method.activate(raw, (0, 0)), method.activate(raw, (100, 200))
    rows = raw["detections"][0]
    assert rows.shape[1] == 4 + 1 + 1 + 8 + 1 + MASK_SIDE**2
    assert len(rows) > 3
    assert (rows[:, 2:4] > rows[:, :2]).all()
    shift = there["detections"][0, :, 6:14] - here["detections"][0, :, 6:14]
    torch.testing.assert_close(shift, torch.tensor([100.0, 200] + [0.0] * 6).expand_as(shift), atol=1e-3, rtol=0)
    moved = there["embedding"] - here["embedding"]
    assert moved[0, :, 5, 5].round().tolist() == [100, 200, 0, 0, 0, 0, 0, 0]


def test_missing_torchvision_is_told_in_words(method, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    monkeypatch.delitem(sys.modules, "napari_instseg.networks.rcnn")
    with pytest.raises(ModelError, match=r"needs torchvision.*pip install --upgrade torch torchvision"):
        make(method)


def test_broken_operators_are_told_in_words(method, monkeypatch):
    def broken(*_):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr("napari_instseg.networks.rcnn.nms", broken)
    with pytest.raises(ModelError, match=r"nms does not exist.*pip install"):
        make(method)
