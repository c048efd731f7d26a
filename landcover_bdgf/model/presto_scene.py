"""Presto's inputs from the channels of the cube: reflectance and dB again, at the place and in the month of a scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from landcover_bdgf.errors import RasterError, SettingsError
from landcover_bdgf.geo import WGS84
from landcover_bdgf.model.recipe import FeatureRecipe
from landcover_bdgf.model.scaling import Scaling, half_range
from landcover_bdgf.scene import SENTINEL_2, Image, Stack, date_of
from landcover_bdgf.storage import Arrays
from landcover_bdgf.text import listed

SAR_BANDS, POLARISATIONS = ("VV", "VH"), ("VV", "VH", "HH", "HV")
BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
RED, INFRARED = (len(SAR_BANDS) + BANDS.index(name) for name in ("B04", "B08"))
TOLERANCE_NM = 20  # between Sentinel-2A, 2B, 2C and the nominal wavelengths; bands are farther apart
DB_PER_LOG = 10 / np.log(10)  # decibels per unit of the natural logarithm of power
# The 99th percentile of the brightest band: reflectance of snow is below 2, and 300, or 3 %, is darker than any land.
MOST_REFLECTANCE, LEAST_SCALED = 2.0, 300.0
# Where the date is unknown: labels are mostly drawn on images of the growing season.
SUMMER_MONTHS = {"north": 7, "south": 1}


@dataclass(frozen=True)
class PrestoScene:
    """How 12 channels of the cube become inputs: ``channel × gain + offset``. All arrays.

    They are those of the scene of pre-training for every later scene: a classifier has learned from features of one
    place and month, and would not know those of another. Values that the scaling clips, half the range of the 1st to
    99th percentile beyond it, stay clipped.

    Attributes
    ----------
    channels : int64 (12,)
    gain, offset : float32 (12,)
    latlon : float32 (2,)
        Degrees.
    month : int64 ()
        From 0.
    """

    channels: NDArray[np.int64]
    gain: NDArray[np.float32]
    offset: NDArray[np.float32]
    latlon: NDArray[np.float32]
    month: NDArray[np.int64]

    @classmethod
    def of(cls, stack: Stack, scaling: Scaling, settings: FeatureRecipe) -> PrestoScene:
        """Of a scene of Sentinel-2 and Sentinel-1.

        Raises
        ------
        RasterError
            The scene has other sensors, lacks a band, or is in an unknown unit.
        SettingsError
            Bands are reduced to components, each scene is scaled by its own values, or the settings name another
            number of bands.
        """
        if scaling.by_scene:
            problem = "scales each scene by its own values, but Presto needs reflectance"
            raise SettingsError('`scaling.fit="scene"`', problem, 'Set it to "together".')
        if len(scaling.components):
            problem = f"reduces the {len(scaling.low)} bands to components, but Presto needs reflectance"
            raise SettingsError("`spectral.max_bands`", problem, f"Set it to {len(scaling.low)}.")
        sar = _sar_places(stack.sar, scaling, settings.sar_bands)
        spectral = _band_places(stack.spectral, settings.bands)
        log_gain, log_mean = scaling.sar_std[sar], scaling.sar_mean[sar]
        low, high = scaling.low[spectral], scaling.high[spectral]
        half, middle = half_range(low, high), (low + high) / 2
        unit = _reflectance_unit(stack.spectral, high)
        gain = np.concatenate([DB_PER_LOG * log_gain / 25, unit * half])
        offset = np.concatenate([DB_PER_LOG * log_mean / 25 + 1, unit * middle])
        channels = np.array([*sar, *(len(stack.sar.names) + i for i in spectral)], np.int64)
        latlon = _middle(stack)
        month = np.array(settings.month or _month(stack, latlon), np.int64) - 1
        return cls(channels, gain.astype(np.float32), offset.astype(np.float32), latlon.astype(np.float32), month)

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> PrestoScene:
        return cls(**arrays)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """By name, for a checkpoint."""
        return dict(vars(self))

    def inputs(self, cube: Tensor) -> Tensor:
        """``(B, R + K, H, W) -> (B, 17, H, W)``; what a scene does not have, ERA5 and terrain, is 0."""
        column = (slice(None), None, None)
        gain, offset = (torch.from_numpy(a).to(cube)[column] for a in (self.gain, self.offset))
        own = cube[:, torch.from_numpy(self.channels).to(cube.device)] * gain + offset
        total, difference = own[:, [INFRARED]] + own[:, [RED]], own[:, [INFRARED]] - own[:, [RED]]
        ndvi = torch.where(total > 0, difference / total.clamp(min=1e-6), 0).clamp(-1, 1)
        return torch.cat([own, own.new_zeros(len(own), 4, *own.shape[2:]), ndvi], 1)


def _sar_places(sar: Image, scaling: Scaling, given: tuple[str, ...]) -> list[int]:
    names = _names(sar, given, "features.sar_bands")
    missing = [name for name in SAR_BANDS if name not in names or not scaling.speckled[names.index(name)]]
    if missing:
        problem = f"has no intensity {listed(tuple(missing))}, which Presto needs, but {listed(sar.names)}"
        raise RasterError(sar.paths[0], problem, _remedy("Sentinel-1 in VV and VH", "features.sar_bands"))
    return [names.index(name) for name in SAR_BANDS]


def _band_places(spectral: Image, given: tuple[str, ...]) -> list[int]:
    """Place of each band of Sentinel-2, by the name given or by its wavelength, which Sentinel-2 has from its names."""
    remedy = _remedy("a Sentinel-2 image of one date", "features.bands")
    if spectral.sensor != "Sentinel-2" and (spectral.sensor or not given):
        problem = (
            f"is not known to be of Sentinel-2, for which Presto was trained ({spectral.sensor or 'no band names'})"
        )
        raise RasterError(spectral.paths[0], problem, remedy)
    if given:
        names = _names(spectral, given, "features.bands")
        found = {band: [i for i, name in enumerate(names) if name == band] for band in BANDS}
    else:
        known = [band.wavelength_nm or np.inf for band in spectral.bands]
        nearest = [min(SENTINEL_2, key=lambda name: abs(SENTINEL_2[name] - nm)) for nm in known]
        near = [abs(SENTINEL_2[name] - nm) <= TOLERANCE_NM for name, nm in zip(nearest, known, strict=True)]
        found = {band: [i for i, n in enumerate(nearest) if n == band and near[i]] for band in BANDS}
    for band, places in found.items():
        if len(places) != 1:
            times = f"has {band} {len(places)} times, as of several dates, and Presto needs one"
            raise RasterError(spectral.paths[0], times if places else f"lacks {band}, which Presto needs", remedy)
    return [places[0] for places in found.values()]


def _remedy(images: str, setting: str) -> str:
    return f"Use {images}, name unnamed bands in `{setting}`, or do without Presto."


def _names(image: Image, given: tuple[str, ...], setting: str) -> list[str]:
    if given and len(given) != len(image.names):
        problem = f"names {len(given)} bands, {image.paths[0]} has {len(image.names)}: {listed(image.names)}"
        raise SettingsError(f"`{setting}`", problem, "Name all of them in their order.")
    for name, own in zip(given, image.names, strict=False):
        if name != own and own in (*SENTINEL_2, *POLARISATIONS):
            problem = f"calls {name} what {image.paths[0]} calls {own}"
            raise SettingsError(f"`{setting}`", problem, "Leave it out, or correct it.")
    return [*(given or image.names)]


def _reflectance_unit(spectral: Image, high: NDArray[np.float32]) -> float:
    """Factor from the unit of the image to reflectance."""
    most = float(high.max())
    if 0 < most <= MOST_REFLECTANCE:
        return 1.0
    if most >= LEAST_SCALED:
        return 1e-4
    problem = f"has a 99th percentile of at most {most:.3g}, neither reflectance nor reflectance × 10,000"
    raise RasterError(spectral.paths[0], problem, "Use the image as delivered, not one stretched for display.")


def _middle(stack: Stack) -> NDArray[np.float64]:
    """Latitude and longitude of the middle of the whole image."""
    left, bottom, right, top = stack.image_grid.bounds_in(WGS84)
    lon = (left + right) / 2
    return np.array([(bottom + top) / 2, lon - 360 * (lon > 180)])


def _month(stack: Stack, latlon: NDArray[np.float64]) -> int:
    day = date_of(stack.spectral) or date_of(stack.sar)
    return day.month if day else SUMMER_MONTHS["north" if latlon[0] >= 0 else "south"]
