"""Bands of one file or many read as one image: same values in any window, nodata never as data."""

from __future__ import annotations

import gc
import shutil

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.warp import transform

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.geo.raster import Window
from landcover_bdgf.scene.image import open_image

UTM = CRS.from_epsg(32633)


def whole(image):
    height, width = image.grid.shape_hw
    return image.read(Window(0, 0, width, height))


def plane(grid, crs=UTM):
    """A linear function of UTM coordinates at the pixel centres: bilinear interpolation keeps it exact."""
    rows, cols = np.mgrid[: grid.shape_hw[0], : grid.shape_hw[1]]
    x, y = grid.xy(rows, cols)
    if crs != UTM:
        x, y = (np.reshape(axis, x.shape) for axis in transform(crs, UTM, x.ravel(), y.ravel()))
    return ((x - 500_000) + 2 * (5_000_000 - y)).astype("float32")


# One file


def test_pixels_are_read_as_they_are(write_tif, noise):
    values, valid = whole(open_image(write_tif("a.tif", noise)))
    np.testing.assert_array_equal(values, noise)
    assert valid.all()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_nodata_nan_and_infinity_are_no_data(write_tif, dtype):
    pixels = np.arange(1, 41).reshape(2, 4, 5).astype(dtype)
    pixels[0, 0, 0] = 0
    expected = pixels[0] != 0
    if np.issubdtype(dtype, np.floating):
        pixels[1, 1, 1], pixels[0, 2, 2] = np.nan, np.inf
        expected[1, 1] = expected[2, 2] = False
    values, valid = whole(open_image(write_tif("a.tif", pixels, nodata=0)))
    np.testing.assert_array_equal(valid, expected)
    np.testing.assert_array_equal(values, np.where(expected, pixels, 0))


def test_each_band_has_its_own_nodata_and_one_missing_band_is_enough(tmp_path, write_tif):
    write_tif("x/B1.tif", np.array([[1.0, 2], [3, -9]], "float32"), nodata=-9)
    write_tif("x/B2.tif", np.array([[7.0, 2], [3, -9]], "float32"), nodata=7)
    values, valid = whole(open_image(tmp_path / "x"))
    np.testing.assert_array_equal(valid, [[False, True], [True, False]])
    assert not values[:, ~valid].any()


def test_float32_nodata_is_recognised_though_written_with_more_digits(write_tif):
    pixels = np.array([[1, np.finfo("float32").min]], "float32")
    _, valid = whole(open_image(write_tif("a.tif", pixels, nodata=-3.4028234663852886e38)))
    np.testing.assert_array_equal(valid, [[True, False]])


def test_scale_and_offset_give_physical_values(write_tif):
    path = write_tif("a.tif", np.array([[100, 200, 0]], "int16"), nodata=0)
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = (0.01,), (-1.0,)
    values, valid = whole(open_image(path))
    np.testing.assert_array_equal(values[0], np.float32([[0, 1, 0]]))
    np.testing.assert_array_equal(valid, [[True, True, False]])


@pytest.mark.parametrize("dtype", ["complex64", "complex_int16"])
def test_complex_pixels_become_intensity(write_tif, dtype):
    values, _ = whole(open_image(write_tif("slc.tif", np.array([[3 + 4j, 1j]], "complex64"), dtype=dtype)))
    np.testing.assert_array_equal(values[0], [[25, 1]])


@pytest.mark.parametrize("nodata", [None, 200])
@pytest.mark.parametrize("bands", [1, 2, 3, 4, 10])
def test_a_transparency_band_masks_and_is_left_out(write_tif, caplog, bands, nodata):
    caplog.set_level("INFO")
    pixels = np.full((bands + 1, 3, 3), 7, "uint8")
    pixels[-1] = 255
    pixels[-1, 0] = 0
    path = write_tif("with_alpha.tif", pixels, nodata=nodata)
    with rasterio.open(path, "r+") as file:
        file.colorinterp = [*[ColorInterp.undefined] * bands, ColorInterp.alpha]
    image = open_image(path)
    assert len(image.bands) == bands
    assert "transparency" in caplog.text
    np.testing.assert_array_equal(whole(image)[1], [[False] * 3, [True] * 3, [True] * 3])


