"""The selective scan of a state space model (Gu and Dao 2023, arXiv 2312.00752, section 3), several ways.

For each sequence, channel d and state n, with h_0 = 0::

    h_l = exp(delta_ld · A_dn) · h_{l−1} + delta_ld · B_ln · u_ld
    y_ld = Σ_n C_ln · h_l

The plain torch loop always works; the numba kernels are its faster twin on the CPU. Both compute
forward and backward themselves, because autograd through the loop keeps every intermediate. Which one
runs is decided once per process by running it and comparing numbers: :func:`kernel`.

Shapes: u, delta (N, L, D); A (D, n); B, C (N, L, n); y (N, L, D). A is negative.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor

try:
    from landcover_bdgf.networks import scan_numba
except ImportError:  # numba is optional at run time: without it slower, and equal to 1e-4
    scan_numba = None  # type: ignore[assignment]


def selective_scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """y of the selective scan, differentiable in all arguments; see the head of this file for shapes."""
    scan = NumbaScan if u.device.type == "cpu" and kernel() == "numba" else TorchScan
    return scan.apply(u, delta, A, B, C)  # type: ignore[no-untyped-call]


@cache
def kernel() -> str:
    """Which scan runs on the CPU: "numba" where its kernel, called once, gives the torch loop's numbers."""
    return "numba" if scan_numba is not None and agrees(NumbaScan) else "torch"


def agrees(scan: type[torch.autograd.Function], tolerance: float = 1e-4) -> bool:
    """Call a scan once, forward and backward, and compare it with the float64 torch loop."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(3, 5, 8), (3, 5, 8), (8, 4), (3, 5, 4), (3, 5, 4)]
    u, delta, A, B, C = (torch.randn(s, generator=generator) for s in shapes)
    arguments = [u, delta.abs(), -A.abs(), B, C]
    try:
        found, expected = (
            _with_gradients(scan, arguments),
            _with_gradients(TorchScan, [a.double() for a in arguments]),
        )
    except Exception:  # whatever a kernel that does not work here throws, the torch loop is there
        return False
    return all(
        torch.allclose(a.double(), b, rtol=tolerance, atol=tolerance) for a, b in zip(found, expected, strict=True)
    )


@torch.enable_grad()  # whoever asks first may be mapping, without gradients
def _with_gradients(scan: type[torch.autograd.Function], arguments: list[Tensor]) -> list[Tensor]:
    leaves = [a.clone().requires_grad_() for a in arguments]
    y = scan.apply(*leaves)
    return [y.detach(), *torch.autograd.grad(y.square().sum(), leaves)]


class TorchScan(torch.autograd.Function):
    """The loop over L in plain torch; keeps the states for the way back."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
        h = u.new_zeros(u.shape[0], u.shape[2], A.shape[1])  # (N, D, n)
        outputs, states, keep = [], [], any(ctx.needs_input_grad)
        # unbind: indexing [:, l] inside the loop would make the backward pass quadratic in L
        for u_l, delta_l, B_l, C_l in zip(u.unbind(1), delta.unbind(1), B.unbind(1), C.unbind(1), strict=True):
            decay = (delta_l[..., None] * A).exp()
            h = decay * h + (delta_l * u_l)[..., None] * B_l[:, None]
            if keep:
                states.append(h)
            outputs.append(torch.einsum("bdn,bn->bd", h, C_l))
        ctx.save_for_backward(u, delta, A, B, C)
        ctx.states = states
        return torch.stack(outputs, dim=1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        u, delta, A, B, C = ctx.saved_tensors
        (gy,) = grads
        gu, gdelta, gB, gC = (torch.empty_like(a) for a in (u, delta, B, C))
        gA = torch.zeros_like(A)
        carried = torch.zeros_like(ctx.states[0])  # decay_{l+1} · dL/dh_{l+1}
        for i in range(u.shape[1] - 1, -1, -1):
            decay = (delta[:, i, :, None] * A).exp()
            gh = gy[:, i, :, None] * C[:, i, None] + carried
            carried = gh * decay
            through = carried * ctx.states[i - 1] if i else torch.zeros_like(carried)  # dL/d log decay
            injected = torch.einsum("bdn,bn->bd", gh, B[:, i])
            gu[:, i] = injected * delta[:, i]
            gdelta[:, i] = injected * u[:, i] + (through * A).sum(-1)
            gA += torch.einsum("bdn,bd->dn", through, delta[:, i])
            gB[:, i] = torch.einsum("bdn,bd->bn", gh, delta[:, i] * u[:, i])
            gC[:, i] = torch.einsum("bdn,bd->bn", ctx.states[i], gy[:, i])
        return gu, gdelta, gA, gB, gC


class NumbaScan(torch.autograd.Function):
    """The same with compiled loops on one thread; states are computed again on the way back."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
        arguments = [a.detach().float().contiguous() for a in (u, delta, A, B, C)]
        ctx.save_for_backward(*arguments)
        y = torch.empty_like(arguments[0])
        scan_numba.forward(*(a.numpy() for a in arguments), y.numpy())  # type: ignore[call-arg]
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        arguments = ctx.saved_tensors
        gradients = [torch.zeros_like(a) for a in arguments]
        gy = grads[0].float().contiguous()
        arrays = (a.numpy() for a in (*arguments, gy, *gradients))
        scan_numba.backward(*arrays)
        return tuple(gradients)
