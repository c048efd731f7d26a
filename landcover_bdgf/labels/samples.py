"""Labelled pixels with their split into a training and a test part."""

from __future__ import annotations

import hashlib
import html
import math
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, TypedDict

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from landcover_bdgf.errors import LabelError
from landcover_bdgf.geo import MAX_SIDE_PX, Grid
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.settings import CLEAR_PX
from landcover_bdgf.labels.split import distances_px
from landcover_bdgf.storage import STRICT
from landcover_bdgf.text import printable, table

TRAIN, TEST = 0, 1

Pixels = Annotated[int, Field(ge=0, le=MAX_SIDE_PX)]


class ClassRow(TypedDict):
    """Numbers of polygons (or blocks, or points), training and test pixels of one class."""

    code: int
    name: str
    groups: int
    train: int
    test: int


@dataclass(frozen=True)
class Split:
    """How samples were split.

    ``clear_px`` is the minimum distance from which the prediction for a pixel depends on no pixel of a training window;
    it is used to compute the leak. Distances are Chebyshev distances.
    """

    method: str = "none"  # or "polygon", "block", "random", "column:NAME"
    buffer_px: Pixels = 0  # minimum distance between training and test pixels; 0 for none
    seed: int = 0
    test_share: float = 0.0  # requested share of the pixels
    block_px: Pixels | None = None  # side of the blocks
    dropped: dict[str, int] = field(default_factory=dict)  # numbers of pixels by reason
    notes: tuple[str, ...] = ()  # for readers of the accuracy
    warnings: tuple[str, ...] = ()  # all of the step, for the record of a map
    labels: str = ""  # file and field that they came from
    clear_px: Pixels = CLEAR_PX

    __pydantic_config__ = STRICT


_ARRAYS = ("rows", "cols", "codes", "groups", "parts")


@dataclass(frozen=True, eq=False)
class Samples:
    """Labelled pixels of a grid.

    Attributes
    ----------
    grid : Grid
    legend : Legend
        Every class has training pixels, if not here then in another scene that was sampled with this one.
    rows, cols : int32 (n,)
        In the order of the image, each pixel once.
    codes : uint16 (n,)
        Codes of the legend.
    groups : int32 (n,)
        Polygon, point or block that a pixel belongs to.
    parts : uint8 (n,)
        0 for training, 1 for test.
    split : Split
    """

    grid: Grid
    legend: Legend
    rows: NDArray[np.int32]
    cols: NDArray[np.int32]
    codes: NDArray[np.uint16]
    groups: NDArray[np.int32]
    parts: NDArray[np.uint8]
    split: Split

    def __repr__(self) -> str:
        train = int((self.parts == TRAIN).sum())
        parts = f"{train} training px, {len(self) - train} test px"
        return f"Samples({len(self.legend.entries)} classes, {parts}, split by {printable(self.split.method)})"

    def _repr_html_(self) -> str:
        rows = ((printable(row["name"]), row["groups"], row["train"], row["test"]) for row in self.table())
        return f"{html.escape(repr(self))}{table(rows, ('class', 'groups', 'training px', 'test px'))}"

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def train(self) -> Samples:
        """The training part."""
        return self.where(self.parts == TRAIN)

    @property
    def test(self) -> Samples:
        """The test part, which must not be used for training."""
        return self.where(self.parts == TEST)

    @property
    def positions(self) -> NDArray[np.int32]:
        """Rows and columns, int32 (n, 2)."""
        return np.stack([self.rows, self.cols], axis=1)

    def where(self, keep: NDArray[Any]) -> Samples:
        """The pixels selected by a mask or indices."""
        return replace(self, **{name: getattr(self, name)[keep] for name in _ARRAYS})

    def same_as(self, other: Samples) -> bool:
        """Whether both have the same pixels, classes, groups and parts."""
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in _ARRAYS)

    def table(self) -> list[ClassRow]:
        """One row per class."""
        return class_rows(self.legend, self.codes, self.groups, self.parts)

    def min_distance_px(self) -> float:
        """Smallest Chebyshev distance between a training and a test pixel; infinite if one part is empty."""
        return float(np.min(self._test_distances_px(), initial=math.inf))

    def leak(self) -> float:
        """Share of test pixels whose window overlaps that of a training pixel."""
        distances = self._test_distances_px()
        return float((distances < self.split.clear_px).mean()) if len(distances) else 0.0

    def _test_distances_px(self) -> NDArray[np.float64]:
        return distances_px(self.test.positions, self.train.positions)

    def test_digest(self) -> str:
        """SHA-256 of the positions of the test pixels in any order."""
        positions = self.test.positions
        ordered = positions[np.lexsort((positions[:, 1], positions[:, 0]))]
        return hashlib.sha256(ordered.astype("<i4").tobytes()).hexdigest()

    def check_grid(self, grid: Grid) -> None:
        """Check that the samples belong to an image.

        Raises
        ------
        LabelError
            If their grid is not ``grid``.
        """
        if not self.grid.same_as(grid):
            raise LabelError(
                None,
                f"the samples belong to another image ({self.grid.describe()}; this one: {grid.describe()})",
                "Draw them again with bdgf sample.",
            )


def class_rows(
    legend: Legend, codes: NDArray[np.uint16], groups: NDArray[np.int32], parts: NDArray[np.uint8]
) -> list[ClassRow]:
    """Polygons, training and test pixels of each class; ``codes``, ``groups`` and ``parts`` (n,)."""
    rows = []
    for entry in legend.entries:
        of_class = codes == entry.code
        test, count = int(parts[of_class].sum()), len(np.unique(groups[of_class]))
        train = int(of_class.sum()) - test
        rows.append(ClassRow(code=entry.code, name=entry.name, groups=count, train=train, test=test))
    return rows
