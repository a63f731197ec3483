"""The palette with a foreground head of its own."""

import pytest
import torch

from napari_instseg.core.method import Target
from napari_instseg.losses import coloring_loss, foreground_loss
from napari_instseg.methods import get_method

COLORING = get_method("coloring")


@pytest.fixture
def raw():
    rng = torch.Generator().manual_seed(0)
    return {
        "colors": torch.randn(2, 3, 8, 8, generator=rng, requires_grad=True),
        "foreground": torch.randn(2, 1, 8, 8, generator=rng, requires_grad=True),
    }


def test_the_network_has_a_colour_less_and_the_head():
    network = COLORING.build(COLORING.network(width=8, levels=1, colors=4, foreground_head=True), 1, 2, 0)
    out = network(torch.zeros(1, 1, 16, 16))
    assert {name: head.shape[1] for name, head in out.items()} == {"colors": 3, "foreground": 1}


def test_the_foreground_says_what_is_background_and_the_palette_shares_out_the_rest(raw):
    colors = COLORING.activate(raw, (0, 0))["colors"]
    where = raw["foreground"].sigmoid()
    torch.testing.assert_close(colors[:, :1], 1 - where)
    torch.testing.assert_close(colors[:, 1:], where * raw["colors"].softmax(dim=1))


def test_the_loss_is_that_of_the_joint_probabilities_and_that_of_the_foreground(raw):
    labels = torch.zeros(2, 8, 8, dtype=torch.int64)
    labels[:, 2:6, 1:4], labels[:, 2:6, 4:7], labels[:, 7] = 1, 2, -1
    params = COLORING.loss()
    terms = COLORING.compute_loss(raw, Target(labels), params)
    joint = COLORING.activate(raw, (0, 0))["colors"].log()
    expected = {**coloring_loss(joint, labels, params), **foreground_loss(raw["foreground"], labels, params)}
    assert terms.keys() == expected.keys()
    for name, term in terms.items():
        torch.testing.assert_close(term, expected[name])
    sum(terms.values()).backward()
    for head in raw.values():
        assert torch.isfinite(head.grad).all()
        assert not head.grad[:, :, 7].any()  # unknown pixels teach nothing
        assert head.grad.any()
