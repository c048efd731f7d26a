"""EnMAP and DESIS have the wavelengths, bad bands and scales of their METADATA.XML."""

from __future__ import annotations

import numpy as np
import pytest

from landcover_bdgf.errors import RasterError
from landcover_bdgf.scene.image import open_image

STEM = "ENMAP01-____L2A-DT0000001280_20220627T104548Z_001_V010303_20230922T131826Z-"
PIXELS = np.arange(3 * 64).reshape(3, 8, 8).astype("int16") * 10
ENMAP_BAND = (
    '<bandID number="{}"><wavelengthCenterOfBand>{}</wavelengthCenterOfBand><FWHMOfBand>7</FWHMOfBand>'
    "<GainOfBand>0.0001</GainOfBand><OffsetOfBand>0</OffsetOfBand></bandID>"
)
DESIS_BAND = (
    "<band><bandNumber>{}</bandNumber><wavelengthCenterOfBand>{}</wavelengthCenterOfBand>"
    "<wavelengths>400,401</wavelengths><gainOfBand>0.0001</gainOfBand><offsetOfBand>0.5</offsetOfBand></band>"
)


def metadata(band, wavelengths=(418.4, 700.0, 2200.5), more=""):
    """The XML of a product."""
    bands = "".join(band.format(number, nm) for number, nm in enumerate(wavelengths, 1))
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><product><specific><bandCharacterisation>{bands}'
        f"</bandCharacterisation><backgroundValue>-32768</backgroundValue>{more}</specific></product>"
    )


@pytest.fixture
def image_path(write_tif):
    """The image of an EnMAP product, with a pixel without data that it does not declare."""
    pixels = PIXELS.copy()
    pixels[:, 0, 0] = -32768
    return write_tif(f"scene/{STEM}SPECTRAL_IMAGE.TIF", pixels)


@pytest.mark.parametrize("source", ["image", "folder", "metadata"])
@pytest.mark.parametrize(("band", "offset", "xml"), [
    (ENMAP_BAND, 0, "METADATA.XML"), (DESIS_BAND, 0.5, "METADATA.xml"),
])  # fmt: skip
def test_a_product_has_the_wavelengths_and_scales_of_its_metadata(image_path, source, band, offset, xml):
    described = image_path.parent / f"{STEM}{xml}"
    described.write_text(metadata(band))
    image = open_image({"image": image_path, "folder": image_path.parent, "metadata": described}[source])
    assert [each.wavelength_nm for each in image.bands] == [418.4, 700.0, 2200.5]
    assert {(each.scale, each.offset, each.nodata) for each in image.bands} == {(1e-4, offset, -32768)}
    assert image.paths == (image_path,)


def test_channels_that_are_not_expected_are_bad(image_path, caplog):
    caplog.set_level("INFO")
    more = "<vnir><expectedChannelsList>1,</expectedChannelsList></vnir><expectedChannelsList>3</expectedChannelsList>"
    image_path.with_name(f"{STEM}METADATA.XML").write_text(metadata(ENMAP_BAND, more=more))
    assert [band.index for band in open_image(image_path).bands] == [1, 3]
    assert "marked as bad" in caplog.text


def test_metadata_of_another_number_of_bands_is_not_used(image_path, caplog):
    image_path.with_name(f"{STEM}METADATA.XML").write_text(metadata(ENMAP_BAND, wavelengths=(418.4, 700.0)))
    assert [band.wavelength_nm for band in open_image(image_path).bands] == [None, None, None]
    assert "describes 2 bands, but" in caplog.text


@pytest.mark.parametrize(("text", "problem"), [
    ("<product>", "cannot be read as XML"),
    ('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><product>&b;</product>', "has a DOCTYPE"),
    ("\u00ff".encode("utf-16").decode("latin-1"), "cannot be read as XML"),
])  # fmt: skip
def test_metadata_that_cannot_be_read_is_named(image_path, text, problem):
    image_path.with_name(f"{STEM}METADATA.XML").write_text(text)
    with pytest.raises(RasterError, match=f"METADATA.XML: {problem}"):
        open_image(image_path)
