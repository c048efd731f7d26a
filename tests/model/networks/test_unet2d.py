"""The 2-D denoiser keeps rows and columns, and its features depend on nothing beyond its halo."""

import pytest
import torch

from landcover_bdgf.model.networks.unet2d import HALO_PX, UNet2d, feature_channels


@pytest.fixture
def unet() -> UNet2d:
    torch.manual_seed(0)
    return UNet2d(5, 0.0625).eval()


@pytest.mark.parametrize(("width", "channels"), [(0.0625, 8), (0.25, 32), (1.0, 128)])
def test_shapes(width: float, channels: int) -> None:
    unet, cube, t = UNet2d(5, width).eval(), torch.randn(2, 5, 18, 21), torch.tensor([5, 499])
    assert unet(cube, t).shape == cube.shape
    assert unet.features(cube, t).shape == (2, channels, 18 - 2 * HALO_PX, 21 - 2 * HALO_PX)
    assert feature_channels(width) == channels


def test_the_encoder_reaches_eight_pixels(unet: UNet2d) -> None:
    cube, t = torch.randn(1, 5, 41, 41), torch.tensor([5])
    changed = cube.clone()
    changed[..., 20, 20] += 1
    with torch.no_grad():
        difference = (unet.features(changed, t) - unet.features(cube, t)).abs().amax((0, 1))
    rows, cols = difference.nonzero(as_tuple=True)
    assert HALO_PX == 8
    assert {int(rows.min()), int(cols.min())} == {20 - 2 * HALO_PX}
    assert {int(rows.max()), int(cols.max())} == {20}


def test_features_of_a_part_are_those_of_the_whole(unet: UNet2d) -> None:
    cube, t = torch.randn(1, 5, 60, 70), torch.tensor([5])
    with torch.no_grad():
        whole = unet.features(cube, t)
        part = unet.features(cube[..., 10:50, 20:65], t)
    torch.testing.assert_close(part, whole[..., 10 : 50 - 2 * HALO_PX, 20 : 65 - 2 * HALO_PX])


def test_features_are_those_of_training_inside_the_border(unet: UNet2d) -> None:
    """Padded in training, without padding in a map: the same network."""
    cube, time = torch.randn(1, 5, 40, 40), unet.embed(torch.tensor([5]))
    inside = slice(HALO_PX, -HALO_PX)
    with torch.no_grad():
        padded = unet._descend(cube, time)[-1][..., inside, inside]
        torch.testing.assert_close(unet.features(cube, torch.tensor([5])), padded)
