"""The global branch: a few tokens per sensor and window, self-attention, cross-attention (eq. 13–19).

Glossary (letter here, meaning, letter in arXiv 2509.23310)
    P       window size, 9
    N       windows: B · (H − 8) · (W − 8)
    k       patch tokens per sensor, 4
    a       log weight of a pixel in a token      W^att · w x     (eq. 13)
    v       the pixel's vector in d dimensions    W^map · x       (eq. 13 and 14)
    cls     class token                           F_cls
    tok     patch tokens                          F_tok

Vectors are the first axis and windows the last, (d, tokens, N), so that vector instructions run over windows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from landcover_bdgf.model.networks.layers import PIECE, normal, normalise, project
from landcover_bdgf.model.networks.scan import runs_compiled
from landcover_bdgf.model.recipe import FusionRecipe

try:
    from landcover_bdgf.model.networks.kernels import attention_numba
except (ImportError, RuntimeError):  # as in scan.py
    attention_numba = None  # type: ignore[assignment]

FEW = 16  # tokens
LOGIT_LIMIT = 8.0  # soft bound of a: exp(±8) is safe in float32 without subtracting a maximum


class Tokenizer(nn.Module):
    """k tokens of a window: softmax over its pixels, of content plus a bias by position (eq. 13).

    Windows share computation, because Σ_p exp(a_p + b_{p−q}) v_p / Σ_p exp(a_p + b_{p−q}) is a ratio of two depthwise
    convolutions, of exp(a) v and exp(a), with the kernel exp(b). The bias is a sum of a row and a column bias, so
    that the kernel is separable. :func:`in_strips` calls :meth:`gather` strip by strip.
    """

    def __init__(self, channels: int, d: int, *, tokens: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.attend = nn.Sequential(nn.Conv2d(channels, d, 1), nn.ReLU(), nn.Conv2d(d, tokens, 1))
        self.value = nn.Conv2d(channels, d, 1)
        self.bias_row = nn.Parameter(torch.zeros(tokens, patch))
        self.bias_col = nn.Parameter(torch.zeros(tokens, patch))

    def weigh(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Weights and vectors of pixels: ``(B, C, H, W) -> (B, k, H, W), (B, d, H, W)``."""
        return (LOGIT_LIMIT * torch.tanh(self.attend(x) / LOGIT_LIMIT)).exp(), self.value(x)

    def gather(self, weighed: tuple[Tensor, ...], rows: range, stride: int) -> Tensor:
        """Tokens of the windows in some of the rows of windows: (d, k, N)."""
        weight, v = weighed
        row, col = self.bias_row.exp(), self.bias_col.exp()
        if v.shape[-2:] == (self.patch, self.patch):  # one window: no need to slide
            weight = weight * row[:, :, None] * col[:, None, :]
            return torch.einsum("bkhw,bdhw->dkb", weight, v) / weight.sum((-2, -1)).T
        if runs_compiled(v):
            _, width = window_grid(v, self.patch, stride)
            tokens = v.new_empty(len(v), v.shape[1], len(row), len(rows), width)
            kernel, places = attention_numba.tokens_kernel(self.patch, stride), (row.numpy(), col.numpy())
            for own_weight, own_v, own_tokens in zip(weight.numpy(), v.numpy(), tokens.numpy(), strict=True):
                kernel(own_weight, own_v, *places, rows.start * stride, own_tokens)
        else:
            seen = slice(rows.start * stride, (rows.stop - 1) * stride + self.patch)
            weight, v = weight[:, :, seen], v[:, :, seen]
            top = slide((v[:, :, None] * weight[:, None]).flatten(1, 2), row, col, stride)
            tokens = top.unflatten(1, (v.shape[1], -1)) / slide(weight, row, col, stride)[:, None]  # (B, d, k, H', W')
        return tokens.movedim(0, 2).flatten(2)


def tokenizer_of(channels: int, recipe: FusionRecipe) -> Tokenizer:
    """The tokenizer of a recipe."""
    return Tokenizer(channels, recipe.d, tokens=recipe.tokens, patch=recipe.patch)


