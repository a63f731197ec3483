"""The image pyramid: averages of what a network says at four scales."""

import pytest
import torch
from torch import nn

from napari_instseg.networks.build import build_network
from napari_instseg.networks.params import NetworkParams
from napari_instseg.networks.pyramid import SCALES, ImagePyramid, resized


class Same(nn.Module):
    """Says the image, and how large it is."""

    stride, halo, coordinates, encoder_parts = 1, 0, "none", ()

    def forward(self, image, coordinates=None):
        return {"image": image, "side": torch.full_like(image[:, :1], image.shape[-1])}


def test_heads_are_averaged_over_the_scales():
    image = torch.rand(2, 1, 16, 24, generator=torch.Generator().manual_seed(0))
    found = ImagePyramid(Same())(image)
    assert found["side"].unique().item() == pytest.approx(24 * sum(SCALES) / 4)
    flat = torch.full((1, 1, 16, 16), 0.3)
    torch.testing.assert_close(ImagePyramid(Same())(flat)["image"], flat)


@pytest.mark.parametrize("shape", [(16,), (16, 8), (8, 8, 16)])
def test_shrinking_is_the_mean_of_blocks_and_enlarging_keeps_ramps(shape):
    ramp = torch.arange(shape[-1], dtype=torch.float32).expand(1, 1, *shape)
    small = resized(ramp, 0.25)
    torch.testing.assert_close(small.flatten()[: shape[-1] // 4], torch.arange(1.5, shape[-1], 4))
    back = resized(small, 4.0)
    assert back.shape == ramp.shape
    torch.testing.assert_close(back[..., 2:-2], ramp[..., 2:-2])


def test_a_tile_with_its_halo_says_what_the_image_says():
    torch.manual_seed(0)
    network = ImagePyramid(build_network(NetworkParams(width=4, levels=2, stem=1), {"embedding": 2}, 1, 2)).eval()
    halo, stride = network.halo, network.stride
    assert halo % stride == 0
    side = 2 * halo + 4 * stride
    image = torch.rand(1, 1, stride, side, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        whole = network(image)["embedding"]
        part = network(image[..., stride:])["embedding"]
    torch.testing.assert_close(part[..., halo:], whole[..., stride + halo :], atol=1e-5, rtol=1e-4)
    assert not torch.allclose(part[..., :1], whole[..., stride : stride + 1])
