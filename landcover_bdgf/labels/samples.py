"""Labelled pixels with their split into a training and a test part."""

from __future__ import annotations

import hashlib
import html
import math
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.errors import LabelError
from landcover_bdgf.geo import Grid
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.settings import CLEAR_PX
from landcover_bdgf.labels.split import distances_px
from landcover_bdgf.text import printable, table

TRAIN, TEST = 0, 1


class ClassRow(TypedDict):
    """What samples hold of one class: polygons (or blocks, or points) and pixels."""

    code: int
    name: str
    groups: int
    train: int
    test: int


@dataclass(frozen=True)
class Split:
    """How samples were divided.

    Attributes
    ----------
    method : str
        "polygon", "block", "random", "column:NAME" or "none", as it was done.
    buffer_px : int
        Least Chebyshev distance of training and test pixels; 0 for none.
    seed : int
    test_share : float
        Of the pixels, as asked for.
    block_px : int or None
        Side of the blocks.
    dropped : dict of str to int
        Reason to number of pixels.
    notes : tuple of str
        What a reader of the accuracy should know.
    clear_px : int
        Least Chebyshev distance at which what decides a pixel shares nothing with a training window; leaks are judged
        by it.
    """

    method: str = "none"
    buffer_px: int = 0
    seed: int = 0
    test_share: float = 0.0
    block_px: int | None = None
    dropped: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    clear_px: int = CLEAR_PX


_ARRAYS = ("rows", "cols", "codes", "groups", "parts")


@dataclass(frozen=True, eq=False)
class Samples:
    """Labelled pixels of a grid.

    Attributes
    ----------
    grid : Grid
    legend : Legend
        Every class has training pixels.
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
        """The test part, which nothing may be learned from."""
        return self.where(self.parts == TEST)

    @property
    def positions(self) -> NDArray[np.int32]:
        """Rows and columns, int32 (n, 2)."""
        return np.stack([self.rows, self.cols], axis=1)

    def where(self, keep: NDArray[Any]) -> Samples:
        """Only the pixels for which a mask or an index says so."""
        return replace(self, **{name: getattr(self, name)[keep] for name in _ARRAYS})

    def same_as(self, other: Samples) -> bool:
        """Whether both hold the same pixels, of the same classes, groups and parts."""
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in _ARRAYS)

    def table(self) -> list[ClassRow]:
        """One row per class: polygons (or blocks, or points), training and test pixels."""
        return [self._row(entry.code, entry.name) for entry in self.legend.entries]

    def _row(self, code: int, name: str) -> ClassRow:
        of_class = self.codes == code
        test = int(self.parts[of_class].sum())
        groups = len(np.unique(self.groups[of_class]))
        return ClassRow(code=code, name=name, groups=groups, train=int(of_class.sum()) - test, test=test)

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
        """Sha256 of the positions of the test pixels, whatever their order."""
        rows, cols = self.test.rows, self.test.cols
        order = np.lexsort((cols, rows))
        ordered = np.stack([rows[order], cols[order]], axis=1).astype("<i4")
        return hashlib.sha256(ordered.tobytes()).hexdigest()

    def check_grid(self, grid: Grid) -> None:
        """Refuse samples of another image.

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