def test_a_file_of_transparency_only_is_refused(write_tif):
    path = write_tif("alpha.tif", np.full((2, 9, 9), 255, "uint8"))
    with rasterio.open(path, "r+") as file:
        file.colorinterp = [ColorInterp.alpha] * 2
    with pytest.raises(RasterError, match="no band is left, all are transparency"):
        open_image(path)


def test_smooth_edges_are_transparency_too(write_tif):
    pixels = np.full((4, 200, 200), 7, "uint8")
    pixels[3] = np.clip(np.arange(-100, 100) * 50, 0, 255)  # 0, six columns between, 255
    image = open_image(write_tif("rgba.tif", pixels))
    assert len(image.bands) == 3
    np.testing.assert_array_equal(whole(image)[1], pixels[3] > 0)


@pytest.mark.parametrize("water", [0.3, 0.97])
def test_a_near_infrared_that_gdal_takes_for_transparency_is_a_band(write_tif, caplog, water):
    pixels = np.random.default_rng(0).integers(1, 255, (4, 200, 200), dtype="uint8")
    pixels[3, : int(200 * water)] = 0
    path = write_tif("rgbn.tif", pixels)
    with rasterio.open(path) as file:
        assert file.colorinterp[3] == ColorInterp.alpha
    image = open_image(path)
    values, valid = whole(image)
    assert valid.all()
    np.testing.assert_array_equal(values, pixels)
    assert "band 4 is marked as transparency but holds values of a band; it is taken as one" in caplog.text


def test_a_band_that_is_called_infrared_is_no_transparency(write_tif):
    pixels = np.full((4, 9, 9), 200, "uint8")
    pixels[3, :5] = 0
    image = open_image(write_tif("rgbn.tif", pixels, names=("red", "green", "blue", "nir")))
    assert image.names == ("red", "green", "blue", "nir")
    assert whole(image)[1].all()


def test_zeros_of_sentinel_2_as_delivered_are_no_data(tmp_path):
    pixels = np.arange(256 * 256, dtype="uint16").reshape(1, 256, 256) % 900 + 1
    pixels[:, :40] = 0
    profile = {"driver": "JP2OpenJPEG", "width": 256, "height": 256, "count": 1, "dtype": "uint16", "crs": UTM}
    profile |= {"transform": Affine(10, 0, 500_000, 0, -10, 5_000_000), "QUALITY": 100, "REVERSIBLE": "YES"}
    for name, expected in (("T33UUP_20200604T100031_B02_10m", False), ("elsewhere_B02", True)):
        with rasterio.open(tmp_path / f"{name}.jp2", "w", **profile) as file:
            file.write(pixels)
        _, valid = whole(open_image(tmp_path / f"{name}.jp2"))
        assert valid[:40].all() == valid[:40].any() == expected
        assert valid[40:].all()


def test_a_south_up_file_reads_like_its_north_up_twin(write_tif, noise):
    north = open_image(write_tif("n.tif", noise))
    flipped = Affine(10, 0, 500_000, 0, 10, 5_000_000 - 400)
    south = open_image(write_tif("s.tif", noise[:, ::-1], transform=flipped))
    for window in (Window(0, 0, 50, 40), Window(3, 5, 20, 10)):
        np.testing.assert_array_equal(south.read(window)[0], north.read(window)[0])


def test_pixel_is_point_and_pixel_is_area_lie_on_one_grid(write_tif, noise):
    area = open_image(write_tif("a.tif", noise)).grid
    point = open_image(write_tif("p.tif", noise, tags={"AREA_OR_POINT": "Point"})).grid
    assert point.same_as(area)


def test_bands_without_data_are_left_out_by_name(write_tif, noise, caplog):
    caplog.set_level("INFO")
    pixels = noise.copy()
    pixels[1] = np.nan
    pixels[2, 1:] = np.nan  # one row of data is data
    image = open_image(write_tif("a.tif", pixels, names=("blue", "haze", "nir")))
    assert image.names == ("blue", "nir")
    assert "haze" in caplog.text
    pixels[:] = np.nan
    with pytest.raises(RasterError, match="no band is left"):
        open_image(write_tif("b.tif", pixels))


