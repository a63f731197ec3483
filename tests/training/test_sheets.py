import numpy as np
import pytest
import torch

from napari_instseg.training.sheets import cut_up, lay_out


@pytest.mark.parametrize("count", range(1, 13))
@pytest.mark.parametrize("grid", [(4, 6), (2, 4, 6)])
def test_what_is_laid_out_is_cut_up_again(count, grid):
    crops = torch.randn(count, 3, *grid)
    sheet = lay_out(crops)
    assert sheet.numel() == crops.numel()
    assert sheet.shape[1] == 3
    assert torch.equal(cut_up(sheet, count), crops)


def test_crops_lie_in_rows_as_they_are_read():
    crops = torch.arange(6.0).reshape(6, 1, 1, 1).expand(6, 1, 2, 2)
    wanted = np.kron([[0, 1, 2], [3, 4, 5]], np.ones((2, 2)))
    np.testing.assert_array_equal(lay_out(crops)[0, 0].numpy(), wanted)
    assert lay_out(crops[:5]).shape == (1, 1, 2, 10)  # five have no rows of one length but one


def test_other_channels_are_cut_up_alike():
    sheet = lay_out(torch.randn(8, 1, 16, 16))
    heads = torch.cat([sheet, 2 * sheet], 1)
    assert torch.equal(cut_up(heads, 8)[:, 1:], 2 * cut_up(sheet, 8))
