"""The local branch: 3-D and 2-D convolutions, mixed with diffusion features by trainable scalars (eq. 11–12).

Glossary (letter here, meaning, letter in arXiv 2509.23310)
    spec    spectral bands (B, S, H, W)                    x^spec
    sar     SAR log intensity (B, R, H, W)                 x^sar
    dif     projected diffusion features (B, d, H, W)      f^dif
    beta, gamma, alpha   trainable mixing scalars, start ½
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from landcover_bdgf.recipe import FusionRecipe


def crop(x: Tensor, px: int) -> Tensor:
    """Cut ``px`` pixels off each side of the last two axes."""
    return x[..., px : x.shape[-2] - px, px : x.shape[-1] - px] if px else x


class CnnBranch(nn.Module):
    """``(B, S, H, W), (B, R, H, W), (B, d, H, W) | None -> (B, d, H − 4, W − 4)``.

    Two valid 3 × 3 layers, so that a 9 × 9 window leaves the central 5 × 5 on which the group attention
    works. With ``padded`` (the paper's zero-padded convolutions) height and width are kept instead.
    """

    def __init__(self, bands: int, sar_bands: int, recipe: FusionRecipe) -> None:
        super().__init__()
        d, (w1, w2, w3), p = recipe.d, recipe.cnn_widths, int(recipe.padded)
        self.reach_px = 0 if recipe.padded else 1
        self.spec1 = nn.Conv3d(1, w1, 3, padding=(1, p, p))
        self.spec2 = nn.Conv3d(w1, w2, 3, padding=(1, p, p))
        self.spec3 = nn.Conv3d(w2, w3, (3, 1, 1), padding=(1, 0, 0))
        self.fold = nn.Conv2d(w3 * bands, d, 1)  # the bands that are left become channels
        self.sar1 = nn.Conv2d(sar_bands, d, 3, padding=p)
        self.sar2 = nn.Conv2d(d, d, 3, padding=p)
        self.last = nn.Conv2d(d, d, 1)
        self.norms = nn.ModuleList([nn.BatchNorm3d(w1), nn.BatchNorm3d(w2), nn.BatchNorm3d(w3)])
        self.norm_sar, self.norm_sum = nn.BatchNorm2d(d), nn.BatchNorm2d(d)
        self.guides = (
            nn.ModuleList(nn.Conv2d(d, w, 3, padding=p) for w in (w1, w2, d)) if "cnn" in recipe.guided else None
        )
        self.beta, self.gamma, self.alpha = (nn.Parameter(torch.tensor(0.5)) for _ in range(3))

    def forward(self, spec: Tensor, sar: Tensor, dif: Tensor | None) -> Tensor:
        f1 = F.relu(self.norms[0](self._mix(self.beta, self.spec1(spec[:, None]), dif, 0)))  # (B, w1, S, H-2, W-2)
        inner = None if dif is None else crop(dif, self.reach_px)
        f2 = F.relu(self.norms[1](self._mix(self.gamma, self.spec2(f1), inner, 1)))  # (B, w2, S, H-4, W-4)
        f3 = F.relu(self.norm_sar(self._mix(self.alpha, self.sar1(sar), dif, 2)))  # (B, d, H-2, W-2)
        spectral = self.fold(F.relu(self.norms[2](self.spec3(f2))).flatten(1, 2))
        return self.last(F.relu(self.norm_sum(spectral + self.sar2(f3))))

    def _mix(self, share: Tensor, own: Tensor, dif: Tensor | None, layer: int) -> Tensor:
        """share · own + (1 − share) · conv2d(dif), broadcast over the spectral axis (eq. 11)."""
        if self.guides is None or dif is None:
            return own
        guide = self.guides[layer](dif)
        return share * own + (1 - share) * (guide[:, :, None] if own.dim() == 5 else guide)
