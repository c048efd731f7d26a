"""All implementations of the selective scan agree with a plain float64 loop, forward and backward."""

import os
import subprocess
import sys
from importlib.util import find_spec
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

from landcover_bdgf.model.networks import scan
from landcover_bdgf.model.networks.scan import Scan, agrees, numba_scan, selective_scan, torch_scan, trial


def arguments(length: int, dtype: torch.dtype = torch.float32, sequences: int = 6) -> list[Tensor]:
    generator = torch.Generator().manual_seed(length)
    channels, states = 10, 8
    long, short = (channels, length, sequences), (states, length, sequences)
    shapes = [long, long, (channels, states), short, short, (channels,), long]
    u, delta, A, B, C, D, z = (torch.randn(s, generator=generator, dtype=torch.float64) for s in shapes)
    return [a.to(dtype).requires_grad_() for a in (u, delta, -A.exp(), B, C, D, z)]


def loop(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, z: Tensor) -> Tensor:
    """The definition, one sequence and one step at a time, differentiated by autograd."""
    sequences = []
    for s in range(u.shape[2]):
        h, steps = torch.zeros_like(A), []
        for i in range(u.shape[1]):
            step = torch.log(1 + torch.exp(delta[:, i, s]))
            h = torch.exp(step[:, None] * A) * h + (step * u[:, i, s])[:, None] * B[:, i, s]
            gate = z[:, i, s] / (1 + torch.exp(-z[:, i, s]))
            steps.append((h @ C[:, i, s] + D * u[:, i, s]) * gate)
        sequences.append(torch.stack(steps, dim=1))
    return torch.stack(sequences, dim=2)


@pytest.mark.parametrize("implementation", [torch_scan, numba_scan])
@pytest.mark.parametrize(("length", "sequences"), [(1, 6), (2, 70), (14, 3), (64, 6)])
def test_agrees_with_the_float64_loop(implementation: Scan, length: int, sequences: int) -> None:
    exact = arguments(length, torch.float64, sequences)
    expected = loop(*exact)
    weight = torch.randn(expected.shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    expected_grads = torch.autograd.grad((expected * weight).sum(), exact)
    inputs = arguments(length, sequences=sequences)
    found = implementation(*inputs)
    grads = torch.autograd.grad((found * weight.float()).sum(), inputs)
    for a, b in zip([found.detach(), *grads], [expected.detach(), *expected_grads], strict=True):
        scale = float(b.abs().max())
        assert float((a.double() - b).abs().max()) < 1e-4 * max(1.0, scale)


def test_large_steps_forget_and_do_not_overflow() -> None:
    u, delta, *others = (a.detach() for a in arguments(5))
    for implementation in (torch_scan, numba_scan):
        for scale in (1e4, -1e4):
            assert np.isfinite(implementation(u, delta * scale, *others).numpy()).all()


def test_a_wrong_or_failing_kernel_is_not_used_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def wrong(u: Tensor, *others: Tensor) -> Tensor:
        return u + sum(0 * other.sum() for other in others)

    def broken(u: Tensor, *others: Tensor) -> Tensor:
        raise RuntimeError("no kernel image is available")

    for bad, reason in ((wrong, "its result is wrong"), (broken, "no kernel image is available")):
        monkeypatch.setitem(scan.KERNELS, "numba", bad)
        scan.kernel.cache_clear()
        assert scan.kernel("cpu") == "torch"
        assert f"no compiled version starts on cpu (numba: {reason}); training and maps take" in caplog.text
        assert selective_scan(*arguments(3)).isfinite().all()
    monkeypatch.setattr(scan, "scan_numba", None)
    assert trial("numba", "cpu") == "cannot be imported, or has no folder for its cache"
    scan.kernel.cache_clear()


@pytest.mark.parametrize(
    ("works", "chosen", "words"),
    [
        ({"triton", "mamba_ssm"}, "triton", ""),
        ({"mamba_ssm"}, "mamba_ssm", "mamba_ssm adds gradients in any order"),
        (set(), "torch", "no compiled version starts on cuda (triton: no C compiler; mamba_ssm: no C compiler)"),
    ],
)
def test_on_a_gpu_triton_comes_first_as_it_repeats_bit_for_bit(
    works: set[str], chosen: str, words: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(scan, "trial", lambda name, device_type: "" if name in works else "no C compiler")
    scan.kernel.cache_clear()
    assert scan.kernel("cuda") == chosen
    assert words in caplog.text if words else not caplog.text
    scan.kernel.cache_clear()


def test_the_same_kernel_is_chosen_with_and_without_gradients() -> None:
    for gradients in (False, True):  # the first call may come from mapping
        scan.kernel.cache_clear()
        with torch.set_grad_enabled(gradients):
            assert scan.kernel("cpu") == "numba"


@pytest.mark.parametrize("newest", [False, True])
def test_the_kernel_of_mamba_ssm_is_called_in_its_own_layout(newest: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in with the signatures of mamba-ssm 2.2 and of its main branch; it cannot be installed without CUDA."""

    def selective_scan_fn(  # type: ignore[no-untyped-def]
        u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False, return_last_state=False, **more
    ):
        assert (delta_bias, delta_softplus, return_last_state) == (None, True, False)
        batch, length = len(u), u.shape[2]
        for each, shape in ((delta, u.shape), (z, u.shape), (B, (batch, A.shape[1], length)), (C, B.shape)):
            assert each.shape == shape
            assert each.is_contiguous()
        u, delta, B, C, z = (x.permute(1, 2, 0) for x in (u, delta, B, C, z))  # from (batch, channels, length)
        return torch_scan(u, delta, A, B, C, D, z).permute(2, 0, 1)

    def selective_scan_fn_of_main(*arguments, cu_seqlens=None, **named):  # type: ignore[no-untyped-def]
        assert cu_seqlens is None
        return selective_scan_fn(*arguments, **named)

    interface = ModuleType("selective_scan_interface")
    interface.selective_scan_fn = selective_scan_fn_of_main if newest else selective_scan_fn  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mamba_ssm", ModuleType("mamba_ssm"))
    monkeypatch.setitem(sys.modules, "mamba_ssm.ops", ModuleType("ops"))
    monkeypatch.setitem(sys.modules, "mamba_ssm.ops.selective_scan_interface", interface)
    assert agrees(scan.mamba_ssm_scan)


def test_the_triton_kernel_agrees_in_its_interpreter() -> None:
    """In a separate process: Triton chooses its interpreter when it is imported."""
    if find_spec("triton") is None:
        pytest.skip("needs triton: pip install 'landcover-bdgf[triton]'")
    if torch.cuda.is_available():
        pytest.skip("here test_cuda.py runs the kernel itself")
    code = "from landcover_bdgf.model.networks.scan import agrees, triton_scan; assert agrees(triton_scan)"
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"TRITON_INTERPRET": "1"}, check=True)
