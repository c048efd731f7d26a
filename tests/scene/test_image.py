"""Bands of one or several files are read as one image; alpha, auxiliary, bad and empty bands are left out."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from small_scenes import whole

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo.raster import Window
from landcover_bdgf.scene.image import open_image


def test_a_pixel_without_data_in_one_band_is_invalid(tmp_path, write_tif):
    write_tif("x/B1.tif", np.array([[1.0, 2], [3, -9]], "float32"), nodata=-9)
    write_tif("x/B2.tif", np.array([[7.0, 2], [3, -9]], "float32"), nodata=7)
    values, valid = whole(open_image(tmp_path / "x"))
    np.testing.assert_array_equal(valid, [[False, True], [True, False]])
    assert not values[:, ~valid].any()


@pytest.mark.parametrize(("bands", "nodata"), [(1, None), (3, 200), (10, None)])
def test_an_alpha_band_is_used_as_mask_only(write_tif, caplog, bands, nodata):
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
    with rasterio.open(path, "r+") as file:
        file.colorinterp = [ColorInterp.alpha] * (bands + 1)
        file.write(np.full((bands + 1, 3, 3), 255, "uint8"))
    with pytest.raises(RasterError, match="no band is left, all are alpha bands"):
        open_image(path)


def test_an_alpha_band_may_have_smooth_edges(write_tif):
    pixels = np.full((4, 200, 200), 7, "uint8")
    pixels[3] = np.clip(np.arange(-100, 100) * 50, 0, 255)  # 0, six columns between, 255
    image = open_image(write_tif("rgba.tif", pixels))
    assert len(image.bands) == 3
    np.testing.assert_array_equal(whole(image)[1], pixels[3] > 0)


@pytest.mark.parametrize("water", [0.3, 0.97])
def test_a_near_infrared_marked_as_alpha_by_gdal_is_a_band(write_tif, caplog, water):
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


@pytest.mark.parametrize(("bands", "codes", "names", "sensor"), [
    (SENTINEL_2, SENTINEL_2_CODES, [f"B{name[1:]:0>2}" for name in SENTINEL_2], "Sentinel-2"),
    (LANDSAT, LANDSAT_CODES, [name[3:] for name in LANDSAT], "Landsat 8/9"),
    (("B2", "B3", "B8"), ("cs", "cs_cdf", "probability", "cloud_prob", "clouds", "CLM"), ["B2", "B3", "B8"], None),
    (("blue", "green", "red", "nir"), ("clear_prob", "snow", "shadow_prob", "light_haze_mask", "confidence"),
     ["blue", "green", "red", "nir"], None),
    (("B2", "B3", "B8"), ("Fmask", "doy", "observations", "quality", "B2_uncertainty"), ["B2", "B3", "B8"], None),
    (("B2", "B3", "B10"), ("QA_PIXEL", "SAA", "SZA", "VAA", "VZA"), ["B2", "B3", "B10"], None),
    (("VV", "VH"), ("angle",), ["VV", "VH"], None),
    (("VV",), ("angle",), ["VV"], None),
])  # fmt: skip
def test_masks_and_codes_in_the_same_file_are_left_out(write_tif, caplog, bands, codes, names, sensor):
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
def test_other_layers_in_a_file_are_kept(write_tif, names):
    assert len(open_image(write_tif("a.tif", np.ones((len(names), 8, 8), "uint16"), names=names)).bands) == len(names)


def test_a_code_layer_given_as_a_file_is_kept(write_tif, noise):
    paths = [write_tif(f"{name}.tif", noise[0], names=(name,)) for name in ("B2", "B3", "WVP")]
    assert open_image(paths).names == ("B2", "B3", "WVP")


def test_water_vapour_bands_are_left_out_unless_kept(write_tif, noise):
    path = write_tif("a.tif", noise, names=("a (800 nm)", "b (1400 nm)", "c (1.88 um)"))
    assert open_image(path).names == ("a",)
    assert open_image(path, keep_water_vapour=True).names == ("a", "b", "c")


def test_bands_marked_as_bad_in_an_envi_header_are_left_out(write_tif, noise, caplog):
    caplog.set_level("INFO")
    path = write_tif("a.img", noise, driver="ENVI")
    header = path.with_suffix(".hdr").read_text()
    for listed, kept in (("1,0,1", 2), (" 1, 1.0,0.000", 2), ("1,1,1", 3), ("1,0", 3), ("no", 3)):
        path.with_suffix(".hdr").write_text(f"{header}bbl = {{{listed}}}\n")
        assert len(open_image(path).bands) == kept
    assert "left out 1 of 3 bands, marked as bad in the header (bbl): band 2." in caplog.text
    assert "left out 1 of 3 bands, marked as bad in the header (bbl): band 3." in caplog.text
    path.with_suffix(".hdr").write_text(f"{header}bbl = {{0,0,0}}\n")
    with pytest.raises(RasterError, match="no band is left, all are marked as bad"):
        open_image(path)


def test_two_bands_with_the_same_name_are_refused(write_tif, noise):
    with pytest.raises(RasterError, match=r"band B02 also occurs in \S+r10/B02\.tif"):
        open_image([write_tif(f"{folder}/B02.tif", noise[0]) for folder in ("r10", "r20")])


def test_the_grid_is_that_of_the_finest_band(tmp_path, write_tif, noise):
    write_tif("x/B1.tif", noise[0, :20, :20], pixel_m=60, origin_xy=(499_980, 5_000_020))
    write_tif("x/B2.tif", noise[1])
    image = open_image(tmp_path / "x")
    assert image.grid.resolution_xy == (10, 10)
    np.testing.assert_array_equal(whole(image)[0][1], noise[1])


def test_outside_the_source_there_is_no_data(write_tif, noise):
    image = open_image(write_tif("a.tif", noise))
    for offset in (1000.0, 1000.3):
        values, valid = image.read(Window(0, 0, 9, 9), image.grid.shifted((offset, 0)))
        assert not values.any()
        assert not valid.any()


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


def test_a_closed_image_reopens_its_files_when_read(write_tif, noise):
    with open_image(write_tif("a.tif", noise)) as image:
        np.testing.assert_array_equal(whole(image)[0], noise)
    np.testing.assert_array_equal(whole(image)[0], noise)
    image.close()
