"""The files of a table are known, and refused, before the first map."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from landcover_bdgf.errors import OutputError, SettingsError
from landcover_bdgf.mapping.scene_outputs import check_scene_maps, scene_tasks, summary_path
from landcover_bdgf.mapping.settings import MapSettings
from landcover_bdgf.scene.scene_table import SceneRow

ROWS = [SceneRow(("a.tif",), ("s.tif",), output="one", date="2020-06-04"), SceneRow(("b.tif",), (), output="two.tif")]


def check(folder: Path, *, overwrite: bool = False, resume: bool = False, **settings: object) -> None:
    check_scene_maps(ROWS, folder, MapSettings(**settings), overwrite=overwrite, resume=resume)  # type: ignore[arg-type]


def test_each_scene_has_files_of_its_name_and_settings_of_its_own() -> None:
    settings = MapSettings(polygons="patches.gpkg", stac="2019-01-01")
    one, two = scene_tasks(ROWS, Path("maps"), settings)
    assert (one.output, two.output) == (Path("maps/one.tif"), Path("maps/two.tif"))
    assert one.settings.polygons == str(Path("maps/one_patches.gpkg"))
    assert (one.settings.stac, two.settings.stac) == ("2020-06-04", "2019-01-01")
    assert (one.settings.missing, two.settings.missing) == ("error", "spectral")
    (last,) = scene_tasks(ROWS, Path("maps"), MapSettings(shard="2/2"))
    assert last.output == two.output
    assert summary_path(Path("maps"), MapSettings(shard="2/2")) == Path("maps/summary.2-of-2.csv")


def test_folders_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="is a file, the maps of a table go into a folder"):
        check(tmp_path / "file")
    with pytest.raises(OutputError, match=r"does not exist\. Create it first"):
        check(tmp_path / "none/maps")


def test_maps_that_exist_are_refused_unless_they_may_be_replaced_or_skipped(tmp_path: Path) -> None:
    check(tmp_path / "maps")
    for name in ("one", "two"):
        (tmp_path / f"maps/{name}.tif").write_text("mine")
    with pytest.raises(OutputError, match=r"one\.tif: exists already, like 1 more\. Skip finished maps with `resume`"):
        check(tmp_path / "maps")
    check(tmp_path / "maps", overwrite=True)
    check(tmp_path / "maps", resume=True)


def test_a_summary_that_exists_and_a_map_named_like_a_layer_are_refused(tmp_path: Path) -> None:
    check(tmp_path)
    (tmp_path / "summary.csv").write_text("mine")
    with pytest.raises(OutputError, match=r"summary\.csv: exists already"):
        check(tmp_path)
    rows = [ROWS[0], SceneRow(("b.tif",), ("s.tif",), output="one_confidence")]
    with pytest.raises(OutputError, match=r"one_confidence\.tif: is also the name of a companion file"):
        check_scene_maps(rows, tmp_path, MapSettings(confidence=True), overwrite=True, resume=False)


def test_a_date_that_is_none_is_refused(tmp_path: Path) -> None:
    pattern = "2019-13" if find_spec("pystac") else "needs the package pystac"
    with pytest.raises(SettingsError, match=pattern):
        check(tmp_path, stac="2019-13")
