"""The palette with a foreground head of its own."""

import pytest
import torch

from napari_instseg.core.errors import ParameterError
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


def classed(**network):
    return COLORING.build(COLORING.network(width=8, levels=1, **network), 1, 2, 2)


def test_each_class_may_have_its_own_number_of_colours():
    raw = classed(class_colors="per class", palettes="1 3")(torch.zeros(1, 1, 16, 16))
    assert {name: head.shape[1] for name, head in raw.items()} == {"background": 1, "colors_1": 1, "colors_2": 3}
    outputs = COLORING.activate(raw, (0, 0))
    # two palettes of the larger size; colours that a class lacks are nowhere
    assert outputs["colors"].shape[1] == 7
    assert (outputs["colors"][:, 2:4] == 0).all()
    torch.testing.assert_close(outputs["colors"].sum(1), torch.ones(1, 16, 16))
    torch.testing.assert_close(outputs["class_colors"][:, 1], outputs["colors"][:, 1])


@pytest.mark.parametrize("palettes", ["4", "4 x", "0 4", "1 2 3", "200 10"])
def test_colours_that_do_not_fit_the_classes_are_told_in_words(palettes):
    with pytest.raises(ParameterError, match=r"palettes.*expected 2 whole numbers"):
        classed(class_colors="per class", palettes=palettes)


def test_both_learns_and_gives_a_semantic_map_beside_the_palettes():
    network = classed(class_colors="both", colors=4)
    labels = torch.zeros(1, 16, 16, dtype=torch.int64)
    labels[:, 2:8, 2:8], labels[:, 9:15, 9:15] = 1, 2
    target = Target(labels, labels)
    raw = network(torch.rand(1, 1, 16, 16))
    terms = COLORING.compute_loss(raw, target, COLORING.loss())
    assert terms.keys() == {"coloring", "semantic"}
    sum(terms.values()).backward()
    outputs = COLORING.activate(raw, (0, 0))
    assert outputs["semantic"].shape == outputs["class_colors"].shape == (1, 3, 16, 16)


def test_a_batch_of_one_class_uses_only_that_classs_colours():
    """Three classes in the model, one in the batch: the colours of the other two are pushed down everywhere."""
    raw = {"background": torch.zeros(1, 1, 16, 16), **{f"colors_{k}": torch.zeros(1, 3, 16, 16) for k in (1, 2, 3)}}
    raw = {name: head.requires_grad_() for name, head in raw.items()}
    labels = torch.arange(16).reshape(4, 4).add(1).repeat_interleave(4, 0).repeat_interleave(4, 1)[None]
    target = Target(labels, torch.ones_like(labels))
    sum(COLORING.compute_loss(raw, target, COLORING.loss(margin=4)).values()).backward()
    assert (raw["colors_1"].grad.sum(1) < 0).all()
    assert (raw["colors_2"].grad > 0).all()
    assert (raw["colors_3"].grad > 0).all()
