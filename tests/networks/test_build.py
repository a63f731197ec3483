"""Networks by name: backbones of segmentation-models-pytorch, and what is said when one cannot be had."""

import sys

import pytest
import torch

from napari_instseg.core.errors import ParameterError
from napari_instseg.networks import BackboneNetwork, ResidualUNet, build_network, coordinate_maps
from napari_instseg.networks.params import NetworkParams

RESNET = NetworkParams(backbone="smp:Unet:resnet18")


def test_parameters_shape_the_network():
    params = NetworkParams(width=8, levels=3, stem=1, blocks=2)
    network = build_network(params, {"colors": 5}, 2, 3)
    assert isinstance(network, ResidualUNet)
    assert (network.stride, network.in_channels, network.ndim) == (4, 2, 3)
    assert network.stem[0].weight.shape[:2] == (8, 2)
    assert len(network.encoder[0]) == 1
    assert len(network.encoder[1]) == 2


def test_a_backbone_gives_the_heads_at_full_resolution_with_coordinates():
    network = build_network(RESNET.changed(coordinates="image"), {"embedding": 4, "foreground": 1}, 2, 2).eval()
    assert isinstance(network, BackboneNetwork)
    shape = (network.stride, 2 * network.stride)
    output = network(torch.zeros(1, 2, *shape), coordinate_maps("image", shape)[None])
    assert {name: tensor.shape[1:] for name, tensor in output.items()} == {
        "embedding": (4, *shape),
        "foreground": (1, *shape),
    }


def test_a_backbone_sees_no_farther_than_its_halo():
    torch.manual_seed(0)
    network = build_network(RESNET, {"a": 1}, 1, 2).eval().double()
    assert network.halo % network.stride == 0
    start, side = network.halo + network.stride, network.stride
    image = torch.rand(1, 1, side, 2 * start + side, dtype=torch.float64)
    changed = image.clone()
    changed[..., : start - network.halo] += 1
    nearer = image.clone()
    nearer[..., : start - network.halo + 2 * network.stride] += 1
    with torch.no_grad():
        middle = [network(picture)["a"][..., start : start + side] for picture in (image, changed, nearer)]
    assert torch.equal(middle[0], middle[1])
    assert not torch.equal(middle[0], middle[2])


def test_weights_that_cannot_be_had_are_said_so(monkeypatch):
    import segmentation_models_pytorch as smp

    original = smp.create_model

    def offline(*args, encoder_weights=None, **kwargs):
        if encoder_weights:
            raise OSError("no route to host")
        return original(*args, encoder_weights=None, **kwargs)

    monkeypatch.setattr(smp, "create_model", offline)
    network = build_network(RESNET, {"a": 1}, 1, 2, pretrained=True)
    assert "random weights" in network.note
    assert "no route to host" in network.note


def test_weights_that_can_be_had_are_used_and_said_so(monkeypatch):
    import segmentation_models_pytorch as smp

    original, asked = smp.create_model, []

    def recorded(*args, encoder_weights=None, **kwargs):
        asked.append(encoder_weights)
        return original(*args, encoder_weights=None, **kwargs)

    monkeypatch.setattr(smp, "create_model", recorded)
    network = build_network(RESNET, {"a": 1}, 1, 2, pretrained=True)
    assert asked[-1] == "imagenet"
    assert network.note == "resnet18 starts from ImageNet weights"


@pytest.mark.parametrize("name", ["resnet34", "smp:Unet:nothing", "smp:Nothing:resnet18", "smp:"])
def test_unknown_backbones_are_errors_in_words(name):
    with pytest.raises(ParameterError, match=f"no backbone '{name}'.*smp:Unet:resnet34"):
        build_network(NetworkParams(backbone=name), {"a": 1}, 1, 2)


def test_a_backbone_does_no_volumes():
    with pytest.raises(ParameterError, match="volumes need the backbone 'unet'"):
        build_network(RESNET, {"a": 1}, 1, 3)


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(ParameterError, match=r"pip install napari-instseg\[backbones\]"):
        build_network(RESNET, {"a": 1}, 1, 2)
