"""All implementations of the selective scan give a plain float64 loop's numbers, forward and gradient."""

import numpy as np
import pytest
import torch
from torch import Tensor

from landcover_bdgf.networks import scan
from landcover_bdgf.networks.scan import NumbaScan, TorchScan, agrees


def arguments(length: int, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(length)
    sequences, channels, states = 6, 10, 8
    shapes = [(sequences, length, channels)] * 2 + [(channels, states)] + [(sequences, length, states)] * 2
    u, delta, A, B, C = (torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes)
    return [a.to(dtype).requires_grad_() for a in (u, delta.abs(), -A.exp(), B, C)]


def loop(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """The definition, one number at a time, differentiated by autograd."""
    rows = []
    for b in range(u.shape[0]):
        h = torch.zeros_like(A)
        for i in range(u.shape[1]):
            h = torch.exp(delta[b, i, :, None] * A) * h + (delta[b, i] * u[b, i])[:, None] * B[b, i]
            rows.append(h @ C[b, i])
    return torch.stack(rows).view(u.shape)


@pytest.mark.parametrize("implementation", [TorchScan, NumbaScan])
@pytest.mark.parametrize("length", [1, 2, 14, 64])
def test_agrees_with_the_float64_loop(implementation: type[torch.autograd.Function], length: int) -> None:
    exact = arguments(length, torch.float64)
    expected = loop(*exact)
    weight = torch.randn(expected.shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    expected_grads = torch.autograd.grad((expected * weight).sum(), exact)
    inputs = arguments(length)
    found = implementation.apply(*inputs)
    grads = torch.autograd.grad((found * weight.float()).sum(), inputs)
    for a, b in zip([found.detach(), *grads], [expected.detach(), *expected_grads], strict=True):
        scale = float(b.abs().max())
        assert float((a.double() - b).abs().max()) < 1e-4 * max(1.0, scale)


def test_large_steps_forget_and_do_not_overflow() -> None:
    u, delta, A, B, C = (a.detach() for a in arguments(5))
    for implementation in (TorchScan, NumbaScan):
        y = implementation.apply(u, delta * 1e4, A, B, C)
        assert np.isfinite(y.numpy()).all()


def test_a_kernel_that_computes_nonsense_is_not_used() -> None:
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, u, delta, A, B, C):  # type: ignore[no-untyped-def]
            return u * 0

    assert not agrees(Wrong)
    assert agrees(NumbaScan)
    assert scan.kernel() == "numba"


def test_the_kernel_is_chosen_alike_with_and_without_gradients() -> None:
    scan.kernel.cache_clear()
    with torch.no_grad():  # mapping asks first
        assert scan.kernel() == "numba"
    scan.kernel.cache_clear()
    assert scan.kernel() == "numba"