def window_grid(x: Tensor, patch: int, stride: int) -> tuple[int, int]:
    """Number of rows and columns of windows in (…, H, W)."""
    height, width = (n - patch + 1 for n in x.shape[-2:])
    return -(-height // stride), -(-width // stride)


def in_strips(vectors: Callable[..., Tensor], weighed: list[tuple[Tensor, ...]], patch: int, stride: int) -> Tensor:
    """Compute ``vectors(weighed of some samples, rows of windows)``, (c, N) each, for all windows: (B, c, H', W').

    On a CPU without gradients, about 1024 windows at a time, whose temporaries fit into the cache.
    """
    first = weighed[0][0]
    height, width = window_grid(first, patch, stride)
    samples, rows = len(first), height
    if first.device.type == "cpu" and not torch.is_grad_enabled():
        samples, rows = max(1, PIECE // (height * width)), max(1, PIECE // width)
    found = [
        vectors(*(tuple(t[b : b + samples] for t in own) for own in weighed), rows=range(r, min(r + rows, height)))
        for b in range(0, len(first), samples)
        for r in range(0, height, rows)
    ]
    return torch.cat(found, dim=1).unflatten(1, (-1, height, width)).movedim(0, 1)


def slide(x: Tensor, row: Tensor, col: Tensor, stride: int) -> Tensor:
    """Depthwise convolution with the separable kernels row_k ⊗ col_k; channel c uses kernel c mod k."""
    channels, repeat = x.shape[1], x.shape[1] // len(row)
    x = F.conv2d(x, row.repeat(repeat, 1)[:, None, :, None], stride=(stride, 1), groups=channels)
    return F.conv2d(x, col.repeat(repeat, 1)[:, None, None, :], stride=(1, stride), groups=channels)


class Attention(nn.Module):
    """Multi-head attention of x to tokens, plus x itself (eq. 15–18); pre-norm.

    The norms have no scale and shift, as linear layers follow. These have no bias: a bias of keys cancels in the
    softmax, one of values adds the same vector to all windows, as the class token does.
    """

    def __init__(self, recipe: FusionRecipe) -> None:
        super().__init__()
        d, channels = recipe.d, recipe.attention_channels
        self.heads = recipe.heads
        self.q = nn.Linear(d, channels, bias=False)
        self.kv = nn.Linear(d, 2 * channels, bias=False)
        self.out = nn.Linear(channels, d, bias=False)

    def keys(self, normed: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of normalised tokens: ``(d, k, N) -> (c, k, N), (c, k, N)``."""
        k, v = project(self.kv, normed).chunk(2)
        return k, v

    def forward(
        self,
        x: Tensor,
        normed: Tensor,
        keys: tuple[Tensor, Tensor],
        first: tuple[Tensor, Tensor] | None = None,
        *,
        reuse: bool = False,
    ) -> Tensor:
        """``x (d, q, N)``, or (d, q, 1) shared by all windows, and ``normed``, x after the norm -> (d, q, N).

        ``reuse``: without gradients, the result overwrites x.
        """
        q = project(self.q, normed).expand(-1, -1, keys[0].shape[2])
        return project(self.out, attend(q, *keys, self.heads, first), plus=x.expand(-1, -1, q.shape[2]), reuse=reuse)


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int, first: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """Multi-head attention: ``(d, q, N), (d, k, N), (d, k, N) -> (d, q, N)``.

    ``first`` is an additional key and value shared by all windows, (d, 1, 1) each.
    """
    if k.shape[1] <= FEW and runs_compiled(q):
        out = torch.empty_like(q, memory_format=torch.contiguous_format)
        kernel = attention_numba.attend_kernel(len(q) // heads, k.shape[1], first is not None)
        common = [x.flatten().numpy() for x in first or (q[:0], q[:0])]
        kernel(q.contiguous().numpy(), k.numpy(), v.numpy(), *common, out.numpy())
        return out
    if first is not None:
        k, v = (torch.cat([own.expand(-1, -1, k.shape[2]), x], dim=1) for own, x in zip(first, (k, v), strict=True))
    return (attend_few if k.shape[1] <= FEW else attend_many)(q, k, v, heads)


def attend_few(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Attention between a few tokens, element by element: 5 × 8 matrices are too small for a matrix library."""
    q, k, v = (x.unflatten(0, (heads, -1)) for x in (q, k, v))  # (heads, d / heads, tokens, N)
    scores = (q[:, :, :, None] * k[:, :, None]).sum(1) / q.shape[1] ** 0.5  # (heads, q, k, N)
    return (torch.softmax(scores, dim=2)[:, None] * v[:, :, None]).sum(3).flatten(0, 1)


def attend_many(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Attention by matrix products, without a tensor of all pairs and channels."""
    q, k, v = (x.unflatten(0, (heads, -1)).permute(3, 0, 2, 1) for x in (q, k, v))  # (N, heads, tokens, d / heads)
    return F.scaled_dot_product_attention(q, k, v).permute(1, 3, 2, 0).flatten(0, 1)


class Sensor(nn.Module):
    """One sensor's class token and patch tokens, and their self-attention (eq. 13–16)."""

    def __init__(self, tokenizer: Tokenizer, recipe: FusionRecipe) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.cls = normal(recipe.d, 1, 1, std=0.02)
        self.attention = Attention(recipe)

    def forward(self, tok: Tensor) -> tuple[Tensor, Tensor]:  # (d, k, N) -> cls (d, 1, N), tok (d, k, N)
        cls, normed = normalise(self.cls), normalise(tok)
        keys, first = self.attention.keys(normed), self.attention.keys(cls)  # all windows share the class token
        return self.attention(self.cls, cls, keys, first), self.attention(tok, normed, keys, first, reuse=True)


class TransformerBranch(nn.Module):
    """``(B, S, H, W), (B, R, H, W), (B, d, H, W) | None -> (B, d, H − 8, W − 8)`` (eq. 19)."""

    def __init__(self, bands: int, sar_bands: int, recipe: FusionRecipe) -> None:
        super().__init__()
        self.patch, self.d = recipe.patch, recipe.d
        guided = "transformer" in recipe.guided

        self.spec = Sensor(tokenizer_of(bands, recipe), recipe)
        self.sar = Sensor(tokenizer_of(sar_bands, recipe), recipe)
        self.dif = Sensor(tokenizer_of(recipe.d, recipe), recipe) if guided else None
        self.cross = nn.ModuleList(Attention(recipe) for _ in range(3 if guided else 2))

    def forward(
        self, spec: Tensor, sar: Tensor, dif: Tensor | None, thens: Sequence[Tensor | None] = (None,), stride: int = 1
    ) -> list[Tensor]:
        """The vectors, for each of ``thens``; multiplied by it if it is a matrix (c, d): (B, c, H − 8, W − 8)."""
        tokenizers, seen = [self.spec.tokenizer, self.sar.tokenizer], [spec, sar]
        if self.dif is not None and dif is not None:
            tokenizers, seen = [*tokenizers, self.dif.tokenizer], [*seen, dif]

        def vectors(*weighed: tuple[Tensor, ...], rows: range) -> Tensor:
            tokens = [t.gather(own, rows, stride) for t, own in zip(tokenizers, weighed, strict=True)]
            total = self._attended(*tokens)
            return torch.cat([total if then is None else then @ total for then in thens])

        found = in_strips(vectors, [t.weigh(x) for t, x in zip(tokenizers, seen, strict=True)], self.patch, stride)
        return list(found.split([self.d if then is None else len(then) for then in thens], dim=1))

    def _attended(self, *tokens: Tensor) -> Tensor:  # (d, k, N) each -> (d, N)
        of_spec, of_sar, *of_dif = (x.contiguous() for x in tokens)
        cls_spec, tok_spec = self.spec(of_spec)
        cls_sar, tok_sar = self.sar(of_sar)
        total = ask(self.cross[0], cls_spec, tok_sar) + ask(self.cross[1], cls_sar, tok_spec)  # eq. 17 and 18
        if self.dif is not None and of_dif:
            cls_dif, _ = self.dif(of_dif[0])
            total = total + ask(self.cross[2], cls_dif, torch.cat([tok_spec, tok_sar], dim=1))
        class_token: Tensor = total[:, 0]
        return class_token


def ask(attention: nn.Module, cls: Tensor, tok: Tensor) -> Tensor:
    """Attention of a class token to patch tokens, ``(d, 1, N), (d, k, N) -> (d, 1, N)``."""
    assert isinstance(attention, Attention)
    seen: Tensor = attention(cls, normalise(cls), attention.keys(normalise(tok)))
    return seen
