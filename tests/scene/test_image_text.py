"""An image in words names its first file, the number of its bands, and their names and wavelengths."""

from small_scenes import POWER, REFLECTANCE

from landcover_bdgf.scene.image import open_image
from landcover_bdgf.scene.image_text import bands_text, dates_lines, source_text


def test_files_and_bands(write_tif):
    names = ("blue", "green", "red", "nir")
    path = write_tif("hsi.tif", REFLECTANCE, names=names)
    with open_image(path) as image:
        assert source_text(image) == f"{len(names)} bands of {path}"
        assert bands_text(image) == ", ".join(names)
        assert dates_lines({"the spectral image": image}) == []


def test_one_band_of_several_files(write_tif):
    paths = [write_tif(f"{name}.tif", POWER[:1], names=(name,)) for name in ("VV", "VH")]
    with open_image(paths) as image:
        assert source_text(image) == f"2 bands of {paths[0]} and 1 more"
