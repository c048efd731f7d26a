"""A finished map is sieved into another one, whose record says what it was made of."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
from conftest import Bdgf, WriteTif
from drawn_maps import GRID, trained_at, write_map
from rasterio.features import sieve as gdal_sieve

from landcover_bdgf.labels.class_map import legend_of_map, read_class_map
from landcover_bdgf.labels.class_raster import open_classes
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.mapping.polygonizing import polygons
from landcover_bdgf.mapping.settings import SieveSettings
from landcover_bdgf.mapping.sieving import sieve
from landcover_bdgf.storage.records import changed_files, read_record

LEGEND = Legend.from_values(["bare", "water", "wood"])
CODES = np.random.default_rng(0).choice([0, 1, 1, 1, 2, 3, 3, 3], GRID.shape_hw).astype(np.uint8)


@pytest.fixture
def noisy_map(tmp_path: Path) -> Path:
    return trained_at(write_map(tmp_path / "m.tif", CODES, LEGEND), [3], [4])


def test_the_map_stays_and_the_record_says_what_was_done(noisy_map: Path, tmp_path: Path) -> None:
    before = noisy_map.read_bytes()
    made = read_class_map(sieve(noisy_map, tmp_path / "clean.tif", settings=SieveSettings("0.09ha")))
    expected = gdal_sieve(CODES, 9, mask=CODES > 0)
    assert np.array_equal(made.codes, expected)
    assert legend_of_map(tmp_path / "clean.tif") == LEGEND
    assert noisy_map.read_bytes() == before
    record = read_record(tmp_path / "clean.tif")
    assert record["sieve"] == {"min_area": "0.09ha", "keep": [], "connectivity": 4}
    assert record["sieved_px"] == (expected != CODES).sum()
    assert record["training"] == read_record(noisy_map)["training"]
    assert changed_files(tmp_path / "clean.tif") == []


def test_a_foreign_layer_beside_the_map_is_not_read(noisy_map: Path, tmp_path: Path) -> None:
    (tmp_path / "m_confidence.tif").write_text("of another program")
    assert sieve(noisy_map, tmp_path / "clean.tif", settings=SieveSettings("9px")).is_file()
    assert polygons(noisy_map, tmp_path / "m.gpkg").is_file()


@pytest.mark.parametrize("legend", [True, False])
def test_the_pixel_values_of_another_program_stay(legend: bool, tmp_path: Path, write_tif: WriteTif) -> None:
    values = np.array([255, 11, 311, 42], np.uint16)[CODES]
    path, names = write_tif("corine.tif", values, nodata=255), tmp_path / "n.csv"
    names.write_text("11,town\n42,wood\n311,sea\n")
    made = sieve(path, tmp_path / "clean.tif", settings=SieveSettings("9px"), legend=names if legend else None)
    with rasterio.open(made) as dataset:
        expected = np.array([255, 11, 311, 42])[gdal_sieve(CODES, 9, mask=CODES > 0)]
        assert (dataset.dtypes[0], dataset.nodata) == ("uint16", 255)
        assert np.array_equal(dataset.read(1), expected)
    with open_classes(made) as map_:
        assert map_.values == (11, 42, 311)
        assert map_.legend.names == (("town", "wood", "sea") if legend else ("11", "42", "311"))
    assert changed_files(made) == []
    drawn = geopandas.read_file(polygons(made, tmp_path / "p.gpkg"), layer="land_cover")
    assert set(drawn["code"]) == {11, 42, 311}
    assert drawn["pixels"].sum() == (expected != 255).sum()


def test_a_class_0_without_a_name_stays(tmp_path: Path, write_tif: WriteTif) -> None:
    values = np.array([255, 0, 1, 2], np.uint8)[CODES]
    made = sieve(write_tif("zero.tif", values, nodata=255), tmp_path / "clean.tif", settings=SieveSettings("9px"))
    with open_classes(made) as map_:
        assert (map_.values, map_.legend.names) == ((0, 1, 2), ("0", "1", "2"))
        assert set(np.unique(map_.read())) == set(np.unique(CODES))


def test_the_command(noisy_map: Path, bdgf: Bdgf, capsys: pytest.CaptureFixture[str]) -> None:
    assert bdgf("sieve", "m.tif", "-o", "c.tif", "--min-area", "9px", "--keep", "water", "--connectivity", "8") == 0
    out, err = capsys.readouterr()
    assert out == "c.tif: land-cover map\n"
    assert "of the pixels lay in patches of less than 9 px and got another class" in err
    assert bdgf("sieve", "m.tif", "-o", "d.tif") == 2
    assert "--min-area" in capsys.readouterr().err
    assert bdgf("sieve", "m.tif", "-o", "d.tif", "--min-area", "1000ha") == 2
    assert "--min-area 1000ha: is 100,000 pixels, and the map has 4,800. Use a smaller area." in capsys.readouterr().err
    assert bdgf("sieve", "m.tif", "-o", "m.tif", "--min-area", "9px", "--overwrite") == 6