SENTINEL_2 = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")
SENTINEL_2_CODES = (
    *("AOT", "WVP", "SCL", "TCI_R", "TCI_G", "TCI_B", "MSK_CLDPRB", "MSK_SNWPRB", "QA10", "QA20", "QA60"),
    *("MSK_CLASSI_OPAQUE", "MSK_CLASSI_CIRRUS", "MSK_CLASSI_SNOW_ICE"),
)
LANDSAT = ("SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7", "ST_B10")
LANDSAT_CODES = (
    *("SR_QA_AEROSOL", "SR_ATMOS_OPACITY", "SR_CLOUD_QA", "ST_ATRAN", "ST_CDIST", "ST_DRAD", "ST_EMIS", "ST_EMSD"),
    *("ST_QA", "ST_TRAD", "ST_URAD", "QA_PIXEL", "QA_RADSAT"),
)


@pytest.mark.parametrize(
    ("bands", "codes", "names", "sensor"),
    [
        (SENTINEL_2, SENTINEL_2_CODES, [f"B{name[1:]:0>2}" for name in SENTINEL_2], "Sentinel-2"),
        (LANDSAT, LANDSAT_CODES, [name[3:] for name in LANDSAT], "Landsat 8/9"),
        (("B2", "B3", "B10"), ("QA_PIXEL", "SAA", "SZA", "VAA", "VZA"), ["B2", "B3", "B10"], None),
        (("VV", "VH"), ("angle",), ["VV", "VH"], None),
        (("VV",), ("angle",), ["VV"], None),
    ],
)
def test_codes_that_one_file_holds_beside_its_bands_are_left_out(write_tif, caplog, bands, codes, names, sensor):
    caplog.set_level("INFO")
    every = (*codes[:1], *bands, *codes[1:])
    pixels = np.arange(len(every), dtype="uint16")[:, None, None] + np.ones((8, 8), "uint16")
    image = open_image(write_tif("a.tif", pixels, names=every))
    assert (list(image.names), image.sensor) == (names, sensor)
    assert whole(image)[0][:, 0, 0].tolist() == list(range(2, len(bands) + 2))
    left_out = (
        f"left out {len(codes)} of {len(every)} bands, by their names they are masks, codes, angles or pictures: "
    )
    assert f"{left_out}{', '.join(codes[:12])}" in caplog.text


@pytest.mark.parametrize(
    "names", [("B2", "angle"), ("SCL", "QA60"), ("blue", "mask", "angle"), ("B2", "B3", "dem"), ("B2", "B3", "ndvi")]
)
def test_what_one_file_holds_otherwise_stays(write_tif, names):
    assert len(open_image(write_tif("a.tif", np.ones((len(names), 8, 8), "uint16"), names=names)).bands) == len(names)


def test_a_code_that_is_listed_as_a_file_of_its_own_stays(write_tif, noise):
    paths = [write_tif(f"{name}.tif", noise[0], names=(name,)) for name in ("B2", "B3", "SCL")]
    assert open_image(paths).names == ("B2", "B3", "SCL")


def test_water_vapour_bands_are_left_out_unless_kept(write_tif, noise):
    path = write_tif("a.tif", noise, names=("a (800 nm)", "b (1400 nm)", "c (1.88 um)"))
    assert open_image(path).names == ("a",)
    assert open_image(path, keep_water_vapour=True).names == ("a", "b", "c")


def test_bands_that_the_header_of_envi_calls_bad_are_left_out(tmp_path, write_tif, noise, caplog):
    caplog.set_level("INFO")
    with rasterio.open(write_tif("a.tif", noise)) as tif:
        rasterio.shutil.copy(tif, tmp_path / "a.img", driver="ENVI")
    header = (tmp_path / "a.hdr").read_text()
    for listed, kept in (("1,0,1", 2), (" 1, 1.0,0.000", 2), ("1,1,1", 3), ("1,0", 3), ("no", 3)):
        (tmp_path / "a.hdr").write_text(f"{header}bbl = {{{listed}}}\n")
        image = open_image(tmp_path / "a.img")
        assert len(image.bands) == kept
    assert "left out 1 of 3 bands, the header calls them bad (bbl): band 2." in caplog.text
    assert "left out 1 of 3 bands, the header calls them bad (bbl): band 3." in caplog.text
    (tmp_path / "a.hdr").write_text(f"{header}bbl = {{0,0,0}}\n")
    with pytest.raises(RasterError, match="no band is left, the header calls them bad"):
        open_image(tmp_path / "a.img")


def test_a_damaged_file_is_named(write_tif):
    pixels = np.random.default_rng(0).integers(0, 4, (500, 500), dtype=np.uint8)
    path = write_tif("a.tif", pixels, compress="deflate")
    content = bytearray(path.read_bytes())
    content[30_000:35_000] = b"\xff" * 5_000
    path.write_bytes(content)
    with pytest.raises(RasterError, match=r"a\.tif: is damaged"):
        whole(open_image(path))


