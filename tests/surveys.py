"""A true map and one with errors, of 300 × 400 pixels, and points on them that are labelled from the truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from affine import Affine
from drawn_maps import write_map
from numpy.typing import NDArray
from rasterio.crs import CRS

from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.survey.points_file import Design, write_design

WIDE = Grid(CRS.from_epsg(32633), Affine(10, 0, 500_000, 0, -10, 5_000_000), (300, 400))
LEGEND = Legend.from_values(["built", "crops", "trees", "water"])


def truth(seed: int = 0) -> NDArray[np.uint8]:
    """Squares of 20 pixels of four classes; built is rare."""
    squares = np.random.default_rng(seed).choice(4, (15, 20), p=(0.08, 0.42, 0.3, 0.2)) + 1
    return np.kron(squares, np.ones((20, 20), int)).astype(np.uint8)


def wrong(codes: NDArray[np.uint8], share: float, seed: int = 1) -> NDArray[np.uint8]:
    """The map with a share of its pixels drawn anew."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(codes.shape) < share, rng.integers(1, 5, codes.shape), codes).astype(np.uint8)


def maps(folder: Path) -> tuple[Path, Path]:
    """The true map, and one of which 15 % are drawn anew, without data in a corner."""
    codes = truth()
    mapped = wrong(codes, 0.15)
    mapped[:20, :30] = 0
    return write_map(folder / "truth.tif", codes, LEGEND, WIDE), write_map(folder / "map.tif", mapped, LEGEND, WIDE)


def labelled(design: Design, codes: NDArray[np.uint8], names: tuple[str, ...] = LEGEND.names) -> Design:
    """The points with the names of the true classes."""
    return replace(design, reference=tuple(names[code - 1] for code in codes[design.rows, design.cols]))


def write_labelled(design: Design, path: Path, codes: NDArray[np.uint8]) -> Path:
    """The labelled points as a file, as QGIS would save it."""
    write_design(labelled(design, codes), path, overwrite=True)
    return path
