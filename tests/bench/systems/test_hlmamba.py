"""HLMamba has the published number of parameters; its edges are gradients, its scales have the same centre."""

import pytest
import torch

from landcover_bdgf.bench.systems.hlmamba import HlMamba, HlMambaNetwork, centre, edges
from landcover_bdgf.bench.systems.learner import Sizes


@pytest.mark.parametrize(
    ("sizes", "millions"),
    [(Sizes(180, 4, 7), 0.275), (Sizes(166, 2, 5), 0.271), (Sizes(244, 4, 8), 0.294), (Sizes(10, 4, 13), 0.227)],
    ids=["Augsburg", "Yellow River", "Berlin", "LCZ-HK"],
)
def test_parameters(sizes: Sizes, millions: float) -> None:
    """The published code; Table 9 prints 0.23, 0.20, 0.19 and 0.18 M."""
    network = HlMamba().network(sizes)
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(millions * 1e6, rel=0.02)


@pytest.mark.parametrize("sizes", [Sizes(2, 1, 3), Sizes(4, 2, 2), Sizes(12, 4, 5)])
def test_shape(sizes: Sizes) -> None:
    network = HlMambaNetwork(sizes, (8, 16, 24)).eval()
    with torch.no_grad():
        found = network(torch.randn(1, sizes.bands, 24, 24), torch.randn(1, sizes.sar_bands, 24, 24))
    assert found.shape == (1, sizes.classes)


def test_edges_of_a_ramp_are_its_slope() -> None:
    """Two bands rise by 3 and 4 in a pixel, along columns and rows: 5 together; a plane has no edge."""
    rows, cols = torch.meshgrid(torch.arange(6.0), torch.arange(6.0), indexing="ij")
    found = edges(torch.stack([3 * cols, 4 * rows])[None])
    assert found.shape == (1, 1, 6, 6)
    torch.testing.assert_close(found[..., 1:-1, 1:-1], torch.full((1, 1, 4, 4), 5.0))
    assert edges(torch.ones(1, 2, 6, 6)).abs().max() == 0


def test_scales_have_the_same_centre() -> None:
    x = torch.arange(24.0 * 24).view(1, 1, 24, 24)
    for p in (8, 16, 24):
        assert centre(x, p)[0, 0, p // 2, p // 2] == x[0, 0, 12, 12]
