"""The CNN branch mixes diffusion features by a trainable share (eq. 11)."""

import pytest
import torch

from landcover_bdgf.model.networks.cnn import Guide


@torch.no_grad()
@pytest.mark.parametrize("bands", [(), (5,)])
def test_guidance_is_equation_11(bands: tuple[int, ...]) -> None:
    guide, own, dif = Guide(4, 3), torch.randn(2, 3, *bands, 6, 7), torch.randn(2, 4, 8, 9)
    guide.share.fill_(0.3)
    mixed = guide.conv(dif).reshape(2, 3, *(1 for _ in bands), 6, 7)
    torch.testing.assert_close(guide(own, dif), 0.3 * own + 0.7 * mixed)
