"""The Mamba block is causal along the bands; group attention is eq. 21 to 24; compiled kernels equal PyTorch."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from landcover_bdgf.model.networks.mamba import GroupAttention, MambaBlock, SpectralMamba


@torch.no_grad()
def test_a_band_depends_on_itself_and_those_before_it() -> None:
    torch.manual_seed(1)
    block, x = MambaBlock(16, states=4, conv=4), torch.randn(16, 9, 70)
    changed = x.clone()
    changed[:, 4] += torch.randn(16, 70)
    differs = (block(changed) - block(x)).abs().amax((0, 2)) > 1e-6
    assert differs.tolist() == [False] * 4 + [True] * 5


def test_group_attention_is_equations_21_to_24() -> None:
    torch.manual_seed(2)
    group = GroupAttention(64, 16, 3)
    nn.init.normal_(group.lam)
    f, *guides = (torch.randn(2, 64, 5, 5) for _ in range(3))
    mixed: Tensor | float = 0.0
    for kind, layer, mix, lam in zip([f, *guides], group.qkv, group.mixes, group.lam, strict=True):
        Q, K, V = layer(kind.flatten(2).transpose(1, 2)).transpose(1, 2).split(16, dim=1)
        E = Q @ K.transpose(1, 2) / 25
        A = F.softmax(E.max(-1, keepdim=True).values - E, dim=-1) @ V
        mixed = mixed + mix((lam * A + V).transpose(1, 2)).transpose(1, 2).unflatten(2, (5, 5))
    expected = (mixed * f + f).mean((-2, -1))
    per_pixel, per_window = group(f, guides, 5)
    torch.testing.assert_close(per_pixel.mean((-2, -1)) + per_window[..., 0, 0], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("e", "states", "conv", "bands", "pixels"), [
    (16, 8, 4, 1, 64), (16, 8, 4, 14, 65), (12, 5, 3, 2, 100), (64, 16, 4, 14, 65),
])  # fmt: skip
def test_the_compiled_mamba_is_the_one_that_is_trained(e: int, states: int, conv: int, bands: int, pixels: int) -> None:
    torch.manual_seed(3)
    mamba, x = SpectralMamba(bands, 24, e=e, states=states, conv=conv), torch.randn(1, bands, 1, pixels)
    trained = mamba(x).detach()
    with torch.no_grad():
        torch.testing.assert_close(mamba(x), trained, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize(("g", "size"), [(16, 5), (6, 3), (64, 5)])
def test_the_compiled_group_attention_is_the_one_that_is_trained(g: int, size: int) -> None:
    torch.manual_seed(4)
    group, kinds = GroupAttention(24, g, 2), [torch.randn(2, 24, size + 2, size + 20) for _ in range(2)]
    nn.init.normal_(group.lam)
    trained = [part.detach() for part in group(kinds[0], kinds[1:], size)]
    with torch.no_grad():
        torch.testing.assert_close(list(group(kinds[0], kinds[1:], size)), trained, atol=2e-5, rtol=1e-5)
