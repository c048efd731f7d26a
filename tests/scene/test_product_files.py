"""In a product folder, bands are read and masks, angles and pictures are skipped."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from small_scenes import whole

from landcover_bdgf.errors import RasterError
from landcover_bdgf.scene.image import open_image


def test_files_of_a_folder_are_bands_in_natural_order(tmp_path, write_tif, noise):
    for number in (10, 2, 1):
        write_tif(f"x/B{number}.tif", noise[0] + number)
    (tmp_path / "x/metadata.json").write_text("{}")
    image = open_image(tmp_path / "x")
    assert image.names == ("B1", "B2", "B10")
    np.testing.assert_array_equal(whole(image)[0][2], noise[0] + 10)


def test_an_empty_folder_and_no_file_are_refused(tmp_path):
    with pytest.raises(RasterError, match="without rasters"):
        open_image(tmp_path)
    with pytest.raises(RasterError, match="no raster"):
        open_image([])


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


def test_a_sentinel_2_product_has_each_band_at_its_finest_resolution(safe):
    image = open_image(safe)
    assert image.names == ("B02", "B11")
    assert image.sensor == "Sentinel-2"
    assert image.bands[0].path.parent.name == "R10m"
    assert image.grid.shape_hw == (64, 64)


def test_masks_of_a_landsat_folder_are_skipped(tmp_path, write_tif, caplog):
    caplog.set_level("INFO")
    for word in ("SR_B2", "SR_B5", "ST_B10", "QA_PIXEL", "SR_QA_AEROSOL", "ST_CDIST"):
        write_tif(f"scene/LC08_L2SP_192024_20200604_20200825_02_T1_{word}.tif", np.ones((1, 8, 8), "uint16"))
    image = open_image(tmp_path / "scene")
    assert (image.names, image.sensor) == (("B2", "B5", "B10"), "Landsat 8/9")
    assert "skipped files that are not bands: LC08_L2SP_192024_20200604_20200825_02_T1_QA_PIXEL.tif, " in caplog.text


def test_hls_files_of_landsat_are_recognised(tmp_path, write_tif):
    for word in ("B02", "B05", "Fmask"):
        write_tif(f"scene/HLS.L30.T33UUU.2020156T100000.v2.0.{word}.tif", np.ones((1, 8, 8), "int16"))
    image = open_image(tmp_path / "scene")
    assert (image.names, image.sensor) == (("B2", "B5"), "Landsat 8/9")


def test_a_product_of_two_granules_is_refused(safe):
    (safe / "GRANULE/L2A_T33UUV_A025_20200604").mkdir()
    with pytest.raises(RasterError, match="holds 2 granules"):
        open_image(safe)
    granule = next(safe.glob("GRANULE/L2A_T33UUU*"))
    assert open_image(granule).names == ("B02", "B11")


def test_a_hyp3_folder_has_its_polarisations(tmp_path, write_tif, caplog):
    caplog.set_level("INFO")
    product = "S1A_IW_20200101T000000_DVP_RTC10_G_gpuned_ABCD"
    for word in ("VV", "VH", "dem", "inc_map", "ls_map", "rtc_area_map"):
        write_tif(f"scene/{product}_{word}.tif", np.ones((8, 8), "float32"))
    write_tif(f"scene/{product}_rgb.tif", np.ones((3, 8, 8), "uint8"))
    assert open_image(tmp_path / "scene").names == ("VH", "VV")
    left_out = ", ".join(f"{product}_{word}.tif" for word in ("dem", "inc_map", "ls_map", "rgb", "rtc_area_map"))
    assert f"skipped files that are not bands: {left_out}." in caplog.text


def test_masks_and_pictures_of_sentinel_2_assets_are_skipped(tmp_path, write_tif, caplog):
    caplog.set_level("INFO")
    for word in ("B02", "B03", "B8A", "SCL", "AOT", "WVP", "dataMask", "sunZenithAngles"):
        write_tif(f"scene/{word}.tif", np.ones((8, 8), "uint16"))
    write_tif("scene/visual.tif", np.ones((3, 8, 8), "uint8"))
    write_tif("scene/composite.tif", np.ones((3, 8, 8), "uint8"))
    image = open_image(tmp_path / "scene")
    assert (image.names, image.sensor) == (("B02", "B03", "B8A"), "Sentinel-2")
    assert "AOT.tif, SCL.tif, WVP.tif, composite.tif, dataMask.tif, sunZenithAngles.tif, visual.tif." in caplog.text


def test_other_files_of_a_folder_are_kept(tmp_path, write_tif, noise):
    for word in ("B02", "B03", "ndvi"):
        write_tif(f"scene/{word}.tif", noise[0])
    write_tif("scene/texture.tif", noise[:2])
    assert len(open_image(tmp_path / "scene").bands) == 5


def test_a_dem_given_as_a_file_is_kept(tmp_path, write_tif, noise):
    dem, vv = write_tif("scene/dem.tif", noise[0]), write_tif("other/VV.tif", noise[1])
    assert len(open_image([vv, dem]).bands) == 2
    write_tif("scene/scene_B02.tif", noise)  # many bands
    assert len(open_image(tmp_path / "scene").bands) == 3


ENMAP = "ENMAP01-____L2A-DT0000001280_20220627T104548Z_001_V010303_20230922T131826Z-"
DESIS = "DESIS-HSI-L2A-DT0883241816_004-20230627T104548-V0220-"
PLANET = "20200604_100031_1038_3B_"


@pytest.mark.parametrize(("cube", "count", "others"), [
    (f"{ENMAP}SPECTRAL_IMAGE.TIF", 9, [f"{ENMAP}QL_{w}.TIF" for w in ("PIXELMASK_SWIR", "QUALITY_CLOUD", "VNIR")]),
    (f"{ENMAP}SPECTRAL_IMAGE_COG.tiff", 9, [f"{ENMAP}QL_QUALITY_HAZE_COG.tiff", f"{ENMAP}QL_VNIR_COG.tiff"]),
    (f"{DESIS}SPECTRAL_IMAGE.tif", 9, [f"{DESIS}QL_{word}.tif" for word in ("IMAGE", "QUALITY", "QUALITY-2")]),
    (f"{PLANET}AnalyticMS_SR.tif", 4, [f"{PLANET}udm2.tif"]),
    (f"{PLANET}AnalyticMS_SR_8b_clip.tif", 8, [f"{PLANET}udm2_clip.tif"]),
    (f"{PLANET}AnalyticMS.tif", 4, [f"{PLANET}AnalyticMS_DN_udm.tif", f"{PLANET}Visual.tif"]),
    ("scene.tif", 9, ["scene_mask.tif", "scene_preview.tif"]),
])  # fmt: skip
def test_masks_and_pictures_next_to_a_file_of_all_bands_are_left_out(tmp_path, write_tif, caplog, cube, count, others):
    caplog.set_level("INFO")
    write_tif(f"scene/{cube}", np.ones((count, 8, 8), "uint16"))
    for name in others:
        write_tif(f"scene/{name}", np.ones((8, 8, 8) if "udm2" in name else (3, 8, 8), "uint8"))
    image = open_image(tmp_path / "scene")
    assert (len(image.bands), image.paths) == (count, (tmp_path / "scene" / cube,))
    assert f"skipped files that are not bands: {', '.join(sorted(others))}." in caplog.text


def test_masks_and_pictures_of_the_copernicus_browser_are_skipped(tmp_path, write_tif, caplog):
    caplog.set_level("INFO")
    product = "2020-06-04-00_00_2020-06-04-23_59_Sentinel-2_L2A_"
    others = ["SCL_(Raw)", "Scene_classification_map_", "True_color", "dataMask_(Raw)"]
    for word in ("B03_(Raw)", "B02_(Raw)", *others):
        pixels = np.ones((3 if word.endswith(("map_", "color")) else 1, 8, 8), "uint16")
        write_tif(f"scene/{product}{word}.tiff", pixels)
    image = open_image(tmp_path / "scene")
    assert (image.names, image.sensor) == (("B02", "B03"), "Sentinel-2")
    assert f"skipped files that are not bands: {', '.join(f'{product}{word}.tiff' for word in others)}." in caplog.text


@pytest.mark.parametrize(("counts", "bands"), [
    ({"mask": 1}, 1),
    ({"mask": 1, "udm2": 8}, 9),
    ({"rgb": 3}, 3),
    ({"rgb": 3, "mask": 1}, 3),
    ({"rgb": 3, "nir": 1}, 4),
    ({"ortho": 3, "ndvi": 1, "slope": 1}, 5),
    ({"sigma0": 1, "mask": 1}, 1),
    ({"S2A_summer": 10}, 10),
    ({"S2A_summer": 10, "S2A_summer_mask": 1}, 10),
])  # fmt: skip
def test_a_folder_keeps_masks_and_pictures_without_which_too_little_would_be_left(tmp_path, write_tif, counts, bands):
    for word, count in counts.items():
        write_tif(f"scene/{word}.tif", np.ones((count, 8, 8), "uint8"))
    assert len(open_image(tmp_path / "scene").bands) == bands
