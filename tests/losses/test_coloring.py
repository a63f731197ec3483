"""Deep coloring: equations 1 to 3 against a loop over objects with an exact dilation, and what must not matter."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_instseg.losses import choose_colors, coloring_loss, index_objects
from napari_instseg.losses.halo import contacts, halo_mean
from napari_instseg.losses.params import ColoringLoss

PAPER = ColoringLoss(margin=4, exploration=0, turns="independent")


def blobs(seed, shape, batch=2, number=5, unknown=0.05):
    """Nearest-seed cells with gaps of background and some unknown pixels."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(batch):
        seeds = np.zeros(shape, int)
        for i in range(number):
            seeds[tuple(rng.integers(0, side) for side in shape)] = i + 1
        far, nearest = ndimage.distance_transform_edt(seeds == 0, return_indices=True)
        labels = np.where(far < min(shape) / 4, seeds[tuple(nearest)], 0)
        images.append(np.where(rng.random(shape) < unknown, -1, labels))
    return torch.from_numpy(np.stack(images))


def logits_for(labels, channels, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(labels.shape[0], channels, *labels.shape[1:], generator=generator, dtype=dtype)


def halo_of(mask, labels, margin):
    """Equation 1, by SciPy's distances."""
    return (ndimage.distance_transform_edt(~mask) <= margin) & ~mask & (labels >= 0)


def slow_colors(logits, labels, params):
    """Equation 2, object by object."""
    chosen = []
    for b, image in enumerate(labels.numpy()):
        p = logits[b].softmax(0).numpy()
        known = (1 - params.exploration) * p + params.exploration / (len(p) - 1)
        for i in np.unique(image[image > 0]):
            mask = image == i
            halo = halo_of(mask, image, params.margin)
            score = [
                np.log(known[c][mask]).mean() + params.halo_weight * (np.log1p(-p[c][halo]).mean() if halo.any() else 0)
                for c in range(1, len(p))
            ]
            chosen.append(1 + int(np.argmax(score)))
    return chosen


@pytest.mark.parametrize("shape", [(20, 24), (9, 10, 11)])
@pytest.mark.parametrize("margin", [1, 3, 5])
def test_halo_means_equal_a_dilation(shape, margin):
    labels = blobs(margin, shape)
    values = logits_for(labels, 3)
    objects = index_objects(labels)
    fast = halo_mean(values, objects, labels, margin)
    number = 0
    for b, image in enumerate(labels.numpy()):
        for i in np.unique(image[image > 0]):
            halo = halo_of(image == i, image, margin)
            assert torch.allclose(fast[number], values[b][:, torch.from_numpy(halo)].mean(1))
            number += 1
    assert number == objects.number


@pytest.mark.parametrize("margin", [20, 40])
def test_a_wide_halo_reaches_as_far_as_the_margin_and_no_pixel_farther(margin):
    labels = torch.zeros(1, 128, 128, dtype=torch.int64)
    labels[0, 61:72, 63:70] = 1
    apart = ndimage.distance_transform_edt(labels[0].numpy() != 1)
    there = torch.from_numpy(apart)[None, None] <= margin
    halo = there & (labels == 0)[:, None]
    beyond = halo_mean((~there).double(), index_objects(labels), labels, margin).item()
    columns = torch.arange(128.0).expand(1, 1, 128, 128).double()
    assert beyond == 0
    assert halo_mean(columns, index_objects(labels), labels, margin).item() == pytest.approx(
        columns[halo].mean().item()
    )


@pytest.mark.parametrize("shape", [(20, 24), (9, 10, 11)])
@pytest.mark.parametrize("reach", [1, 2.5])
def test_contacts_are_the_objects_within_reach(shape, reach):
    labels = blobs(7, shape, unknown=0.4)
    objects = index_objects(labels)
    expected = set()
    for number in range(objects.number):
        image = labels[objects.image[number]].numpy()
        own = torch.zeros(labels.numel(), dtype=torch.bool)
        own[objects.pixels[objects.owner == number]] = True
        near = ndimage.distance_transform_edt(~own.reshape(labels.shape)[objects.image[number]].numpy()) <= reach
        others = {
            int(objects.owner[objects.pixels == place])
            for place in np.flatnonzero(near & (image > 0)) + int(objects.image[number]) * image.size
        }
        expected |= {(number, other) for other in others - {number}}
    assert {tuple(pair) for pair in contacts(objects, labels, reach).tolist()} == expected
    assert expected


@pytest.mark.parametrize("shape", [(20, 24), (9, 10, 11)])
@pytest.mark.parametrize("weight", [0.0, 7.0])
def test_colors_equal_a_loop_over_objects(shape, weight):
    labels = blobs(1, shape)
    params = PAPER.changed(halo_weight=weight)
    logits = logits_for(labels, 6)
    assert choose_colors(logits, index_objects(labels), labels, params).tolist() == slow_colors(logits, labels, params)


def test_pixels_average_is_the_mean_log_loss_of_the_chosen_colors():
    labels = blobs(2, (20, 24))
    params = PAPER
    logits = logits_for(labels, 5)
    colors = iter(slow_colors(logits, labels, params))
    losses = []
    for b, image in enumerate(labels):
        log_p = logits[b].log_softmax(0)
        losses.append(-log_p[0][image == 0])
        losses += [-log_p[next(colors)][image == i] for i in image.unique() if i > 0]
    expected = torch.cat(losses).mean()
    assert torch.allclose(coloring_loss(logits, labels, params)["coloring"], expected)


def test_objects_average_is_equation_3_with_the_mean_over_the_background():
    labels = blobs(2, (20, 24))
    params = PAPER.changed(average="objects")
    logits = logits_for(labels, 5)
    log_p = logits.log_softmax(1)
    colors = iter(slow_colors(logits, labels, params))
    inside = sum(
        -log_p[b, next(colors)][image == i].mean() for b, image in enumerate(labels) for i in image.unique() if i > 0
    )
    expected = inside / len(labels) - log_p[:, 0][labels == 0].mean()
    assert torch.allclose(coloring_loss(logits, labels, params)["coloring"], expected)


def test_closed_form_of_a_uniform_network():
    labels = blobs(3, (16, 16))
    loss = coloring_loss(torch.zeros(2, 9, 16, 16), labels, ColoringLoss())["coloring"]
    assert loss.item() == pytest.approx(math.log(9))


def test_neighbours_that_start_with_one_color_are_told_apart():
    """From logits that favour one colour for both, with a hint too small for an argmax, descent separates them."""
    labels = torch.zeros(1, 8, 16, dtype=torch.int64)
    labels[0, 1:7, 1:8] = 1
    labels[0, 1:7, 8:15] = 2
    logits = torch.zeros(1, 3, 8, 16)
    logits[:, 1] = 1.0
    logits[0, 2, 1:7, 8:15] = 0.95
    logits.requires_grad_()
    optimizer = torch.optim.SGD([logits], lr=20)
    for _ in range(60):
        optimizer.zero_grad()
        coloring_loss(logits, labels, ColoringLoss(margin=3))["coloring"].backward()
        optimizer.step()
    winners = logits.argmax(1)
    left, right = winners[labels == 1].unique(), winners[labels == 2].unique()
    assert len(left) == len(right) == 1
    assert left != right
    assert (winners[labels == 0] == 0).all()


def bricks(rows, columns):
    """Touching blocks of 6 x 6 pixels, every second row shifted by half a block: no four touch each other."""
    y, x = np.mgrid[: 6 * rows, : 6 * columns]
    column = (x + 3 * (y // 6 % 2)) // 6
    return torch.from_numpy(1 + (y // 6) * (columns + 1) + column)[None]


@pytest.mark.parametrize("seed", range(5))
def test_in_turn_no_touching_objects_take_one_color_whatever_the_network_says(seed):
    labels = bricks(4, 5)
    objects = index_objects(labels)
    same = torch.zeros(1, 8, *labels.shape[1:])
    same[:, 3] = 10.0
    for logits in (same, logits_for(labels, 8, seed)):
        colors = choose_colors(logits, objects, labels, ColoringLoss(margin=4))
        colored = torch.zeros_like(labels)
        colored.view(-1)[objects.pixels] = colors[objects.owner]
        for axis in (1, 2):
            border = labels.diff(dim=axis) != 0
            assert (colored.diff(dim=axis)[border] != 0).all()
    independent = choose_colors(same, objects, labels, ColoringLoss(margin=4, turns="independent", exploration=0))
    assert len(independent.unique()) < len(colors.unique())


def test_turns_run_out_of_colors_without_running_out_of_answers():
    labels = bricks(4, 5)
    colors = choose_colors(logits_for(labels, 3), index_objects(labels), labels, ColoringLoss(margin=4))
    assert set(colors.tolist()) == {1, 2}


@pytest.mark.parametrize("average", ["pixels", "objects"])
def test_ids_do_not_matter_and_unknown_pixels_teach_nothing(average):
    labels = blobs(4, (20, 24))
    params = ColoringLoss(margin=4, average=average)
    logits = logits_for(labels, 5).requires_grad_()
    loss = coloring_loss(logits, labels, params)["coloring"]
    (gradient,) = torch.autograd.grad(loss, logits)
    unknown = (labels < 0).unsqueeze(1).expand_as(gradient)
    assert unknown.any()
    assert (gradient[unknown] == 0).all()
    assert (gradient[~unknown] != 0).all()
    elsewhere = torch.where(unknown, 50.0, logits.detach())
    other_ids = torch.where(labels > 0, 4000 - 7 * labels, labels)
    assert torch.allclose(coloring_loss(elsewhere, other_ids, params)["coloring"], loss)


@pytest.mark.parametrize("average", ["pixels", "objects"])
@pytest.mark.parametrize("fill", [-1, 0, 3])
def test_images_of_one_label_are_finite_with_a_gradient(average, fill):
    labels = torch.full((2, 8, 8), fill)
    logits = logits_for(labels, 4).requires_grad_()
    loss = coloring_loss(logits, labels, ColoringLoss(average=average))["coloring"]
    (gradient,) = torch.autograd.grad(loss, logits)
    assert torch.isfinite(loss)
    assert torch.isfinite(gradient).all()
    assert gradient.any() == (fill >= 0)


def test_objects_take_only_the_colors_of_their_class():
    labels = blobs(5, (20, 24), unknown=0)
    classes = torch.where(labels > 0, 1 + labels % 3, 0)
    logits = logits_for(labels, 1 + 3 * 4)
    objects = index_objects(labels)
    colors = choose_colors(logits, objects, labels, ColoringLoss(margin=4), classes, [4, 4, 4])
    kinds = torch.stack([classes[b][labels[b] == i][0] for b in range(2) for i in labels[b].unique() if i > 0])
    assert len(kinds.unique()) == 3
    assert torch.equal((colors - 1) // 4 + 1, kinds)


def test_classes_that_the_batch_lacks_keep_their_colours():
    """A batch with objects of class 1 only says nothing of how many classes there are."""
    labels = blobs(5, (20, 24), unknown=0)
    logits = logits_for(labels, 1 + 3 * 4)
    colors = choose_colors(logits, index_objects(labels), labels, PAPER, (labels > 0).long(), [4, 4, 4])
    assert len(colors) > 5
    assert colors.max() <= 4


def test_palettes_may_be_of_unequal_size():
    labels = blobs(5, (20, 24), unknown=0)
    classes = torch.where(labels > 0, 1 + labels % 3, 0)
    colors = choose_colors(logits_for(labels, 8), index_objects(labels), labels, PAPER, classes, [1, 4, 2])
    class_of = torch.tensor([0, 1, 2, 2, 2, 2, 3, 3])
    kinds = torch.stack([classes[b][labels[b] == i][0] for b in range(2) for i in labels[b].unique() if i > 0])
    assert torch.equal(class_of[colors], kinds)


@pytest.mark.parametrize("average", ["pixels", "objects"])
@pytest.mark.parametrize("left_out", [False, True])
def test_an_object_of_unknown_class_teaches_nothing_of_classes(average, left_out):
    """From a network that has no opinion, what it learns of an object is the same for the colours of each class."""
    labels = torch.zeros(1, 12, 12, dtype=torch.int64)
    labels[0, 2:10, 2:10] = 1
    logits = torch.zeros(1, 1 + 2 + 2, 12, 12).requires_grad_()
    classes = None if left_out else torch.where(labels > 0, -1, 0)
    params = ColoringLoss(margin=4, average=average)
    loss = coloring_loss(logits, labels, params, classes, [2, 2])["coloring"]
    (gradient,) = torch.autograd.grad(loss, logits)
    inside = gradient[0, :, 4, 4]
    assert inside[1:3].sum() == inside[3:].sum() < 0 < inside[0]
    known = coloring_loss(logits, labels, params, (labels > 0).long(), [2, 2])["coloring"]
    (gradient,) = torch.autograd.grad(known, logits)
    assert gradient[0, 1:3, 4, 4].sum() < 0 < gradient[0, 3:, 4, 4].sum()


def test_the_background_as_a_sum_is_equation_3():
    labels = blobs(2, (20, 24))
    logits = logits_for(labels, 5)
    mean, total = (
        coloring_loss(logits, labels, PAPER.changed(average="objects", background=how))["coloring"]
        for how in ("mean", "sum")
    )
    background = -logits.log_softmax(1)[:, 0][labels == 0]
    assert torch.allclose(total - mean, background.sum() / len(labels) - background.mean())


def test_gradient_is_the_numerical_one():
    labels = blobs(6, (6, 7), number=3)
    logits = logits_for(labels, 4).requires_grad_()
    params = ColoringLoss(margin=2)
    assert torch.autograd.gradcheck(lambda x: coloring_loss(x, labels, params)["coloring"], (logits,))


def test_a_crowded_object_takes_a_color_that_is_not_in_use_yet():
    """Where only two colours are in use and both crowd the halo, exploration opens a third one."""
    labels = torch.zeros(1, 12, 18, dtype=torch.int64)
    for i in range(3):
        labels[0, 3:9, 6 * i : 6 * i + 6] = i + 1
    logits = torch.full((1, 6, 12, 18), -8.0)
    logits[0, 0] = 3.0 * (labels[0] == 0)
    logits[0, 1, 3:9, :6] = logits[0, 2, 3:9, 12:] = 3.0
    logits[0, 1:3, 3:9, 6:12] = 3.0  # the middle one could be either, and each neighbour is one of them
    objects = index_objects(labels)
    chosen = {
        share: choose_colors(logits, objects, labels, PAPER.changed(exploration=share)).tolist() for share in (0.0, 0.1)
    }
    assert chosen[0.0][1] in (1, 2)
    assert chosen[0.1][1] not in (1, 2)
    assert chosen[0.1][0] == 1
    assert chosen[0.1][2] == 2
