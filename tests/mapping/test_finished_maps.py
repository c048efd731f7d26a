"""A finished map opens with its layers; rasters and layers that are none are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import WriteTif
from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.errors import RasterError
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.symbology import write_companions
from landcover_bdgf.mapping.finished_maps import opened_map

LEGEND = Legend.from_values(["water", "wood", "bare"])


@pytest.fixture
def write_map(write_tif: WriteTif) -> Any:
    """A function that writes a map with its names."""

    def write(codes: NDArray[Any], nodata: int = 0) -> Path:
        path = write_tif("a.tif", codes, nodata=nodata)
        write_companions(path, LEGEND)
        return path

    return write


def test_another_nodata_value_is_no_data(write_map: Any) -> None:
    with opened_map(write_map(np.array([[1, 255, 3]], np.uint8), nodata=255)) as found:
        assert found.codes(Window(0, 0, 3, 1)).tolist() == [[1, 0, 3]]


def test_pixels_that_are_no_codes_are_refused(write_map: Any) -> None:
    with (
        opened_map(write_map(np.array([[1, 7]], np.uint8))) as found,
        pytest.raises(RasterError, match=r"contains code 7, which is not in its legend\. If it means no data"),
    ):
        found.codes(Window(0, 0, 2, 1))
    with (
        pytest.raises(RasterError, match="is not a class map: pixels are float32"),
        opened_map(write_map(np.ones((2, 2), np.float32))),
    ):
        pass


def test_layers_are_those_of_the_map(write_map: Any, write_tif: WriteTif) -> None:
    path = write_map(np.ones((2, 2), np.uint8))
    write_tif("a_confidence.tif", np.ones((2, 2), np.uint8), nodata=255)
    with opened_map(path, layers=True) as found:
        assert list(found.layers) == ["confidence"]
    write_tif("a_confidence.tif", np.ones((5, 5), np.uint8))
    refused = pytest.raises(RasterError, match=r"a_confidence\.tif: is not the confidence of .*a\.tif")
    with refused, opened_map(path, layers=True):
        pass
