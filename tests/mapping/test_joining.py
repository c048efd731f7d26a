"""Finished maps are joined pixel by pixel, over grids and UTM zones; contradictions are refused."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
from conftest import WriteTif
from numpy.typing import NDArray

from landcover_bdgf.assessment.provenance import map_record
from landcover_bdgf.errors import BdgfError, OutputError, RasterError
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.labels.class_map import legend_of_map, read_class_map
from landcover_bdgf.labels.layers import layer_path
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.symbology import write_companions
from landcover_bdgf.mapping import joining
from landcover_bdgf.mapping.joining import join_maps
from landcover_bdgf.mapping.mosaicking import mosaic
from landcover_bdgf.mapping.scene_map import map_scene
from landcover_bdgf.mapping.settings import MapSettings, MosaicSettings
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


@pytest.mark.parametrize(("other", "message"), [
    ({"legend": Legend.from_values(["wood"])}, r"b\.tif: its code 1 is wood, and that of .*a\.tif is bare\. Map both"),
    ({"legend": Legend.from_values(["bare", "water", "woods"])}, "its code 3 is woods, and that of .* is wood"),
    ({"legend": Legend.from_values(["a", "b", "c", "d"])}, r"a\.tif: its code 1 is bare, and that of .*b\.tif is a"),
    ({"codes": codes(2, 2, 7)}, "contains code 7, which is not in its legend. If it means no data"),
    ({"origin_xy": (X + 10 * 2_000_000, Y)}, "the mosaic would have 2000002 × 2 px"),
])  # fmt: skip
def test_maps_that_do_not_fit_are_refused(other: dict[str, Any], message: str, write_map: Any, tmp_path: Path) -> None:
    maps = [write_map("a.tif", codes(2, 2)), write_map("b.tif", **({"codes": codes(2, 2)} | other))]
    before = sorted(tmp_path.iterdir())
    with pytest.raises(BdgfError, match=message):
        join_maps(maps, tmp_path / "all.tif")
    assert sorted(tmp_path.iterdir()) == before


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


def test_a_map_with_fewer_classes_fits_if_its_codes_have_the_same_names(
    write_map: Any, write_tif: WriteTif, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    few = Legend.from_values(["bare", "water"])
    maps = [write_map("a.tif", codes(2, 2, 2), legend=few), write_map("b.tif", codes(2, 2, 3), col=2)]
    for path, bands, col in ((maps[0], 2, 0), (maps[1], 3, 2)):
        origin = (X + 10 * col, Y)
        write_tif(layer_path(path, "probabilities").name, codes(2, 2)[None].repeat(bands, 0), origin_xy=origin)
    with caplog.at_level(logging.INFO, "landcover_bdgf"):
        joined = read_class_map(join_maps(maps, tmp_path / "all.tif"))
    assert joined.codes.tolist() == [[2, 2, 3, 3]] * 2
    assert joined.legend.names == ("bare", "water", "wood")
    assert f"no probabilities is written, as {maps[0]} has fewer classes" in caplog.text


@pytest.mark.parametrize("layer", ["confidence", "novelty"])
def test_the_more_certain_map_wins_with_all_its_layers(
    layer: str, write_map: Any, write_tif: WriteTif, tmp_path: Path
) -> None:
    """The first map where both are the same, and where neither knows."""
    maps = [write_map("a.tif", np.array([[1, 1, 1, 1, 0]], np.uint8)), write_map("b.tif", codes(1, 5, 2))]
    settings = MosaicSettings(overlap=layer)  # type: ignore[arg-type]
    with pytest.raises(RasterError, match=rf"a\.tif: has no {layer} beside it, which decides in overlaps\. Map the"):
        join_maps(maps, tmp_path / "all.tif", settings=settings)
    for path, percent in ((maps[0], [50, 60, 255, 255, 255]), (maps[1], [60, 60, 1, 255, 7])):
        write_tif(layer_path(path, layer).name, np.array([percent], np.uint8), nodata=255)
    joined = read_class_map(join_maps(maps, tmp_path / "all.tif", settings=settings))
    assert joined.codes.tolist() == [[2, 1, 2, 1, 2]]
    assert getattr(joined, layer).tolist() == [[60, 60, 1, 255, 7]]
    assert read_record(tmp_path / "all.tif")["decides"] == layer


def test_a_map_of_another_zone_gives_its_nearest_pixels(
    write_map: Any, write_tif: WriteTif, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    random = np.random.default_rng(0)
    east = random.integers(1, 4, (80, 70)).astype(np.uint8)
    to_west = pyproj.Transformer.from_crs(32634, 32633, always_xy=True)
    x, y = to_west.transform(300_000, 5_000_000)
    west = write_map("w.tif", codes(60, 50), origin_xy=(x - 400, y + 100))
    other = write_map("e.tif", east, crs="EPSG:32634", origin_xy=(300_000, 5_000_000))
    for path, size in ((west, (60, 50)), (other, (80, 70))):
        with rasterio.open(path) as dataset:
            origin, crs = (dataset.transform.c, dataset.transform.f), dataset.crs
        values = random.integers(0, 100, size).astype(np.uint8)
        write_tif(layer_path(path, "confidence").name, values, origin_xy=origin, crs=crs, nodata=255)
    with caplog.at_level(logging.INFO, "landcover_bdgf"):
        joined = read_class_map(join_maps([west, other], tmp_path / "all.tif"))
    assert "e.tif: 70 × 80 px of 10 m, EPSG:32634, is resampled to the nearest pixels" in caplog.text
    assert joined.crs.to_epsg() == 32633
    rows, cols = np.indices(joined.codes.shape)
    t = joined.transform
    own_x, own_y = to_west.transform(t.c + 10 * (cols + 0.5), t.f - 10 * (rows + 0.5), direction="INVERSE")
    own_col, own_row = np.floor((own_x - 300_000) / 10).astype(int), np.floor((5_000_000 - own_y) / 10).astype(int)
    inside = (own_row >= 0) & (own_row < 80) & (own_col >= 0) & (own_col < 70)
    first = np.zeros(inside.shape, bool)
    row, col = round((t.f - y - 100) / 10), round((x - 400 - t.c) / 10)
    first[row : row + 60, col : col + 50] = True
    expected = np.where(first, 1, np.where(inside, east[own_row.clip(0, 79), own_col.clip(0, 69)], 0))
    assert (joined.codes == expected).all()
    assert (first & inside).any()
    assert joined.confidence is not None
    assert ((joined.confidence == 255) == (expected == 0)).all()


def test_the_mosaic_does_not_depend_on_the_windows_in_which_it_is_written(
    write_map: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    maps = [
        write_map("a.tif", random.integers(0, 4, (150, 120)).astype(np.uint8)),
        write_map("b.tif", random.integers(0, 4, (140, 130)).astype(np.uint8), crs="EPSG:32632",
                  origin_xy=pyproj.Transformer.from_crs(32633, 32632, always_xy=True).transform(X + 600, Y)),
    ]  # fmt: skip
    made = []
    for tile_px in (1024, 512, 37):
        monkeypatch.setattr(joining, "_READ_PX", tile_px)
        join_maps(maps, tmp_path / "all.tif", overwrite=True)
        made.append({p.name: p.read_bytes() for p in tmp_path.glob("all.*")})
    assert made[0] == made[1] == made[2]


def test_how_maps_agree_is_recorded(write_map: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    maps = [write_map("a.tif", codes(20, 20)), write_map("b.tif", codes(20, 20), col=15)]
    maps += [write_map("c.tif", codes(20, 20, 2), row=10)]
    with caplog.at_level(logging.WARNING, "landcover_bdgf"):
        join_maps(maps, tmp_path / "all.tif")
    assert read_record(tmp_path / "all.tif")["overlaps"] == [
        {"maps": ["map 1", "map 2"], "px": 100, "agreement": 1.0},
        {"maps": ["map 1", "map 3"], "px": 200, "agreement": 0.0},
        {"maps": ["map 2", "map 3"], "px": 50, "agreement": 0.0},
    ]
    assert f"{maps[0]} and {maps[2]} have the same class in 0.0 % of the 200 pixels where both have data" in caplog.text
    assert caplog.text.count("have the same class") == 1, "one overlap is too small for a warning, one agrees"


def test_a_folder_stands_for_its_maps(write_map: Any, tmp_path: Path) -> None:
    """As that of a table of scenes, in which other rasters lie, too."""
    maps = [write_map(f"maps/{name}.tif", codes(6, 6, code)) for name, code in (("a", 1), ("b", 2))]
    for path in maps:
        write_record(path, read_record(path) | {"step": "map"})
    shutil.copy(maps[0], tmp_path / "maps/a_confidence.tif")
    one, other = mosaic([tmp_path / "maps"], tmp_path / "folder.tif"), mosaic(maps, tmp_path / "files.tif")
    assert one.read_bytes() == other.read_bytes()
    (tmp_path / "none").mkdir()
    with pytest.raises(OutputError, match=r"none: is a folder without maps\. Give maps, or \.partial folders"):
        mosaic([tmp_path / "none"], tmp_path / "m.tif")


def test_the_sensors_of_the_pixels_that_win_are_recorded(write_map: Any, write_tif: WriteTif, tmp_path: Path) -> None:
    """As for a single map, in the record, in `info` and in reports."""
    maps = [write_map("a.tif", codes(2, 4)), write_map("b.tif", codes(2, 4), col=2)]
    for path, col, code in ((maps[0], 0, 1), (maps[1], 2, 3)):
        write_tif(layer_path(path, "condition").name, codes(2, 4, code), origin_xy=(X + 10 * col, Y), nodata=0)
    made = join_maps(maps, tmp_path / "all.tif")
    assert read_record(made)["conditions"] == {"both": 8, "spectral": 0, "sar": 4}
    (line,) = map_record(read_record(made)).made
    assert line.startswith("pixels are mapped by both sensors 66.7 %, the spectral image alone 0.0 %, the SAR image")


def test_both_sensors_saw_the_pixels_of_a_map_that_was_made_without_the_layer(
    write_map: Any, write_tif: WriteTif, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    some = codes(2, 4)
    some[0, 0] = 0
    plain, other = write_map("a.tif", some), write_map("b.tif", codes(2, 4), col=2)
    write_tif("b_condition.tif", codes(2, 4, 2), origin_xy=(X + 20, Y), nodata=0)
    write_record(plain, {"step": "map", "layers": []})
    made = join_maps([plain, other], tmp_path / "all.tif")
    with rasterio.open(layer_path(made, "condition")) as file:
        assert file.read(1).tolist() == [[0, 1, 1, 1, 2, 2], [1, 1, 1, 1, 2, 2]]
    assert read_record(made)["conditions"] == {"both": 7, "spectral": 4, "sar": 0}
    # of a mosaic of an earlier version, of a map that has lost the layer, and of one of another program it is not known
    for known in ({"step": "mosaic", "layers": []}, {"step": "map", "layers": ["condition"]}, {}):
        write_record(plain, known)
        caplog.clear()
        with caplog.at_level(logging.INFO, "landcover_bdgf"):
            made = join_maps([plain, other], tmp_path / "other.tif", overwrite=True)
        assert not layer_path(made, "condition").exists()
        assert "no condition is written, as" in caplog.text
