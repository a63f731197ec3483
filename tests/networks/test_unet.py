"""The residual U-Net: shapes in any dimension, sub-pixel order, halo as measured, tiles equal to the whole."""

import numpy as np
import pytest
import torch

from napari_instseg.networks import ResidualUNet, build_network, coordinate_maps, fuse
from napari_instseg.networks.params import NetworkParams
from napari_instseg.networks.unet import ConvolutionNorm, shuffle_pixels


def randomized(network, seed=0):
    """Weights and running statistics away from their initial values, as after training."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("weight")):
                tensor.uniform_(0.5, 1.5, generator=generator)
            elif tensor.is_floating_point():
                tensor.copy_(torch.randn(tensor.shape, generator=generator) / max(tensor[0].numel(), 1) ** 0.5)
    return network.eval()


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("stem", [1, 2, 3])
def test_each_head_has_its_channels_at_full_resolution(ndim, stem):
    network = ResidualUNet(2, {"a": 3, "b": 1}, ndim=ndim, width=4, levels=2, stem=stem).eval()
    shape = tuple(network.stride * (2 + axis) for axis in range(ndim))
    output = network(torch.zeros(2, 2, *shape))
    assert {name: tuple(tensor.shape) for name, tensor in output.items()} == {"a": (2, 3, *shape), "b": (2, 1, *shape)}


def test_sub_pixels_are_in_the_order_of_torch():
    features = torch.arange(2 * 3 * 4 * 5 * 6.0).reshape(2, 12, 5, 6)
    assert torch.equal(shuffle_pixels(features, 2), torch.nn.functional.pixel_shuffle(features, 2))


def test_sub_pixels_of_a_volume_land_where_their_index_says():
    factor, channels = 2, 3
    features = torch.arange(channels * 8 * 2 * 3 * 4.0).reshape(1, channels * 8, 2, 3, 4)
    full = shuffle_pixels(features, factor)
    for c, z, y, x in np.ndindex(channels, 4, 6, 8):
        sub = (z % 2) * 4 + (y % 2) * 2 + x % 2
        assert full[0, c, z, y, x] == features[0, c * 8 + sub, z // 2, y // 2, x // 2]


@pytest.mark.parametrize("shape", [{"levels": 2}, {"levels": 3, "stem": 1}, {"levels": 2, "blocks": 3, "stem": 3}])
def test_halo_is_how_far_the_output_depends_on_the_input_and_no_farther(shape):
    network = randomized(ResidualUNet(1, {"a": 2}, width=4, **shape)).double()
    side, stride, halo = 4 * network.halo // network.stride * network.stride, network.stride, network.halo
    image = torch.rand(1, 1, stride, side, dtype=torch.float64)
    first = side // 2 // stride * stride

    def cell(picture):
        return network(picture)["a"][..., first : first + stride]

    with torch.no_grad():
        before = cell(image)
        beyond = image.clone()
        beyond[..., : first - halo] += 1
        beyond[..., first + stride + halo :] += 1
        assert torch.equal(cell(beyond), before)
        within = image.clone()
        within[..., first - halo : first - halo + stride] += 1
        within[..., first + halo : first + stride + halo] += 1
        assert not torch.equal(cell(within), before)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_tile_with_its_halo_gives_what_the_whole_image_gives(ndim):
    network = randomized(ResidualUNet(1, {"a": 2}, ndim=ndim, width=4, levels=2, stem=1)).double()
    halo, stride = network.halo, network.stride
    whole_shape = (6 * halo, *(2 * halo + 2 * stride,) * (ndim - 1))
    image = torch.rand(1, 1, *whole_shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    start, size = 2 * halo, 2 * stride
    with torch.no_grad():
        whole = network(image)["a"][:, :, start : start + size]
        tile = network(image[:, :, start - halo : start + size + halo])["a"][:, :, halo : halo + size]
    assert torch.allclose(whole, tile, rtol=0, atol=1e-12)


def test_folded_normalisations_change_nothing():
    network = randomized(ResidualUNet(3, {"a": 2, "b": 1}, width=8, levels=3))
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        plain, fused = network(image), fuse(network)(image)
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in fuse(network).modules())
    for name in plain:
        assert torch.allclose(plain[name], fused[name], atol=1e-4)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_a_normalisation_whose_statistics_stay_is_learnt_as_a_part_of_the_kernel(ndim):
    """The same answers and gradients as by a convolution and then its normalisation."""
    layer = randomized(ConvolutionNorm(ndim, 3, 4, stride=2)).double()
    image = torch.rand(2, 3, *(8,) * ndim, dtype=torch.float64, requires_grad=True)
    wanted = (image, *layer.parameters())
    expected = layer[1](layer[0](image))
    found = layer(image)
    weights = torch.rand_like(expected)
    twins = (torch.autograd.grad((answer * weights).sum(), wanted) for answer in (expected, found))
    assert torch.allclose(found, expected)
    assert all(torch.allclose(one, other) for one, other in zip(*twins, strict=True))


def test_a_normalisation_that_learns_its_statistics_is_one_of_the_batch():
    layer = ConvolutionNorm(2, 3, 4).train()
    answer = layer(torch.rand(4, 3, 8, 8))
    assert torch.allclose(answer.mean((0, 2, 3)), torch.zeros(4), atol=1e-6)
    assert layer[1].num_batches_tracked == 1


def test_coordinates_reach_the_output_and_are_asked_for():
    network = randomized(build_network(NetworkParams(coordinates="image", width=4, levels=2), {"a": 1}, 1, 2))
    image = torch.zeros(1, 1, 8, 8)
    maps = coordinate_maps("image", (8, 8))[None]
    with torch.no_grad():
        assert not torch.allclose(network(image, maps)["a"], network(image, -maps)["a"])
    with pytest.raises(ValueError, match="coordinate maps"):
        network(image)


def test_one_training_step_lowers_the_loss_in_3d():
    torch.manual_seed(0)
    network = build_network(NetworkParams(width=4, levels=2), {"a": 1}, 1, 3)
    image = torch.rand(2, 1, 8, 8, 8)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    values = []
    for _ in range(5):
        loss = (network(image)["a"] - image).square().mean()
        optimizer.zero_grad()
        loss.backward()
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())
        optimizer.step()
        values.append(loss.item())
    assert values[-1] < values[0]
