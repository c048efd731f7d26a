"""Pictures of a map have its proportions, and their colours are those of the map, the image and the reference."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from conftest import WriteTif
from drawn_maps import pixels
from rasterio.windows import Window

from landcover_bdgf.assessment.pictures import (
    RIGHT,
    WRONG,
    Places,
    colour_bands,
    errors_picture,
    image_picture,
    layer_picture,
    map_picture,
)
from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.labels.layers import LAYERS
from landcover_bdgf.scene.dated_image import open_dated
from landcover_bdgf.scene.image import Image, open_image


def test_a_large_map_is_drawn_smaller_at_its_proportions(write_tif: WriteTif) -> None:
    with rasterio.open(write_tif("map.tif", np.ones((600, 2400), np.uint8), nodata=0)) as dataset:
        assert pixels(map_picture(dataset, {1: (1, 2, 3)})).shape == (300, 1200, 4)


@pytest.mark.parametrize("shape", [(40, 60), (700, 1050)])
def test_errors_are_marked_where_they_are(write_tif: WriteTif, shape: tuple[int, int]) -> None:
    """A right and a wrong pixel; in a larger picture marks have 7 px, and the wrong one is on top."""
    places = Places(np.array([9, 9], np.int32), np.array([20, 50], np.int32), np.array([True, False]))
    with rasterio.open(write_tif("map.tif", np.ones(shape, np.uint8), nodata=0)) as dataset:
        picture = pixels(errors_picture(dataset, places, {1: (0, 0, 0)}))
    assert picture[9, 20].tolist() == [*RIGHT, 255]
    assert picture[9, 50].tolist() == [*WRONG, 255]
    side = 2 * (max(shape) // 350) + 1
    assert (picture[..., :3] == WRONG).all(-1).sum() == side**2
    assert len(set(map(tuple, picture.reshape(-1, 4).tolist()))) == 3


def test_nodata_of_a_layer_is_transparent(write_tif: WriteTif) -> None:
    values = np.array([[0, 50], [100, 255]], np.uint8)
    with rasterio.open(write_tif("layer.tif", values, nodata=255)) as layer:
        picture = pixels(layer_picture(layer, LAYERS["confidence"]))
    assert picture[..., 3].tolist() == [[255, 255], [255, 0]]
    assert picture[0, 0, 2] > picture[0, 0, 0]  # blue
    assert picture[1, 0, 0] > picture[1, 0, 2]  # yellow


def test_codes_of_a_layer_have_their_colours(write_tif: WriteTif) -> None:
    with rasterio.open(write_tif("layer.tif", np.array([[0, 1], [2, 3]], np.uint8), nodata=0)) as layer:
        picture = pixels(layer_picture(layer, LAYERS["condition"]))
    assert picture[0, 0, 3] == 0
    colors = {code: picture[divmod(code, 2)].tolist() for code in (1, 2, 3)}
    assert colors == {code: [*color, 255] for code, color in LAYERS["condition"].colors.items()}


def test_many_bands_without_wavelengths_are_those_of_a_spectrometer(write_tif: WriteTif) -> None:
    """EnMAP: 224 bands of 6.5 nm up to 1000 nm, then 10 nm; bands 45, 27 and 16 are near 650, 550 and 490 nm."""
    with open_image(write_tif("image.tif", np.ones((224, 4, 4), np.float32))) as image:
        assert colour_bands(image) == [44, 26, 15]


def test_an_image_is_shown_in_its_colours(write_tif: WriteTif) -> None:
    """Band 3 grows along columns and is drawn red, as blue comes first in most files; half of the image has no data."""
    bands = np.ones((4, 20, 60), np.float32)
    bands[2] = np.arange(60)
    bands[:, 10:] = -1
    path = write_tif("image.tif", bands, nodata=-1)
    with open_image(path) as image, rasterio.open(path) as dataset:
        assert colour_bands(image) == [2, 1, 0]
        picture = pixels(image_picture(image, dataset))
    assert picture[:10, :, 3].min() == 255
    assert picture[10:, :, 3].max() == 0
    assert picture[5, 0, 0] == 0
    assert picture[5, 59, 0] == 255
    assert picture[5, :, 1].max() == 0


@pytest.mark.parametrize(("bands", "shown"), [(3, [0, 1, 2]), (10, [2, 1, 0]), (12, [3, 2, 1]), (13, [3, 2, 1])])
def test_the_colours_of_bands_without_names(bands: int, shown: list[int], write_tif: WriteTif) -> None:
    """All bands of Sentinel-2 begin with that of aerosols, which is not blue."""
    with open_image(write_tif("image.tif", np.ones((bands, 8, 8), np.float32))) as image:
        assert colour_bands(image) == shown


def test_a_large_image_is_sampled_in_tiles_without_resampling(
    write_tif: WriteTif, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The picture has the middle one of five pixels, and no read is larger than a tile."""
    rows, cols = np.mgrid[0:1500, 0:6000]
    band = (rows // 5 + cols // 5 * 7 + (rows % 5 != 2) * 5000).astype(np.float32)
    path = write_tif("image.tif", np.stack([band] * 3))
    read, shapes = Image.read, []

    def seen(image: Image, window: Window, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
        shapes.append((window.height, window.width))
        assert grid.offset_in(image.grid) is not None
        return read(image, window, grid)

    monkeypatch.setattr(Image, "read", seen)
    with open_image(path) as image, rasterio.open(path) as dataset:
        picture = pixels(image_picture(image, dataset))
    assert picture.shape == (300, 1200, 4)
    assert np.max(shapes) <= 512
    chosen = band[2::5, 2::5]
    low, high = np.percentile(chosen, (2, 98))
    expected = np.clip(255 * (chosen - low) / (high - low), 0, 255).astype(np.uint8)
    assert np.array_equal(picture[..., 0], expected)


def test_true_colours_are_found_by_wavelength(tmp_path: Path, write_tif: WriteTif) -> None:
    path = write_tif("image.tif", np.random.default_rng(0).random((5, 20, 20)).astype(np.float32))
    with rasterio.open(path, "r+") as dataset:
        for index, name in enumerate(("B08", "B04", "B03", "B02", "B05"), 1):
            dataset.set_band_description(index, name)
    with open_image(path) as image:
        assert [image.names[i] for i in colour_bands(image)] == ["B04", "B03", "B02"]


def test_of_several_dates_the_most_complete_is_shown(write_tif: WriteTif) -> None:
    """Not the first, which may be under clouds."""
    random, paths = np.random.default_rng(0), {}
    for number, day in enumerate(("2023-06-04", "2023-07-19")):
        bands = random.integers(1, 99, (4, 8, 8)).astype(np.int16)
        paths[day] = write_tif(f"{number}.tif", bands, names=("B02", "B03", "B04", "B08"))
    with open_dated(paths) as image:
        assert [image.names[i] for i in colour_bands(image)] == ["B04@2023-06-04", "B03@2023-06-04", "B02@2023-06-04"]
        assert image.series is not None
        filled = replace(image, series=replace(image.series, filled={date(2023, 6, 4): 0.4}))
        assert [filled.names[i] for i in colour_bands(filled)] == ["B04@2023-07-19", "B03@2023-07-19", "B02@2023-07-19"]
