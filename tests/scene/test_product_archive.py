"""A zip archive is read like the folder in it, and removed from the disk when the image is."""

from __future__ import annotations

import gc
import tempfile
import zipfile
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from small_scenes import whole

from landcover_bdgf.errors import RasterError
from landcover_bdgf.scene.image import open_image
from landcover_bdgf.scene.pair_checks import date_of

TILE = "S2A_MSIL2A_20230604T101559_N0509_R065_T33UUU_20230604T163000.SAFE"
GRANULE = f"{TILE}/GRANULE/L2A_T33UUU_A025/"


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The folder for temporary files, empty."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def write_zip(tmp_path, write_tif, names, *, name="scene.zip"):
    """An archive of one-band rasters, or of bytes for names of other files."""
    with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as file:
        for at, inside in enumerate(names):
            raster = inside.endswith((".tif", ".jp2"))
            source = write_tif("a.tif", np.full((8, 8), at + 1, "uint16")) if raster else b"<a/>"
            if inside.endswith(".jp2"):
                rasterio.shutil.copy(source, tmp_path / "a.jp2", driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES")
                source = tmp_path / "a.jp2"
            file.writestr(inside, source.read_bytes() if raster else source)
    return tmp_path / name


@pytest.mark.parametrize(("inside", "names", "values"), [
    (["B02.tif", "B8A.tif", "SCL.tif", "__MACOSX/._B02.tif"], ("B02", "B8A"), [1, 2]),
    (["a folder/inner/B02.tif", "a folder/inner/B03.tif", "a folder/readme.txt"], ("B02", "B03"), [1, 2]),
    (
        [f"{GRANULE}IMG_DATA/R10m/T33UUU_20230604T101559_B02_10m.jp2",
         f"{GRANULE}IMG_DATA/R20m/T33UUU_20230604T101559_B11_20m.jp2",
         f"{GRANULE}QI_DATA/MSK_CLDPRB_20m.jp2", f"{TILE}/MTD_MSIL2A.xml"],
        ("B02", "B11"), [1, 2],
    ),
    ([f"{GRANULE}IMG_DATA/T33UUU_20230604T101559_B02.jp2"], ("B02",), [1]),
    (["S1.SAFE/measurement/vh.tif", "S1.SAFE/measurement/vv.tif", "S1.SAFE/annotation/a.xml"], ("VH", "VV"), [1, 2]),
    (["S1A_TC.dim", "S1A_TC.data/Gamma0_VV.tif", "S1A_TC.data/elevation.tif"], ("VV",), [2]),
])  # fmt: skip
def test_an_archive_is_read_like_its_folder(tmp_path, write_tif, temporary, inside, names, values):
    path = write_zip(tmp_path, write_tif, inside)
    image = open_image(path)
    assert image.names == names
    assert image.files == (path,)
    assert whole(image)[0][:, 0, 0].tolist() == values
    assert "scene.zip" in repr(image)
    assert list(temporary.iterdir())
    image.close()
    del image
    gc.collect()
    assert not list(temporary.iterdir())


def test_the_date_may_be_in_the_name_of_the_archive(tmp_path, write_tif):
    path = write_zip(tmp_path, write_tif, ["B02.tif", "B03.tif"], name="site_2023-06-04.zip")
    assert date_of(open_image(path)) == date(2023, 6, 4)


def test_a_change_of_the_archive_is_noticed(tmp_path, write_tif):
    path = write_zip(tmp_path, write_tif, ["B02.tif", "B03.tif"])
    image = open_image(path)
    image.check_unchanged()
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(RasterError, match=r"scene\.zip: was modified while it was being read"):
        image.check_unchanged()


@pytest.mark.parametrize(("inside", "message"), [
    (["readme.txt", "x.SAFE/MTD_MSIL2A.xml"], r"scene\.zip: is a zip archive without rasters\. Expected \.tif"),
    (["a/B02.tif", "b/B02.tif"], r"scene\.zip: holds 2 folders of rasters, a, b\. Unpack it and give one"),
])  # fmt: skip
def test_other_archives_are_refused(tmp_path, write_tif, temporary, inside, message):
    with pytest.raises(RasterError, match=message):
        open_image(write_zip(tmp_path, write_tif, inside))
    assert not list(temporary.iterdir())


def test_errors_name_the_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "scene.zip", "w") as file:
        file.writestr("B02.tif", b"no raster")
    with pytest.raises(RasterError) as caught:
        open_image(tmp_path / "scene.zip")
    assert str(
        caught.value
    ) == f"{Path(tmp_path / 'scene.zip')}/B02.tif: is not a GeoTIFF, ENVI or JPEG 2000 file. " + (
        "If gdalinfo knows it, convert it: gdal_translate -of GTiff."
    )
