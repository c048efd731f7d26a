"""Two images are put on one grid; a shift is reported, and corrected if asked for; files are closed on errors."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine
from scipy import ndimage
from small_scenes import POWER, REFLECTANCE, whole

from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo.raster import Window
from landcover_bdgf.scene import open_files
from landcover_bdgf.scene.alignment import AlignSettings, align

RNG = np.random.default_rng(0)


def test_mostly_masked_scenes_give_a_warning_and_empty_ones_an_error(pair, caplog):
    sar = POWER.copy()
    sar[:, 10:] = np.nan
    pair(sar)
    assert "75 % of the scene" in caplog.text
    spectral = REFLECTANCE.astype("float32")
    spectral[:, :10] = np.nan
    with pytest.raises(RasterError, match="no pixel has data in both"):
        pair(sar, spectral=spectral)


def test_data_outside_the_sampled_windows_are_found(pair):
    shape = (2, 900, 900)
    spectral, sar = np.full(shape, np.nan, np.float32), RNG.gamma(4, 0.05, shape).astype(np.float32)
    with pytest.raises(RasterError, match=r"hsi\.tif: no band is left, all are without data"):
        pair(sar, spectral=spectral)
    spectral[:, 200:230, 200:230] = RNG.integers(
        100, 900, (2, 30, 30)
    )  # between the nine windows at the corners, edges and centre
    assert pair(sar, spectral=spectral).read_valid(Window(200, 200, 30, 30)).all()


def test_a_crs_can_be_given(pair):
    assert pair(settings=AlignSettings(sar_crs="EPSG:32633"), crs=None).sar.grid.crs.to_epsg() == 32633


def test_a_sar_that_was_written_uncorrected_can_be_corrected(tmp_path, write_tif, caplog):
    fields = np.digitize(ndimage.gaussian_filter(RNG.standard_normal((160, 160)), 5), [-0.05, 0, 0.05])
    hsi = write_tif("hsi.tif", np.stack([level[fields] for level in RNG.random((4, 4))]).astype("float32"))
    sar = np.array([0.02, 0.5, 0.08, 0.2])[fields] * RNG.gamma(4, 0.25, (2, 160, 160))
    align(hsi, write_tif("sar.tif", ndimage.shift(sar, (0, -3, 4), mode="nearest"))).write_sar(tmp_path / "off.tif")
    again = align(hsi, tmp_path / "off.tif", settings=AlignSettings(coreg="grid"))
    assert again.applied_shift_xy_px == (4, -3)
    again.write_sar(tmp_path / "moved.tif")
    with rasterio.open(tmp_path / "moved.tif", "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:  # to a wrong place
        file.transform = file.transform @ Affine.translation(4, 0)
    caplog.clear()
    moved = align(hsi, tmp_path / "moved.tif", settings=AlignSettings(coreg="grid"))
    assert moved.applied_shift_xy_px == (0, 0)
    assert "Compare the two; it was already shifted once; run align on the original SAR." in caplog.text


def test_a_trusted_shift_gives_a_warning_unless_it_is_corrected(shared_data, caplog):
    scene = shared_data / "s1s2_different_grids"
    paths = (
        scene / "s2_l2a/20200604T054639_20200604T054831_T43RCP",
        scene / "s1/S1A_IW_GRDH_1SDV_20200607T010800_20200607T010825_032904_03CFBA_D457",
    )
    before = align(*paths)
    assert 'px against the spectral image. Compare the two; `coreg="auto"` corrects it.' in caplog.text
    assert before.shift.length_px > 3
    after = align(*paths, settings=AlignSettings(coreg="auto"))
    assert after.applied_shift_xy_px == before.shift.offset_xy_px
    assert whole(after).valid.mean() > 0.95


def test_files_of_a_pair_that_is_refused_are_closed(pair, monkeypatch):
    opened, open_raster = [], open_files.open_raster
    monkeypatch.setattr(open_files, "open_raster", lambda *a, **k: opened.append(open_raster(*a, **k)) or opened[-1])
    with pytest.raises(RasterError, match="does not overlap"):
        pair(origin_xy=(600_000, 5_000_000))
    assert [dataset.closed for dataset in opened] == [True, True]


@pytest.mark.parametrize(("change", "matches"), [
    (lambda db: db, True), (lambda db: np.roll(db, (2, 1), (1, 2)), True), (lambda db: db[:, ::-1], False),
    (lambda db: np.roll(db, 12, 1), False), (lambda db: RNG.normal(-12, 3, db.shape).astype("float32"), False),
], ids=["as it is", "moved by 2 px", "upside down", "moved by 12 px", "noise"])  # fmt: skip
@pytest.mark.parametrize("place", ["chile", "denmark"])
def test_sar_that_does_not_match_gives_a_warning(shared_data, write_tif, caplog, place, change, matches):
    scene = shared_data / f"s1s2_{place}"
    with rasterio.open(scene / "s1_rtc_db.tif") as file:
        sar = write_tif("sar.tif", change(file.read()), crs=file.crs, transform=file.transform, nodata=file.nodata)
    align(scene / "s2_l2a.tif", sar)
    assert ("does not seem to match the spectral image" in caplog.text) != matches


def test_a_stack_knows_what_was_warned_of_and_names_its_images(tmp_path, write_tif):
    hsi = write_tif("S2_20200604.tif", REFLECTANCE)
    sar = write_tif("S1_20220604.tif", POWER)
    with align(hsi, sar) as stack:
        assert any(text.startswith("S1_20220604.tif: was acquired on 2022-06-04") for text in stack.warnings)
        spectral, radar = stack.to_dict()
    assert (spectral["date"], radar["date"]) == ("2020-06-04", "2022-06-04")
    assert [file["file"] for file in radar["files"]] == ["S1_20220604.tif"]
    assert radar["corrected_px"] == [0.0, 0.0]
