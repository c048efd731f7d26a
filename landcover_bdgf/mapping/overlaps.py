"""How well finished maps agree where they overlap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from rasterio.windows import Window

from landcover_bdgf.geo import Grid
from landcover_bdgf.labels import NODATA
from landcover_bdgf.mapping.mosaic_grid import PlacedMap
from landcover_bdgf.progress import log

# Maps of neighbouring scenes by one model agree on 96 % of the pixels, across UTM zones on 89 %; maps misplaced by 3 px
# or of another training on 83 % at most (docs/decisions/0027-mosaics.md).
WARNED_AGREEMENT = 0.85
LEAST_PX = 100  # of an overlap; shares of fewer pixels say little
_TOLD = 5  # pairs of maps, the worst first


@dataclass(frozen=True)
class Overlap:
    """Two maps, by their positions from 0, the pixels where both have data, and those of one class among them."""

    maps: tuple[int, int]
    px: int
    same_px: int

    @property
    def agreement(self) -> float:
        """Share of the pixels that have the same class in both maps."""
        return self.same_px / self.px

    @property
    def is_low(self) -> bool:
        """Whether they agree less than neighbouring maps of one model do."""
        return self.px >= LEAST_PX and self.agreement < WARNED_AGREEMENT

    def to_dict(self) -> dict[str, Any]:
        """For the record of a mosaic, which numbers its maps from 1."""
        one, other = self.maps
        return {"maps": [f"map {one + 1}", f"map {other + 1}"], "px": self.px, "agreement": round(self.agreement, 4)}


def measured_overlaps(maps: Sequence[PlacedMap], grid: Grid, tile_px: int) -> list[Overlap]:
    """All pairs of maps that overlap, in their order."""
    px, same_px = Counter[tuple[int, int]](), Counter[tuple[int, int]]()
    for window in grid.tiles(tile_px):
        codes = _codes(maps, window)
        for pair in combinations(codes, 2):
            one, other = (codes[each] for each in pair)
            both = (one != NODATA) & (other != NODATA)
            px[pair] += int(both.sum())
            same_px[pair] += int((one == other)[both].sum())
    return [Overlap(pair, count, same_px[pair]) for pair, count in sorted(px.items()) if count]


def _codes(maps: Sequence[PlacedMap], window: Window) -> dict[int, Any]:
    """Codes of the maps in a window, by position; none are read where only one map is."""
    near = [i for i, each in enumerate(maps) if each.touches(window)]
    return {i: maps[i].codes(window) for i in near} if len(near) > 1 else {}


def tell_overlaps(overlaps: Sequence[Overlap], paths: Sequence[Path]) -> None:
    """Log the agreement of the pairs that agree least, as a warning where it is low; small overlaps come last."""
    worst = sorted(overlaps, key=lambda each: (each.px < LEAST_PX, each.agreement))
    for each in worst[:_TOLD]:
        one, other = (paths[i] for i in each.maps)
        more = "; are they of one model, one season and correctly placed?" if each.is_low else ""
        (log.warning if each.is_low else log.info)(
            "%s and %s have the same class in %.1f %% of the %s pixels where both have data" + more,
            one, other, 100 * each.agreement, f"{each.px:,}",
        )  # fmt: skip
    if rest := worst[_TOLD:]:
        mean = sum(each.same_px for each in worst) / sum(each.px for each in worst)
        low = sum(each.is_low for each in rest)
        of_them = f", of which {low} agree in less than {100 * WARNED_AGREEMENT:.0f} %" if low else ""
        (log.warning if low else log.info)(
            "%d more pairs of maps overlap%s; over all, %.1f %% agree", len(rest), of_them, 100 * mean
        )
