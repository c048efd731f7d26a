"""Implementations of the selective scan of a state space model (Gu and Dao 2023, arXiv 2312.00752, section 3).

For each sequence, channel d and state n, with h_0 = 0 and Δ = softplus(delta)::

    h_l = exp(Δ_dl · A_dn) · h_{l−1} + Δ_dl · B_nl · u_dl
    y_dl = (Σ_n C_nl · h_l + D_d · u_dl) · silu(z_dl)

The plain torch loop works everywhere. Faster, compiled implementations are used if available: numba on the CPU, on CUDA
Triton, else ``mamba_ssm``, whose backward pass adds in any order, so that a seed no longer gives one model. All have
their own backward pass, because autograd through the loop keeps every intermediate. :func:`kernel` chooses one per
process and device, by running it and comparing the result.

Shapes, with N sequences along the last axis: u, delta, z and y (D, L, N); A (D, n), negative; B and C (n, L, N);
D (D,).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

try:
    from landcover_bdgf.model.networks.kernels import scan_numba
except (ImportError, RuntimeError):  # numba or its cache folder is missing: slower, equal to 1e-4
    scan_numba = None  # type: ignore[assignment]

Scan = Callable[..., Tensor]
COMPILED = {"cpu": ("numba",), "cuda": ("triton", "mamba_ssm")}  # by type of device, in order of preference

log = logging.getLogger("landcover_bdgf")


def selective_scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, z: Tensor) -> Tensor:
    """y of the selective scan, differentiable in all arguments; shapes as in the module docstring."""
    return KERNELS[kernel(u.device.type)](u, delta, A, B, C, D, z)


def runs_compiled(like: Tensor) -> bool:
    """Whether compiled kernels without gradients apply: float32 on a CPU where numba works."""
    plain = like.device.type == "cpu" and like.dtype == torch.float32 and not torch.is_grad_enabled()
    return plain and kernel("cpu") == "numba"


@cache
def kernel(device_type: str) -> str:
    """Name of the scan for a type of device: the first compiled one that agrees with the torch loop, else "torch".

    Warns of the torch loop, and of ``mamba_ssm``.
    """
    failures = []
    for name in COMPILED[device_type]:
        failure = trial(name, device_type)
        if not failure:
            if name == "mamba_ssm":
                log.warning("selective scan: mamba_ssm adds gradients in any order; repeated trainings differ slightly")
            return name
        failures.append(f"{name}: {failure}")
    log.warning(
        "selective scan: no compiled version starts on %s (%s); training and maps take several times as long",
        device_type, "; ".join(failures),
    )  # fmt: skip
    return "torch"


def trial(name: str, device_type: str) -> str:
    """Why a compiled scan cannot be used on a type of device; empty if it agrees with the torch loop."""
    if name == "numba" and scan_numba is None:
        return "cannot be imported, or has no folder for its cache"
    if name in ("triton", "mamba_ssm") and find_spec(name) is None:
        return "is not installed"
    try:
        return "" if agrees(KERNELS[name], device_type) else "its result is wrong"
    except Exception as error:  # a kernel that fails in any way is not used; Triton without a C compiler, for example
        return (str(error).strip() or type(error).__name__).splitlines()[0]


def agrees(scan: Scan, device_type: str = "cpu", tolerance: float = 1e-4) -> bool:
    """Whether a scan, run once forward and backward, agrees with the torch loop in float64."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(8, 5, 70)] * 2 + [(8, 4)] + [(4, 5, 70)] * 2 + [(8,), (8, 5, 70)]
    u, delta, A, B, C, D, z = (torch.randn(s, generator=generator) for s in shapes)
    arguments = [a.to(device_type) for a in (u, delta, -A.abs(), B, C, D, z)]
    found = _with_gradients(scan, arguments)
    expected = _with_gradients(torch_scan, [a.double() for a in arguments])
    return all(
        torch.allclose(a.double(), b, rtol=tolerance, atol=tolerance * float(b.abs().max().clamp(min=1)))
        for a, b in zip(found, expected, strict=True)
    )


