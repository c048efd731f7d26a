"""Another process opens the same scene from paths and numbers, in any folder, without an estimate of the shift."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import WriteTif

from landcover_bdgf.scene import alignment
from landcover_bdgf.scene.alignment import align, open_again, source_of
from landcover_bdgf.scene.scene_source import KnownFile, sha256_by_path
from landcover_bdgf.scene.settings import AlignSettings
from landcover_bdgf.scene.simulation import SceneFiles


def test_a_scene_is_opened_again_from_another_folder(
    scene_files: SceneFiles, tmp_path: Path, write_tif: WriteTif, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in (scene_files.spectral, scene_files.sar):
        shutil.copy(file, tmp_path)
    clouds = np.zeros((104, 120), np.uint8)
    clouds[:30] = 9
    layer = np.random.default_rng(0).random((104, 120), dtype=np.float32)
    origin = {"origin_xy": (500_000.0, 5_000_000.0)}
    with_grid = align(scene_files.spectral, scene_files.sar).grid
    transform = {"crs": with_grid.crs, "transform": with_grid.transform}
    write_tif("clouds.tif", clouds, **origin, **transform)
    write_tif("dem.tif", layer, **origin, **transform)
    monkeypatch.chdir(tmp_path)
    settings = AlignSettings(coreg="grid", mask=("clouds.tif:9",), extra=("height=dem.tif", "./dem.tif"))
    stack = align("msi.tif", "sar_db.tif", settings=settings)
    monkeypatch.setattr(alignment, "estimate_shift", lambda *_, **__: pytest.fail("the shift is estimated again"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert stack.source is not None
    again = open_again(stack.source, (1.0, -1.0))
    os.chdir(tmp_path)  # where the first one was opened
    assert again.fingerprint() == replace(stack, applied_shift_xy_px=(1.0, -1.0)).fingerprint()
    assert [image.group for image in again.extra] == ["height", "dem"]


def test_addresses_stay_and_arrays_have_no_source(scene_files: SceneFiles) -> None:
    pytest.importorskip("rioxarray")
    import rioxarray

    settings = AlignSettings(mask=("none",), aoi="area.gpkg")
    source = source_of("https://host/s2.tif", ["a.tif", "/b.tif"], settings)
    assert source is not None
    assert source.hsi == ("https://host/s2.tif",)
    assert source.sar == (str(Path("a.tif").absolute()), "/b.tif")
    assert source.settings == replace(settings, aoi=str(Path("area.gpkg").absolute()))
    with rioxarray.open_rasterio(scene_files.spectral) as array:
        assert source_of(array, "a.tif", settings) is None


def test_files_that_changed_are_not_known(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"one")
    known = KnownFile.of(path)
    assert sha256_by_path((known,)) == {path: known.sha256}
    assert sha256_by_path((replace(known, size=4),)) == {}
    os.utime(path, ns=(0, 0))
    assert sha256_by_path((known,)) == {}
    path.unlink()
    assert sha256_by_path((known,)) == {}