# Several files


def test_files_of_a_folder_are_bands_in_natural_order(tmp_path, write_tif, noise):
    for number in (10, 2, 1):
        write_tif(f"x/B{number}.tif", noise[0] + number)
    (tmp_path / "x/metadata.json").write_text("{}")
    image = open_image(tmp_path / "x")
    assert image.names == ("B1", "B2", "B10")
    np.testing.assert_array_equal(whole(image)[0][2], noise[0] + 10)


def test_two_bands_of_one_name_are_refused(tmp_path, write_tif, noise):
    paths = [write_tif(f"{folder}/B02.tif", noise[0]) for folder in ("r10", "r20")]
    with pytest.raises(RasterError, match=r"band B02 is there in B02\.tif too"):
        open_image(paths)


def test_an_empty_folder_and_no_file_are_refused(tmp_path):
    with pytest.raises(RasterError, match="without rasters"):
        open_image(tmp_path)
    with pytest.raises(RasterError, match="no raster"):
        open_image([])


def test_the_grid_is_that_of_the_finest_band(tmp_path, write_tif, noise):
    write_tif("x/B1.tif", noise[0, :20, :20], pixel_m=60, origin_xy=(499_980, 5_000_020))
    fine = write_tif("x/B2.tif", noise[1])
    image = open_image(tmp_path / "x")
    assert image.grid == open_image(fine).grid
    np.testing.assert_array_equal(whole(image)[0][1], noise[1])


# Resampling


@pytest.mark.parametrize("pixel_m", [4.0, 10.0, 13.0, 60.0])
def test_a_plane_stays_a_plane_at_any_resolution(write_tif, pixel_m):
    size = int(1200 / pixel_m)
    source = Grid(UTM, Affine(pixel_m, 0, 499_900, 0, -pixel_m, 5_000_100), (size, size))
    image = open_image(write_tif("a.tif", plane(source), transform=source.transform))
    target = Grid(UTM, Affine(10, 0, 500_003, 0, -10, 4_999_993), (60, 70))
    values, valid = image.read(Window(0, 0, 70, 60), target)
    assert valid.all()
    np.testing.assert_allclose(values[0], plane(target), atol=1e-2)


def test_a_plane_stays_a_plane_across_crs(write_tif):
    wgs84 = CRS.from_epsg(4326)
    source = Grid(wgs84, Affine(1e-4, 0, 14.99, 0, -1e-4, 45.16), (300, 300))
    image = open_image(write_tif("a.tif", plane(source, wgs84), transform=source.transform, crs="EPSG:4326"))
    target = Grid(UTM, Affine(10, 0, 500_003, 0, -10, 4_999_993), (60, 70))
    values, valid = image.read(Window(0, 0, 70, 60), target)
    assert valid.all()
    np.testing.assert_allclose(values[0], plane(target), atol=0.05)


@pytest.mark.parametrize("pixel_m", [3.0, 10.0, 31.0])
def test_values_do_not_depend_on_the_window(write_tif, pixel_m):
    rng = np.random.default_rng(0)
    pixels = rng.random((2, 200, 200), dtype=np.float32)
    pixels[:, rng.random((200, 200)) < 0.2] = np.nan
    image = open_image(write_tif("a.tif", pixels, pixel_m=pixel_m, origin_xy=(499_990, 5_000_007)))
    next_zone = CRS.from_epsg(32634)
    (x,), (y,) = transform(UTM, next_zone, [500_010], [4_999_990])
    target = Grid(next_zone, Affine(10, 0, x, 0, -10, y), (110, 130))
    values, valid = image.read(Window(0, 0, 130, 110), target, convert=lambda db: 10 ** (db / 10))
    assert valid.mean() > 0.1
    for tile_px in (17, 64):
        for window in target.tiles(tile_px):
            tile, tile_valid = image.read(window, target, convert=lambda db: 10 ** (db / 10))
            rows, cols = window.toslices()
            np.testing.assert_array_equal(tile, values[:, rows, cols])
            np.testing.assert_array_equal(tile_valid, valid[rows, cols])


