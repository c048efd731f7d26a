"""Bands of one or several files are read as one image: the same values in any window, nodata always invalid."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.warp import transform
from small_scenes import whole

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.geo.raster import Window
from landcover_bdgf.scene import image as image_module
from landcover_bdgf.scene.image import open_image

UTM = CRS.from_epsg(32633)


def plane(grid, crs=UTM):
    """A linear function of UTM coordinates at the pixel centres: bilinear interpolation keeps it exact."""
    rows, cols = np.mgrid[: grid.shape_hw[0], : grid.shape_hw[1]]
    x, y = grid.xy(rows, cols)
    if crs != UTM:
        x, y = (np.reshape(axis, x.shape) for axis in transform(crs, UTM, x.ravel(), y.ravel()))
    return ((x - 500_000) + 2 * (5_000_000 - y)).astype("float32")


def test_each_band_has_its_own_nodata_and_one_missing_band_is_enough(tmp_path, write_tif):
    write_tif("x/B1.tif", np.array([[1.0, 2], [3, -9]], "float32"), nodata=-9)
    write_tif("x/B2.tif", np.array([[7.0, 2], [3, -9]], "float32"), nodata=7)
    values, valid = whole(open_image(tmp_path / "x"))
    np.testing.assert_array_equal(valid, [[False, True], [True, False]])
    assert not values[:, ~valid].any()


@pytest.mark.parametrize("nodata", [None, 200])
@pytest.mark.parametrize("bands", [1, 2, 3, 4, 10])
def test_an_alpha_band_masks_and_is_left_out(write_tif, caplog, bands, nodata):
    caplog.set_level("INFO")
    pixels = np.full((bands + 1, 3, 3), 7, "uint8")
    pixels[-1] = 255
    pixels[-1, 0] = 0
    path = write_tif("with_alpha.tif", pixels, nodata=nodata)
    with rasterio.open(path, "r+") as file:
        file.colorinterp = [*[ColorInterp.undefined] * bands, ColorInterp.alpha]
    image = open_image(path)
    assert len(image.bands) == bands
    assert "is an alpha band, used as a mask" in caplog.text
    np.testing.assert_array_equal(whole(image)[1], [[False] * 3, [True] * 3, [True] * 3])


def test_a_file_of_alpha_bands_only_is_refused(write_tif):
    path = write_tif("alpha.tif", np.full((2, 9, 9), 255, "uint8"))
    with rasterio.open(path, "r+") as file:
        file.colorinterp = [ColorInterp.alpha] * 2
    with pytest.raises(RasterError, match="no band is left, all are alpha bands"):
        open_image(path)


def test_an_alpha_band_may_have_smooth_edges(write_tif):
    pixels = np.full((4, 200, 200), 7, "uint8")
    pixels[3] = np.clip(np.arange(-100, 100) * 50, 0, 255)  # 0, six columns between, 255
    image = open_image(write_tif("rgba.tif", pixels))
    assert len(image.bands) == 3
    np.testing.assert_array_equal(whole(image)[1], pixels[3] > 0)


@pytest.mark.parametrize("water", [0.3, 0.97])
def test_a_near_infrared_that_gdal_marks_as_alpha_is_a_band(write_tif, caplog, water):
    pixels = np.random.default_rng(0).integers(1, 255, (4, 200, 200), dtype="uint8")
    pixels[3, : int(200 * water)] = 0
    path = write_tif("rgbn.tif", pixels)
    with rasterio.open(path) as file:
        assert file.colorinterp[3] == ColorInterp.alpha
    image = open_image(path)
    values, valid = whole(image)
    assert valid.all()
    np.testing.assert_array_equal(values, pixels)
    assert "band 4 is marked as alpha but is not a mask; used as a band" in caplog.text


def test_a_band_named_infrared_is_not_alpha(write_tif):
    pixels = np.full((4, 9, 9), 200, "uint8")
    pixels[3, :5] = 0
    image = open_image(write_tif("rgbn.tif", pixels, names=("red", "green", "blue", "nir")))
    assert image.names == ("red", "green", "blue", "nir")
    assert whole(image)[1].all()


def test_pixel_is_point_and_pixel_is_area_are_on_one_grid(write_tif, noise):
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
def test_codes_in_the_file_of_the_bands_are_left_out(write_tif, caplog, bands, codes, names, sensor):
    caplog.set_level("INFO")
    every = (*codes[:1], *bands, *codes[1:])
    pixels = np.arange(len(every), dtype="uint16")[:, None, None] + np.ones((8, 8), "uint16")
    image = open_image(write_tif("a.tif", pixels, names=every))
    assert (list(image.names), image.sensor) == (names, sensor)
    assert whole(image)[0][:, 0, 0].tolist() == list(range(2, len(bands) + 2))
    left_out = f"left out {len(codes)} of {len(every)} bands, masks, codes, angles or pictures by name: "
    assert f"{left_out}{', '.join(codes[:12])}" in caplog.text


@pytest.mark.parametrize(
    "names", [("B2", "angle"), ("SCL", "QA60"), ("blue", "mask", "angle"), ("B2", "B3", "dem"), ("B2", "B3", "ndvi")]
)
def test_other_layers_in_a_file_stay(write_tif, names):
    assert len(open_image(write_tif("a.tif", np.ones((len(names), 8, 8), "uint16"), names=names)).bands) == len(names)


def test_a_code_that_is_listed_as_a_file_of_its_own_stays(write_tif, noise):
    paths = [write_tif(f"{name}.tif", noise[0], names=(name,)) for name in ("B2", "B3", "SCL")]
    assert open_image(paths).names == ("B2", "B3", "SCL")


def test_water_vapour_bands_are_left_out_unless_kept(write_tif, noise):
    path = write_tif("a.tif", noise, names=("a (800 nm)", "b (1400 nm)", "c (1.88 um)"))
    assert open_image(path).names == ("a",)
    assert open_image(path, keep_water_vapour=True).names == ("a", "b", "c")


def test_bands_that_an_envi_header_marks_as_bad_are_left_out(tmp_path, write_tif, noise, caplog):
    caplog.set_level("INFO")
    with rasterio.open(write_tif("a.tif", noise)) as tif:
        rasterio.shutil.copy(tif, tmp_path / "a.img", driver="ENVI")
    header = (tmp_path / "a.hdr").read_text()
    for listed, kept in (("1,0,1", 2), (" 1, 1.0,0.000", 2), ("1,1,1", 3), ("1,0", 3), ("no", 3)):
        (tmp_path / "a.hdr").write_text(f"{header}bbl = {{{listed}}}\n")
        image = open_image(tmp_path / "a.img")
        assert len(image.bands) == kept
    assert "left out 1 of 3 bands, marked as bad in the header (bbl): band 2." in caplog.text
    assert "left out 1 of 3 bands, marked as bad in the header (bbl): band 3." in caplog.text
    (tmp_path / "a.hdr").write_text(f"{header}bbl = {{0,0,0}}\n")
    with pytest.raises(RasterError, match="no band is left, all are marked as bad"):
        open_image(tmp_path / "a.img")


def test_two_bands_with_the_same_name_are_refused(tmp_path, write_tif, noise):
    paths = [write_tif(f"{folder}/B02.tif", noise[0]) for folder in ("r10", "r20")]
    with pytest.raises(RasterError, match=r"band B02 also occurs in \S+r10/B02\.tif"):
        open_image(paths)


def test_the_grid_is_that_of_the_finest_band(tmp_path, write_tif, noise):
    write_tif("x/B1.tif", noise[0, :20, :20], pixel_m=60, origin_xy=(499_980, 5_000_020))
    fine = write_tif("x/B2.tif", noise[1])
    image = open_image(tmp_path / "x")
    assert image.grid == open_image(fine).grid
    np.testing.assert_array_equal(whole(image)[0][1], noise[1])


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


def test_files_are_closed_with_the_image_and_opened_again_by_a_later_read(write_tif, noise):
    path = write_tif("a.tif", noise)
    with open_image(path) as image:
        before = whole(image)[0]
        dataset = image._open[path]
        assert not dataset.closed
    assert dataset.closed
    np.testing.assert_array_equal(whole(image)[0], before)
    image.close()


def test_files_of_an_image_that_is_refused_are_closed(write_tif, noise, monkeypatch):
    opened, open_raster = [], image_module.open_raster
    monkeypatch.setattr(image_module, "open_raster", lambda *a, **k: opened.append(open_raster(*a, **k)) or opened[-1])
    with pytest.raises(RasterError, match="also occurs in"):
        open_image([write_tif(f"{folder}/B02.tif", noise[0]) for folder in ("r10", "r20")])
    assert [dataset.closed for dataset in opened] == [True, True]
