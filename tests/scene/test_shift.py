"""A shift imposed between real SAR and optical images is recovered; unrelated images give none that is trusted."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from rasterio.crs import CRS
from scipy import ndimage

from landcover_bdgf.geo.grid import Grid
from landcover_bdgf.geo.raster import Window
from landcover_bdgf.scene.image import open_image
from landcover_bdgf.scene.shift import estimate_shift, median_shift, window_shift

IMPOSED_XY = (2.3, -1.6)

PAIRS = [
    *((f"s1s2_{p}/s2_l2a.tif", f"s1s2_{p}/s1_rtc_db.tif") for p in ("chile", "denmark", "kenya", "canada_snow")),
    (
        "s1s2_different_grids/s2_l2a/20200604T054639_20200604T054831_T43RCP",
        "s1s2_different_grids/s1/S1A_IW_GRDH_1SDV_20200607T010800_20200607T010825_032904_03CFBA_D457",
    ),
    (
        "s1s2_different_grids/s2_l2a/20200813T054639_20200813T054952_T43RCP",
        "s1s2_different_grids/s1/S1A_IW_GRDH_1SDV_20200903T131212_20200903T131237_034195_03F8F5_AC1C",
    ),
]


def readers(spectral, sar, valid):
    """Functions that read both images of a window, and the SAR alone."""

    def read(window):
        rows, cols = window.toslices()
        return spectral[:, rows, cols], sar[:, rows, cols], valid[rows, cols]

    return read, lambda window: read(window)[1:]


def grid_of_size(*shape_hw):
    return Grid(CRS.from_epsg(32633), Affine(10, 0, 500_000, 0, -10, 5_000_000), shape_hw)


def moved(image, offset_xy):
    """The content moved to the right and down."""
    x, y = offset_xy
    return ndimage.shift(image, (0, y, x), order=1, mode="nearest")


def simulated(seed=0):
    """A spectral image and a speckled SAR of the same fields."""
    rng = np.random.default_rng(seed)
    fields = ndimage.gaussian_filter(rng.standard_normal((160, 160)), 5)
    kinds = np.digitize(fields, np.quantile(fields, [0.3, 0.6, 0.8]))
    spectral = np.stack([level[kinds] for level in rng.random((4, 4))])
    spectral += 0.02 * rng.standard_normal(spectral.shape)
    sar = rng.permutation([0.02, 0.08, 0.2, 0.5])[kinds] * rng.gamma(4, 0.25, (2, 160, 160))
    return spectral, sar, np.ones((160, 160), bool)


@pytest.mark.parametrize("pair", PAIRS)
def test_a_shift_imposed_on_real_scenes_is_found_within_half_a_pixel(shared_data, pair):
    """Relative to the estimate without it: the real pairs have a shift of their own of up to 5 px."""
    optical, radar = (open_image(shared_data / path) for path in pair)
    whole = Window(0, 0, *optical.grid.shape_hw[::-1])
    spectral, spectral_valid = optical.read(whole)
    sar, sar_valid = radar.read(whole, optical.grid, convert=lambda db, band: 10 ** (db / 10))
    valid = spectral_valid & sar_valid
    own = estimate_shift(*readers(spectral, sar, valid), optical.grid)
    imposed = estimate_shift(*readers(spectral, moved(sar, IMPOSED_XY), valid), optical.grid, max_shift_px=12)
    assert own.trusted
    assert imposed.trusted
    assert np.hypot(*np.subtract(imposed.offset_xy_px, own.offset_xy_px) - IMPOSED_XY) < 0.5


@pytest.mark.parametrize("offset", [(0.0, 0.0), (2.3, -1.6), (-4.5, 3.5)])
def test_the_sign_is_right_and_down(offset):
    spectral, sar, valid = simulated()
    shift = estimate_shift(*readers(spectral, moved(sar, offset), valid), grid_of_size(160, 160))
    np.testing.assert_allclose(shift.offset_xy_px, offset, atol=0.3)
    assert shift.trusted


def test_gaps_do_not_bias_the_estimate_and_it_is_reproducible():
    spectral, sar, valid = simulated()
    sar = moved(sar, (2, -1))
    valid[:, 60:90] = valid[100:115] = False
    spectral[:, ~valid] = sar[:, ~valid] = 0
    found = window_shift(spectral, sar, valid)
    np.testing.assert_allclose(found, (2, -1), atol=0.3)
    assert window_shift(spectral, sar, valid) == found


def test_unrelated_images_are_not_trusted():
    spectral, _, valid = simulated(0)
    _, sar, _ = simulated(1)
    shift = estimate_shift(*readers(spectral, sar, valid), grid_of_size(160, 160))
    assert shift is None or not shift.trusted


def test_plain_or_tiny_scenes_give_no_shift():
    spectral, sar, valid = simulated()
    assert window_shift(np.ones_like(spectral), sar, valid) is None
    assert window_shift(spectral, sar, np.zeros_like(valid)) is None
    strips = (np.arange(valid.shape[0])[:, None] % 5 < 4) & valid  # nowhere two pixels from a gap
    assert strips.mean() > 0.5
    assert window_shift(spectral, sar, strips) is None
    assert estimate_shift(*readers(spectral, sar, valid), grid_of_size(90, 160)) is None


def test_two_windows_or_a_minority_are_not_trusted():
    assert not median_shift([(1.0, 0.0)] * 2, tried=2).trusted
    assert not median_shift([(1.0, 0.0)] * 5, tried=9).trusted
    shift = median_shift([(4.0, 0.0)] * 6 + [(9.0, 9.0)] * 3, tried=9)
    assert shift.trusted
    assert shift.offset_xy_px == (4.0, 0.0)
    assert "4.0 px to the right" in shift.describe()
    least = median_shift([(0.1, 0.0)] * 9, tried=9)
    assert least.describe().startswith("SAR fits the spectral image: shifted by 0.1 ±")


def test_only_the_most_textured_windows_of_a_large_scene_are_used(monkeypatch):
    spectral, sar, valid = (np.tile(a, (2, 2))[..., :256, :256] for a in simulated())
    looked, textured = [], []

    def read(window):
        looked.append((window.height, window.width))
        return spectral, sar if window.row_off > 2000 else np.ones_like(sar), valid

    search = "landcover_bdgf.scene.shift._search"
    monkeypatch.setattr(search, lambda fixed, moving, *_: textured.append(moving.std() > 0) or (2.0, 0.0))
    assert estimate_shift(read, lambda window: read(window)[1:], grid_of_size(5000, 5000)).offset_xy_px == (2, 0)
    assert textured == [True] * 9
    assert looked == [(256, 256)] * (25 + 9)


def test_windows_without_data_do_not_count_as_disagreement():
    spectral, sar, valid = (np.tile(a, (2, 2)) for a in simulated())
    valid[:, 100:] = False
    shift = estimate_shift(*readers(spectral, moved(sar, (2, 0)), valid), grid_of_size(320, 320))
    assert len(shift.windows_xy_px) == 3
    assert shift.trusted


def test_a_small_shift_is_not_longer_than_its_error():
    spectral, sar, valid = (np.tile(a, (2, 2)) for a in simulated())
    for offset, certain in (((0, 0), False), ((0.5, 0), False), ((3, 1), True)):
        shift = estimate_shift(*readers(spectral, moved(sar, offset), valid), grid_of_size(320, 320))
        assert shift.trusted
        assert 0.9 <= shift.error_px < 1.2
        assert (shift.length_px > shift.error_px) == certain
