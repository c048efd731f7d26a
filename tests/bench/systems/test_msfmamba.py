"""MSFMamba has the published number of parameters, and its walks visit all pixels and lead back."""

import pytest
import torch

from landcover_bdgf.bench.systems.learner import Sizes
from landcover_bdgf.bench.systems.msfmamba import (
    STATES,
    WALKS,
    FusionBlock,
    MsfMambaNetwork,
    Scan,
    SpectralBlock,
    back,
    forth,
)


@pytest.mark.parametrize(
    ("sizes", "millions"), [(Sizes(30, 4, 7), 0.819), (Sizes(30, 2, 5), 0.795), (Sizes(10, 4, 13), 0.211)]
)
def test_parameters(sizes: Sizes, millions: float) -> None:
    """The published code for Augsburg, Yellow River and LCZ HK; Table 9 prints 0.82, 0.78 and 0.21 M."""
    network = MsfMambaNetwork(sizes, 9)
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(millions * 1e6, rel=0.02)


@pytest.mark.parametrize(("patch_px", "millions"), [(9, 2.46), (11, 2.649)])
def test_parameters_of_two_modules(patch_px: int, millions: float) -> None:
    """Berlin: Table 9 prints 2.46 M, and the published code has 2.649 M in windows of 11 px."""
    network = MsfMambaNetwork(Sizes(30, 4, 8), patch_px, 2)
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(millions * 1e6, rel=0.005)


@pytest.mark.parametrize("modules", [1, 2])
@pytest.mark.parametrize("sizes", [Sizes(2, 1, 3), Sizes(4, 2, 2), Sizes(12, 4, 5), Sizes(30, 4, 7)])
def test_shape(sizes: Sizes, modules: int) -> None:
    network = MsfMambaNetwork(sizes, 9, modules).eval()
    with torch.no_grad():
        found = network(torch.randn(1, sizes.bands, 9, 9), torch.randn(1, sizes.sar_bands, 9, 9))
    assert found.shape == (1, sizes.classes)


def test_walks_lead_back() -> None:
    """Each in another order over the nine pixels of a window."""
    x = torch.arange(9.0)[None, :, None]
    orders = [forth(x, walk)[0, :, 0].tolist() for walk in WALKS]
    assert orders[1] == [0, 3, 6, 1, 4, 7, 2, 5, 8]
    assert orders[3] == orders[1][::-1]
    assert orders[2] == orders[0][::-1]
    assert all(torch.equal(back(forth(x, walk), walk), x) for walk in WALKS)


def test_a_scan_is_the_recurrence_without_a_gate() -> None:
    torch.manual_seed(0)
    scan, u, source = Scan(6, 5), torch.randn(6, 4, 2), torch.randn(5, 4, 2)
    selected = torch.einsum("of,fln->oln", scan.select.weight, source)
    raw, B, C = selected.split([scan.rank, STATES, STATES])
    delta = torch.einsum("dr,rln->dln", scan.delta.weight, raw) + scan.delta.bias[:, None, None]
    step, A, h, expected = torch.nn.functional.softplus(delta), -scan.log_a.exp(), torch.zeros(6, STATES, 2), []
    for i in range(4):
        h = (step[:, i, None] * A[..., None]).exp() * h + (step[:, i] * u[:, i])[:, None] * B[None, :, i]
        expected.append((C[None, :, i] * h).sum(1) + scan.D[:, None] * u[:, i])
    torch.testing.assert_close(scan(u, source), torch.stack(expected, 1), rtol=1e-4, atol=1e-4)


def test_fusion_depends_on_the_other_sensor_and_spectra_on_all_channels() -> None:
    torch.manual_seed(0)
    h, x = torch.randn(8, 9, 2), torch.randn(4, 9, 2)
    fusion = FusionBlock((8, 4))
    assert not torch.allclose(fusion(h, x)[0], fusion(h, x.flip(0))[0])
    other = h.clone()
    other[-1] = torch.randn(9, 2)
    spectral = SpectralBlock(9)
    assert not torch.allclose(spectral(h)[0], spectral(other)[0])
