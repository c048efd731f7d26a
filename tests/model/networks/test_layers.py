"""Layers equal their plain PyTorch definitions, in pieces, compiled or with the matrix first."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from landcover_bdgf.model.networks.layers import (
    Readout,
    activate,
    crop,
    drop,
    in_pieces,
    normalise,
    project,
    window_mean,
)


@pytest.mark.parametrize("channels", [4, 12, 32])
def test_the_compiled_activation_is_the_one_that_is_trained(channels: int) -> None:
    torch.manual_seed(1)
    norm, shift = nn.BatchNorm3d(channels).eval(), torch.randn(2, channels)
    for tensor in (norm.weight, norm.bias, norm.running_mean):
        assert tensor is not None
        nn.init.normal_(tensor)
    x = torch.randn(2, channels, 3, 5, 7).to(memory_format=torch.channels_last_3d)
    for added in (None, shift):
        trained = activate(x.clone(), norm, added).detach()
        with torch.no_grad():
            found = activate(x.clone(), norm, added)
        torch.testing.assert_close(found, trained, atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("shape", [(64, 5, 30), (16, 7)])
def test_the_compiled_norm_is_a_layer_norm(shape: tuple[int, ...]) -> None:
    x = 3 * torch.randn(shape) + 1
    expected = F.layer_norm(x.movedim(0, -1), shape[:1]).movedim(-1, 0)
    torch.testing.assert_close(normalise(x), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_linear_layer_along_the_first_axis() -> None:
    linear, x, plus = nn.Linear(6, 4), torch.randn(6, 3, 5), torch.randn(4, 3, 5)
    expected = linear(x.movedim(0, -1)).movedim(-1, 0)
    torch.testing.assert_close(project(linear, x), expected)
    linear.bias = None
    torch.testing.assert_close(project(linear, x, plus.clone()), linear(x.movedim(0, -1)).movedim(-1, 0) + plus)
    torch.testing.assert_close(project(linear, x, plus.clone(), reuse=True), project(linear, x, plus))


@torch.no_grad()
def test_pieces_give_the_whole() -> None:
    x, y = torch.randn(3, 10), torch.randn(2, 10)
    assert torch.equal(in_pieces(lambda a, b: a[:2] * b, x, y, size=4), x[:2] * y)


@pytest.mark.parametrize("stride", [1, 2])
def test_window_means_and_readouts_by_hand(stride: int) -> None:
    torch.manual_seed(0)
    x, y = torch.randn(2, 4, 9, 8), torch.randn(2, 4, 9, 8)
    mean, centre = F.avg_pool2d(x, 5, stride), crop(y, 2)[..., ::stride, ::stride]
    torch.testing.assert_close(window_mean(x, 5, stride), mean, atol=1e-6, rtol=1e-5)
    readout, then = Readout(4, 2, 5), torch.randn(3, 4)
    expected = readout.join(torch.cat([mean, centre], dim=1))
    torch.testing.assert_close(readout([x], [y], stride=stride), expected, atol=1e-5, rtol=1e-5)
    shorter = torch.einsum("cd,bdhw->bchw", then, expected)
    torch.testing.assert_close(readout([x], [y], then=then, stride=stride), shorter, atol=1e-5, rtol=1e-5)


def test_dropout_keeps_the_mean_and_needs_a_generator() -> None:
    x = torch.ones(100_000)
    dropped = drop(x, 0.3, torch.Generator().manual_seed(0))
    assert float((dropped == 0).float().mean()) == pytest.approx(0.3, abs=0.01)
    assert float(dropped.mean()) == pytest.approx(1, abs=0.01)
    assert torch.equal(dropped, drop(x, 0.3, torch.Generator().manual_seed(0)))
    assert drop(x, 0.3, None) is x