def test_coarser_pixels_are_means_of_finer_ones(write_tif):
    pixels = np.random.default_rng(0).random((120, 120)).astype("float32")
    image = open_image(write_tif("a.tif", pixels, pixel_m=2))
    target = Grid(UTM, Affine(10, 0, 500_000, 0, -10, 5_000_000), (24, 24))
    values, valid = image.read(Window(0, 0, 24, 24), target)
    assert valid.all()
    np.testing.assert_allclose(values[0], pixels.reshape(24, 5, 24, 5).mean(axis=(1, 3)), rtol=1e-5)


def test_invalid_pixels_give_no_weight_and_need_half_of_it(write_tif):
    pixels = np.full((10, 10), 5, "float32")
    pixels[:, 5:] = -99
    image = open_image(write_tif("a.tif", pixels, nodata=-99))
    quarter, three_quarters = (image.grid.shifted((shift, 0)) for shift in (0.25, 0.75))
    values, valid = image.read(Window(0, 0, 10, 10), quarter)
    np.testing.assert_array_equal(valid[0], [True] * 5 + [False] * 5)
    assert set(np.unique(values)) == {0, 5}
    _, valid = image.read(Window(0, 0, 10, 10), three_quarters)
    np.testing.assert_array_equal(valid[0], [True] * 4 + [False] * 6)


def test_whole_pixel_offsets_copy_pixels(write_tif, noise):
    image = open_image(write_tif("a.tif", noise))
    values, valid = image.read(Window(0, 0, 50, 40), image.grid.shifted((-3, 2)))
    np.testing.assert_array_equal(values[:, :38, 3:], noise[:, 2:, :47])
    assert not valid[:, :3].any()
    assert not valid[38:].any()


def test_source_and_target_that_do_not_meet_give_no_data(write_tif, noise):
    image = open_image(write_tif("a.tif", noise))
    for offset in (1000.0, 1000.3):
        values, valid = image.read(Window(0, 0, 9, 9), image.grid.shifted((offset, 0)))
        assert not valid.any()
        assert not values.any()


# Real scenes


def test_a_sentinel_2_folder_of_three_resolutions_is_one_image(shared_data):
    image = open_image(shared_data / "s1s2_different_grids/s2_l2a/20200604T054639_20200604T054831_T43RCP")
    assert image.sensor == "Sentinel-2"
    assert image.names[7:10] == ("B08", "B8A", "B09")
    assert image.grid.shape_hw == (264, 264)
    values, valid = whole(image)
    assert valid.mean() > 0.95
    red, nir = values[image.names.index("B04"), valid], values[image.names.index("B08"), valid]
    b8a = values[image.names.index("B8A"), valid]
    assert np.corrcoef(nir, b8a)[0, 1] > 0.95 > np.corrcoef(red, b8a)[0, 1]


def test_landsat_single_band_files_keep_their_gaps(shared_data):
    image = open_image(shared_data / "lcz_hong_kong/landsat8/LC81220442015291LGN00")
    assert image.sensor == "Landsat 8/9"
    assert image.names == ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B10", "B11")
    assert 0.8 < whole(image)[1].mean() < 0.83


def test_the_six_dead_bands_of_potsdam_are_left_out(shared_data, caplog):
    caplog.set_level("INFO")
    image = open_image(shared_data / "enmap_potsdam/enmap.tif")
    assert len(image.bands) == 218
    assert all(f"band {number}" in caplog.text for number in range(130, 136))


def test_datasets_close_when_the_image_goes(write_tif, noise, tmp_path):
    image = open_image(write_tif("x/a.tif", noise))
    whole(image)
    del image
    gc.collect()
    shutil.rmtree(tmp_path / "x")


# Products as they are delivered


@pytest.fixture
def safe(tmp_path, write_tif):
    """A Sentinel-2 product folder: B02 at 10 and 20 m, B11 at 20 m, and files that are no bands."""
    images = tmp_path / "S2A_MSIL2A_20200604T101031.SAFE/GRANULE/L2A_T33UUU_A025_20200604/IMG_DATA"
    for name, size, pixel_m in (
        ("R10m/T33UUU_20200604T101031_B02_10m", 64, 10),
        ("R10m/T33UUU_20200604T101031_TCI_10m", 64, 10),
        ("R20m/T33UUU_20200604T101031_B02_20m", 32, 20),
        ("R20m/T33UUU_20200604T101031_B11_20m", 32, 20),
        ("R20m/T33UUU_20200604T101031_SCL_20m", 32, 20),
    ):
        path = images / f"{name}.jp2"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.arange(size * size, dtype="uint16").reshape(size, size)
        rasterio.shutil.copy(
            write_tif("a.tif", pixels, pixel_m=pixel_m), path, driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES"
        )
    return tmp_path / "S2A_MSIL2A_20200604T101031.SAFE"


