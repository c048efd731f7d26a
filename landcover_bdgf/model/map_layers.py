"""The layers of a map, computed from the class probabilities of its pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from landcover_bdgf.labels import LAYERS, NODATA, Legend, PredictionSets, Regrouped, layer_nodata, layer_scale


@dataclass(frozen=True)
class LayerPlan:
    """The classes and layers to compute.

    Attributes
    ----------
    dtypes : mapping of str to str
        Names of the layers, and data types of their pixels.
    sets : PredictionSets, optional
        For the layer ``sets``.
    classes : Regrouped, optional
        Those of the map, if they are not those of the model.
    """

    dtypes: Mapping[str, str] = field(default_factory=dict)
    sets: PredictionSets | None = None
    classes: Regrouped | None = None

    def merged(self, p: Tensor) -> Tensor:
        """Probabilities of the classes of the map (B, C', h, w), from those of the model: sums over merged classes."""
        if self.classes is None or not self.classes.merged:
            return p
        of_class = torch.from_numpy(self.classes.of_class.astype(np.int64)).to(p.device)
        return torch.stack([p[:, of_class == code].sum(dim=1) for code in self.classes.legend.codes], dim=1)

    def kinds(self, legend: Legend) -> dict[str, tuple[str, int]]:
        """Data type and number of bands of each layer, for the classes of the model."""
        legend = self.classes.legend if self.classes else legend
        return {name: (dtype, len(LAYERS[name].bands(legend))) for name, dtype in self.dtypes.items()}

    def of(self, p: Tensor) -> dict[str, Tensor]:
        """All layers (B, bands, h, w) but the novelty, from probabilities (B, C, h, w)."""
        compute = {"confidence": self._confidence, "entropy": _entropy, "sets": self._sets}
        layers = {name: compute[name](p) for name in self.dtypes if name in compute}
        if "probabilities" in self.dtypes:
            steps = 100 * layer_scale(self.dtypes["probabilities"])
            layers["probabilities"] = (p * steps).round()
        return layers

    def _confidence(self, p: Tensor) -> Tensor:
        return (p.amax(dim=1, keepdim=True) * 100).round()

    def _sets(self, p: Tensor) -> Tensor:
        """Number of classes in the set, then 1 for each class in it: (B, 1 + C, h, w)."""
        assert self.sets is not None
        least = torch.from_numpy(self.sets.thresholds).to(p.device, p.dtype)
        inside = (p >= least[:, None, None]).to(p.dtype)
        return torch.cat([inside.sum(dim=1, keepdim=True).clamp(max=254), inside], dim=1)


def _entropy(p: Tensor) -> Tensor:
    """−Σ p ln p over ln C (Shannon 1948), in percent; 0 for a single class."""
    most = math.log(p.shape[1]) or 1.0
    return (torch.special.entr(p).sum(dim=1, keepdim=True) * (100 / most)).clamp(0, 100).round()


@dataclass(frozen=True)
class Classified:
    """A piece of the map: codes (h, w), 0 where there is no data, and layers (bands, h, w) by name.

    ``novel_px`` of the ``compared_px`` pixels that were compared with the training data have a p-value below 1 %.
    """

    codes: NDArray[np.uint16]
    layers: dict[str, NDArray[Any]]
    novel_px: int = 0
    compared_px: int = 0


def empty_result(shape_hw: tuple[int, ...], kinds: Mapping[str, tuple[str, int]]) -> Classified:
    """A piece of a map without data, with layers of these data types and numbers of bands."""
    layers = {
        name: np.full((bands, *shape_hw), layer_nodata(name, dtype), np.dtype(dtype))
        for name, (dtype, bands) in kinds.items()
    }
    return Classified(np.full(shape_hw, NODATA, np.uint16), layers)
