"""Finished maps of one legend and grid are joined pixel by pixel; others are refused with the difference."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from conftest import WriteTif
from numpy.typing import NDArray

from landcover_bdgf.errors import BdgfError, RasterError
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.geo.raster import open_raster, read_band
from landcover_bdgf.labels.class_map import legend_of_map, read_class_map
from landcover_bdgf.labels.layers import layer_path
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.symbology import write_companions
from landcover_bdgf.mapping.finished_maps import join_maps
from landcover_bdgf.mapping.mosaicking import mosaic
from landcover_bdgf.mapping.scene_map import MapSettings, map_scene
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.scene.stack import Stack
from landcover_bdgf.storage.records import changed_files, read_record, write_record

LEGEND = Legend.from_values(["water", "wood", "bare"])
X, Y = 500_000.0, 5_000_000.0
TRAINING = {"pixels": "MULTIPOINT ((1 2))", "count": 1, "crs": "EPSG:32633", "clear_px": 9, "apart_px": 9, "split": "a"}


@pytest.fixture
def write_map(write_tif: WriteTif) -> Any:
    """A function that writes a map with its names at a row and column of one grid."""

    def write(name: str, codes: NDArray[Any], row: int = 0, col: int = 0, legend: Legend = LEGEND, **more: Any) -> Path:
        origin = (X + 10 * col, Y - 10 * row)
        path = write_tif(name, codes, **({"origin_xy": origin, "nodata": 0} | more))
        write_companions(path, legend)
        return path

    return write


def codes(height: int, width: int, code: int = 1) -> NDArray[np.uint8]:
    return np.full((height, width), code, np.uint8)


def test_the_first_map_with_data_wins_and_gaps_stay_empty(write_map: Any, tmp_path: Path) -> None:
    hole = codes(3, 4, 1)
    hole[1, 3] = 0
    one, two = write_map("one.tif", hole, row=2, col=5), write_map("two.tif", codes(4, 3, 2), row=0, col=8)
    expected = np.zeros((5, 6), np.uint8)
    expected[0:4, 3:6], expected[2:5, 0:4] = 2, 1
    expected[3, 3] = 2  # the hole
    joined = read_class_map(join_maps([one, two], tmp_path / "all.tif"))
    assert joined.codes.tolist() == expected.tolist()
    assert joined.grid == Grid(joined.crs, rasterio.Affine(10, 0, X + 50, 0, -10, Y), (5, 6))
    assert joined.legend.names == LEGEND.names
    assert joined.confidence is None
    assert changed_files(tmp_path / "all.tif") == []
    expected[2, 3] = 2
    assert read_class_map(join_maps([two, one], tmp_path / "b.tif")).codes.tolist() == expected.tolist()


def test_maps_larger_than_a_tile_are_joined(write_map: Any, tmp_path: Path) -> None:
    random = np.random.default_rng(0).integers(1, 4, (1500, 1200)).astype(np.uint8)
    parts = [
        write_map(f"{r}{c}.tif", random[r : r + 800, c : c + 700], row=r, col=c) for r in (0, 700) for c in (0, 500)
    ]
    assert (read_class_map(join_maps(parts, tmp_path / "all.tif")).codes == random).all()


def test_layers_are_written_if_all_maps_have_them(
    write_map: Any, write_tif: WriteTif, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    maps = [write_map("a.tif", codes(2, 2)), write_map("b.tif", codes(2, 2), col=2)]
    for file, col, percent in ((maps[0], 0, 70), (maps[1], 2, 80)):
        write_tif(layer_path(file, "confidence").name, codes(2, 2, percent), origin_xy=(X + 10 * col, Y), nodata=255)
    write_tif("a_novelty.tif", codes(2, 2, 5), origin_xy=(X, Y), nodata=255)
    with caplog.at_level(logging.INFO, "landcover_bdgf"):
        joined = read_class_map(join_maps(maps, tmp_path / "all.tif"))
    assert joined.confidence is not None
    assert joined.confidence.tolist() == [[70, 70, 80, 80]] * 2
    assert joined.novelty is None
    assert f"no novelty is written, as {maps[1]} has none" in caplog.text
    assert read_record(tmp_path / "all.tif")["layers"] == ["confidence"]


def test_layers_with_a_band_for_each_class_are_joined(write_map: Any, write_tif: WriteTif, tmp_path: Path) -> None:
    maps = [write_map("a.tif", codes(2, 2)), write_map("b.tif", codes(2, 2), col=2)]
    for file, col, dtype in ((maps[0], 0, np.uint16), (maps[1], 2, np.uint16)):
        bands = np.arange(3, dtype=dtype)[:, None, None] + np.full((3, 2, 2), 1000 * col, dtype)
        write_tif(layer_path(file, "probabilities").name, bands, origin_xy=(X + 10 * col, Y), nodata=65535)
    joined = read_class_map(join_maps(maps, tmp_path / "all.tif"))
    assert joined.probabilities is not None
    assert joined.probabilities[:, 0].tolist() == [[i, i, 2000 + i, 2000 + i] for i in range(3)]
    percent = np.zeros((3, 2, 2), np.uint8)
    write_tif("b_probabilities.tif", percent, origin_xy=(X + 20, Y), nodata=255)
    with pytest.raises(RasterError, match=r"b_probabilities\.tif: has pixels of uint8, and .* of uint16\. Map both"):
        join_maps(maps, tmp_path / "other.tif")
    write_tif("b_probabilities.tif", percent[:2], origin_xy=(X + 20, Y), nodata=255)
    with pytest.raises(RasterError, match=r"b_probabilities\.tif: is not the probabilities of"):
        join_maps(maps, tmp_path / "other.tif")


def test_another_nodata_value_is_no_data(write_map: Any, tmp_path: Path) -> None:
    made = join_maps([write_map("a.tif", np.array([[1, 255, 3]], np.uint8), nodata=255)], tmp_path / "all.tif")
    with open_raster(made) as dataset:
        assert read_band(dataset).tolist() == [[1, 0, 3]]
        assert dataset.nodata == 0


@pytest.mark.parametrize(("other", "message"), [
    ({"origin_xy": (X + 13, Y)}, r"b\.tif: does not have the pixels of .*a\.tif: .* from 500013 5000000, .* gdalwarp"),
    ({"pixel_m": 20}, "does not have the pixels of .*: 2 × 2 px of 20 m, EPSG:32633, .* and 2 × 2 px of 10 m"),
    ({"crs": "EPSG:32632"}, "does not have the pixels of .* EPSG:32632"),
    ({"legend": Legend.from_values(["water", "wood"])}, "has other classes than .* Map both scenes with one model"),
    ({"legend": Legend.from_values(["bare", "woods", "water"])}, "has other classes than"),
    ({"codes": codes(2, 2, 7)}, "contains code 7, which is not in its legend. If it means no data"),
    ({"codes": codes(2, 2).astype("float32")}, "is not a class map: pixels are float32"),
    ({"origin_xy": (X + 10 * 2_000_000, Y)}, "the joined map would have 2000002 × 2 px"),
])  # fmt: skip
def test_maps_that_do_not_fit_are_refused(other: dict[str, Any], message: str, write_map: Any, tmp_path: Path) -> None:
    maps = [write_map("a.tif", codes(2, 2)), write_map("b.tif", **({"codes": codes(2, 2)} | other))]
    before = sorted(tmp_path.iterdir())
    with pytest.raises(BdgfError, match=message):
        join_maps(maps, tmp_path / "all.tif")
    assert sorted(tmp_path.iterdir()) == before


def test_the_layer_of_another_map_is_refused(write_map: Any, write_tif: WriteTif, tmp_path: Path) -> None:
    write_tif("a_confidence.tif", codes(5, 5))
    with pytest.raises(BdgfError, match=r"a_confidence\.tif: is not the confidence of .*a\.tif"):
        join_maps([write_map("a.tif", codes(2, 2))], tmp_path / "all.tif")


@pytest.mark.parametrize(("found", "points"), [
    ([TRAINING, TRAINING], "MULTIPOINT ((1 2))"),
    ([TRAINING, TRAINING | {"pixels": "MULTIPOINT ((3 4))"}], "MULTIPOINT ((1 2), (3 4))"),
    ([TRAINING, None], None),
    ([TRAINING, TRAINING | {"crs": "EPSG:32632"}], None),
    ([TRAINING, "damaged"], None),
])  # fmt: skip
def test_the_training_pixels_of_all_maps_are_recorded(
    found: Sequence[Any], points: str | None, write_map: Any, tmp_path: Path
) -> None:
    maps = [write_map(f"{i}.tif", codes(2, 2), col=2 * i) for i, _ in enumerate(found)]
    for path, training in zip(maps, found, strict=True):
        legend = json.loads(LEGEND.to_json())
        write_record(path, {"legend": legend} | ({} if training is None else {"training": training}))
    recorded = read_record(join_maps(maps, tmp_path / "all.tif"))
    assert recorded["training"].get("pixels") == points
    assert recorded["training"].get("count") == (None if points is None else points.count("(") - 1)
    assert len(recorded["maps"]) == len(recorded["inputs"]) == 2


def test_a_map_in_pieces_is_the_map(model: Checkpoint, stack: Stack, tmp_path: Path) -> None:
    whole = map_scene(model, stack, tmp_path / "m.tif", settings=MapSettings(confidence=True))
    for name in ("m.tif", "m_confidence.tif"):
        with rasterio.open(tmp_path / name) as dataset:
            for piece, col, width in (("a", 0, 50), ("b", 50, dataset.width - 50)):
                window = rasterio.windows.Window(col, 0, width, dataset.height)
                profile = {**dataset.profile, "width": width, "transform": dataset.window_transform(window)}
                with rasterio.open(tmp_path / name.replace("m", piece, 1), "w", **profile) as out:
                    out.write(dataset.read(window=window))
    for piece in "ab":
        shutil.copy(tmp_path / "m.tif.aux.xml", tmp_path / f"{piece}.tif.aux.xml")
    joined = mosaic([tmp_path / "b.tif", tmp_path / "a.tif"], tmp_path / "all.tif")
    one, other = read_class_map(whole), read_class_map(joined)
    assert (one.codes == other.codes).all()
    assert (one.confidence == other.confidence).all()
    assert one.grid == other.grid
    assert legend_of_map(joined).names == one.legend.names
