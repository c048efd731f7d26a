"""The whole job completes on real scenes of different kinds; one branch is trained for two steps only.

Hong Kong and Potsdam have no SAR image; it is simulated.
"""

from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from conftest import SHORT
from numpy.typing import NDArray
from rasterio.windows import Window

import landcover_bdgf as bdgf
from landcover_bdgf.bench.simulated import simulated_sar

pytestmark = pytest.mark.usefixtures("quick_picture")
RECIPE = bdgf.load_recipe("laptop", (*SHORT, "diffusion.batch=4", "fusion.branches=cnn"))


def whole_job(
    stack: bdgf.Stack, labels: Path, field: str, folder: Path, **sampling: object
) -> tuple[NDArray[np.int64], bdgf.Samples]:
    job = bdgf.Job(
        labels, field, folder / "map.tif", folder / "model.safetensors", RECIPE,
        sampling=bdgf.SampleSettings(**sampling),  # type: ignore[arg-type]
    )  # fmt: skip
    accuracy = bdgf.run_job(stack, job)
    assert accuracy is not None
    with rasterio.open(job.output) as dataset:
        return dataset.read(1), bdgf.read_samples(job.steps_folder / "samples.gpkg")


def test_hong_kong_as_single_files_with_thirteen_classes(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "lcz_hong_kong"
    product = folder / "landsat8/LC81220442013333LGN00"
    bands = [product / f"{product.name}_B{n}.tif" for n in (1, 2, 3, 4, 5, 6, 7, 10, 11)]
    stack = bdgf.align(bands, simulated_sar(bands, tmp_path / "sar.tif"))
    assert stack.spectral.sensor == "Landsat 8/9"
    codes, samples = whole_job(stack, folder / "polygons/singleparts.shp", "VALUE", tmp_path, ignore_class=("0",))
    assert samples.legend.names == tuple(str(n) for n in (1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 17))
    with rasterio.open(bands[0]) as dataset:
        gaps = dataset.read(1) == 0
    assert gaps.any()
    assert not codes[gaps].any()


def test_potsdam_with_224_bands_gaps_dead_bands_and_points(
    shared_data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = shared_data / "enmap_potsdam"
    with caplog.at_level("INFO"):
        stack = bdgf.align(folder / "enmap.tif", simulated_sar(folder / "enmap.tif", tmp_path / "sar.tif"))
    assert "130" in caplog.text  # the log names the dead bands
    assert len(stack.spectral.bands) == 218
    codes, samples = whole_job(
        stack, folder / "landcover_points.gpkg", "level_2", tmp_path, layer="landcover_potsdam_point"
    )
    with rasterio.open(folder / "enmap.tif") as dataset:
        there = dataset.read(1) != -32768
    assert np.array_equal(codes > 0, there)
    assert samples.min_distance_px() >= 9


def test_a_sentinel_2_product_as_a_folder_of_bands(shared_data: Path) -> None:
    """A folder of twelve files at 10, 20 and 60 m, and VV.tif and VH.tif, each with its own origin."""
    folder = shared_data / "s1s2_different_grids"
    product, sar = sorted((folder / "s2_l2a").iterdir())[0], sorted((folder / "s1").iterdir())[0]
    stack = bdgf.align(product, [sar / "VV.tif", sar / "VH.tif"])
    assert stack.spectral.names == (
        "B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12",
    )  # fmt: skip
    assert stack.sar_unit == "db"
    tile = stack.read(Window(100, 100, 64, 64))
    assert tile.valid.all()
    assert 0.001 < np.median(tile.sar) < 1


def test_chile_with_clouds_masked_and_an_area_of_interest(shared_data: Path, tmp_path: Path) -> None:
    """A mask of 20 m and an area in degrees; the map is 0 where either leaves pixels out, and only there."""
    folder = shared_data / "s1s2_chile"
    with rasterio.open(folder / "s2_l2a.tif") as dataset:
        transform, crs = dataset.transform, dataset.crs
    clouds = np.full((112, 112), 5, np.uint8)
    clouds[20:45, 30:60], clouds[45:50, 30:60] = 9, 3
    with rasterio.open(
        tmp_path / "scl.tif", "w", driver="GTiff", width=112, height=112, count=1, dtype="uint8", crs=crs,
        transform=transform * transform.scale(2),
    ) as file:  # fmt: skip
        file.write(clouds, 1)
    pixels = shapely.Polygon([(3, 2), (220, 10), (200, 221), (20, 180)])
    area = shapely.transform(pixels, lambda xy: xy * (transform.a, transform.e) + (transform.c, transform.f))
    geopandas.GeoDataFrame(geometry=[area], crs=crs).to_crs(4326).to_file(tmp_path / "aoi.geojson")
    settings = bdgf.AlignSettings(mask=(str(tmp_path / "scl.tif"),), aoi=str(tmp_path / "aoi.geojson"))
    pair = folder / "s2_l2a.tif", folder / "s1_rtc_db.tif"
    stack, plain = bdgf.align(*pair, settings=settings), bdgf.align(*pair)
    codes, samples = whole_job(stack, folder / "train_polygons.shp", "class", tmp_path)
    window = Window(0, 0, 224, 224)
    masked = np.isin(clouds, (3, 9)).repeat(2, 0).repeat(2, 1)
    inside = stack.read_inside(window)
    assert 0.6 < inside.mean() < 0.9
    assert np.array_equal(codes > 0, plain.read_valid(window) & inside & ~masked)
    assert not (masked | ~inside)[samples.rows, samples.cols].any()