def test_a_sentinel_2_product_gives_each_band_at_its_finest(safe):
    image = open_image(safe)
    assert image.names == ("B02", "B11")
    assert image.sensor == "Sentinel-2"
    assert image.bands[0].path.parent.name == "R10m"
    assert image.grid.shape_hw == (64, 64)


def test_a_landsat_folder_gives_its_bands_and_no_masks(tmp_path, write_tif, caplog):
    caplog.set_level("INFO")
    for word in ("SR_B2", "SR_B5", "ST_B10", "QA_PIXEL", "SR_QA_AEROSOL", "ST_CDIST"):
        write_tif(f"scene/LC08_L2SP_192024_20200604_20200825_02_T1_{word}.tif", np.ones((1, 8, 8), "uint16"))
    image = open_image(tmp_path / "scene")
    assert (image.names, image.sensor) == (("B2", "B5", "B10"), "Landsat 8/9")
    assert "left out what is no band: LC08_L2SP_192024_20200604_20200825_02_T1_QA_PIXEL.tif, " in caplog.text


def test_hls_names_of_landsat_are_known(tmp_path, write_tif):
    for word in ("B02", "B05", "Fmask"):
        write_tif(f"scene/HLS.L30.T33UUU.2020156T100000.v2.0.{word}.tif", np.ones((1, 8, 8), "int16"))
    image = open_image(tmp_path / "scene")
    assert (image.names, image.sensor) == (("B2", "B5"), "Landsat 8/9")


def test_a_product_of_two_granules_is_two_scenes(safe):
    (safe / "GRANULE/L2A_T33UUV_A025_20200604").mkdir()
    with pytest.raises(RasterError, match="holds 2 granules"):
        open_image(safe)
    granule = next(safe.glob("GRANULE/L2A_T33UUU*"))
    assert open_image(granule).names == ("B02", "B11")


def test_a_hyp3_folder_gives_its_polarisations(tmp_path, write_tif, caplog):
    caplog.set_level("INFO")
    product = "S1A_IW_20200101T000000_DVP_RTC10_G_gpuned_ABCD"
    for word in ("VV", "VH", "dem", "inc_map", "ls_map", "rtc_area_map"):
        write_tif(f"scene/{product}_{word}.tif", np.ones((8, 8), "float32"))
    write_tif(f"scene/{product}_rgb.tif", np.ones((3, 8, 8), "uint8"))
    assert open_image(tmp_path / "scene").names == ("VH", "VV")
    left_out = ", ".join(f"{product}_{word}.tif" for word in ("dem", "inc_map", "ls_map", "rgb", "rtc_area_map"))
    assert f"left out what is no band: {left_out}." in caplog.text


def test_a_folder_of_sentinel_2_assets_gives_its_bands(tmp_path, write_tif, caplog):
    caplog.set_level("INFO")
    for word in ("B02", "B03", "B8A", "SCL", "AOT", "WVP", "dataMask", "sunZenithAngles"):
        write_tif(f"scene/{word}.tif", np.ones((8, 8), "uint16"))
    write_tif("scene/visual.tif", np.ones((3, 8, 8), "uint8"))
    write_tif("scene/composite.tif", np.ones((3, 8, 8), "uint8"))
    image = open_image(tmp_path / "scene")
    assert (image.names, image.sensor) == (("B02", "B03", "B8A"), "Sentinel-2")
    assert "AOT.tif, SCL.tif, WVP.tif, composite.tif, dataMask.tif, sunZenithAngles.tif, visual.tif." in caplog.text


def test_files_that_are_neither_bands_nor_known_otherwise_stay(tmp_path, write_tif, noise):
    for word in ("B02", "B03", "ndvi"):
        write_tif(f"scene/{word}.tif", noise[0])
    write_tif("scene/texture.tif", noise[:2])
    assert len(open_image(tmp_path / "scene").bands) == 5


