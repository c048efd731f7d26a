"""Band names and wavelengths come from descriptions, tags, headers and file names."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

from landcover_bdgf.geo.raster import open_raster
from landcover_bdgf.scene import bands
from landcover_bdgf.scene.bands import BandText

TWO_BANDS = np.ones((2, 4, 5), "uint16")


def described(*descriptions):
    return [BandText("scene", False, description) for description in descriptions]


def files(*stems):
    return [BandText(stem, True) for stem in stems]


@pytest.mark.parametrize(("texts", "names", "sensor"), [
    (files("B1", "B8", "B8A", "B12"), ["B01", "B08", "B8A", "B12"], "Sentinel-2"),
    (described("B2 - blue", "B3 - green", "B8A"), ["B02", "B03", "B8A"], "Sentinel-2"),
    (files("T43RCP_20200604T054639_B02_10m", "T43RCP_20200604T054639_B8A_20m"), ["B02", "B8A"], "Sentinel-2"),
    (files("LC81220442015291LGN00_B1", "LC81220442015291LGN00_B10"), ["B1", "B10"], "Landsat 8/9"),
    (files("LC08_L2SP_122044_SR_B4", "LC08_L2SP_122044_ST_B10"), ["B4", "B10"], "Landsat 8/9"),
    (files("LE07_L1TP_195025_B1", "LE07_L1TP_195025_B7"), ["B1", "B7"], "Landsat 4-7"),
    (described("SR_B2", "SR_B6", "SR_B7"), ["B2", "B6", "B7"], "Landsat 8/9"),
    (described("SR_B1", "ST_B6"), ["B1", "B6"], "Landsat 4-7"),
    (described("SR_B1", "SR_B2", "SR_B5", "SR_B7"), ["B1", "B2", "B5", "B7"], "Landsat 4-7"),
    (described("SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B7"), ["B2", "B3", "B4", "B5", "B7"], None),
    (described("SR_B2", "SR_B6", "ndvi"), ["B2", "B6", "ndvi"], "Landsat 8/9"),
    ([BandText("T33UUP_20200604", False, word) for word in ("SR_B2", "SR_B3")], ["B2", "B3"], None),
    (files("2020-06-04-00_00_Sentinel-2_L2A_B11_(Raw)"), ["B11"], "Sentinel-2"),
    ([BandText("Sentinel-2_summer", False, word) for word in ("B2", "B3")], ["B02", "B03"], "Sentinel-2"),
    ([BandText("Sentinel-2_and_radar", False, word) for word in ("B2", "VV")], ["B02", "VV"], "Sentinel-2"),
    (files("B1", "B2", "B3"), ["B1", "B2", "B3"], None),
    (described("sur_refl_b01", "sur_refl_b02"), ["B1", "B2"], None),
    (files("VH", "s1a-iw-grd-vv-20200604"), ["VH", "VV"], None),
    (described("Sigma0_VH_db", "Sigma0_VV_db"), ["VH", "VV"], None),
    (described("bands", "bands"), ["band 1", "band 2"], None),
    (described("NDVI_B8_B4", "NBR_B8_B12"), ["NDVI_B8_B4", "NBR_B8_B12"], None),
    (described("VV", "VV/VH"), ["VV", "VV/VH"], None),
    (described("B04_stdDev", "MSAVI2_B8", "diff_B11"), ["B04_stdDev", "MSAVI2_B8", "diff_B11"], None),
    (described("B02", "B8A", "NDVI", "elevation"), ["B02", "B8A", "NDVI", "elevation"], "Sentinel-2"),
    (described("20230604_B4", "20230604_B8A", "20230604_NDVI"), ["B04", "B8A", "NDVI"], "Sentinel-2"),
    (described("B04_20230604", "B04_20230714", "B8A"), ["B04_20230604", "B04_20230714", "B8A"], "Sentinel-2"),
    (files("S1A_20230604T054639_VV_gamma0-rtc_db", "S1A_20230604T054639_VH_gamma0-rtc_db"), ["VV", "VH"], None),
    (described("B2", "B4", "B8", "B8A", "B8_tasselled"), ["B02", "B04", "B08", "B8A", "B8_tasselled"], "Sentinel-2"),
    (described("B2_min", "B12_min", "B2_max", "B12_max"), ["B2_min", "B12_min", "B2_max", "B12_max"], "Sentinel-2"),
    (described("B2", "B8A", "view_zenith_B2", "B_saturated_B8A"), ["B02", "B8A", "view_zenith_B2", "B_saturated_B8A"],
     "Sentinel-2"),
    (described("kNDVI_B8", "CIre_B5", "B8_savg"), ["kNDVI_B8", "CIre_B5", "B8_savg"], None),
    (described("10*log10(VV)", "10 * log10(VH)"), ["VV", "VH"], None),
    (described("X20230604_B8A", "X20230604_NDVI", "EVI_04Jun2023", "LAI_2023155", "GCI_202306"),
     ["B8A", "NDVI", "EVI", "LAI", "GCI"], "Sentinel-2"),
    (described("2023-06-04T10:50:31_B8A", "2023-06-04T10:50:31_NDVI"), ["B8A", "NDVI"], "Sentinel-2"),
    (described("", "red edge"), ["band 1", "band 2"], None),
    (described("red", "red edge"), ["red", "red edge"], None),
    (described("B02", "B03", "B04", "B04"), ["B02", "B03", "B04", "B04 (2)"], "Sentinel-2"),
    (described("B2", "B8A", "NDVI (B8,B4)"), ["B02", "B8A", "NDVI (B8,B4)"], "Sentinel-2"),
    (described("S2_B2", "S2_B8A", "L8_B2", "L8_B5"), ["S2_B2", "B8A", "L8_B2", "B5"], None),
    (described("HLS.S30_B02", "HLS.L30_B05"), ["B2", "B5"], None),
    (described("B01", "B02", "B3N", "B04"), ["B1", "B2", "B3N", "B4"], None),
    ([BandText("VENUS-XS_20230604_L2A", False, word) for word in ("B2", "B12")], ["B2", "B12"], None),
    ([BandText("WV03_20230604_M2AS", False, f"B0{i}") for i in range(1, 5)], ["B1", "B2", "B3", "B4"], None),
    (described(*[f"B{i:02d}" for i in range(1, 13)]), [f"B{i}" for i in range(1, 13)], None),
    (described("coastal_blue", "blue", "rededge", "nir"), ["coastal_blue", "blue", "rededge", "nir"], None),
    (described("Nadir_Reflectance_Band1", "Nadir_Reflectance_Band2"),
     ["Nadir_Reflectance_Band1", "Nadir_Reflectance_Band2"], None),
    (files("HLS.L30.T33UUP.2023155T100601.v2.0.B05", "HLS.L30.T33UUP.2023155T100601.v2.0.B10"), ["B5", "B10"],
     "Landsat 8/9"),
    ([BandText(f"{day}_{word}", True, word) for day in (20230604, 20230714) for word in ("B02", "B8A")],
     ["20230604_B02", "20230604_B8A", "20230714_B02", "20230714_B8A"], "Sentinel-2"),
    (described("Amplitude_VV", "VV_contrast", "coh_VV", "VV_asc"), ["Amplitude_VV", "VV_contrast", "coh_VV", "VV"],
     None),
])  # fmt: skip
def test_names_and_sensor_come_from_descriptions_then_file_names(texts, names, sensor):
    assert bands.band_names(texts) == names
    assert bands.sensor_of(texts) == sensor


def test_a_known_sensor_brings_its_wavelengths():
    assert bands.band_wavelengths_nm(files("B2", "B8A", "B12")) == [492.4, 864.7, 2202.4]
    assert bands.band_wavelengths_nm(files("LT05_B3", "LT05_B4")) == [660.0, 835.0]
    assert bands.band_wavelengths_nm(described("SR_B4", "SR_B6", "ST_B10")) == [654.5, 1608.5, 10895.0]
    assert bands.band_wavelengths_nm(described("SR_B4", "SR_B5", "ST_B6")) == [835.0, 1650.0, 11450.0]
    assert bands.band_wavelengths_nm(files("B1", "B2")) == [None, None]
    dated = described("20230604_B8A", "20230714_B8A", "B10_p10", "B10_p90", "NDVI")
    assert bands.band_wavelengths_nm(dated) == [864.7, 864.7, 1373.5, 1373.5, None]


@pytest.mark.parametrize(("tags", "namespace"), [
    ({"CENTRAL_WAVELENGTH_UM": "0.55"}, "IMAGERY"),
    ({"wavelength": "550", "wavelength_units": "Nanometers"}, None),
    ({"wavelength": "0.55", "wavelength_units": "Micrometers"}, None),
    ({"WAVELENGTH": "0.55"}, None),
    ({"wavelength": "550"}, None),
])  # fmt: skip
def test_wavelengths_are_found_in_the_tags_of_a_band(write_tif, tags, namespace):
    path = write_tif("a.tif", TWO_BANDS)
    with rasterio.open(path, "r+") as file:
        file.update_tags(2, ns=namespace, **tags)
    with open_raster(path) as dataset:
        assert bands.band_text(dataset, 2).wavelength_nm == pytest.approx(550)
        assert bands.band_text(dataset, 1).wavelength_nm is None


@pytest.mark.parametrize(("unit", "values", "lengths"), [
    ("Nanometers", "418.24, 2450.5", (418.24, 2450.5)), ("MICROMETERS", "0.5, 2.2", (500, 2200)),
    ("Angstroms", "5000, 22000", (500, 2200)), ("GHz", "599584.916, 136269.299", (500, 2200)),
    ("Wavenumber", "20000, 4545.4545", (500, 2200)), ("Unknown", "0.5, 2.2", (500, 2200)),
    ("Unknown", "500, 2200", (500, 2200)), ("Index", "1, 2", (None, None)), ("Band Number", "3, 4", (None, None)),
    ("", "1, 2", (None, None)), ("Unknown", "1, 2", (None, None)), ("DN", "1, 2", (None, None)),
    ("um", "1, 2", (1000, 2000)), ("THz", "599.584916, 136.269299", (500, 2200)),
    ("cm", "0.00005, 0.00022", (500, 2200)), ("m", "5e-7, 2.2e-6", (500, 2200)),
    ("eV", "2.479684, 0.563565", (500, 2200)),
    ("Reciprocal Centimeters", "20000, 4545.4545", (500, 2200)), ("Nanometers", "0.5, 2.2", (500, 2200)),
])  # fmt: skip
def test_wavelengths_are_found_in_an_envi_header_in_any_unit(write_tif, unit, values, lengths):
    path = write_tif("a.img", TWO_BANDS, driver="ENVI")
    with path.with_suffix(".hdr").open("a") as header:
        header.write(f"wavelength units = {unit}\nwavelength = {{ {values} }}\n")
    with open_raster(path) as dataset:
        texts = [bands.band_text(dataset, index) for index in (1, 2)]
    assert bands.band_wavelengths_nm(texts) == [nm and pytest.approx(nm) for nm in lengths]


def test_a_wavelength_in_a_description_is_read_and_taken_off_the_name(write_tif):
    names = ("water edge (418.24 Nanometers)", "haze (0.5 um)")
    with open_raster(write_tif("a.tif", TWO_BANDS, names=names)) as dataset:
        texts = [bands.band_text(dataset, index) for index in (1, 2)]
    assert bands.band_names(texts) == ["water edge", "haze"]
    assert bands.band_wavelengths_nm(texts) == [418.24, 500]


def test_water_vapour_hides_1400_and_1900_nm_and_spares_thermal_bands():
    assert [bands.is_water_vapour(nm) for nm in (1373.5, 1400, 1900, 2460)] == [True] * 4
    assert [bands.is_water_vapour(nm) for nm in (None, 945.1, 1240, 1613.7, 2202.4, 10895)] == [False] * 6


def test_natural_order_sorts_by_number():
    names = ["B10", "B1", "B9", "B8A", "B8", "B2"]
    assert sorted(names, key=bands.natural_key) == ["B1", "B2", "B8", "B8A", "B9", "B10"]


def test_spectral_bands_are_recognised_by_description_or_wavelength():
    for description in ("NIR", "B8", "near infrared", "red_edge_1", "nir1", "SWIR 2"):
        assert bands.is_spectral(BandText("scene", False, description)), description
    for description in ("", "alpha", "transparency", "mask", "covered"):
        assert not bands.is_spectral(BandText("scene", False, description)), description
        assert bands.is_spectral(BandText("scene", False, description, 842.0))


@pytest.mark.parametrize("computed", [
    "B8_contrast", "B8_range", "B8_PC1", "kNDVI_B8", "B8_lag1", "log_B8", "B8_gradient", "Brightness_B8", "mask_B8",
    "MSK_DETFOO_B08", "PVI_B8", "SR_B8", "Cab_B8",
])  # fmt: skip
def test_what_is_computed_from_a_band_has_no_wavelength_and_hides_nothing(computed):
    texts = described("B2", "B3", "B4", "B8", "B8A", computed)
    assert bands.band_names(texts) == ["B02", "B03", "B04", "B08", "B8A", computed]
    assert bands.band_wavelengths_nm(texts)[3:] == [832.8, 864.7, None]


@pytest.mark.parametrize(("colours", "wavelengths"), [
    ("blue red rededge1 rededge2 rededge3 nir nir08 swir16", [492.4, 664.6, 704.1, 740.5, 782.8, 832.8, 864.7, 1613.7]),
    ("BLUE REDEDGE1 REDEDGE2 REDEDGE3 BROADNIR NIR SWIR2", [492.4, 704.1, 740.5, 782.8, 832.8, 864.7, 2202.4]),
    ("red red_edge_1 red_edge_2 red_edge_3 NDVI", [664.6, 704.1, 740.5, 782.8, None]),
])  # fmt: skip
def test_sentinel_2_is_known_by_its_three_red_edges(colours, wavelengths):
    texts = described(*colours.split())
    assert bands.sensor_of(texts) == "Sentinel-2"
    assert bands.band_wavelengths_nm(texts) == wavelengths
    assert bands.band_names(texts) == colours.split()


def test_colours_of_other_sensors_name_no_sensor():
    assert bands.sensor_of(described("coastal_blue", "blue", "red", "rededge", "nir")) is None
    assert bands.sensor_of(described("BLUE", "GREEN", "RED", "NIR", "SWIR1", "SWIR2")) is None


@pytest.mark.parametrize("name", ["1952.4", "1952.4 nm", "2023.5", "1950 nm", "2013", "201306.5 GHz", "20230604"])
def test_numbers_that_are_no_dates_stay_in_names(name):
    assert bands.undated(name) == name
