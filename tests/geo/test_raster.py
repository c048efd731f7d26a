"""Rasters are opened only when they can be trusted, and written whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import make_bad as bad
import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS

from landcover_bdgf.errors import OutputError, RasterError
from landcover_bdgf.geo.cog import RasterProfile, write_raster
from landcover_bdgf.geo.crs import transformer
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.geo.raster import Window, grid_of, open_raster
from landcover_bdgf.geo.raster_checks import check_proportions
from landcover_bdgf.storage.atomic import atomic_output, check_output

UTM = CRS.from_epsg(32633)
GRID = Grid(UTM, Affine(10, 0, 500_000, 0, -10, 5_000_000), (70, 90))


def cut(pixels, tile_px):
    """Tiles of an array, as mapping hands them to write_raster."""
    for window in GRID.tiles(tile_px):
        rows, cols = window.toslices()
        yield window, pixels[:, rows, cols]


# Grid

BEYOND_180 = Grid(CRS.from_epsg(4326), Affine(0.001, 0, 179.9, 0, -0.001, -16), (200, 200))


@pytest.mark.parametrize("turns", [-1, 0, 1])
def test_a_place_beyond_the_antimeridian_is_found_however_its_longitude_is_counted(turns):
    grid = Grid(BEYOND_180.crs, Affine(0.001, 0, 179.9 + 360 * turns, 0, -0.001, -16), BEYOND_180.shape_hw)
    x, y = np.array([179.9505, -179.9495, 180.0505]), np.array([-16.0505, -16.0505, -16.0505])
    rows, cols = grid.rowcol_of(x, y, CRS.from_epsg(4326))
    np.testing.assert_allclose([*rows, *cols], [50, 50, 50, 50, 150, 150], atol=1e-6)
    fiji = CRS.from_epsg(3460)
    rows, cols = grid.rowcol_of(*transformer(BEYOND_180.crs, fiji).transform(x, y), fiji)
    np.testing.assert_allclose([*rows, *cols], [50, 50, 50, 50, 150, 150], atol=0.01)
    assert BEYOND_180.offset_in(grid) == (0, 0)
    assert grid.window_grid(Window(5, 7, 20, 20)).offset_in(BEYOND_180) == (7, 5)


def test_grids_of_the_whole_earth_are_as_they_were():
    for west in (-180, 0):
        earth = Grid(CRS.from_epsg(4326), Affine(1, 0, west, 0, -1, 90), (180, 360))
        assert earth.same_as(earth)
        assert earth.rowcol_of(-10, 0, earth.crs)[1] == (169.5 if west else 349.5)


def test_pixel_centres_are_half_a_pixel_inside():
    x, y = GRID.xy(0, 0)
    assert (x, y) == (500_005, 4_999_995)
    rows, cols = GRID.rowcol(x + 10, y - 20)
    assert (rows, cols) == (2.0, 1.0)
    assert GRID.bounds == (500_000, 4_999_300, 500_900, 5_000_000)
    assert GRID.resolution_xy == (10, 10)


def test_a_window_of_the_grid_has_the_same_pixels():
    window = Window(7, 5, 20, 10)
    inner = GRID.window_grid(window)
    assert inner.shape_hw == (10, 20)
    assert inner.xy(0, 0) == GRID.xy(5, 7)
    assert inner.offset_in(GRID) == (5, 7)


def test_tiles_cover_the_grid_once_row_by_row():
    seen = np.zeros(GRID.shape_hw, int)
    for window in GRID.tiles(32):
        seen[window.toslices()] += 1
    assert (seen == 1).all()
    assert [w.col_off for w in GRID.tiles(32)][:4] == [0, 32, 64, 0]


@pytest.mark.parametrize(("shift_px", "same"), [(0.0, True), (0.005, True), (0.02, False), (1.0, False)])
def test_grids_are_the_same_within_a_hundredth_of_a_pixel(shift_px, same):
    assert GRID.same_as(GRID.shifted((shift_px, 0.0))) is same


def test_a_slightly_different_pixel_size_is_another_grid():
    assert not GRID.same_as(Grid(UTM, Affine(10.01, 0, 500_000, 0, -10, 5_000_000), (70, 90)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape_hw": [0, 9]}, "shape_hw.0: Input should be greater than or equal to 1"),
        ({"shape_hw": [1e999, 9]}, "shape_hw.0: Input should be a finite number"),
        ({"transform": [10, 1, 0, 0, -10, 0]}, "transform: it is not north-up"),
        ({"transform": [10, 10**400]}, "transform: it is not six numbers"),
        ({"crs": 5}, "crs: its CRS is no text"),
        ({"crs": "x"}, "crs: The WKT could not be parsed"),
    ],
)
def test_a_grid_that_is_none_is_refused(change, message):
    assert Grid.from_dict(GRID.to_dict()) == GRID
    with pytest.raises(ValueError, match=message):
        Grid.from_dict(GRID.to_dict() | change)


def test_a_crs_written_another_way_is_the_same():
    wkt1 = CRS.from_wkt(UTM.to_wkt(version="WKT1_ESRI"))
    assert GRID.same_as(Grid(wkt1, GRID.transform, GRID.shape_hw))
    assert "EPSG:32633" in GRID.describe()
    assert "10 m" in GRID.describe()


# Opening


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: None, "does not exist"),
        (lambda p: p.mkdir(), "is a folder"),
        (lambda p: p.touch(), "is empty"),
        (lambda p: p.write_text("no raster"), "is not a GeoTIFF"),
        (lambda p: os.mkfifo(p), "device or pipe"),
    ],
)
def test_what_is_no_raster_is_refused(tmp_path, make, words):
    path = tmp_path / "scene.tif"
    make(path)
    with pytest.raises(RasterError, match=words):
        open_raster(path)


def test_an_image_without_bands_is_refused():
    dataset = SimpleNamespace(shape=(5, 5), count=0, dtypes=())  # as a VRT may be, which GDAL does not open here
    with pytest.raises(RasterError, match="holds no pixels"):
        check_proportions(dataset, "a.vrt")


def test_a_block_that_must_be_decoded_whole_is_refused(tmp_path):
    bad.tiff(40_000, 40_000, tile=40_000)(tmp_path)  # one tile
    with pytest.raises(RasterError, match=r"has blocks of 1\.6 GB, .* gdal_translate -co TILED=YES"):
        open_raster(tmp_path / "bad.tif")


def test_a_header_of_something_else_makes_no_envi_image(tmp_path):
    (tmp_path / "a.img").write_bytes(bytes(100))
    (tmp_path / "a.hdr").write_text("samples = 10")
    with pytest.raises(RasterError, match="is not a GeoTIFF, ENVI"):
        open_raster(tmp_path / "a.img")


def test_a_vrt_is_refused_whatever_its_name(tmp_path, write_tif, noise):
    source = write_tif("a.tif", noise)
    vrt = tmp_path / "innocent.tif"
    inside = f"<SimpleSource><SourceFilename>{source}</SourceFilename></SimpleSource>"
    band = f'<VRTRasterBand band="1">{inside}</VRTRasterBand>'
    vrt.write_text(f'<VRTDataset rasterXSize="50" rasterYSize="40">{band}</VRTDataset>')
    with pytest.raises(RasterError, match="is not a GeoTIFF"):
        open_raster(vrt)


def test_an_aux_xml_is_warned_of_once_and_never_waited_for(write_tif, noise, caplog):
    told, piped, long = (write_tif(f"{name}.tif", noise) for name in ("told", "piped", "long"))
    Path(f"{told}.aux.xml").write_text("<PAMDataset><NoDataValue le_hex_equiv='0'>0</NoDataValue></PAMDataset>")
    os.mkfifo(f"{piped}.aux.xml")
    Path(f"{long}.aux.xml").write_text((1 << 20) * " " + "<SRS>EPSG:4326</SRS>")
    for path in (told, piped, long):
        open_raster(path).close()
    assert [record.getMessage()[len(str(told)) :] for record in caplog.records] == [
        ": told.tif.aux.xml beside it tells its nodata, which is not read. If it is right, write it into the file: "
        "gdal_edit.py, or gdal_translate to a new one."
    ]


def test_an_envi_image_opens_by_its_header_too(write_tif, noise):
    path = write_tif("scene.img", noise, driver="ENVI")
    with open_raster(path.with_suffix(".hdr")) as dataset:
        np.testing.assert_array_equal(dataset.read(), noise)


def test_a_jpeg_2000_file_opens(tmp_path, write_tif):
    pixels = np.random.default_rng(0).integers(0, 4000, (1, 64, 64)).astype("uint16")
    path = tmp_path / "T33UUU_20200604T101031_B02_10m.jp2"
    lossless = {"QUALITY": "100", "REVERSIBLE": "YES"}
    rasterio.shutil.copy(write_tif("a.tif", pixels), path, driver="JP2OpenJPEG", **lossless)
    with open_raster(path) as dataset:
        np.testing.assert_array_equal(dataset.read(), pixels)
        assert grid_of(dataset).resolution_xy == (10, 10)


# Placing


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"crs": None}, "no CRS"),
        ({"transform": Affine.identity()}, "no position"),
        ({"transform": Affine(10, 1, 0, 1, -10, 0)}, "rotated or sheared"),
        ({"transform": Affine(-10, 0, 0, 0, -10, 0)}, "mirrored"),
        ({"transform": Affine(float("nan"), 0, 0, 0, -10, 0)}, "no size"),
    ],
)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_raster_without_a_place_is_refused(write_tif, noise, options, words):
    with (
        open_raster(write_tif("a.tif", noise, **options)) as dataset,
        pytest.raises(RasterError, match=words),
    ):
        grid_of(dataset)


def test_ground_control_points_alone_are_refused(write_tif, noise):
    points = [GroundControlPoint(row, col, 9 + col, 50 - row) for row in (0, 40) for col in (0, 50)]
    path = write_tif("grd.tif", noise, transform=None, gcps=points)
    with open_raster(path) as dataset, pytest.raises(RasterError, match="4 ground-control points"):
        grid_of(dataset)


def test_the_user_can_give_a_missing_crs(write_tif, noise):
    with open_raster(write_tif("a.tif", noise, crs=None)) as dataset:
        assert grid_of(dataset, crs=UTM).crs == UTM


def test_a_south_up_raster_gets_the_grid_of_its_flipped_rows(write_tif, noise):
    north_up = write_tif("n.tif", noise)
    south_up = write_tif("s.tif", noise[:, ::-1], transform=Affine(10, 0, 500_000, 0, 10, 5_000_000 - 400))
    with open_raster(north_up) as north, open_raster(south_up) as south:
        assert grid_of(south) == grid_of(north)


# Outputs


def test_an_existing_output_needs_overwrite(tmp_path):
    path = tmp_path / "map.tif"
    path.write_text("old")
    with pytest.raises(OutputError, match="exists already"):
        check_output(path, overwrite=False)
    check_output(path, overwrite=True)


def test_an_output_needs_its_folder(tmp_path):
    with pytest.raises(OutputError, match="does not exist"):
        check_output(tmp_path / "nowhere" / "map.tif")
    with pytest.raises(OutputError, match="is a folder"):
        check_output(tmp_path)


def test_an_output_is_never_an_input_not_even_by_a_link(tmp_path):
    source = tmp_path / "in" / "scene.tif"
    source.parent.mkdir()
    source.touch()
    link = tmp_path / "map.tif"
    link.symlink_to(source)
    for inputs in ([source], [source.parent]):
        with pytest.raises(OutputError, match="one of the inputs"):
            check_output(link, overwrite=True, inputs=inputs)


def test_a_failed_output_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "map [1].json"
    path.write_text("old")

    def half_write():
        with atomic_output(path, overwrite=True) as temporary:
            temporary.write_text("half")
            Path(f"{temporary}.aux.xml").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half_write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="No space left"), atomic_output(tmp_path / "a.json"):
        raise OSError(28, "No space left on device")
    assert not list(tmp_path.iterdir())


# Writing


CODES = np.random.default_rng(1).integers(0, 4, (1, 70, 90)).astype("uint8")
CLASSES = RasterProfile(
    "uint8",
    nodata=0,
    band_names=("land cover",),
    colormap={0: (0, 0, 0), 1: (0, 0, 255), 2: (0, 99, 0), 3: (255, 0, 0)},
    tags={"MODEL": "laptop"},
)


def test_a_written_map_keeps_pixels_nodata_colours_names_and_tags(tmp_path):
    path = tmp_path / "map.tif"
    write_raster(path, GRID, cut(CODES, 32), profile=CLASSES)
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(), CODES)
        assert grid_of(file) == GRID
        assert file.nodata == 0
        assert file.colormap(1)[3] == (255, 0, 0, 255)
        assert file.descriptions == ("land cover",)
        assert file.tags()["MODEL"] == "laptop"
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert file.tags(ns="IMAGE_STRUCTURE")["COMPRESSION"] == "DEFLATE"
    assert list(tmp_path.iterdir()) == [path]


def test_a_map_has_the_same_bytes_whatever_its_tiles_and_threads(tmp_path):
    for tile_px, threads in ((16, "1"), (33, "4"), (1000, "ALL_CPUS")):
        with rasterio.Env(GDAL_NUM_THREADS=threads):
            write_raster(tmp_path / f"{tile_px}.tif", GRID, cut(CODES, tile_px), profile=CLASSES)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1


def test_overviews_of_classes_hold_only_classes(tmp_path):
    grid = Grid(UTM, GRID.transform, (1200, 1200))
    codes = np.where(np.random.default_rng(2).random((1, 1200, 1200)) < 0.7, 1, 9).astype("uint8")
    write_raster(tmp_path / "map.tif", grid, [(Window(0, 0, 1200, 1200), codes)], profile=RasterProfile("uint8"))
    with rasterio.open(tmp_path / "map.tif", overview_level=0) as overview:
        assert set(np.unique(overview.read())) == {1, 9}
        assert (overview.read() == 1).mean() > 0.75


def test_floats_survive_with_nan_as_nodata(tmp_path):
    power = np.random.default_rng(3).random((2, 70, 90)).astype("float32")
    power[:, :9] = np.nan
    profile = RasterProfile("float32", count=2, nodata=float("nan"), band_names=("VV", "VH"), overviews="average")
    write_raster(tmp_path / "sar.tif", GRID, cut(power, 64), profile=profile)
    with rasterio.open(tmp_path / "sar.tif") as file:
        np.testing.assert_array_equal(file.read(), power)
        assert np.isnan(file.nodata)
        assert file.descriptions == ("VV", "VH")


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    def tiles():
        yield from list(cut(CODES, 32))[:3]
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write_raster(tmp_path / "map.tif", GRID, tiles(), profile=CLASSES)
    with pytest.raises(ValueError, match="tiles cover"):
        write_raster(tmp_path / "map.tif", GRID, list(cut(CODES, 32))[:3], profile=CLASSES)
    assert not list(tmp_path.iterdir())


WRITE_UNDER_A_LIMIT = """
import sys, resource
from test_raster import *
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    write_raster(sys.argv[1], GRID, cut(CODES, 32), profile=CLASSES)
except OutputError as error:
    print(error)
"""


@pytest.mark.parametrize("limit_bytes", [0, 500, 5_000])
def test_a_write_that_the_system_cuts_short_publishes_nothing(tmp_path, limit_bytes):
    command = [sys.executable, "-c", WRITE_UNDER_A_LIMIT, tmp_path / "map.tif", str(limit_bytes)]
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "could not be written whole" in done.stdout
    assert not list(tmp_path.iterdir())
