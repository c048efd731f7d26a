"""The agreement of maps is that of the pixels where both have data; a low one is a warning."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_maps import GRID
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.mapping.overlaps import Overlap, measured_overlaps, tell_overlaps


@dataclass(frozen=True)
class Drawn:
    """A map by its codes on the whole grid, in place of a file."""

    pixels: NDArray[np.uint8]

    def touches(self, window: Window) -> bool:
        return bool(self.pixels[window.toslices()].any())

    def codes(self, window: Window) -> NDArray[np.uint8]:
        return self.pixels[window.toslices()]


@pytest.mark.parametrize("tile_px", [7, 1024])
def test_pairs_of_maps_whatever_the_tiles(tile_px: int) -> None:
    random = np.random.default_rng(0)
    maps = [Drawn(random.integers(0, 3, GRID.shape_hw).astype(np.uint8)) for _ in range(3)]
    maps[2].pixels[:, :70] = 0
    maps.append(Drawn(np.zeros(GRID.shape_hw, np.uint8)))
    found: Any = measured_overlaps(maps, GRID, tile_px)  # type: ignore[arg-type]
    assert [each.maps for each in found] == [(0, 1), (0, 2), (1, 2)]
    for each in found:
        one, other = (maps[i].pixels for i in each.maps)
        both = (one > 0) & (other > 0)
        assert (each.px, each.same_px) == (both.sum(), (both & (one == other)).sum())


def test_the_worst_pairs_are_told_and_low_agreement_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    paths = [Path(f"{i}.tif") for i in range(9)]
    low = Overlap((0, 1), 1000, 300)
    others = [Overlap((i, i + 1), 1000, 950) for i in range(1, 7)]
    with caplog.at_level(logging.INFO, "landcover_bdgf"):
        tell_overlaps([*others, low, Overlap((7, 8), 99, 0)], paths)
    warned = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert warned == [
        "0.tif and 1.tif have the same class in 30.0 % of the 1,000 pixels where both have data; "
        "are they of one model, one season and correctly placed?"
    ]
    assert "3 more pairs of maps overlap; over all, 84.5 % agree" in caplog.text


def test_small_overlaps_hide_no_others(caplog: pytest.LogCaptureFixture) -> None:
    """The maps of a table of tiles meet in many corners of a few pixels."""
    corners = [Overlap((i, i + 1), 20, 0) for i in range(10)]
    low = [Overlap((20, i), 1000, 500 + i) for i in range(21, 28)]
    with caplog.at_level(logging.INFO, "landcover_bdgf"):
        tell_overlaps([*corners, *low], [Path(f"{i}.tif") for i in range(30)])
    *told, last = caplog.records
    assert [each.levelno for each in told] == 5 * [logging.WARNING]
    assert told[0].getMessage().startswith("20.tif and 21.tif have the same class in 52.1 %")
    assert last.levelno == logging.WARNING
    assert "12 more pairs of maps overlap, of which 2 agree in less than 85 %; over all" in last.getMessage()
