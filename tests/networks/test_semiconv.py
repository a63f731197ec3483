"""The semi-convolutional operator: positions of the whole image, whatever window is looked at."""

import numpy as np
import pytest
import torch

from napari_instseg.core.events import Result
from napari_instseg.inference.runner import Runner
from napari_instseg.inference.tiles import predict_tiles
from napari_instseg.methods import get_method
from napari_instseg.networks.semiconv import FIRST_SIGMA, add_positions


@pytest.fixture(scope="module")
def method():
    return get_method("semiconv")


@pytest.fixture(scope="module")
def network(method):
    torch.manual_seed(0)
    return method.build(method.network(width=8, levels=2, dimensions=3), 1, 2, 0).eval()


def test_positions_are_added_to_the_first_channels_only():
    found = add_positions(torch.zeros(1, 4, 2, 3), (10, 20))[0]
    assert found[0].tolist() == [[10, 10, 10], [11, 11, 11]]
    assert found[1].tolist() == [[20, 21, 22], [20, 21, 22]]
    assert not found[2:].any()


def test_far_positions_keep_their_precision():
    found = add_positions(torch.full((1, 2, 1, 1), 0.25, dtype=torch.bfloat16), (3000, 3000))
    assert found.dtype == torch.float32
    assert found.reshape(-1).tolist() == [3000.25, 3000.25]


def test_moving_the_image_moves_the_embedding_by_as_much(method, network):
    """A shift by whole strides; compared where neither window's border is seen."""
    rng = torch.Generator().manual_seed(0)
    image = torch.rand(1, 1, 128, 128, generator=rng)
    down, right = 8, 16
    with torch.inference_mode():
        still = method.activate(network(image), (0, 0))["embedding"]
        moved = method.activate(network(image.roll((down, right), (2, 3))), (0, 0))["embedding"]
    inner = slice(48, 80)
    difference = moved.roll((-down, -right), (2, 3))[0, :, inner, inner] - still[0, :, inner, inner]
    expected = torch.tensor([down, right, 0.0])[:, None, None].expand_as(difference)
    torch.testing.assert_close(difference, expected, atol=1e-4, rtol=0)


def test_tiles_say_what_the_whole_image_says(method, network):
    image = np.random.default_rng(0).random((1, 200, 168), np.float32)
    runner = Runner(network, method.activate, 2, "cpu")
    runner.half = None
    found = []
    for tile in (1024, 96):
        events = predict_tiles(
            lambda part, offset: runner(part, offset, image.shape[1:]),
            image,
            tile=tile,
            halo=network.halo,
            stride=network.stride,
        )
        found.append(next(event.value for event in events if isinstance(event, Result)))
    np.testing.assert_allclose(found[0]["embedding"], found[1]["embedding"], atol=1e-3)
    assert found[0]["embedding"][0, -1].mean() > 150, "rows count in the whole image"


def test_sigma_is_learnt(method):
    torch.manual_seed(0)
    network = method.build(method.network(width=8, levels=2), 1, 2, 0)
    raw = network(torch.rand(1, 1, 16, 16))
    assert raw["sigma"].unique().item() == pytest.approx(FIRST_SIGMA)
    from napari_instseg.core.method import Target

    labels = torch.zeros(1, 16, 16, dtype=torch.int64)
    labels[:, :8], labels[:, 8:] = 1, 2
    sum(method.compute_loss(raw, Target(labels), method.loss()).values()).backward()
    assert network.log_sigma.grad.abs() > 0


@pytest.mark.parametrize("ndim", [2, 3])
def test_volumes_get_as_many_positions_as_axes(method, ndim):
    network = method.build(method.network(width=4, levels=1), 1, ndim, 2)
    raw = network(torch.zeros(1, 1, *(8,) * ndim))
    assert raw["embedding"].shape[1] == ndim
    assert raw["semantic"].shape[1] == 3
