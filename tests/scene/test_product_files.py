"""In a product folder, bands are read and masks, angles and pictures are skipped."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from small_scenes import whole

from landcover_bdgf.errors import RasterError
from landcover_bdgf.scene.image import open_image
from landcover_bdgf.scene.product_files import classification_file


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


def test_a_zarr_store_is_named(tmp_path):
    (tmp_path / "S2B_MSIL2A_20230604.zarr").mkdir()
    (tmp_path / "S2B_MSIL2A_20230604.zarr/.zgroup").write_text("{}")
    with pytest.raises(RasterError, match=r"is a Zarr store, which is not read\. Write its bands as GeoTIFF"):
        open_image(tmp_path / "S2B_MSIL2A_20230604.zarr")


@pytest.fixture
def safe(tmp_path, write_tif):
    """A Sentinel-2 product folder: B02 at 10 and 20 m, B11 at 20 m, and files that are no bands."""
    product = tmp_path / "S2A_MSIL2A_20200604T101031.SAFE"
    for word, pixel_m in (("B02", 10), ("TCI", 10), ("B02", 20), ("B11", 20), ("SCL", 20)):
        folder = product / f"GRANULE/L2A_T33UUU_A025_20200604/IMG_DATA/R{pixel_m}m"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"T33UUU_20200604T101031_{word}_{pixel_m}m.jp2"
        pixels = np.arange((640 // pixel_m) ** 2, dtype="uint16").reshape(640 // pixel_m, -1)
        lossless = {"QUALITY": "100", "REVERSIBLE": "YES"}
        rasterio.shutil.copy(write_tif("a.tif", pixels, pixel_m=pixel_m), path, driver="JP2OpenJPEG", **lossless)
    return product


def test_a_sentinel_2_product_has_each_band_at_its_finest_resolution(safe):
    image = open_image(safe)
    assert image.names == ("B02", "B11")
    assert image.sensor == "Sentinel-2"
    assert image.bands[0].path.parent.name == "R10m"
    assert image.grid.shape_hw == (64, 64)


HYP3 = "S1A_IW_20200101T000000_DVP_RTC10_G_gpuned_ABCD_"
COPERNICUS = "2020-06-04-00_00_2020-06-04-23_59_Sentinel-2_L2A_"
PICTURES = ("rgb", "visual", "composite", "Scene_classification_map_", "True_color")  # of three bands


@pytest.mark.parametrize(("name", "bands", "names", "sensor", "others"), [
    (
        "LC08_L2SP_192024_20200604_20200825_02_T1_{}.tif", ["SR_B2", "SR_B5", "ST_B10"], ("B2", "B5", "B10"),
        "Landsat 8/9", ["QA_PIXEL", "SR_QA_AEROSOL", "ST_CDIST"],
    ),
    ("HLS.L30.T33UUU.2020156T100000.v2.0.{}.tif", ["B02", "B05"], ("B2", "B5"), "Landsat 8/9", ["Fmask"]),
    (HYP3 + "{}.tif", ["VV", "VH"], ("VH", "VV"), None, ["dem", "inc_map", "ls_map", "rgb", "rtc_area_map"]),
    (
        "{}.tif", ["B02", "B03", "B8A"], ("B02", "B03", "B8A"), "Sentinel-2",
        ["AOT", "SCL", "WVP", "composite", "dataMask", "sunZenithAngles", "visual"],
    ),
    (
        COPERNICUS + "{}.tiff", ["B03_(Raw)", "B02_(Raw)"], ("B02", "B03"), "Sentinel-2",
        ["SCL_(Raw)", "Scene_classification_map_", "True_color", "dataMask_(Raw)"],
    ),
], ids=["Landsat", "HLS", "HyP3", "Sentinel-2 assets", "Copernicus Browser"])  # fmt: skip
def test_masks_codes_and_pictures_of_a_product_are_skipped(
    tmp_path, write_tif, caplog, name, bands, names, sensor, others
):
    caplog.set_level("INFO")
    for word in (*bands, *others):
        write_tif(f"scene/{name.format(word)}", np.ones((3 if word in PICTURES else 1, 8, 8), "uint8"))
    image = open_image(tmp_path / "scene")
    assert (image.names, image.sensor) == (names, sensor)
    assert f"not read as bands: {', '.join(map(name.format, others))}." in caplog.text


FORCE, THEIA = "20230604_LEVEL2_SEN2A_{}.tif", "SENTINEL2A_20230604-105857-447_L2A_T31TCJ_C_V3-1_{}.tif"
SNAP, PYROSAR = "{}.tif", "S1A__IW___A_20230604T054639_{}.tif"


@pytest.mark.parametrize(("name", "bands", "others", "names"), [
    (THEIA, ["FRE_B2", "FRE_B8A"], ["SRE_B2", "SRE_B8A", "ATB_R1"], ("B02", "B8A")),
    (SNAP, ["Gamma0_VV", "Gamma0_VH"], ["elevation", "latitude", "localIncidenceAngle", "mask"], ("VH", "VV")),
    (PYROSAR, ["VV_gamma0-rtc_db", "VH_gamma0-rtc_db"], ["DEM", "gammaSigmaRatio", "scatteringArea"], ("VH", "VV")),
    ("{}.tif", ["blue", "rededge1", "nir08"], ["cloud", "snow", "aot"], ("blue", "nir08", "rededge1")),
    ("{}.tif", ["B02", "B8A"], ["observations", "._B02", ".hidden"], ("B02", "B8A")),
    ("T33UUU_20230604T101559_{}.tif", ["B02_10m", "B8A_20m"], ["NDVI_B8_B4"], ("B02", "B8A")),
])  # fmt: skip
def test_where_files_name_bands_those_that_name_none_are_left_out(tmp_path, write_tif, name, bands, others, names):
    for word in (*bands, *others):
        write_tif(f"scene/{name.format(word)}", np.ones((8, 8), "uint8"))
    assert open_image(tmp_path / "scene").names == names


def test_a_file_that_describes_its_bands_is_the_image(tmp_path, write_tif):
    colours = ("BLUE", "GREEN", "RED", "NIR")
    write_tif(f"scene/{FORCE.format('BOA')}", np.ones((4, 8, 8), "int16"), names=colours)
    for word in ("QAI", "DST", "HOT", "VZN"):
        write_tif(f"scene/{FORCE.format(word)}", np.ones((8, 8), "int16"))
    assert open_image(tmp_path / "scene").names == colours


def test_of_a_band_at_two_resolutions_the_finest_is_used(tmp_path, write_tif, caplog):
    caplog.set_level("INFO")
    for name, side in (("B02_10m", 20), ("B02_20m", 10), ("B8A_20m", 10)):
        write_tif(f"scene/T33UUU_20230604T101559_{name}.tif", np.ones((side, side), "uint16"), pixel_m=200 / side)
    image = open_image(tmp_path / "scene")
    assert (image.names, image.grid.shape_hw) == (("B02", "B8A"), (20, 20))
    assert "left out 1 of 3 bands, also present with smaller pixels: B02" in caplog.text


@pytest.mark.parametrize("name", ["scene.dim", "MTD_MSIL2A.xml", "manifest.safe"])
def test_a_product_is_opened_by_its_metadata(tmp_path, write_tif, name):
    folder = "scene.data" if name.endswith(".dim") else "."
    for band in ("VV", "VH"):
        write_tif(f"{folder}/Gamma0_{band}.tif", np.ones((8, 8), "float32"))
    (tmp_path / name).write_text("<xml/>")
    assert open_image(tmp_path / name).names == ("VH", "VV")


def test_a_product_of_two_granules_is_refused(safe):
    (safe / "GRANULE/L2A_T33UUV_A025_20200604").mkdir()
    with pytest.raises(RasterError, match="holds 2 granules"):
        open_image(safe)
    granule = next(safe.glob("GRANULE/L2A_T33UUU*"))
    assert open_image(granule).names == ("B02", "B11")


def test_a_dem_given_as_a_file_is_kept(write_tif, noise):
    dem, vv = write_tif("scene/dem.tif", noise[0]), write_tif("other/VV.tif", noise[1])
    assert len(open_image([vv, dem]).bands) == 2


ENMAP = "ENMAP01-____L2A-DT0000001280_20220627T104548Z_001_V010303_20230922T131826Z-"
DESIS = "DESIS-HSI-L2A-DT0883241816_004-20230627T104548-V0220-"
PLANET = "20200604_100031_1038_3B_"


@pytest.mark.parametrize(("cube", "count", "others"), [
    (f"{ENMAP}SPECTRAL_IMAGE.TIF", 9, [f"{ENMAP}QL_{w}.TIF" for w in ("PIXELMASK_SWIR", "QUALITY_CLOUD", "VNIR")]),
    (f"{DESIS}SPECTRAL_IMAGE.tif", 9, [f"{DESIS}QL_{word}.tif" for word in ("IMAGE", "QUALITY", "QUALITY-2")]),
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
    assert f"not read as bands: {', '.join(sorted(others))}." in caplog.text


@pytest.mark.parametrize(("counts", "bands"), [
    ({"B02": 1, "B03": 1, "ndvi": 1, "texture": 2}, 2),
    ({"scene_B02": 3, "dem": 1}, 3),
    ({"mask": 1}, 1),
    ({"rgb": 3, "mask": 1}, 3),
    ({"rgb": 3, "nir": 1}, 4),
    ({"ortho": 3, "ndvi": 1, "slope": 1}, 5),
    ({"sigma0": 1, "mask": 1}, 1),
    ({"S2A_summer": 10, "S2A_summer_mask": 1}, 10),
])  # fmt: skip
def test_a_folder_keeps_masks_and_pictures_without_which_too_little_would_be_left(tmp_path, write_tif, counts, bands):
    for word, count in counts.items():
        write_tif(f"scene/{word}.tif", np.ones((count, 8, 8), "uint8"))
    assert len(open_image(tmp_path / "scene").bands) == bands


def test_the_scene_classification_of_a_product_is_found(safe, write_tif, tmp_path):
    granule = next(safe.glob("GRANULE/*"))
    expected = granule / "IMG_DATA/R20m/T33UUU_20200604T101031_SCL_20m.jp2"
    (safe / "MTD_MSIL2A.xml").touch()
    for source in (safe, granule, safe / "MTD_MSIL2A.xml"):
        assert classification_file([source]) == expected
    assert classification_file([granule / "IMG_DATA/R10m/T33UUU_20200604T101031_B02_10m.jp2"]) is None
    assert classification_file([tmp_path / "absent"]) is None


LANDSAT = "LC09_L2SP_192024_20230604_20230606_02_T1_{}"
HLS = "HLS.S30.T33UUU.2023155T101601.v2.0.{}"
HLS_L30 = "HLS.L30.T33UUU.2023155T101601.v2.0.{}"
MAJA = "SENTINEL2A_20230604-105857-447_L2A_T31TCJ_C_V3-1_{}"
SEN2COR = "T33UUU_20230604T101559_{}"
SEN2LIKE = "S2A_MSI_T33UUU_20230604_{}"
RTC = "S1A_IW_20230604T054639_DVP_RTC30_G_gpuned_8F4A_{}"
ASF_TILE = "OPERA_L2_RTC-S1_T168-359429-IW2_20230604T054639Z_20230604T120000Z_S1A_30_v1.0_{}"
PYROSAR = "S1A__IW___A_20230604T054639_{}"
ALOS = "N35E139_23_{}_F02DAR"
GLO_30 = "Copernicus_DSM_COG_10_N52_00_E013_00_{}"

# What lies in the folder of a product: files with bands, files without, and the names of the bands.
PRODUCTS = {
    "Landsat Collection 2": (LANDSAT, ["SR_B2", "SR_B4", "SR_B5", "ST_B10"], [
        "QA_PIXEL", "QA_RADSAT", "SR_QA_AEROSOL", "ST_ATRAN", "ST_CDIST", "ST_DRAD", "ST_EMIS", "ST_EMSD", "ST_QA",
        "ST_TRAD", "ST_URAD", "VAA", "VZA", "SAA", "SZA",
    ], ("B2", "B4", "B5", "B10")),
    "HLS S30": (HLS, ["B02", "B8A"], ["Fmask", "SAA", "SZA", "VAA", "VZA"], ("B02", "B8A")),
    "HLS L30": (HLS_L30, ["B02", "B05"], ["Fmask", "SAA", "SZA", "VAA", "VZA"], ("B2", "B5")),
    "MAJA": (MAJA, ["FRE_B2", "FRE_B8A"], [
        "SRE_B2", "SRE_B8A", "ATB_R1", "CLM_R1", "CLM_R2", "EDG_R1", "MG2_R1", "SAT_R1", "DFP_R1", "DTF_R1-D05",
        "IAB_R1", "PVD_B2", "QKL_ALL",
    ], ("B02", "B8A")),
    "Sen2Cor": (SEN2COR, ["B02_10m", "B8A_20m"], ["AOT_20m", "WVP_10m", "TCI_10m", "SCL_20m"], ("B02", "B8A")),
    "sen2like": (SEN2LIKE, ["B02_10m", "B8A_20m"], [
        "B02_10m_mask", "B8A_20m_qa", "valid_pixel_mask", "TCI_10m", "SCL_20m", "AOT_20m",
    ], ("B02", "B8A")),
    "openEO": ("{}", ["B02", "B03", "B08"], ["SCL", "dataMask", "sunAzimuthAngles", "viewZenithMean", "CLM", "CLP"],
               ("B02", "B03", "B08")),
    "STAC keys": ("{}", ["blue", "red", "nir", "swir16"], [
        "visual", "thumbnail", "scl", "aot", "wvp", "preview", "overview", "coastal-mask",
    ], ("blue", "nir", "red", "swir16")),
    "SNAP of Sentinel-2": ("{}", ["B2", "B8A"], [
        "view_zenith_B2", "view_zenith_B8A", "view_azimuth_B2", "view_zenith_mean", "sun_azimuth", "quality_aot",
        "B_detector_footprint_B2", "B_saturated_B2", "B_saturated_B8A", "B_ancillary_lost_B2", "lai_cab", "ndvi_flags",
    ], ("B02", "B8A")),
    "masks of Sen2Cor": ("{}", ["T33UUU_20230604T101031_B02_10m", "T33UUU_20230604T101031_B8A_20m"], [
        "MSK_DETFOO_B02", "MSK_DETFOO_B8A", "MSK_QUALIT_B02", "MSK_QUALIT_B8A", "MSK_CLASSI_B00", "MSK_CLDPRB_20m",
    ], ("B02", "B8A")),
    "own layers": ("{}", ["B04", "B08", "B8A"], [
        "B8_texture", "B8_tasselled", "B8A.B4", "dem", "slope", "worldcover", "labels",
    ], ("B04", "B08", "B8A")),
    "SNAP": ("{}", ["Gamma0_VV_db", "Gamma0_VH_db"], [
        "projectedLocalIncidenceAngle", "localIncidenceAngle", "layover_shadow_mask", "elevation", "simulatedImage",
        "longitude",
    ], ("VH", "VV")),
    "ASF RTC": (RTC, ["VV", "VH"], ["inc_map", "inc_map_ell", "ls_map", "dem", "rtc_area_map", "area", "rgb"],
                ("VH", "VV")),
    "OPERA RTC": (ASF_TILE, ["VV", "VH"], ["mask", "incidence_angle", "number_of_looks", "BROWSE",
                                           "rtc_anf_gamma0_to_beta0"], ("VH", "VV")),
    "Planetary Computer RTC": ("{}", ["iw-vv.rtc", "iw-vh.rtc"], ["iw-mask", "preview"], ("VH", "VV")),
    "pyroSAR": (PYROSAR, ["VV_gamma0-rtc", "VH_gamma0-rtc"], [
        "incidenceAngleFromEllipsoid", "layoverShadowMask", "DEM", "inc", "lsm", "VV_VH_ratio", "VV-id", "VV_NESZ",
        "VV-np",
    ], ("VH", "VV")),
    "ALOS mosaic": (ALOS, ["sl_HH", "sl_HV"], ["mask", "date", "linci"], ("HH", "HV")),
    "GAMMA": ("20230604_{}", ["VV.gc", "VH.gc"], ["inc", "ls_map", "dem_seg", "pix_area"], ("VH", "VV")),
}  # fmt: skip


@pytest.mark.parametrize("product", PRODUCTS)
def test_of_a_product_only_the_bands_are_read(tmp_path, write_tif, caplog, product):
    caplog.set_level("INFO")
    name, bands, others, names = PRODUCTS[product]
    for word in (*bands, *others):
        write_tif(f"scene/{name.format(word)}.tif", np.ones((8, 8), "uint16"))
    assert open_image(tmp_path / "scene").names == names
    skipped = sorted(f"{name.format(word)}.tif" for word in others)
    assert f"not read as bands: {', '.join(skipped)}." in caplog.text


@pytest.mark.parametrize(("others", "count"), [
    ({"S2A_FRE_R1": (4, "int16"), "S2A_FRE_R2": (6, "int16")}, 10), ({"image": (10, "int16")}, 10),
])  # fmt: skip
def test_of_files_that_name_no_band_those_of_codes_are_left_out(tmp_path, write_tif, others, count):
    codes = {"S2A_CLD_R1": (1, "uint8"), "S2A_ATB_R1": (2, "uint8"), "classes": (1, "uint8")}
    twins = {"S2A_SRE_R1": (4, "int16")} if count == 10 and len(others) > 1 else {}
    for name, (bands, dtype) in (others | codes | twins).items():
        write_tif(f"scene/{name}.tif", np.ones((bands, 8, 8), dtype))
    assert len(open_image(tmp_path / "scene").names) == count


@pytest.mark.parametrize(("other", "count"), [((2, "uint8"), 4), ((5, "int16"), 5), ((1, "float32"), 1)])
def test_files_of_bytes_alone_are_bands(tmp_path, write_tif, other, count):
    write_tif("scene/first.tif", np.ones((2, 8, 8), "uint8"))
    write_tif("scene/second.tif", np.ones((other[0], 8, 8), other[1]))
    assert len(open_image(tmp_path / "scene").names) == count


def test_an_orthophoto_beside_heights_is_kept(tmp_path, write_tif):
    write_tif("scene/ortho.tif", np.ones((3, 8, 8), "uint8"))
    write_tif("scene/canopy.tif", np.ones((8, 8), "float32"))
    assert len(open_image(tmp_path / "scene").names) == 4


@pytest.mark.parametrize("name", ["elevation", "S1A_20230604_DEM", "S1A_DEM"])
def test_a_layer_beside_polarisations_is_read_if_it_is_wanted(tmp_path, write_tif, name):
    for stem in ("Gamma0_VV", "Gamma0_VH", "slope", "elevation", "S1A_20230604_DEM"):
        write_tif(f"scene/{stem}.tif", np.ones((8, 8), "float32"))
    assert len(open_image(tmp_path / "scene", wanted=("VV", "VH", name)).names) == 3
