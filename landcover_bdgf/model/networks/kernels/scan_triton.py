"""The selective scan compiled for CUDA, forward and backward; see :mod:`scan` for the recurrence and shapes.

A program computes all steps of one channel for 64 sequences, with the states in registers. The backward pass needs the
state before each step, so the forward pass keeps the states.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

LANES = 64  # sequences per program


@triton.jit
def _softplus(x):
    return tl.maximum(x, 0.0) + tl.log(1.0 + tl.exp(-tl.abs(x)))


@triton.jit
def _forward(
    u, delta, A, B, C, D, z, y, states, length, sequences, n, N: tl.constexpr, LANES: tl.constexpr, KEEP: tl.constexpr
):
    d = tl.program_id(0).to(tl.int64)  # offsets of large scenes exceed 32 bits
    lane = tl.program_id(1).to(tl.int64) * LANES + tl.arange(0, LANES)
    state = tl.arange(0, N)
    here, there = lane < sequences, state < n
    both = there[:, None] & here[None, :]
    a = tl.load(A + d * n + state, mask=there, other=0.0)
    skip = tl.load(D + d)
    h = tl.zeros((N, LANES), tl.float32)
    for i in range(length):
        row = (d * length + i) * sequences + lane
        column = (state[:, None] * length + i) * sequences + lane[None, :]
        x = tl.load(u + row, mask=here, other=0.0)
        step = _softplus(tl.load(delta + row, mask=here, other=0.0))
        b, c = tl.load(B + column, mask=both, other=0.0), tl.load(C + column, mask=both, other=0.0)
        h = tl.exp(step[None, :] * a[:, None]) * h + (step * x)[None, :] * b
        if KEEP:
            at = ((d * length + i) * n + state[:, None]) * sequences + lane[None, :]
            tl.store(states + at, h, mask=both)
        gate = tl.load(z + row, mask=here, other=0.0)
        total = tl.sum(h * c, axis=0) + skip * x
        tl.store(y + row, total * gate * tl.sigmoid(gate), mask=here)


@triton.jit
def _backward(
    u, delta, A, B, C, D, z, gy, states, gu, gdelta, gA, gB, gC, gD, gz,
    length, sequences, n, N: tl.constexpr, LANES: tl.constexpr,
):  # fmt: skip
    d = tl.program_id(0).to(tl.int64)  # offsets of large scenes exceed 32 bits
    lane = tl.program_id(1).to(tl.int64) * LANES + tl.arange(0, LANES)
    state = tl.arange(0, N)
    here, there = lane < sequences, state < n
    both = there[:, None] & here[None, :]
    a = tl.load(A + d * n + state, mask=there, other=0.0)
    skip = tl.load(D + d)
    carried = tl.zeros((N, LANES), tl.float32)  # decay_{l+1} · dL/dh_{l+1}
    sum_a, sum_d = tl.zeros((N,), tl.float32), tl.zeros((LANES,), tl.float32)
    for j in range(length):
        i = length - 1 - j
        row = (d * length + i) * sequences + lane
        column = (state[:, None] * length + i) * sequences + lane[None, :]
        at = ((d * length + i) * n + state[:, None]) * sequences + lane[None, :]
        x, g = tl.load(u + row, mask=here, other=0.0), tl.load(gy + row, mask=here, other=0.0)
        raw, gate = tl.load(delta + row, mask=here, other=0.0), tl.load(z + row, mask=here, other=0.0)
        b, c = tl.load(B + column, mask=both, other=0.0), tl.load(C + column, mask=both, other=0.0)
        h = tl.load(states + at, mask=both, other=0.0)
        earlier = both & ((lane * 0 + i) > 0)[None, :]  # h_0 = 0
        before = tl.load(states + at - n * sequences, mask=earlier, other=0.0)
        step, s = _softplus(raw), tl.sigmoid(gate)
        into_y = g * gate * s
        ungated = tl.sum(h * c, axis=0) + skip * x
        into_h = into_y[None, :] * c + carried
        carried = into_h * tl.exp(step[None, :] * a[:, None])
        through, injected = carried * before, tl.sum(into_h * b, axis=0)
        sum_a += tl.sum(through * step[None, :], axis=1)
        sum_d += into_y * x
        tl.store(gu + row, injected * step + into_y * skip, mask=here)
        g_step = injected * x + tl.sum(through * a[:, None], axis=0)
        tl.store(gdelta + row, g_step * tl.sigmoid(raw), mask=here)
        tl.store(gz + row, g * ungated * s * (1.0 + gate * (1.0 - s)), mask=here)
        # B and C are shared by all channels; contributions are summed by the caller, in a fixed order
        tl.store(gB + at, into_h * (step * x)[None, :], mask=both)
        tl.store(gC + at, into_y[None, :] * h, mask=both)
    chunk = tl.program_id(1)
    channels = tl.num_programs(0)
    tl.store(gA + (chunk * channels + d) * n + state, sum_a, mask=there)
    tl.store(gD + chunk * channels + d, tl.sum(sum_d, axis=0))


class TritonScan(torch.autograd.Function):
    """float32 on CUDA; keeps the states for the backward pass."""

    @staticmethod
    def forward(ctx: Any, *arguments: Tensor) -> Tensor:
        u, delta, A, B, C, D, z = (a.detach().float().contiguous() for a in arguments)
        channels, length, sequences = u.shape
        n, keep = A.shape[1], any(ctx.needs_input_grad)
        y, states = torch.empty_like(u), u.new_empty((channels, length, n, sequences) if keep else (1,))
        grid = (channels, triton.cdiv(sequences, LANES))
        with torch.cuda.device_of(u):
            _forward[grid](
                u, delta, A, B, C, D, z, y, states, length, sequences, n,
                N=triton.next_power_of_2(n), LANES=LANES, KEEP=keep,
            )  # fmt: skip
        ctx.save_for_backward(u, delta, A, B, C, D, z, states)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        u, delta, A, B, C, D, z, states = ctx.saved_tensors
        (channels, length, sequences), n = u.shape, A.shape[1]
        chunks = triton.cdiv(sequences, LANES)
        gu, gdelta, gz = torch.empty_like(u), torch.empty_like(u), torch.empty_like(u)
        gB, gC = torch.empty_like(states), torch.empty_like(states)
        gA, gD = u.new_empty(chunks, channels, n), u.new_empty(chunks, channels)
        gy = grads[0].float().contiguous()
        with torch.cuda.device_of(u):
            _backward[(channels, chunks)](
                u, delta, A, B, C, D, z, gy, states, gu, gdelta, gA, gB, gC, gD, gz,
                length, sequences, n, N=triton.next_power_of_2(n), LANES=LANES,
            )  # fmt: skip
        of_all = (g.sum(0).transpose(0, 1).contiguous() for g in (gB, gC))  # (n, L, N)
        return gu, gdelta, gA.sum(0), *of_all, gD.sum(0), gz
