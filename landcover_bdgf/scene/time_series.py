"""Bands of several dates: which pixels are masked at each, and how gaps are filled from the other dates.

The rule, for each pixel and each group of bands (one band at all dates):

- Between two dates with data, a gap gets the value on the straight line in time between the nearest two.
- Before the first and after the last date with data, it gets the value of the nearest.
- If fewer than ``least`` of the dates have data, the pixel has no data at any date.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.geo import Grid
from landcover_bdgf.scene.band_reader import Band, ReadCounts
from landcover_bdgf.scene.dated_names import band_and_day
from landcover_bdgf.scene.pixel_set import PixelSet
from landcover_bdgf.text import rough_percent

Float32s = NDArray[np.float32]
Bools = NDArray[np.bool_]
_ROUNDING = 1e-9  # half of four dates is two


@dataclass(frozen=True, eq=False)
class TimeSeries:
    """What is known of the dates of an image, whose bands are named ``B04@2023-06-04``.

    Attributes
    ----------
    grid : Grid
        Of the masks.
    least : float
        Share of the dates that must have data in a pixel, 0 to 1; at least one must.
    masks : dict of date to PixelSet
        Pixels that are masked at a date, such as clouds; dates without a mask are left out.
    masked_by : dict of date to dict
        Share and files of each mask, for the record of a map.
    offsets : dict of date to float
        Offset of the values that was removed at this date only.
    filled : dict of date to float
        Share of the pixels that are filled at each date, estimated by :func:`~landcover_bdgf.scene.align`.
    too_few : float
        Likewise the share that has data at some dates, but at too few.
    """

    grid: Grid
    least: float
    masks: Mapping[date, PixelSet] = field(default_factory=dict)
    masked_by: Mapping[date, Mapping[str, Any]] = field(default_factory=dict)
    offsets: Mapping[date, float] = field(default_factory=dict)
    filled: Mapping[date, float] = field(default_factory=dict)
    too_few: float = 0.0

    def mask(self, names: Sequence[str], valid: Bools, window: Window, target: Grid) -> None:
        """Make pixels invalid that are masked at the date of a band; ``valid`` (bands, h, w) is changed.

        ``window`` is inside ``target``; a pixel is masked as the pixel of the masks at its centre.
        """
        if not self.masks:
            return
        at = _place(self.grid, target, window)
        masked = {day: _masked(pixels, at) for day, pixels in self.masks.items()}
        for own, name in zip(valid, names, strict=True):
            if (found := masked.get(day_of_band(name))) is not None:
                own &= ~found

    def fill(
        self, bands: Sequence[Band], values: Float32s, valid: Bools, *, gaps: str = "drop",
        counts: ReadCounts | None = None,
    ) -> None:  # fmt: skip
        """Fill gaps in values (bands, h, w), and ``valid`` with them.

        With ``gaps="zero"``, what a date lacks in some bands only is 0 there, and no gap.
        """
        names = [band.name for band in bands]
        for at in dates_of(names) if gaps == "zero" else ():
            valid[at] = valid[at].any(axis=0)
        seen, gaps_of_dates = np.zeros(0, bool), list[_Gaps]()
        for at in groups_of(names):
            own = valid[at]
            enough = own.sum(0) >= max(1, self.least * len(at) - _ROUNDING)
            if not np.array_equal(own, seen):  # masks are the same for most bands
                seen, gaps_of_dates = own, _gaps(own, enough, [day_of_band(names[index]).toordinal() for index in at])
            for index, gap in zip(at, gaps_of_dates, strict=True):
                gap.fill(values, index, at)
            if counts is not None:
                counts.add_filled([bands[index] for index in at], enough & ~own, own.any(0) & ~enough)
            valid[at] = enough

    def key(self, names: Sequence[str]) -> tuple[object, ...]:
        """What the values depend on, beside files and bands."""
        days = [str(band_and_day(name)[1]) for name in names]
        return ("dates", days, self.least, [(str(day), pixels.digest()) for day, pixels in self.masks.items()])

    def describe(self, days: Sequence[date]) -> str:
        """As text: ``2023-06-04, 2023-07-19 (about 12 % filled)``."""
        shares = [(day, self.filled.get(day, 0.0)) for day in days]
        texts = [f"{day} (about {rough_percent(share)} filled)" if share else f"{day}" for day, share in shares]
        left = f"; about {rough_percent(self.too_few)} of the pixels have data at too few dates" if self.too_few else ""
        return ", ".join(texts) + left

    def to_dict(self, days: Sequence[date]) -> list[dict[str, Any]]:
        """Each date, for the record of a map."""
        return [
            {"date": str(day), "filled": round(self.filled.get(day, 0.0), 4)}
            | ({"masked": dict(self.masked_by[day])} if day in self.masked_by else {})
            | ({"offset": self.offsets[day]} if day in self.offsets else {})
            for day in days
        ]


def day_of_band(name: str) -> date:
    """The date in the name of a band that has one."""
    day = band_and_day(name)[1]
    assert day is not None
    return day


def dates_of(names: Sequence[str]) -> list[NDArray[np.intp]]:
    """Indexes of the bands of each date, in order."""
    found: dict[date, list[int]] = {}
    for index, name in enumerate(names):
        found.setdefault(day_of_band(name), []).append(index)
    return [np.array(found[day]) for day in sorted(found)]


def groups_of(names: Sequence[str]) -> list[NDArray[np.intp]]:
    """Indexes of the bands of each group, by date."""
    found: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        found.setdefault(band_and_day(name)[0], []).append(index)
    return [np.array(sorted(group, key=lambda index: day_of_band(names[index]))) for group in found.values()]


@dataclass(frozen=True)
class _Gaps:
    """Pixels to fill at a date, (n,) each: where they are, the dates before and after, and how far between these."""

    rows: NDArray[np.intp]
    cols: NDArray[np.intp]
    before: NDArray[np.int16]
    after: NDArray[np.int16]
    part: Float32s

    def fill(self, values: Float32s, index: int, group: NDArray[np.intp]) -> None:
        """Fill them in band ``index`` of values (bands, h, w), from the bands of its group."""
        first, last = (values[group[at], self.rows, self.cols] for at in (self.before, self.after))
        values[index, self.rows, self.cols] = first + (last - first) * self.part


def _gaps(valid: Bools, enough: Bools, days: Sequence[int]) -> list[_Gaps]:
    """What to fill at each date of a group; ``valid`` (dates, h, w), ``enough`` (h, w)."""
    before = np.empty(valid.shape, np.int16)
    last, following = np.full(enough.shape, -1, np.int16), np.full(enough.shape, -1, np.int16)
    for at, own in enumerate(valid):
        np.copyto(last, np.int16(at), where=own)
        before[at] = last
    found, ordinals = [], np.array(days)
    for at in reversed(range(len(days))):
        np.copyto(following, np.int16(at), where=valid[at])
        rows, cols = np.nonzero(enough & ~valid[at])
        one, other = before[at, rows, cols], following[rows, cols]
        one, other = np.where(one < 0, other, one), np.where(other < 0, one, other)  # the nearest at the ends
        part = (ordinals[at] - ordinals[one]) / np.maximum(ordinals[other] - ordinals[one], 1)
        found.append(_Gaps(rows, cols, one, other, part.astype(np.float32)))
    return found[::-1]


def _place(grid: Grid, target: Grid, window: Window) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of the masks at the centre of each pixel of a window, (h, w) each; -1 beyond their border."""
    rows, cols = np.mgrid[
        window.row_off : window.row_off + window.height, window.col_off : window.col_off + window.width
    ]
    if grid != target:
        found = (np.rint(at) for at in grid.rowcol_of(*target.xy(rows, cols), target.crs))
        rows, cols = (np.where(np.isfinite(at), at, -1).astype(np.int64) for at in found)
    height, width = grid.shape_hw
    inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
    return np.where(inside, rows, -1), np.where(inside, cols, -1)


def _masked(pixels: PixelSet, at: tuple[NDArray[np.int64], NDArray[np.int64]]) -> Bools:
    """Which pixels of a window are in a set; ``at`` are their rows and columns in it."""
    rows, cols = at
    inside = rows >= 0
    if not inside.any():
        return np.zeros(rows.shape, bool)
    top, left = int(rows[inside].min()), int(cols[inside].min())
    part = pixels.read(Window(left, top, int(cols.max()) - left + 1, int(rows.max()) - top + 1))
    return np.asarray(part[np.where(inside, rows - top, 0), np.where(inside, cols - left, 0)] & inside)
