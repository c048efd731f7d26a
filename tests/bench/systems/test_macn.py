"""MACN has the published size; its mixing layer is window attention plus a convolution, computed pixel by pixel."""

import pytest
import torch
from torch.nn import functional as F

from landcover_bdgf.bench.systems.learner import Sizes
from landcover_bdgf.bench.systems.macn import AcMix, Macn, window_counts
from landcover_bdgf.bench.systems.patches import Patches


def test_parameters() -> None:
    """0.180 M are measured for 30 components; 64 · 128 of them are keys and values of an attention that is not used."""
    parameters = sum(p.numel() for p in Macn().network(Sizes(30, 4, 7)).parameters())
    assert parameters == 171_297
    assert parameters == pytest.approx(0.180e6 - 64 * 128, rel=0.02)


def test_parameters_of_ten_bands() -> None:
    """LCZ HK: the convolution after the 3-D one sees 64 channels in place of 224; six classes more."""
    parameters = sum(p.numel() for p in Macn().network(Sizes(10, 4, 13)).parameters())
    assert parameters == 171_297 - 64 * 160 * 9 + 6 * 65
    assert parameters / 1e6 == pytest.approx(0.07, abs=0.01), "as Table 9 prints"


@pytest.mark.parametrize("sizes", [Sizes(2, 1, 2), Sizes(4, 2, 5), Sizes(12, 4, 3), Sizes(30, 1, 13)])
def test_shape(sizes: Sizes) -> None:
    network = Macn().network(sizes).eval()
    assert network(torch.randn(1, sizes.bands, 11, 11), torch.randn(1, sizes.sar_bands, 11, 11)).shape == (
        1,
        sizes.classes,
    )


def test_windows_beyond_the_border_hold_reflected_pixels() -> None:
    counts = window_counts(7)
    assert counts[3].tolist() == [1] * 7
    assert counts[0].tolist() == [1, 2, 2, 2, 0, 0, 0]
    assert window_counts(9).sum(1).tolist() == [7] * 9


def test_attention_of_the_mixing_layer_pixel_by_pixel() -> None:
    """The padded form of ACmix: q · (k + pe − pe') over the 49 pixels of a window of reflected maps."""
    torch.manual_seed(0)
    mix, side = AcMix(), 9
    q, k, v = torch.randn(3, 1, 8, 8, side, side)
    line = torch.linspace(-1, 1, side)
    pe = mix.position(torch.stack([line[None].expand(side, -1), line[:, None].expand(-1, side)])[None])
    wide_k, wide_v, wide_pe = (F.pad(x.flatten(0, -4), (3, 3, 3, 3), mode="reflect") for x in (k, v, pe))
    expected = torch.zeros(8, 8, side, side)
    for row in range(side):
        for col in range(side):
            window = (..., slice(row, row + 7), slice(col, col + 7))
            keys = (wide_k[window] + pe[..., row, col, None, None] - wide_pe[window]).flatten(2)
            scores = torch.einsum("hc,hcj->hj", q[0, ..., row, col], keys) / 8**0.5
            expected[..., row, col] = torch.einsum("hj,hcj->hc", scores.softmax(1), wide_v[window].flatten(2))
    found = mix._attention(q, k, v)
    torch.testing.assert_close(found, expected.flatten(0, 1)[None], rtol=1e-4, atol=1e-5)


def test_convolution_of_the_mixing_layer_begins_as_a_sum_of_shifted_maps() -> None:
    torch.manual_seed(0)
    mix, qkv = AcMix(), torch.randn(2, 24, 8, 7, 7)
    maps = F.pad(torch.einsum("sh,nhcij->nscij", mix.spread.weight[..., 0, 0], qkv), (1, 1, 1, 1))
    shifted = sum(maps[:, 3 * row + col, :, row : row + 7, col : col + 7] for row in range(3) for col in range(3))
    torch.testing.assert_close(mix._convolution(qkv), shifted.repeat_interleave(8, 1))


def test_focal_loss_by_hand() -> None:
    """Probabilities ½ and ¾ of the right class."""
    logits = torch.tensor([[0.0, 0.0], [0.0, 3.0]])
    logits[1] = torch.tensor([0.25, 0.75]).log()
    patches = Patches(torch.zeros(2, 1), torch.zeros(2, 1), torch.tensor([0, 1]))

    class Constant(torch.nn.Module):
        def forward(self, spec: torch.Tensor, sar: torch.Tensor) -> torch.Tensor:
            return logits

    by_hand = 0.25 * (0.5**2 * -torch.tensor(0.5).log() + 0.25**2 * -torch.tensor(0.75).log()) / 2
    torch.testing.assert_close(Macn().loss(Constant(), patches, torch.Generator()), by_hand)
