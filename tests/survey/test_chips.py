"""The sheet shows the ground around each point, with the pixel of the map in it."""

import re
from pathlib import Path

import numpy as np
import pytest
from conftest import WriteTif
from drawn_maps import pixels
from surveys import maps

from landcover_bdgf.errors import RasterError, SettingsError
from landcover_bdgf.survey.chips import chip_sheet
from landcover_bdgf.survey.drawing import design
from landcover_bdgf.survey.points_file import Design
from landcover_bdgf.survey.settings import DesignSettings


@pytest.fixture
def drawn(tmp_path: Path) -> Design:
    return design(maps(tmp_path)[1], DesignSettings(points=40, min_per_class=2))


def test_the_square_is_on_the_pixel_of_the_point(drawn: Design, write_tif: WriteTif) -> None:
    """An image of half the pixel size, black but for the sampled pixels of the map, which are white."""
    image = np.zeros((600, 800), np.uint8)
    for row, col in zip(drawn.rows, drawn.cols, strict=True):
        image[2 * row : 2 * row + 2, 2 * col : 2 * col + 2] = 200
    noise = np.random.default_rng(0).integers(0, 100, image.shape)  # so that the stretch is not of one value
    page = chip_sheet(drawn, str(write_tif("i.tif", np.maximum(image, noise).astype(np.uint8), pixel_m=5.0)))
    cards = re.findall(
        r'<img src="([^"]+)".*?left: ([\d.]+)%; top: ([\d.]+)%; width: ([\d.]+)%; height: ([\d.]+)%', page, re.DOTALL
    )
    assert len(cards) == 40
    for uri, *numbers in cards:
        picture, (left, top, width, height) = pixels(uri), [float(number) / 100 for number in numbers]
        assert (round(64 * width), round(64 * height)) == (2, 2)
        row, col = round(64 * top), round(64 * left)
        assert (picture[row : row + 2, col : col + 2, :3] == 255).all()
    assert 'id="point-40"' in page


def test_points_outside_the_image_have_no_picture(drawn: Design, write_tif: WriteTif) -> None:
    part = np.random.default_rng(0).integers(1, 255, (3, 150, 400)).astype(np.uint8)
    page = chip_sheet(drawn, str(write_tif("part.tif", part)))
    assert page.count("Outside the image.") == int((drawn.rows >= 150).sum()) > 0
    assert page.count("<img") == int((drawn.rows < 150).sum())


def test_an_image_of_another_place_or_without_data_is_refused(
    drawn: Design, write_tif: WriteTif, caplog: pytest.LogCaptureFixture
) -> None:
    part = np.random.default_rng(0).integers(1, 255, (3, 150, 400)).astype(np.uint8)
    chip_sheet(drawn, str(write_tif("part.tif", part)))
    outside = int((drawn.rows >= 150).sum())
    assert f"part.tif: {outside} of 40 points are outside the image and have no picture" in caplog.text
    far = write_tif("far.tif", part, origin_xy=(600_000.0, 5_000_000.0))
    with pytest.raises(RasterError, match=r"far.tif: holds none of the points. Give an image of the place of the map"):
        chip_sheet(drawn, str(far))
    apart = np.random.default_rng(0).integers(1, 255, (3, 300, 400)).astype(np.uint8)
    apart[0, :, :200] = apart[1:, :, 200:] = 0
    with pytest.raises(RasterError, match=r"apart.tif: has no pixel with data in all bands to show"):
        chip_sheet(drawn, str(write_tif("apart.tif", apart, nodata=0)))


def test_bands_may_be_chosen(drawn: Design, write_tif: WriteTif) -> None:
    bands = np.random.default_rng(0).integers(1, 255, (4, 300, 400)).astype(np.uint8)
    path = write_tif("i.tif", bands, names=("a", "b", "c", "d"))
    assert "red, green, blue: d, b, a." in " ".join(chip_sheet(drawn, f"{path}:4,2,1").split())
    with pytest.raises(SettingsError, match=r"has no band 5. The image has 4 bands: a, b, c, d"):
        chip_sheet(drawn, f"{path}:5,2,1")


@pytest.mark.parametrize(
    ("names", "shown"), [(("B02", "B03", "B04", "B08"), "B04, B03, B02"), (None, "band 3, band 2, band 1")]
)
def test_the_bands_are_those_of_the_report_and_are_named(
    names: tuple[str, ...] | None, shown: str, drawn: Design, write_tif: WriteTif, caplog: pytest.LogCaptureFixture
) -> None:
    bands = np.random.default_rng(0).integers(1, 255, (4, 300, 400)).astype(np.uint8)
    path = write_tif("i.tif", bands, **({"names": names} if names else {}))
    caplog.set_level("INFO")
    assert f"red, green, blue: {shown}." in " ".join(chip_sheet(drawn, str(path)).split())
    assert f"i.tif: shown as red, green and blue: {shown}; FILE:4,3,2 shows others" in caplog.text
