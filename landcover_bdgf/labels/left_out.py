"""Labelled pixels as models classify them that were trained without their polygons: what cross-fitting finds.

Every label is judged, and none by a model that has seen it; the model of the map may then learn from all (Stone 1974,
cross-validation; the polygons are kept whole and apart, as in Roberts et al. 2017).
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Judged pixels (n,).

    Attributes
    ----------
    rows, cols : int32
    codes, mapped : uint16
        Codes of the legend: by the labels, and by the model that has not seen them.
    confidence : float32
        Of the mapped class, from 0 to 1, at the temperature of the final model.
    distance_px : float32
        Chebyshev distance to the nearest pixel on which that model was trained.
    fold : uint8
        The fold that a pixel is in.
    groups : int32
        The polygon, point or block of a pixel.
    unguided : uint16
        Codes by the same models without what the features that guide them tell; those of ``mapped`` if there are none.
    of_label : float32, optional
        Probability of the label's own class, from 0 to 1, at the temperature of the final model; missing in models of
        earlier versions.
    scene : uint16, optional
        Index of the scene of a pixel; None for the model of a single scene.
    elsewhere : uint16, optional
        Codes by a model that was trained on other scenes only, 0 where none judged; None of fewer than three scenes.
    """

    rows: NDArray[np.int32]
    cols: NDArray[np.int32]
    codes: NDArray[np.uint16]
    mapped: NDArray[np.uint16]
    confidence: NDArray[np.float32]
    distance_px: NDArray[np.float32]
    fold: NDArray[np.uint8]
    groups: NDArray[np.int32]
    unguided: NDArray[np.uint16]
    of_label: NDArray[np.float32] | None = None
    scene: NDArray[np.uint16] | None = None
    elsewhere: NDArray[np.uint16] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def folds(self) -> int:
        """Number of folds."""
        return len(np.unique(self.fold))

    @property
    def accuracy(self) -> float:
        """Share of the pixels whose class is right."""
        return float((self.codes == self.mapped).mean())

    def where(self, keep: NDArray[Any]) -> LeftOut:
        """The pixels selected by a mask or indices."""
        return replace(self, **{name: values[keep] for name, values in self.arrays().items()})

    @classmethod
    def of(cls, arrays: dict[str, NDArray[Any]]) -> LeftOut | None:
        """The inverse of :meth:`arrays`; None without arrays, ValueError if they do not belong together."""
        if not arrays:
            return None
        names, needed = {f.name for f in fields(cls)}, {f.name for f in fields(cls) if f.default is MISSING}
        if not needed <= arrays.keys() <= names or len({values.shape for values in arrays.values()}) > 1:
            raise ValueError("its judged labels are incomplete")
        return cls(**arrays)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays by name, for a checkpoint."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: values for name, values in arrays.items() if values is not None}
