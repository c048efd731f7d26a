"""MACN: self-attention and convolution mixed in one layer, then tokens of the sensors that ask each other.

Li, Wang, Wang, Liu, Wu and Wang 2023, Mixing Self-Attention and Convolution: A Unified Framework for Multisource Remote
Sensing Data Classification, doi:10.1109/TGRS.2023.3310521. Its mixing layer is ACmix (Pan et al. 2022,
arXiv 2111.14556).

Glossary
    S, R     channels of the image and of the SAR
    q, k, v  queries, keys and values, 8 heads of 8 channels
    r1, r2   rates of attention and of convolution in their sum, at first ½
    pe       position code of a pixel

Choices where the description is silent
    A residual goes around ACmix, as around the attention of every transformer.
    One attention layer serves both steps of the fusion: only then do we count the published number of parameters.
    The second step is the SAR's tokens that ask the fused ones, so that each sensor has asked the other.
    The class is read from the mean of the tokens, as there is no class token.
    It trains for 100 epochs, as the systems with the same first layers do.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from landcover_bdgf.bench.systems.learner import Sizes
from landcover_bdgf.bench.systems.patches import Patches
from landcover_bdgf.bench.systems.stems import CHANNELS, Attention, SpectralStem, Tokenizer, conv2d, focal
from landcover_bdgf.bench.systems.system import System

TOKENS, HEADS = 4, 8
WIDTH = CHANNELS // HEADS  # channels of a head
WINDOW_PX, KERNEL_PX = 7, 3
FOCAL_SHARE = 0.25


class MacnNetwork(nn.Module):
    """``(N, S, 11, 11), (N, R, 11, 11) -> (N, C)``."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.spectral = SpectralStem(sizes.bands)
        self.sar = conv2d(sizes.sar_bands, CHANNELS)
        self.mix, self.tokens = AcMix(), Tokenizer(TOKENS)  # the same for both sensors
        self.ask = Attention(HEADS, WIDTH)
        self.head = nn.Sequential(nn.LayerNorm(CHANNELS), nn.Linear(CHANNELS, sizes.classes))

    def forward(self, spec: Tensor, sar: Tensor) -> Tensor:
        first, second = (self.tokens(x + self.mix(x)) for x in (self.spectral(spec), self.sar(sar)))
        fused = first + self.ask(first, second)
        return self.head(self.ask(second, fused).mean(1))


class AcMix(nn.Module):
    """Attention in 7 × 7 windows plus a convolution of the same queries, keys and values; the shape stays."""

    def __init__(self) -> None:
        super().__init__()
        self.to_q, self.to_k, self.to_v = (nn.Conv2d(CHANNELS, CHANNELS, 1) for _ in range(3))
        # a bias would add the same to all keys, which changes nothing
        self.position = nn.Conv2d(2, WIDTH, 1, bias=False)
        self.spread = nn.Conv2d(3 * HEADS, KERNEL_PX**2, 1, bias=False)
        self.gather = nn.Conv2d(KERNEL_PX**2 * WIDTH, CHANNELS, KERNEL_PX, padding=KERNEL_PX // 2, groups=WIDTH)
        with torch.no_grad():  # it begins as a sum of shifted maps, that is, as an ordinary convolution
            shifts = torch.eye(KERNEL_PX**2).unflatten(1, (KERNEL_PX, KERNEL_PX))
            self.gather.weight.copy_(shifts.expand(CHANNELS, -1, -1, -1))
            nn.init.zeros_(self.gather.bias)  # type: ignore[arg-type]
        self.r1, self.r2 = nn.Parameter(torch.tensor(0.5)), nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (to(x).unflatten(1, (HEADS, WIDTH)) for to in (self.to_q, self.to_k, self.to_v))
        return self.r1 * self._attention(q, k, v) + self.r2 * self._convolution(torch.cat([q, k, v], dim=1))

    def _attention(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """``(N, 8, 8, h, w) three times -> (N, 64, h, w)``.

        The score of pixel j for pixel i is q_i · (k_j + pe_i − pe_j), and pe_i is the same for all j. A window beyond
        the border holds reflected pixels: they count as often as they are in it, instead of being copied.
        """
        height, width = q.shape[-2:]
        places = torch.meshgrid(*(torch.linspace(-1, 1, n, device=q.device) for n in (height, width)), indexing="ij")
        pe = self.position(torch.stack(places[::-1])[None])
        counts = torch.kron(window_counts(height), window_counts(width)).to(q)
        q, k, v = (each.flatten(3).transpose(2, 3) for each in (q, k - pe[:, None], v))
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=counts.log())
        return mixed.transpose(2, 3).reshape(-1, CHANNELS, height, width)

    def _convolution(self, qkv: Tensor) -> Tensor:
        """``(N, 24, 8, h, w) -> (N, 64, h, w)``: 9 mixtures of the heads, one for each shift, in each of 8 channels."""
        maps = self.spread(qkv.flatten(2, 3)).unflatten(2, (WIDTH, -1))  # (N, 9, 8, h, w)
        return self.gather(maps.transpose(1, 2).flatten(1, 2))


def window_counts(length: int) -> Tensor:
    """How often place j is in the window around place i, when the line is continued by reflection: (length, length)."""
    reach = WINDOW_PX // 2
    line = F.pad(torch.arange(float(length))[None], (reach, reach), mode="reflect")[0].long()
    return F.one_hot(line.unfold(0, WINDOW_PX, 1), length).sum(1).float()


class Macn(System):
    """Focal loss, Adam, 100 epochs."""

    patch_px = 11
    components = 30

    def network(self, sizes: Sizes) -> nn.Module:
        """See :class:`MacnNetwork`."""
        return MacnNetwork(sizes)

    def loss(self, network: nn.Module, patches: Patches, generator: Generator) -> Tensor:
        """Focal loss."""
        return FOCAL_SHARE * focal(network(patches.spec, patches.sar), patches.codes)
