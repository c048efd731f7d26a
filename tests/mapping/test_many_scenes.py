"""Many scenes in one call give the maps of single calls; one that fails does not stop the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Bdgf

from landcover_bdgf.errors import OutputError
from landcover_bdgf.mapping import many_scenes
from landcover_bdgf.mapping.many_scenes import map_scenes
from landcover_bdgf.mapping.scene_map import map_scene
from landcover_bdgf.mapping.settings import MapSettings
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.scene.scene_table import read_scene_table
from landcover_bdgf.scene.simulation import SceneFiles, simulate, write_scene
from landcover_bdgf.scene.stack import Stack

SETTINGS = MapSettings(confidence=True, force=True)  # the model of four steps does not know a second scene


@pytest.fixture(scope="session")
def other_files(tmp_path_factory: pytest.TempPathFactory) -> SceneFiles:
    """A second simulated scene."""
    return write_scene(simulate((90, 100), seed=8), tmp_path_factory.mktemp("other"), seed=8)


@pytest.fixture
def table(scene_files: SceneFiles, other_files: SceneFiles, tmp_path: Path) -> Path:
    """Two scenes, with one between them that cannot be read."""
    (tmp_path / "broken.tif").write_text("no image")
    rows = [
        f"{scene_files.spectral},{scene_files.sar},one,", f"broken.tif,{scene_files.sar},,",
        f"{other_files.spectral},{other_files.sar},two.tif,2020-06-04",
    ]  # fmt: skip
    (tmp_path / "scenes.csv").write_text("\n".join(["hsi,sar,output,date", *rows]))
    return tmp_path / "scenes.csv"


def test_each_map_is_that_of_a_single_call(model: Checkpoint, stack: Stack, table: Path, tmp_path: Path) -> None:
    one, broken, two = map_scenes(table, model, tmp_path / "maps", settings=SETTINGS)
    assert [each.status for each in (one, broken, two)] == ["mapped", "failed", "mapped"]
    assert "broken.tif" in str(broken.error)
    assert broken.line == 3
    assert one.mapped_px > 0.9 * 104 * 120
    assert sum(one.shares.values()) == pytest.approx(1)
    alone = tmp_path / "alone"
    alone.mkdir()
    map_scene(model, stack, alone / "one.tif", settings=SETTINGS)
    for file in alone.iterdir():
        assert file.read_bytes() == (tmp_path / "maps" / file.name).read_bytes(), file.name
    made = {file.name for file in (tmp_path / "maps").iterdir()}
    assert {"summary.csv", "two.tif", "two_confidence.tif"} <= made
    assert not [name for name in made if name.startswith(("broken", "."))]
    assert (tmp_path / "maps/summary.csv").read_text().splitlines()[2].startswith("broken,3,failed,,0,")


def test_finished_scenes_are_skipped_and_failed_ones_tried_again(
    model: Checkpoint, table: Path, scene_files: SceneFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = tmp_path / "maps"
    map_scenes(table, model, maps, settings=SETTINGS)
    before = {file: file.stat().st_mtime_ns for file in maps.glob("*.tif")}
    with pytest.raises(OutputError, match=r"one\.tif: exists already, like 1 more\. Skip finished maps with `resume`"):
        map_scenes(table, model, maps, settings=SETTINGS)
    (tmp_path / "broken.tif").write_bytes(scene_files.spectral.read_bytes())
    results = map_scenes(table, model, maps, settings=SETTINGS, resume=True)
    assert [each.status for each in results] == ["complete", "mapped", "complete"]
    assert {file: file.stat().st_mtime_ns for file in before} == before

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(many_scenes, "compute_map", stopped)
    with pytest.raises(KeyboardInterrupt) as found:
        map_scenes(table, model, maps, settings=SETTINGS, overwrite=True)
    assert found.value.__notes__ == ["Continue with `resume`."]


def test_a_map_of_other_settings_is_a_failure_of_its_row(model: Checkpoint, table: Path, tmp_path: Path) -> None:
    """Resume skips what is the same map only, as for a single map."""
    rows = read_scene_table(table)
    map_scenes(rows[:1], model, tmp_path / "maps", settings=SETTINGS)
    one, _, two = map_scenes(rows, model, tmp_path / "maps", settings=MapSettings(force=True), resume=True)
    assert one.status == "failed"
    assert "exists already, so there is nothing to resume" in str(one.error)
    assert two.status == "mapped"


def test_a_scene_without_a_mask_is_mapped_with_those_that_have_one(
    model: Checkpoint, table: Path, tmp_path: Path
) -> None:
    one, _, _ = map_scenes(table, model, tmp_path / "maps", settings=MapSettings(force=True, map_masked=True))
    assert one.status == "mapped"


def test_a_shard_is_every_nth_scene_with_a_summary_of_its_own(model: Checkpoint, table: Path, tmp_path: Path) -> None:
    results = map_scenes(table, model, tmp_path / "maps", settings=MapSettings(force=True, shard="3/3"))
    assert [each.name for each in results] == ["two"]
    assert {file.name for file in (tmp_path / "maps").iterdir()} == {
        "two.tif", "two.tif.json", "two.tif.aux.xml", "two.qml", "summary.3-of-3.csv",
    }  # fmt: skip


def test_files_of_each_scene_are_named_after_it(model: Checkpoint, table: Path, tmp_path: Path) -> None:
    settings = MapSettings(force=True, polygons="patches.gpkg")
    map_scenes(table, model, tmp_path / "maps", settings=settings)
    assert {file.name for file in (tmp_path / "maps").glob("*.gpkg")} == {"one_patches.gpkg", "two_patches.gpkg"}


def test_the_date_of_a_row_is_that_of_its_stac_item(model: Checkpoint, table: Path, tmp_path: Path) -> None:
    pytest.importorskip("pystac")
    map_scenes(table, model, tmp_path / "maps", settings=MapSettings(force=True, stac="2019-01-01"))
    for name, day in (("one", "2019-01-01"), ("two", "2020-06-04")):
        item = json.loads((tmp_path / f"maps/{name}.stac.json").read_text())
        assert item["properties"]["datetime"].startswith(day)


def test_the_command_tells_all_scenes_and_fails_if_one_did(
    model: Checkpoint, table: Path, bdgf: Bdgf, capsys: pytest.CaptureFixture[str]
) -> None:
    model.save(Path("m.safetensors"))
    words = ["map", table, "--model", "m.safetensors", "-o", "maps", "--force", "-q"]
    assert bdgf(*words) == 1
    out, err = capsys.readouterr()
    one, two, broken, summary = out.splitlines()
    assert one.split()[:2] == ["one", "mapped"]
    assert two.split()[:2] == ["two", "mapped"]
    assert broken.startswith("broken: failed. ")
    assert summary == "maps/summary.csv: summary"
    assert err.endswith("1 of 3 scenes failed. Correct the causes, then repeat the command with --resume.\n")
    assert bdgf(*words, "--resume", "--json") == 1
    found = json.loads(capsys.readouterr().out)["scenes"]
    assert [each["status"] for each in found] == ["complete", "failed", "complete"]
    assert bdgf(*words) == 6
    assert "exists already, like 1 more. Skip finished maps with --resume, " in capsys.readouterr().err
