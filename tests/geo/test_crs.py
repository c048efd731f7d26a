"""Equivalent CRS are equal, and a missing transformation is reported."""

from __future__ import annotations

import pytest
from rasterio.crs import CRS

from landcover_bdgf.errors import RasterError, SettingsError
from landcover_bdgf.geo.crs import crs_name, known_crs, recorded_crs, same_crs, transformer

UTM, WGS84 = CRS.from_epsg(32633), CRS.from_epsg(4326)
SITE = CRS.from_wkt('LOCAL_CS["site",UNIT["metre",1]]')


def test_notation_and_axis_order_do_not_matter_but_zone_hemisphere_and_datum_do():
    esri, wkt2 = UTM.to_wkt(version="WKT1_ESRI"), UTM.to_wkt(version="WKT2_2019")
    for written in (esri, wkt2, "+proj=utm +zone=33 +datum=WGS84"):
        assert same_crs(UTM, CRS.from_user_input(written))
        assert same_crs(CRS.from_user_input(written), UTM)
    assert same_crs(WGS84, CRS.from_user_input("OGC:CRS84"))
    assert not any(same_crs(UTM, CRS.from_epsg(epsg)) for epsg in (32632, 32733, 25833, 4326))


def test_the_name_is_the_code_or_that_in_the_wkt():
    assert crs_name(UTM) == "EPSG:32633"
    assert crs_name(SITE) == "site"


def test_easting_comes_first_and_the_inverse_returns():
    lon, lat = transformer(UTM, WGS84).transform(500_000, 5_000_000)
    assert (lon, lat) == pytest.approx((15, 45.1534), abs=1e-4)  # the central meridian of zone 33
    assert transformer(WGS84, UTM).transform(lon, lat) == pytest.approx((500_000, 5_000_000), abs=1e-3)


def test_a_local_crs_has_no_transformation():
    with pytest.raises(RasterError, match="no transformation is known from site to EPSG:32633"):
        transformer(SITE, UTM)


def test_a_recorded_crs_is_read_back_and_must_be_valid():
    assert recorded_crs(UTM.to_wkt()) == UTM
    for none in (32633, ""):
        with pytest.raises(ValueError, match=r"CRS|WKT"):
            recorded_crs(none)


def test_an_unknown_crs_in_a_setting_is_refused():
    assert known_crs(None, "sar_crs") is None
    assert known_crs("EPSG:32633", "sar_crs") == UTM
    with pytest.raises(SettingsError, match="`sar_crs=EPSG:1`: is not a known CRS"):
        known_crs("EPSG:1", "sar_crs")
