"""The global branch: a few tokens per sensor and window, self-attention, cross-attention (eq. 13–19).

Glossary (letter here, meaning, letter in arXiv 2509.23310)
    P       window size, 9
    N       windows: B · (H − 8) · (W − 8)
    k       patch tokens per sensor, 4
    a       log weight of a pixel in a token      W^att · w x     (eq. 13)
    v       the pixel's vector in d dimensions    W^map · x       (eq. 13 and 14)
    cls     class token                           F_cls
    tok     patch tokens                          F_tok

Vectors come first and windows last, (d, tokens, N): side by side in memory, many windows share an instruction.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from landcover_bdgf.networks.layers import in_pieces, normalise, project
from landcover_bdgf.networks.scan import runs_compiled
from landcover_bdgf.recipe import FusionRecipe

try:
    from landcover_bdgf.networks import attention_numba
except (ImportError, RuntimeError):  # as in scan.py
    attention_numba = None  # type: ignore[assignment]

FEW = 16  # tokens
LOGIT_LIMIT = 8.0  # soft bound of a: exp(±8) stays well inside float32 without a running maximum


class Tokenizer(nn.Module):
    """k tokens of a window: softmax over its pixels, of content plus a bias by position (eq. 13).

    ``(B, C, H, W) -> (d, k, N)``. Shared between windows, because
    Σ_p exp(a_p + b_{p−q}) v_p / Σ_p exp(a_p + b_{p−q}) is a ratio of two depthwise convolutions of exp(a) v and
    exp(a) with the kernel exp(b). The bias is the sum of one for the row and one for the column, so
    the kernel is separable.
    """

    def __init__(self, channels: int, d: int, *, tokens: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.attend = nn.Sequential(nn.Conv2d(channels, d, 1), nn.ReLU(), nn.Conv2d(d, tokens, 1))
        self.value = nn.Conv2d(channels, d, 1)
        self.bias_row = nn.Parameter(torch.zeros(tokens, patch))
        self.bias_col = nn.Parameter(torch.zeros(tokens, patch))

    def forward(self, x: Tensor) -> Tensor:
        weight = (LOGIT_LIMIT * torch.tanh(self.attend(x) / LOGIT_LIMIT)).exp()  # (B, k, H, W)
        v = self.value(x)
        row, col = self.bias_row.exp(), self.bias_col.exp()
        if x.shape[-2:] == (self.patch, self.patch):  # one window: no need to slide
            weight = weight * row[:, :, None] * col[:, None, :]
            return torch.einsum("bkhw,bdhw->dkb", weight, v) / weight.sum((-2, -1)).T
        if runs_compiled(x):
            tokens = v.new_empty(len(x), v.shape[1], len(row), *(n - self.patch + 1 for n in x.shape[-2:]))
            kernel, places = attention_numba.tokens_kernel(self.patch), (row.numpy(), col.numpy())
            for own_weight, own_v, own_tokens in zip(weight.numpy(), v.numpy(), tokens.numpy(), strict=True):
                kernel(own_weight, own_v, *places, own_tokens)
        else:
            top = slide((v[:, :, None] * weight[:, None]).flatten(1, 2), row, col)
            tokens = top.unflatten(1, (v.shape[1], -1)) / slide(weight, row, col)[:, None]  # (B, d, k, H-8, W-8)
        return tokens.movedim(0, 2).flatten(2)


def slide(x: Tensor, row: Tensor, col: Tensor) -> Tensor:
    """Depthwise convolution with the separable kernels row_k ⊗ col_k, for channels that go through all k in turn."""
    channels, repeat = x.shape[1], x.shape[1] // len(row)
    x = F.conv2d(x, row.repeat(repeat, 1)[:, None, :, None], groups=channels)
    return F.conv2d(x, col.repeat(repeat, 1)[:, None, None, :], groups=channels)


class PixelTokens(nn.Module):
    """All P² pixels of a window as tokens (eq. 14 as printed; only windows, never shared)."""

    def __init__(self, channels: int, d: int) -> None:
        super().__init__()
        self.value = nn.Conv2d(channels, d, 1)

    def forward(self, x: Tensor) -> Tensor:  # (N, C, P, P) -> (d, P², N)
        return self.value(x).flatten(2).permute(1, 2, 0)


class Attention(nn.Module):
    """Multi-head attention of queries to a context, plus the queries themselves (eq. 15–18); pre-norm.

    The norms have no scale and shift of their own: the linear layers behind them have.
    """

    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.kv, self.out = nn.Linear(d, d), nn.Linear(d, 2 * d), nn.Linear(d, d)

    def forward(self, queries: Tensor, context: Tensor) -> Tensor:  # (d, q, N), (d, c, N) -> (d, q, N)
        normed = normalise(queries)
        seen = normed if context is queries else normalise(context)
        k, v = project(self.kv, seen).chunk(2)
        return queries + project(self.out, attend(project(self.q, normed), k, v, self.heads))


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Multi-head attention: ``(d, q, N), (d, k, N), (d, k, N) -> (d, q, N)``."""
    if k.shape[1] > FEW:
        return attend_many(q, k, v, heads)
    if runs_compiled(q):
        out = torch.empty_like(q)
        attention_numba.attend_kernel(len(q) // heads, k.shape[1])(q.numpy(), k.numpy(), v.numpy(), out.numpy())
        return out
    return attend_few(q, k, v, heads)


def attend_few(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Attention between a few tokens, element by element: products of 5 × 8 are too small for a matrix library."""
    q, k, v = (x.unflatten(0, (heads, -1)) for x in (q, k, v))  # (heads, d / heads, tokens, N)
    scores = (q[:, :, :, None] * k[:, :, None]).sum(1) / q.shape[1] ** 0.5  # (heads, q, k, N)
    return (torch.softmax(scores, dim=2)[:, None] * v[:, :, None]).sum(3).flatten(0, 1)


def attend_many(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """The same by matrix products, without a tensor of all pairs and channels."""
    q, k, v = (x.unflatten(0, (heads, -1)).permute(3, 0, 2, 1) for x in (q, k, v))  # (N, heads, tokens, d / heads)
    return F.scaled_dot_product_attention(q, k, v).permute(1, 3, 2, 0).flatten(0, 1)


class Sensor(nn.Module):
    """One sensor's class token and patch tokens, and their self-attention (eq. 13–16)."""

    def __init__(self, tokenizer: nn.Module, d: int, heads: int) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.cls = nn.Parameter(0.02 * torch.randn(d, 1, 1))
        self.attention = Attention(d, heads)

    def forward(self, tok: Tensor) -> tuple[Tensor, Tensor]:  # (d, k, N) -> cls (d, 1, N), tok (d, k, N)
        tokens = torch.cat([self.cls.expand(-1, -1, tok.shape[2]), tok], dim=1)
        tokens = self.attention(tokens, tokens)
        return tokens[:, :1], tokens[:, 1:]


class TransformerBranch(nn.Module):
    """``(B, S, H, W), (B, R, H, W), (B, d, H, W) | None -> (B, d, H − 8, W − 8)`` (eq. 19)."""

    def __init__(self, bands: int, sar_bands: int, recipe: FusionRecipe) -> None:
        super().__init__()
        self.patch = recipe.patch
        guided = "transformer" in recipe.guided

        def tokens(channels: int) -> Tokenizer:
            return Tokenizer(channels, recipe.d, tokens=recipe.tokens, patch=recipe.patch)

        self.spec = Sensor(tokens(bands), recipe.d, recipe.heads)
        self.sar = Sensor(tokens(sar_bands), recipe.d, recipe.heads)
        of_features = PixelTokens(recipe.d, recipe.d) if recipe.pixel_tokens else tokens(recipe.d)
        self.dif = Sensor(of_features, recipe.d, recipe.heads) if guided else None
        self.cross = nn.ModuleList(Attention(recipe.d, recipe.heads) for _ in range(3 if guided else 2))

    def forward(self, spec: Tensor, sar: Tensor, dif: Tensor | None) -> Tensor:
        tokens = [self.spec.tokenizer(spec), self.sar.tokenizer(sar)]
        if self.dif is not None and dif is not None:
            tokens.append(self.dif.tokenizer(dif))
        height, width = (n - self.patch + 1 for n in spec.shape[-2:])
        total = in_pieces(self._attended, *tokens)  # (d, N)
        return total.unflatten(1, (-1, height, width)).movedim(0, 1)

    def _attended(self, of_spec: Tensor, of_sar: Tensor, *of_dif: Tensor) -> Tensor:  # (d, k, N) each -> (d, N)
        cls_spec, tok_spec = self.spec(of_spec)
        cls_sar, tok_sar = self.sar(of_sar)
        total = self.cross[0](cls_spec, tok_sar) + self.cross[1](cls_sar, tok_spec)  # eq. 17 and 18
        if self.dif is not None and of_dif:
            cls_dif, _ = self.dif(of_dif[0])
            total = total + self.cross[2](cls_dif, torch.cat([tok_spec, tok_sar], dim=1))
        class_token: Tensor = total[:, 0]
        return class_token