def test_a_dem_stays_where_it_is_listed(tmp_path, write_tif, noise):
    dem, vv = write_tif("scene/dem.tif", noise[0]), write_tif("other/VV.tif", noise[1])
    assert len(open_image([vv, dem]).bands) == 2
    write_tif("scene/scene_B02.tif", noise)  # many bands
    assert len(open_image(tmp_path / "scene").bands) == 3


ENMAP = "ENMAP01-____L2A-DT0000001280_20220627T104548Z_001_V010303_20230922T131826Z-"
DESIS = "DESIS-HSI-L2A-DT0883241816_004-20230627T104548-V0220-"
PLANET = "20200604_100031_1038_3B_"


@pytest.mark.parametrize(
    ("cube", "count", "others"),
    [
        (
            f"{ENMAP}SPECTRAL_IMAGE.TIF",
            9,
            [
                f"{ENMAP}QL_{word}.TIF"
                for word in ("PIXELMASK_VNIR", "PIXELMASK_SWIR", "QUALITY_CLASSES", "QUALITY_CLOUD", "SWIR", "VNIR")
            ],
        ),
        (f"{ENMAP}SPECTRAL_IMAGE_COG.tiff", 9, [f"{ENMAP}QL_QUALITY_HAZE_COG.tiff", f"{ENMAP}QL_VNIR_COG.tiff"]),
        (f"{DESIS}SPECTRAL_IMAGE.tif", 9, [f"{DESIS}QL_{word}.tif" for word in ("IMAGE", "QUALITY", "QUALITY-2")]),
        (f"{PLANET}AnalyticMS_SR.tif", 4, [f"{PLANET}udm2.tif"]),
        (f"{PLANET}AnalyticMS_SR_8b_clip.tif", 8, [f"{PLANET}udm2_clip.tif"]),
        (f"{PLANET}AnalyticMS.tif", 4, [f"{PLANET}AnalyticMS_DN_udm.tif", f"{PLANET}Visual.tif"]),
        ("scene.tif", 9, ["scene_mask.tif", "scene_preview.tif"]),
    ],
)
def test_masks_and_pictures_beside_one_file_of_all_bands_are_left_out(tmp_path, write_tif, caplog, cube, count, others):
    caplog.set_level("INFO")
    write_tif(f"scene/{cube}", np.ones((count, 8, 8), "uint16"))
    for name in others:
        write_tif(f"scene/{name}", np.ones((8, 8, 8) if "udm2" in name else (3, 8, 8), "uint8"))
    image = open_image(tmp_path / "scene")
    assert (len(image.bands), image.paths) == (count, (tmp_path / "scene" / cube,))
    assert f"left out what is no band: {', '.join(sorted(others))}." in caplog.text


def test_a_folder_out_of_the_copernicus_browser_gives_its_bands(tmp_path, write_tif, caplog):
    caplog.set_level("INFO")
    product = "2020-06-04-00_00_2020-06-04-23_59_Sentinel-2_L2A_"
    others = ["SCL_(Raw)", "Scene_classification_map_", "True_color", "dataMask_(Raw)"]
    for word in ("B03_(Raw)", "B02_(Raw)", *others):
        pixels = np.ones((3 if word.endswith(("map_", "color")) else 1, 8, 8), "uint16")
        write_tif(f"scene/{product}{word}.tiff", pixels)
    image = open_image(tmp_path / "scene")
    assert (image.names, image.sensor) == (("B02", "B03"), "Sentinel-2")
    assert f"left out what is no band: {', '.join(f'{product}{word}.tiff' for word in others)}." in caplog.text


@pytest.mark.parametrize(
    ("counts", "bands"),
    [
        ({"mask": 1}, 1),
        ({"mask": 1, "udm2": 8}, 9),
        ({"rgb": 3}, 3),
        ({"rgb": 3, "mask": 1}, 3),
        ({"rgb": 3, "nir": 1}, 4),
        ({"ortho": 3, "ndvi": 1, "slope": 1}, 5),
        ({"sigma0": 1, "mask": 1}, 1),
        ({"S2A_summer": 10}, 10),
        ({"S2A_summer": 10, "S2A_summer_mask": 1}, 10),
    ],
)
def test_a_folder_keeps_masks_and_pictures_without_which_too_little_would_be_left(tmp_path, write_tif, counts, bands):
    for word, count in counts.items():
        write_tif(f"scene/{word}.tif", np.ones((count, 8, 8), "uint8"))
    assert len(open_image(tmp_path / "scene").bands) == bands