@torch.enable_grad()  # the first call may come from mapping, without gradients
def _with_gradients(scan: Scan, arguments: list[Tensor]) -> list[Tensor]:
    leaves = [a.clone().requires_grad_() for a in arguments]
    y = scan(*leaves)
    return [y.detach(), *torch.autograd.grad(y.square().sum(), leaves)]


def torch_scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, z: Tensor) -> Tensor:
    """Plain torch, on any device and in any precision."""
    y: Tensor = TorchScan.apply(u, F.softplus(delta), A, B, C)  # type: ignore[no-untyped-call]
    return (y + D[:, None, None] * u) * F.silu(z)


def numba_scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, z: Tensor) -> Tensor:
    """Compiled for the CPU, float32."""
    return NumbaScan.apply(u, delta, A, B, C, D, z)  # type: ignore[no-untyped-call]


def triton_scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, z: Tensor) -> Tensor:
    """Compiled for CUDA, float32."""
    from landcover_bdgf.model.networks.kernels.scan_triton import TritonScan

    arguments: tuple[Tensor, ...] = (u, delta, A, B, C, D, z)
    if not torch.is_grad_enabled():  # parameters require gradients even then, and states would be kept
        arguments = tuple(a.detach() for a in arguments)
    return TritonScan.apply(*arguments)  # type: ignore[no-untyped-call]


def mamba_ssm_scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, z: Tensor) -> Tensor:
    """The kernel of Mamba's authors; it may be missing even if the package can be imported."""
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn

    sequences = [x.permute(2, 0, 1).contiguous() for x in (u, delta, B, C, z)]  # (N, ·, L)
    u, delta, B, C, z = sequences
    y: Tensor = selective_scan_fn(u, delta, A, B, C, D, z, delta_softplus=True)
    return y.permute(1, 2, 0)


KERNELS: dict[str, Scan] = {
    "torch": torch_scan,
    "numba": numba_scan,
    "triton": triton_scan,
    "mamba_ssm": mamba_ssm_scan,
}


class TorchScan(torch.autograd.Function):
    """The loop over L with Δ, without D and z; keeps the states for the backward pass."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
        h = u.new_zeros(*A.shape, u.shape[2])  # (D, n, N)
        outputs, states, keep = [], [], any(ctx.needs_input_grad)
        # unbind: indexing [:, l] inside the loop would make the backward pass quadratic in L
        for u_l, delta_l, B_l, C_l in zip(u.unbind(1), delta.unbind(1), B.unbind(1), C.unbind(1), strict=True):
            decay = (delta_l[:, None] * A[..., None]).exp()
            h = decay * h + (delta_l * u_l)[:, None] * B_l
            if keep:
                states.append(h)
            outputs.append((h * C_l).sum(1))
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
            decay = (delta[:, i, None] * A[..., None]).exp()
            gh = gy[:, i, None] * C[:, i] + carried
            carried = gh * decay
            through = carried * ctx.states[i - 1] if i else torch.zeros_like(carried)  # dL/d log decay
            injected = (gh * B[:, i]).sum(1)
            gu[:, i] = injected * delta[:, i]
            gdelta[:, i] = injected * u[:, i] + (through * A[..., None]).sum(1)
            gA += (through * delta[:, i, None]).sum(2)
            gB[:, i] = (gh * (delta[:, i] * u[:, i])[:, None]).sum(0)
            gC[:, i] = (ctx.states[i] * gy[:, i, None]).sum(0)
        return gu, gdelta, gA, gB, gC


class NumbaScan(torch.autograd.Function):
    """Compiled loops on one thread; the backward pass computes the states again."""

    @staticmethod
    def forward(ctx: Any, *arguments: Tensor) -> Tensor:
        arguments = tuple(a.detach().float().contiguous() for a in arguments)
        ctx.save_for_backward(*arguments)
        y = torch.empty_like(arguments[0])
        scan_numba.forward(*(a.numpy() for a in arguments), y.numpy())  # type: ignore[call-arg]
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        arguments = ctx.saved_tensors
        gradients = [torch.zeros_like(a) for a in arguments]
        gy = grads[0].float().contiguous()
        scan_numba.backward(*(a.numpy() for a in (*arguments, gy, *gradients)))
        return tuple(gradients)
