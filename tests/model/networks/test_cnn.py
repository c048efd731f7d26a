"""The CNN branch mixes diffusion features by a trainable share (eq. 11), and windows share its layers."""

import pytest
import torch

from landcover_bdgf.model.networks.cnn import CnnBranch, Guide
from landcover_bdgf.model.recipe import load_recipe


def branch(*sets: str) -> CnnBranch:
    torch.manual_seed(0)
    return CnnBranch(12, 2, load_recipe("laptop", ("fusion.guidance=cnn", *sets)).fusion).eval()


def inputs(height: int, width: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn((1, channels, height, width), generator=generator) for channels in (12, 2, 64)]


@torch.no_grad()
@pytest.mark.parametrize("bands", [(), (5,)])
def test_guidance_is_equation_11(bands: tuple[int, ...]) -> None:
    guide, own, dif = Guide(4, 3, 0), torch.randn(2, 3, *bands, 6, 7), torch.randn(2, 4, 8, 9)
    guide.share.fill_(0.3)
    mixed = guide.conv(dif).reshape(2, 3, *(1 for _ in bands), 6, 7)
    torch.testing.assert_close(guide(own, dif), 0.3 * own + 0.7 * mixed)


@torch.no_grad()
def test_features_of_a_tile_are_those_of_its_windows() -> None:
    made, tile = branch(), inputs(14, 30)
    whole = made(*tile)
    assert whole.shape == (1, 64, 10, 26)
    alone = made(*(x[..., 3:8, 20:25] for x in tile))
    torch.testing.assert_close(whole[..., 3:4, 20:21], alone, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_padding_keeps_the_size_and_guidance_is_optional() -> None:
    spec, sar, dif = inputs(9, 9)
    assert branch("fusion.padded=true")(spec, sar, dif).shape == (1, 64, 9, 9)
    made = branch()
    assert not torch.allclose(made(spec, sar, dif), made(spec, sar, dif + 1))
    alone = branch("fusion.guidance=")
    assert torch.equal(alone(spec, sar, None), alone(spec, sar, dif))
