"""A class map with its companion files."""

from pathlib import Path

import numpy as np
import pytest
from drawn_maps import GRID, trained_at, write_map

from landcover_bdgf.labels.legend import Legend


@pytest.fixture
def map_path(tmp_path: Path) -> Path:
    """Left half crops (1), right half water (2), the first 10 rows without data; trained at (30, 0)."""
    codes = np.ones(GRID.shape_hw, np.uint8)
    codes[:, 40:] = 2
    codes[:10] = 0
    path = write_map(tmp_path / "map.tif", codes, Legend.from_values(["crops", "water"]))
    return trained_at(path, [30], [0])
