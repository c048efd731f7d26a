"""Two CRS are equal when they mean the same, and a transformation is known or told to be missing."""

from __future__ import annotations

import pytest
from rasterio.crs import CRS

from landcover_bdgf.errors import RasterError, SettingsError
from landcover_bdgf.geo.crs import crs_name, known_crs, recorded_crs, same_crs, transformer

UTM, WGS84 = CRS.from_epsg(32633), CRS.from_epsg(4326)
SITE = CRS.from_wkt('LOCAL_CS["site",UNIT["metre",1]]')


@pytest.mark.parametrize("written", [
    UTM.to_wkt(version="WKT1_ESRI"), UTM.to_wkt(version="WKT2_2019"), "+proj=utm +zone=33 +datum=WGS84",
])  # fmt: skip
def test_a_crs_written_another_way_is_the_same(written):
    assert same_crs(UTM, CRS.from_user_input(written))
    assert same_crs(CRS.from_user_input(written), UTM)


@pytest.mark.parametrize("epsg", [32632, 32733, 25833, 4326])
def test_another_zone_hemisphere_or_datum_is_another_crs(epsg):
    assert not same_crs(UTM, CRS.from_epsg(epsg))


def test_the_order_of_axes_makes_no_other_crs():
    assert same_crs(WGS84, CRS.from_user_input("OGC:CRS84"))


def test_a_name_is_the_code_or_that_in_the_text():
    assert crs_name(UTM) == "EPSG:32633"
    assert crs_name(SITE) == "site"


def test_easting_comes_first_and_a_way_leads_back():
    lon, lat = transformer(UTM, WGS84).transform(500_000, 5_000_000)
    assert (lon, lat) == pytest.approx((15, 45.1534), abs=1e-4)  # the central meridian of zone 33
    assert transformer(WGS84, UTM).transform(lon, lat) == pytest.approx((500_000, 5_000_000), abs=1e-3)


def test_no_way_leads_out_of_a_local_crs():
    with pytest.raises(RasterError, match="no transformation is known from site to EPSG:32633"):
        transformer(SITE, UTM)


def test_a_recorded_crs_comes_back_and_must_be_one():
    assert recorded_crs(UTM.to_wkt()) == UTM
    for none in (32633, ""):
        with pytest.raises(ValueError, match=r"CRS|WKT"):
            recorded_crs(none)


def test_a_crs_that_a_user_types_is_known_or_refused():
    assert known_crs(None, "sar_crs") is None
    assert known_crs("EPSG:32633", "sar_crs") == UTM
    with pytest.raises(SettingsError, match="`sar_crs=EPSG:1`: is not a known CRS"):
        known_crs("EPSG:1", "sar_crs")
