"""PRISMA L2D and EMIT L2A are read on their map grid, with wavelengths and bad bands; other HDF5 files are refused."""

from __future__ import annotations

import sys
from datetime import date

import numpy as np
import pytest
from rasterio.windows import Window

from landcover_bdgf.errors import RasterError
from landcover_bdgf.scene.image import open_image
from landcover_bdgf.scene.pair_checks import date_of

h5py = pytest.importorskip("h5py")

ROWS, COLUMNS = 12, 9
VNIR_NM, SWIR_NM = (0.0, 900.0, 700.0, 450.0), (2300.0, 1380.0, 1000.0)
FIELDS = "HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields"
CRS_WKT = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],'
    'UNIT["degree",0.0174532925199433]]'
)


def write_prisma(path, *, level="L2D", steps=0, north_first=True, part=None, **attributes):
    """A product with cubes of (row, band, column); ``steps`` are missing between the corners."""
    rng = np.random.default_rng(2)
    cubes = {kind: rng.integers(1, 60000, (ROWS, count, COLUMNS), "uint16") for kind, count in (("V", 4), ("S", 3))}
    for cube in cubes.values():
        cube[:, :, 0] = 0
    cubes["V"][5, 1, 5] = 0
    with h5py.File(path, "w") as file:
        swath = file.create_group(f"HDFEOS/SWATHS/PRS_{level}_HCO")
        for kind, word in (("V", "VNIR"), ("S", "SWIR")):
            if word != part:
                swath[f"Data Fields/{word}_Cube"] = cubes[kind]
        latitude = np.linspace(52, 51.9, ROWS)[:: 1 if north_first else -1]
        swath["Geolocation Fields/Latitude"] = np.repeat(latitude[:, None], COLUMNS, 1)
        file.attrs.update({
            "List_Cw_Vnir": VNIR_NM, "List_Cw_Vnir_Flags": [0, 1, 1, 1], "List_Cw_Swir": SWIR_NM,
            "List_Cw_Swir_Flags": [1, 1, 1], "L2ScaleVnirMin": 0.0, "L2ScaleVnirMax": 0.65535,
            "L2ScaleSwirMin": 0.1, "L2ScaleSwirMax": 0.75535, "Epsg_Code": 32633,
            "Product_ULcorner_easting": 500_000.0, "Product_ULcorner_northing": 5_000_000.0,
            "Product_LRcorner_easting": 500_000.0 + 30 * (COLUMNS - steps),
            "Product_LRcorner_northing": 5_000_000.0 - 30 * (ROWS - steps),
            "Product_StartTime": np.bytes_("2020-07-25T08:35:06"),
        } | attributes)  # fmt: skip
    return path, cubes


@pytest.mark.parametrize(("steps", "left"), [(0, 500_000.0), (1, 499_985.0)])
def test_prisma_is_read_in_the_order_of_its_wavelengths(tmp_path, steps, left, caplog):
    caplog.set_level("INFO")
    path, cubes = write_prisma(tmp_path / "PRS_L2D_STD.he5", steps=steps)
    with open_image(path) as image:
        assert [band.wavelength_nm for band in image.bands] == [450, 700, 900, 1000, 2300]
        assert image.names == ("VNIR 4", "VNIR 3", "VNIR 2", "SWIR 3", "SWIR 1")
        assert (image.grid.crs.to_epsg(), image.grid.transform.c, image.grid.transform.a) == (32633, left, 30)
        assert image.files == (path,)
        assert date_of(image) == date(2020, 7, 25)
        values, valid = image.read(Window(0, 3, COLUMNS, 4))
    assert "marked as bad in the header (bbl): VNIR 1" in caplog.text
    np.testing.assert_allclose(values[0, :, 1:], cubes["V"][3:7, 3, 1:] * 1e-5, rtol=1e-6)
    np.testing.assert_allclose(values[4, :, 1:], 0.1 + cubes["S"][3:7, 0, 1:] * 1e-5, rtol=1e-6)
    assert not valid[:, 0].any()
    assert valid[:, 1:].all()


