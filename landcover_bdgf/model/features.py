"""Inputs of the networks at each pixel: scaled bands, standardised log SAR, and features that guide the branches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from landcover_bdgf.errors import CheckpointError
from landcover_bdgf.model.blocks import Block, read_block
from landcover_bdgf.model.device import sent, with_weights
from landcover_bdgf.model.networks.context import surroundings
from landcover_bdgf.model.networks.denoiser import Denoiser, denoiser_network, feature_channels
from landcover_bdgf.model.networks.diffusion import Channels, Schedule, encode
from landcover_bdgf.model.networks.layers import crop
from landcover_bdgf.model.networks.presto import FEATURES as PRESTO_FEATURES
from landcover_bdgf.model.presto_features import PrestoFeatures
from landcover_bdgf.model.recipe import Recipe
from landcover_bdgf.model.scaling import Scaling
from landcover_bdgf.model.scaling_fit import scaling_of
from landcover_bdgf.scene import Sensor, Stack
from landcover_bdgf.storage import digest, part

UNET, PRESTO = "unet.", "presto."  # prefixes of weights in a checkpoint


@dataclass(frozen=True)
class Seen:
    """Inputs of the fusion network for B blocks.

    ``spec`` (B, K, n, n), ``sar`` (B, R, n, n), ``dif`` (B, F, n, n) with n = 128 + 2 · margin. ``dif`` holds features
    of the denoiser's encoder, then Presto's, as the recipe says; it is 0 where no branch uses it. ``around``
    (B, Q, ⌈m / stride⌉, ⌈m / stride⌉): statistics of the surroundings of the central pixels of the windows, m = 128 + 8
    if 9 × 9 windows are averaged. ``own`` (B, R + K, m, m): values of these pixels, whatever the stride.
    """

    spec: Tensor
    sar: Tensor
    dif: Tensor
    around: Tensor
    own: Tensor

    def where(self, index: Sequence[int]) -> Seen:
        """Those of some blocks."""
        chosen = list(index)
        return Seen(*(x[chosen] for x in (self.spec, self.sar, self.dif, self.around, self.own)))

    def unguided(self) -> Seen:
        """The same with all features that guide the branches replaced by their mean, so that they tell nothing."""
        return replace(self, dif=self.dif.mean((2, 3), keepdim=True).expand_as(self.dif))


@dataclass(frozen=True)
class Viewer:
    """Computes network inputs for blocks of a stack; thread-safe.

    Networks of one ``sensor`` alone see the channels of this sensor and the last ``extra``, those of extra layers, at
    all pixels that it saw; others are 0.
    """

    scaling: Scaling
    recipe: Recipe
    device: torch.device
    seed: int
    unet: Denoiser | None = None
    presto: PrestoFeatures | None = None
    sensor: Sensor | None = None
    extra: int = 0
    _fitted: list[tuple[Stack, Scaling]] = field(default_factory=list, repr=False, compare=False)

    @classmethod
    def of(
        cls, weights: dict[str, NDArray[Any]], scaling: Scaling, recipe: Recipe, device: torch.device, seed: int
    ) -> Viewer:
        """Build it with the weights of a denoiser or model, in evaluation mode.

        CheckpointError if those of a source of features are not among them.
        """
        source, unet, presto = recipe.features, None, None
        bands = scaling.bands + len(scaling.sar_mean)
        for prefix, wanted in ((UNET, source.diffusion), (PRESTO, source.presto)):
            if wanted and not part(weights, prefix):
                problem = f"was pre-trained without the features that `features.source={source.source}` needs"
                raise CheckpointError("the denoiser", problem, "Pre-train again with this setting.")
        if source.diffusion:
            unet = with_weights(lambda: denoiser_network(recipe.diffusion, bands), part(weights, UNET)).to(device)
        if source.presto:
            presto = PrestoFeatures.of(part(weights, PRESTO), device)
        return cls(scaling, recipe, device, seed, unet, presto)

    @property
    def features(self) -> int:
        """Number of features per pixel that guide the branches."""
        of_unet = feature_channels(self.recipe.diffusion, self.channels) if self.unet else 0
        return of_unet + (PRESTO_FEATURES if self.presto else 0)

    @property
    def channels(self) -> int:
        """Number of channels of the cube: SAR bands and (reduced) spectral bands."""
        return self.scaling.bands + len(self.scaling.sar_mean)

    @property
    def statistics(self) -> int:
        """Number of statistics of the surroundings of a pixel."""
        return self.recipe.context.statistics(self.channels)

    def digest(self) -> str:
        """sha256 of everything that network inputs depend on besides the images."""
        settings = {
            "features": self.recipe.features.model_dump(mode="json"),
            "speckle": self.recipe.diffusion.speckle,
            "guided": bool(self.recipe.fusion.guided),
            "unseen": self.recipe.fusion.unseen_px,
            "halo": self.recipe.halo_px,
            "context": self.recipe.context.sizes_px,
            "scaling": self.scaling.digest(),
            "seed": self.seed if self.recipe.features.noise == "keyed" else None,
        }
        if self.sensor:
            settings |= {"sensor": self.sensor, "extra": self.extra}
        weights = {UNET + k: v.cpu().numpy() for k, v in self.unet.state_dict().items()} if self.unet else {}
        if self.presto:
            weights |= {PRESTO + k: v for k, v in self.presto.arrays().items()}
        return digest(weights, json.dumps(settings, sort_keys=True))

    def scaling_of(self, stack: Stack) -> Scaling:
        """The scaling of a scene, fitted once if it is by its own values."""
        if not self.scaling.by_scene:
            return self.scaling
        found = next((scaling for scene, scaling in self._fitted if scene is stack), None)
        if found is None:
            found = scaling_of(self.scaling, stack)
            self._fitted.append((stack, found))
        return found

    def read(self, stack: Stack, corner: tuple[int, int]) -> Block:
        """Read the block at ``corner`` (row, col), with the halo for its windows and the encoder."""
        scaling = self.scaling_of(stack)
        if self.sensor is None:
            return read_block(stack, scaling, self.recipe.halo_px, corner)
        alone = replace(stack, missing=self.sensor)
        return self.view(read_block(alone, scaling, self.recipe.halo_px, corner))

    def view(self, block: Block) -> Block:
        """What the sensor saw of a block, or both sensors if it is None."""
        sar = len(self.scaling.sar_mean)
        hidden = {None: slice(0), "spectral": slice(sar), "sar": slice(sar, self.channels - self.extra)}[self.sensor]
        return replace(block, seen=block.seen.seen_by(self.sensor, hidden))

    @torch.no_grad()
    def see(self, *blocks: Block, stride: int = 1) -> Seen:
        """Network inputs of some blocks; ``stride`` is the step of the surroundings in rows and columns."""
        cubes = sent(np.stack([block.seen.cube for block in blocks]), self.device)
        around = self._surroundings(cubes, blocks, stride)
        own = crop(cubes, self.recipe.halo_px - self.recipe.fusion.average_px // 2)
        cubes = crop(cubes, self._farther_px)
        inner, sar_bands = crop(cubes, self.recipe.diffusion.reach_px), len(self.scaling.sar_mean)
        spec, sar = inner[:, sar_bands:].contiguous(), inner[:, :sar_bands].contiguous()
        return Seen(spec, sar, self._encode(cubes, blocks), around, own)

    @property
    def _farther_px(self) -> int:
        """Reach of the surroundings beyond that of windows and encoder."""
        return self.recipe.halo_px - self.recipe.fusion.margin_px - self.recipe.diffusion.reach_px

    def _surroundings(self, cubes: Tensor, blocks: Sequence[Block], stride: int) -> Tensor:
        context = self.recipe.context
        beyond = self.recipe.halo_px - self.recipe.fusion.average_px // 2 - context.reach_px
        valid = sent(np.stack([block.seen.valid[None] for block in blocks]).astype(np.float32), self.device)
        return surroundings(crop(cubes, beyond), crop(valid, beyond), context.sizes_px, stride)

    def _encode(self, cubes: Tensor, blocks: Sequence[Block]) -> Tensor:
        reach_px = self.recipe.diffusion.reach_px
        if not self.recipe.fusion.guided:  # no branch uses the features
            return cubes.new_zeros(len(cubes), self.features, *(n - 2 * reach_px for n in cubes.shape[2:]))
        unseen = self.recipe.fusion.unseen_px
        found = [self._diffusion(self.unet, cubes, blocks)] if self.unet else []
        if self.presto:
            found.append(self.presto.see(crop(cubes, reach_px + unseen)))
        return F.pad(torch.cat(found, 1), [unseen] * 4)

    def _diffusion(self, unet: Denoiser, cubes: Tensor, blocks: Sequence[Block]) -> Tensor:
        speckle = self.recipe.diffusion.speckle
        channels = Channels.of(self.scaling.sigma_log, self.scaling.bands, speckle=speckle).to(self.device)
        noise, halo, unseen = None, self.recipe.halo_px - self._farther_px, self.recipe.fusion.unseen_px
        if self.recipe.features.noise == "keyed":
            drawn = [keyed_noise(self.seed, b.row - halo, b.col - halo, cubes.shape[1:]) for b in blocks]
            noise = crop(sent(np.stack(drawn), self.device), unseen)
        return encode(unet, crop(cubes, unseen), self.recipe.features.step, noise, channels, Schedule.linear())


def keyed_noise(seed: int, row: int, col: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Standard normal noise that depends only on the seed and the absolute position of each voxel.

    A counter-based generator: the finaliser of splitmix64 on the position, then Box-Muller. ``(C, h, w)``.
    """
    c, r, k = np.ogrid[: shape[0], row : row + shape[1], col : col + shape[2]]
    with np.errstate(over="ignore"):  # arithmetic modulo 2^64 is intended
        key = _mix(r.astype(np.uint64) + np.uint64((seed + 1) * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF))
        key = _mix(_mix(key ^ k.astype(np.uint64)) ^ c.astype(np.uint64))
    u1 = ((key >> np.uint64(32)).astype(np.float64) + 1) / 2**32
    u2 = (key & np.uint64(0xFFFFFFFF)).astype(np.float64) / 2**32
    return (np.sqrt(-2 * np.log(u1)) * np.cos(2 * np.pi * u2)).astype(np.float32)


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
