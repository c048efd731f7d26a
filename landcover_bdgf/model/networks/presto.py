"""Presto's encoder (Tseng et al. 2023, arXiv 2304.14065): features of a pixel from one date.

Groups of bands are tokens. Each token is a linear layer of its group's values, plus a code of month, group and date;
one more token is the location. Two transformer blocks and the mean over the tokens give 128 features. Groups without
data are left out, so that the result does not depend on values in their place. Names of weights are those of the
published file.

Glossary
    N       pixels
    T       tokens: the location and one for each group that is there
    d       128, size of a token and number of features
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FEATURES, HEADS, GROUP_CODE, DATE_CODE, DATES, MONTHS = 128, 8, 32, 64, 24, 12
# The 17 inputs: VV, VH; B02, B03, B04; B05, B06, B07; B08; B8A; B11, B12; two of ERA5; two of SRTM; NDVI.
GROUPS = {
    "S1": 2, "S2_RGB": 3, "S2_Red_Edge": 3, "S2_NIR_10m": 1, "S2_NIR_20m": 1, "S2_SWIR": 2, "ERA5": 2, "SRTM": 2,
    "NDVI": 1,
}  # fmt: skip
# ERA5 and SRTM are not in a scene; the published encoder was trained with such groups left out.
PRESENT = ("S1", "S2_RGB", "S2_Red_Edge", "S2_NIR_10m", "S2_NIR_20m", "S2_SWIR", "NDVI")
PIXELS_AT_ONCE = 1024  # always: products of other sizes may round differently


class Block(nn.Module):
    """A pre-norm transformer block: ``(N, T, d) -> (N, T, d)``."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(FEATURES), nn.LayerNorm(FEATURES)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(FEATURES, 3 * FEATURES), "proj": nn.Linear(FEATURES, FEATURES)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(FEATURES, 4 * FEATURES), "fc2": nn.Linear(4 * FEATURES, FEATURES)})

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.attn["qkv"](self.norm1(x)).unflatten(2, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(-1)
        x = x + self.attn["proj"]((weights @ v).transpose(1, 2).flatten(2))
        found: Tensor = x + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x))))
        return found


class Presto(nn.Module):
    """``(N, 17) -> (N, 128)``."""

    pos_embed: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.eo_patch_embed = nn.ModuleDict({name: nn.Linear(size, FEATURES) for name, size in GROUPS.items()})
        self.dw_embed = nn.Embedding(10, FEATURES)  # classes of Dynamic World; not used here, but in the file
        self.latlon_embed = nn.Linear(3, FEATURES)
        self.channel_embed = nn.Embedding(10, GROUP_CODE)
        self.month_embed = nn.Embedding(MONTHS, GROUP_CODE)
        self.register_buffer("pos_embed", torch.zeros(1, DATES, DATE_CODE))
        self.blocks = nn.ModuleList([Block(), Block()])
        self.norm = nn.LayerNorm(FEATURES)

    def forward(self, x: Tensor, latlon: Tensor, month: int, groups: Sequence[str] = PRESENT) -> Tensor:
        """Features of pixels at a latitude and longitude in degrees, in a month from 0, from these groups of inputs."""
        values = dict(zip(GROUPS, x.split(list(GROUPS.values()), 1), strict=True))
        tokens = [self._location(latlon).expand(len(x), -1)]
        tokens += [self.eo_patch_embed[name](values[name]) + self._code(name, month) for name in groups]
        z = torch.stack(tokens, 1)
        for block in self.blocks:
            z = block(z)
        found: Tensor = self.norm(z.mean(1))
        return found

    def _location(self, latlon: Tensor) -> Tensor:
        lat, lon = latlon.deg2rad()
        x, y = lat.cos() * lon.cos(), lat.cos() * lon.sin()
        found: Tensor = self.latlon_embed(torch.stack([x, y, lat.sin()]))
        return found

    def _code(self, group: str, month: int) -> Tensor:
        own = self.channel_embed.weight[list(GROUPS).index(group)]
        month_code, date_code = self.month_embed.weight[month], self.pos_embed[0, 0]
        if group == "SRTM":  # terrain has no date
            month_code, date_code = torch.zeros_like(month_code), torch.zeros_like(date_code)
        return torch.cat([month_code, own, date_code])


def dense(network: Presto, x: Tensor, latlon: Tensor, month: int) -> Tensor:
    """Features of all pixels of B images: ``(B, 17, H, W) -> (B, 128, H, W)``; the same bytes for any cut."""
    pixels = x.movedim(1, -1).reshape(-1, x.shape[1])
    pixels = F.pad(pixels, (0, 0, 0, -len(pixels) % PIXELS_AT_ONCE))
    found = torch.cat([network(part, latlon, month) for part in pixels.split(PIXELS_AT_ONCE)])
    shape = (x.shape[0], *x.shape[2:], FEATURES)
    return found[: shape[0] * shape[1] * shape[2]].view(shape).movedim(-1, 1).contiguous()