@pytest.mark.parametrize(("options", "message"), [
    ({"level": "L2C"}, "is PRISMA level 2C, which is on no map grid. Give the level 2D product"),
    ({"level": "L1"}, "is PRISMA level 1, which is on no map grid"),
    ({"part": "SWIR"}, "has no HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields/SWIR_Cube of its own"),
    ({"north_first": False}, "its rows do not run from north to south"),
    ({"steps": 3}, r"its corners are 6 × 9 pixels of 30 m apart, it has \(9, 12\)"),
    ({"List_Cw_Vnir": VNIR_NM[1:]}, "lacks a part of its product"),
    ({"List_Cw_Vnir": VNIR_NM[1:], "List_Cw_Vnir_Flags": [1, 1, 1]}, "has cubes of .*, expected"),
])  # fmt: skip
def test_other_products_of_prisma_are_refused(tmp_path, options, message):
    path, _ = write_prisma(tmp_path / "PRS.he5", **options)
    with pytest.raises(RasterError, match=message):
        open_image(path)


@pytest.mark.parametrize("kind", ["link", "external", "virtual"])
def test_pixels_in_other_files_are_refused(tmp_path, kind):
    path, _ = write_prisma(tmp_path / "PRS.he5", part="SWIR")
    other, _ = write_prisma(tmp_path / "other.he5")
    name, shape = f"{FIELDS}/SWIR_Cube", (ROWS, 3, COLUMNS)
    with h5py.File(path, "a") as file:
        if kind == "link":
            file[name] = h5py.ExternalLink(other.name, name)
        elif kind == "external":
            file.create_dataset(name, shape, "uint16", external=[(str(other), 0, h5py.h5f.UNLIMITED)])
        else:
            layout = h5py.VirtualLayout(shape, "uint16")
            layout[:] = h5py.VirtualSource(other, name, shape)
            file.create_virtual_dataset(name, layout)
    with pytest.raises(RasterError, match=r"has no .* of its own|keeps its .* in other files"):
        open_image(path)


def test_an_hdf5_file_that_is_cut_off_or_something_else_is_refused(tmp_path):
    path, _ = write_prisma(tmp_path / "PRS.he5")
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(RasterError, match="is a damaged HDF5 file"):
        open_image(path)
    with h5py.File(path, "w") as file:
        file["a"] = [1]
    with pytest.raises(RasterError, match=r"is an HDF5 file\. gdalinfo"):
        open_image(path)


def test_without_h5py_it_is_named(tmp_path, monkeypatch):
    path, _ = write_prisma(tmp_path / "PRS.he5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(RasterError, match=r"is HDF5, which needs h5py\. Install it with pip install h5py"):
        open_image(path)


def test_emit_is_placed_by_its_table(tmp_path):
    path = tmp_path / "EMIT_L2A_RFL_001_20220903T163129_2224611_012.nc"
    swath = np.random.default_rng(3).random((5, 4, 3), dtype=np.float32)
    swath[2, 1, 0] = -9999
    rows, columns = np.zeros((2, 6, 7), "int32")
    rows[1:5, 1:5], columns[1:5, 1:5] = np.indices((4, 4)) + 1
    with h5py.File(path, "w") as file:
        file["reflectance"] = swath
        file["reflectance"].attrs["_FillValue"] = np.float32([-9999])
        file["location/glt_x"], file["location/glt_y"] = columns, rows
        file["sensor_band_parameters/wavelengths"] = np.float32([500, 1380, 2200])
        file["sensor_band_parameters/good_wavelengths"] = np.uint8([1, 0, 1])
        file.attrs.update({"geotransform": [13.0, 0.0005, 0, 52.0, 0, -0.0005], "spatial_ref": CRS_WKT})
        file.attrs["time_coverage_start"] = "2022-09-03T16:31:29+0000"
    with open_image(path) as image:
        assert [band.wavelength_nm for band in image.bands] == [500, 2200]
        assert image.grid.shape_hw == (6, 7)
        assert date_of(image) == date(2022, 9, 3)
        values, valid = image.read(Window(0, 0, 7, 6))
    expected = np.zeros((6, 7), bool)
    expected[1:5, 1:5] = True
    expected[3, 2] = False
    np.testing.assert_array_equal(valid, expected)
    np.testing.assert_array_equal(values[1, 1:5, 1:5][expected[1:5, 1:5]], swath[:4, :, 2][expected[1:5, 1:5]])
