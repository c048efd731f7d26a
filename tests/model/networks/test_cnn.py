"""The CNN branch mixes diffusion features by a trainable share (eq. 11); padding keeps the size of a window."""

import pytest
import torch

from landcover_bdgf.model.networks.cnn import CnnBranch, Guide
from landcover_bdgf.model.recipe import load_recipe


@torch.no_grad()
@pytest.mark.parametrize("bands", [(), (5,)])
def test_guidance_is_equation_11(bands: tuple[int, ...]) -> None:
    guide, own, dif = Guide(4, 3, 0), torch.randn(2, 3, *bands, 6, 7), torch.randn(2, 4, 8, 9)
    guide.share.fill_(0.3)
    mixed = guide.conv(dif).reshape(2, 3, *(1 for _ in bands), 6, 7)
    torch.testing.assert_close(guide(own, dif), 0.3 * own + 0.7 * mixed)


@torch.no_grad()
def test_padding_keeps_the_size() -> None:
    branch = CnnBranch(12, 2, load_recipe("laptop", ("fusion.guidance=", "fusion.padded=true")).fusion).eval()
    assert branch(torch.randn(1, 12, 9, 9), torch.randn(1, 2, 9, 9), None).shape == (1, 64, 9, 9)
