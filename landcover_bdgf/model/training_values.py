"""Values of the training scenes, which a checkpoint keeps to recognise scenes with other values.

A sample of training pixels is kept as the networks see them. The share of pixels of another scene that are farther from
all of these than training pixels are from one another does not depend on which part of the landscape the scene shows:
a part of the training scene has none, however uniform it is. Bands taken one by one would miss combinations of values
that no training pixel has, and take a lake for another unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import scipy  # its parts are loaded when they are used
from numpy.typing import NDArray

from landcover_bdgf.labels import JoinedSamples
from landcover_bdgf.model.learning_tiles import random_pixels
from landcover_bdgf.model.scaling import Floats, Scaling
from landcover_bdgf.scene import Stack
from landcover_bdgf.storage import part

KEPT_PX = 2000  # pixels in a checkpoint; at most 0.5 MB with 62 bands
COMPARED_PX = 4000  # pixels of a scene
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
FAR_SHARE = 0.01  # of the training pixels themselves
REACH = 1.5  # times the distance that this share exceeds: noise, another season


@dataclass(frozen=True)
class SensorValues:
    """Values of the B bands of a sensor; float32 arrays.

    Attributes
    ----------
    pixels : (n, K)
        Some pixels as the networks see them, scaled and reduced to K bands.
    reach : (1,)
        Distance to the nearest of them that a share ``FAR_SHARE`` of other training pixels exceeds.
    mean, std : (B,)
        Of the values; of the log intensity for SAR with speckle.
    quantiles : (B, 5)
    frequent, repeated : (B,)
        The most frequent value, and its share.
    """

    pixels: Floats
    reach: Floats
    mean: Floats
    std: Floats
    quantiles: Floats
    frequent: Floats
    repeated: Floats

    @classmethod
    def fit(cls, values: Floats, scaled: Floats, seed: int) -> SensorValues:
        """From values (B, n) and the same pixels scaled for the networks (K, n)."""
        order = np.random.default_rng(seed).permutation(values.shape[1])
        kept = max(1, min(KEPT_PX, len(order) // 2))
        pixels, others = scaled[:, order[:kept]].T, scaled[:, order[kept : 2 * kept]].T
        distances = scipy.spatial.cKDTree(pixels).query(others)[0] if len(others) else np.zeros(1)
        reach = np.quantile(distances, [1 - FAR_SHARE])
        arrays = pixels, reach, *moments(values), quantiles(values), *zip(*most_frequent(values), strict=True)
        return cls(*(np.ascontiguousarray(array, np.float32) for array in arrays))

    @classmethod
    def of(cls, arrays: dict[str, NDArray[np.float32]], bands: int, scaled_bands: int) -> SensorValues:
        """The inverse of :meth:`arrays`; ValueError if they are incomplete or do not belong together."""
        shapes: dict[str, tuple[int, ...]] = dict.fromkeys(("mean", "std", "frequent", "repeated"), (bands,))
        shapes |= {"pixels": (len(arrays.get("pixels", ())), scaled_bands), "reach": (1,)}
        shapes |= {"quantiles": (bands, len(QUANTILES))}
        if {name: values.shape for name, values in arrays.items()} != shapes:
            raise ValueError("its values of the training scenes are incomplete")
        return cls(**arrays)

    def arrays(self) -> dict[str, Floats]:
        """Arrays by name, for a checkpoint."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def far(self, scaled: Floats) -> NDArray[np.bool_]:
        """Whether pixels (K, n) are unlike all training pixels, (n,)."""
        distances = scipy.spatial.cKDTree(self.pixels).query(scaled.T)[0]
        return np.asarray(distances > REACH * self.reach[0])


@dataclass(frozen=True)
class TrainingValues:
    """Values of both sensors and of each group of extra layers in the training scenes."""

    spectral: SensorValues
    sar: SensorValues
    extra: tuple[SensorValues, ...] = ()

    @classmethod
    def of(cls, arrays: dict[str, NDArray[np.float32]], scaling: Scaling, extra: Sequence[int]) -> TrainingValues:
        """The inverse of :meth:`arrays`; ``extra`` are numbers of bands.

        ValueError if the arrays are incomplete or do not fit the scaling.
        """
        layers, bands = sum(extra), len(scaling.sar_mean)
        sizes = [(len(scaling.low) - layers, scaling.bands - layers), (bands, bands), *((n, n) for n in extra)]
        prefixes = ("spectral.", "sar.", *map(_group_prefix, range(len(extra))))
        spectral, sar, *rest = (
            SensorValues.of(part(arrays, prefix), *size) for prefix, size in zip(prefixes, sizes, strict=True)
        )
        return cls(spectral, sar, tuple(rest))

    def arrays(self) -> dict[str, Floats]:
        """Arrays by name, for a checkpoint."""
        groups = {"spectral.": self.spectral, "sar.": self.sar}
        groups |= {_group_prefix(i): values for i, values in enumerate(self.extra)}
        return {prefix + name: array for prefix, group in groups.items() for name, array in group.arrays().items()}


def _group_prefix(number: int) -> str:
    return f"extra{number}."


def fit_training_values(
    stacks: Sequence[Stack], scaling: Scaling, *, exclude: JoinedSamples | None, seed: int
) -> TrainingValues:
    """From a sample of the valid pixels of scenes; test pixels of ``exclude`` are left out."""
    spectral, sar = random_pixels(stacks, exclude=exclude, seed=seed)
    bands = [len(image.bands) for image in stacks[0].extra]
    own, *extra = (
        SensorValues.fit(values, scaled, seed)
        for values, scaled in zip(by_group(spectral, bands), by_group(scaling.spectral(spectral), bands), strict=True)
    )
    return TrainingValues(own, SensorValues.fit(scaling.log_sar(sar), scaling.sar(sar), seed), tuple(extra))


def by_group(values: Floats, extra: Sequence[int]) -> list[Floats]:
    """Spectral values and those of each group of extra layers; the groups have ``extra`` bands, the last of (S, n)."""
    first = len(values) - sum(extra)
    return np.split(values, np.cumsum([first, *extra])[:-1])


def moments(values: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation of each band: (B, n) -> (B,), (B,)."""
    mean, std = values.mean(1, dtype=np.float64), values.std(1, dtype=np.float64)
    return mean.astype(np.float32), std.astype(np.float32)


def quantiles(values: Floats) -> Floats:
    """``QUANTILES`` of each band: (B, n) -> (B, 5)."""
    return np.quantile(values, QUANTILES, axis=1).T.astype(np.float32)


def most_frequent(values: Floats) -> list[tuple[float, float]]:
    """The most frequent value of each band and its share: (B, n)."""
    found = []
    for band in values:
        unique, counts = np.unique(band, return_counts=True)
        found.append((float(unique[counts.argmax()]), float(counts.max() / len(band))))
    return found
