"""The denoiser is the network of the paper: parameters, multiply-adds, reach of the encoder."""

import pytest
import torch
from torch import nn

from landcover_bdgf.model.networks.unet import HALO_PX, UNet, feature_channels, pad_bands


@pytest.mark.parametrize(("width", "parameters"), [(1.0, 4_299_633), (0.5, 1_079_177), (0.25, 272_325)])
def test_parameter_counts(width: float, parameters: int) -> None:
    assert sum(p.numel() for p in UNet(width).parameters()) == parameters


def test_multiply_adds_are_those_of_table_9() -> None:
    """Counted as usual tools and the paper do: a transposed convolution by its *output*, a batch norm as 4 each."""
    total = 0

    def count(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv3d):
            total += output.numel() * module.weight[0].numel()
        elif isinstance(module, nn.ConvTranspose3d):
            total += output.numel() * module.weight[:, 0].numel()
        elif isinstance(module, nn.BatchNorm3d):
            total += 4 * output.numel()

    unet, cube = UNet(), torch.zeros(1, 16, 8, 8)
    for module in unet.modules():
        module.register_forward_hook(count)
    with torch.no_grad():
        unet(cube, torch.zeros(1))
    assert total / cube.numel() == 950_272
    found = [950_272 * voxels / 1e9 for voxels in (2**20, 2**19, 2**17)]
    assert found == pytest.approx([996.43, 498.22, 124.55], abs=0.005)


def test_rows_and_columns_keep_their_size_and_bands_become_features() -> None:
    unet = UNet(0.25).eval()
    cube, t = torch.randn(2, 16, 30, 29), torch.tensor([5, 499])
    assert unet(cube, t).shape == cube.shape
    assert unet.features(cube, t).shape == (2, feature_channels(0.25, 16), 4, 3)


def test_bands_are_padded_by_repeating_the_last() -> None:
    padded = pad_bands(torch.arange(14.0)[None, :, None, None], 16)
    assert padded.flatten().tolist() == [*range(14), 13, 13]
    assert pad_bands(padded, 16) is padded
    torch.manual_seed(0)
    cube, t, usual = torch.randn(1, 14, 4, 4), torch.tensor([5]), UNet(0.25).eval()
    more = UNet(0.25, 32).eval()
    more.load_state_dict(usual.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(usual(cube, t), usual(pad_bands(cube, 16), t)[:, :14])
        torch.testing.assert_close(more(cube, t), usual(pad_bands(cube, 32), t)[:, :14])


def test_the_encoder_reaches_thirteen_pixels() -> None:
    torch.manual_seed(0)
    unet = UNet(0.25).eval()
    cube, t = torch.randn(1, 8, 59, 59), torch.tensor([5])
    changed = cube.clone()
    changed[..., 29, 29] += 1
    with torch.no_grad():
        difference = (unet.features(changed, t) - unet.features(cube, t)).abs().amax((0, 1))
    rows, cols = difference.nonzero(as_tuple=True)
    assert {int(rows.min()), int(cols.min())} == {16 - HALO_PX}
    assert {int(rows.max()), int(cols.max())} == {16 + HALO_PX}
