"""Convolutions equal those of PyTorch, forward and backward, on every device's implementation."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from landcover_bdgf.model.networks.conv import Conv3d, Doubling3d, doubled_in_planes, in_planes


@pytest.mark.parametrize("batch", [1, 3])
def test_the_fast_convolution_is_the_plain_one(batch: int) -> None:
    layer, x = Conv3d(4, 8, (3, 3, 3), padding=1), torch.randn(batch, 4, 6, 10, 9)
    with torch.no_grad():
        fast = layer(x)
    torch.testing.assert_close(fast, nn.functional.conv3d(x, layer.weight, layer.bias, padding=1))
    torch.testing.assert_close(layer(x).detach(), fast)


def test_a_fixed_norm_is_folded_into_the_weights() -> None:
    layer, norm, x = Conv3d(2, 4, 3, padding=1), nn.BatchNorm3d(4), torch.randn(2, 2, 5, 6, 7)
    norm(layer(x))  # moves the running statistics
    norm.eval()
    torch.testing.assert_close(layer(x, norm=norm), norm(layer(x)), atol=1e-5, rtol=1e-5)
    assert layer(x, valid=True).shape[3:] == (4, 5)


def gradients(y: torch.Tensor, *of: torch.Tensor) -> list[torch.Tensor]:
    return [y, *torch.autograd.grad(y.square().sum(), of)]


@pytest.mark.parametrize(("kernel", "stride", "padding"), [
    ((3, 3, 3), 1, (1, 1, 1)), ((3, 3, 3), 1, (1, 0, 0)), ((4, 5, 5), 2, (1, 2, 2)), ((3, 1, 1), 1, (1, 0, 0)),
    ((12, 1, 1), 1, (0, 0, 0)),
])  # fmt: skip
def test_a_convolution_in_planes_is_the_one_in_space(
    kernel: tuple[int, ...], stride: int, padding: tuple[int, ...]
) -> None:
    """As a GPU computes it, forward and backward; float64."""
    x, weight, bias = (
        torch.randn(shape, dtype=torch.float64, requires_grad=True)
        for shape in ((2, 5, 12, 11, 10), (7, 5, *kernel), (7,))
    )
    expected = gradients(F.conv3d(x, weight, bias, (stride, 1, 1), padding), x, weight, bias)
    found = gradients(in_planes(x, weight, bias, stride, padding), x, weight, bias)
    torch.testing.assert_close(found, expected)


def test_doubling_bands_in_planes_is_a_transposed_convolution() -> None:
    layer = Doubling3d(6, 3, (4, 5, 5), stride=(2, 1, 1), padding=(1, 2, 2)).double()
    x = torch.randn((2, 6, 4, 11, 10), dtype=torch.float64, requires_grad=True)
    assert layer.bias is not None
    of = (x, layer.weight, layer.bias)
    assert layer(x).shape == (2, 3, 8, 11, 10)
    torch.testing.assert_close(gradients(doubled_in_planes(*of), *of), gradients(layer(x), *of))
