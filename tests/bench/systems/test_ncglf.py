"""NCGLF² has the published number of parameters; its layers and its loss do what they are named after."""

import pytest
import torch
from torch import nn

from landcover_bdgf.bench.systems.learner import Sizes
from landcover_bdgf.bench.systems.ncglf import Coupling, Ncglf, NcglfNetwork, Structure, correlation, polar
from landcover_bdgf.bench.systems.patches import Patches


@pytest.mark.parametrize(
    ("sizes", "millions"),
    [(Sizes(30, 4, 7), 0.46), (Sizes(30, 4, 8), 0.46), (Sizes(10, 4, 13), 0.35)],
    ids=["Augsburg", "Berlin", "LCZ-HK"],
)
def test_parameters(sizes: Sizes, millions: float) -> None:
    """As counted in the public code without what it does not use; without positions as in Table 9, 0.44 and 0.34."""
    network = Ncglf().network(sizes)
    count = sum(p.numel() for p in network.parameters()) / 1e6
    assert count == pytest.approx(millions, rel=0.02)
    raw = sum(p.numel() for name, p in network.named_parameters() if name.endswith(("cls", "position"))) / 1e6
    assert count - raw == pytest.approx(millions - 0.015, abs=0.005)


@pytest.mark.parametrize(("bands", "sar_bands"), [(2, 1), (30, 4)])
def test_shapes(bands: int, sar_bands: int) -> None:
    network = Ncglf().network(Sizes(bands, sar_bands, 5)).eval()
    assert network(torch.zeros(1, bands, 11, 11), torch.zeros(1, sar_bands, 11, 11)).shape == (1, 5)


def test_couplings_can_be_inverted() -> None:
    torch.manual_seed(0)
    layer, x = Coupling(), torch.randn(2, 64, 5, 5)
    with torch.no_grad():
        x1, x2 = layer(x).chunk(2, dim=1)
        x1 = (x1 - layer.shift1(x2)) / torch.exp(layer.scale1(x2))
        x2 = x2 - layer.shift2(x1)
        mixed = torch.cat([x1, x2], dim=1)
    torch.testing.assert_close(mixed, layer.mix(x), rtol=1e-4, atol=1e-5)


def test_places_are_seen_from_each_pixel() -> None:
    """From the centre of 3 × 3 pixels, the next one in the row is at distance 1 and angle 0, the one below at 90°."""
    seen = polar(3)[4]
    torch.testing.assert_close(seen[5], torch.tensor([1 / 3, 0.5]))
    torch.testing.assert_close(seen[7], torch.tensor([1 / 3, 0.75]))


def test_structure_is_that_of_attended_pixels() -> None:
    """Pixels with less than the mean attention change nothing; two attended pixels are a graph of two nodes."""
    torch.manual_seed(0)
    layer, A = Structure(), torch.zeros(1, 121)
    nn.init.normal_(layer.bias1)
    nn.init.normal_(layer.bias2)
    A[0, 60], A[0, 61] = 0.6, 0.3
    with torch.no_grad():
        edges = torch.tensor([[0.36, 0.18], [0.18, 0.09]])
        edges /= torch.linalg.eigvalsh(edges)[-1]
        nodes = torch.relu(edges @ layer.hidden(layer.polar[60, 60:62]) + layer.bias1)
        known = torch.relu(edges @ layer.out(nodes) + layer.bias2)[0]
        torch.testing.assert_close(layer(A)[0], known)
        torch.testing.assert_close(layer(A.index_fill(1, torch.tensor([3]), 1e-3)), layer(A))


def test_loss_by_hand() -> None:
    torch.manual_seed(0)
    network = NcglfNetwork(Sizes(2, 1, 2)).eval()
    patches = Patches(torch.randn(4, 2, 11, 11), torch.randn(4, 1, 11, 11), torch.arange(4) % 2)
    smooth, details = network.features(patches.spec, patches.sar)
    pairs = [[x[:, 1:].transpose(1, 2) for x in smooth], [x.flatten(2) for x in details]]
    cc = [
        torch.stack(
            [torch.corrcoef(torch.stack(of_channel))[0, 1] for of_channel in zip(*channels, strict=True)]
        ).mean()
        for channels in ([x.flatten(0, 1) for x in pair] for pair in pairs)
    ]
    p = torch.softmax(network(patches.spec, patches.sar), 1)[torch.arange(4), patches.codes]
    known = 0.2 * -((1 - p) ** 2 * p.log()).mean() + 0.8 * cc[1] ** 2 / (cc[0] + 1.01)
    torch.testing.assert_close(Ncglf().loss(network, patches, torch.Generator()), known, rtol=1e-4, atol=1e-6)


def test_correlation_is_one_for_the_same_and_minus_one_for_the_opposite() -> None:
    x = torch.randn(2, 3, 50)
    torch.testing.assert_close(correlation((x, 2 * x + 1)), torch.tensor(1.0))
    torch.testing.assert_close(correlation((x, -x)), torch.tensor(-1.0))
