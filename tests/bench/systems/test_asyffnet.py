"""AsyFFNet has the published number of parameters, and exchanges channels that a sensor does not use."""

import pytest
import torch
from torch.nn import functional as F

from landcover_bdgf.bench.systems.asyffnet import AsyFFNet, ExternalAttention, exchanged, mirrored
from landcover_bdgf.bench.systems.learner import Sizes
from landcover_bdgf.bench.systems.patches import Patches


@pytest.mark.parametrize(
    ("sizes", "millions"),
    [(Sizes(180, 4, 7), 1.082), (Sizes(166, 2, 5), 1.080), (Sizes(244, 4, 8), 1.091), (Sizes(10, 4, 13), 1.061)],
    ids=["Augsburg", "Yellow River", "Berlin", "LCZ-HK"],
)
def test_parameters(sizes: Sizes, millions: float) -> None:
    """As counted in the public code; Table 9 prints 1.08 for the first two and 1.06 for the others."""
    network = AsyFFNet().network(sizes)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=5e-4)


@pytest.mark.parametrize(("bands", "sar_bands"), [(2, 1), (244, 4)])
def test_shapes(bands: int, sar_bands: int) -> None:
    network = AsyFFNet().network(Sizes(bands, sar_bands, 5)).eval()
    assert network(torch.zeros(1, bands, 11, 11), torch.zeros(1, sar_bands, 11, 11)).shape == (1, 5)


def test_unused_channels_are_those_of_the_other_sensor() -> None:
    image, radar = torch.full((1, 3, 2, 2), 1.0), torch.full((1, 3, 2, 2), 2.0)
    scales = torch.tensor([0.0, -1.0, 1.0]), torch.tensor([1.0, 1.0, 1e-3])
    first, second = exchanged((image, radar), scales)
    assert first[0, :, 0, 0].tolist() == [2, 1, 1]
    assert second[0, :, 0, 0].tolist() == [2, 2, 1]


def test_the_penalty_is_on_half_of_the_scales_of_each_sensor() -> None:
    """32 scales of the image and 32 of the SAR in the first block, and the only one of the SAR in the second."""
    torch.manual_seed(0)
    system, patches = AsyFFNet(), Patches(torch.randn(4, 3, 11, 11), torch.randn(4, 1, 11, 11), torch.arange(4) % 2)
    network = system.network(Sizes(3, 1, 2)).eval()
    plain = F.cross_entropy(network(patches.spec, patches.sar), patches.codes)
    torch.testing.assert_close(system.loss(network, patches, torch.Generator()) - plain, torch.tensor(0.05 * 65))


def test_attention_asks_for_the_pixels_in_any_order() -> None:
    torch.manual_seed(0)
    attention, x, order = ExternalAttention(8).eval(), torch.randn(2, 8, 3, 3), torch.randperm(9)
    shuffled = attention(x.flatten(2)[:, :, order].unflatten(2, (3, 3)))
    torch.testing.assert_close(attention(x).flatten(2)[:, :, order], shuffled.flatten(2), rtol=1e-4, atol=1e-5)


def test_mirrored_windows_keep_their_class() -> None:
    x = torch.arange(8.0).reshape(2, 1, 2, 2)
    three = mirrored(Patches(x, x, torch.tensor([0, 1])))
    assert three.codes.tolist() == [0, 1, 0, 1, 0, 1]
    assert three.spec[2].flatten().tolist() == [2, 3, 0, 1]
    assert three.sar[4].flatten().tolist() == [1, 0, 3, 2]
