"""Shards give the map that one run gives; a part that is missing or foreign is named."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from landcover_bdgf.errors import OutputError, RasterError, SettingsError
from landcover_bdgf.mapping import scene_map
from landcover_bdgf.mapping.mosaicking import mosaic
from landcover_bdgf.mapping.scene_map import MapSettings, map_scene
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.model.run import Run
from landcover_bdgf.scene.stack import Stack


def settings(shard: str = "1/1") -> MapSettings:
    return MapSettings(tile_px=128, confidence=True, probabilities=True, probability_type="uint16", shard=shard)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


@pytest.fixture(scope="module")
def parts(model: Checkpoint, wide_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A map in three shards; each has one strip, and the first strip completes no block yet."""
    folder = tmp_path_factory.mktemp("shards")
    return [map_scene(model, wide_stack, folder / "m.tif", settings=settings(f"{i}/3")) for i in (1, 2, 3)]


def test_shards_make_the_map_of_one_run(
    parts: list[Path], model: Checkpoint, wide_stack: Stack, tmp_path: Path
) -> None:
    (tmp_path / "whole").mkdir()
    whole = map_scene(model, wide_stack, tmp_path / "whole/m.tif", settings=settings())
    made = mosaic([parts[2], parts[0], parts[1]], tmp_path / "m.tif")
    assert contents(made.parent) == contents(whole.parent)
    layers = {f"m_{layer}.{ending}" for layer in ("confidence", "probabilities") for ending in ("tif", "qml")}
    assert contents(made.parent).keys() == {"m.tif", "m.qml", "m.tif.aux.xml", "m.tif.json", *layers}
    assert [path.name for path in parts] == [f"m.tif.{i}-of-3.partial" for i in (1, 2, 3)]
    second = map_scene(model, wide_stack, tmp_path / "m.tif", settings=settings("2/3"), run=Run(seed=2), overwrite=True)
    orders = [parts[0], second, parts[2]], [second, parts[2], parts[0]]
    one, other = (contents(mosaic(order, tmp_path / "m.tif", overwrite=True).parent) for order in orders)
    assert one == other, "the record does not depend on the order of parts, even of different seeds"


def test_files_of_others_beside_a_mosaic_are_not_replaced_unasked(parts: list[Path], tmp_path: Path) -> None:
    (tmp_path / "m.qml").write_text("mine")
    with pytest.raises(OutputError, match=r"m\.qml: exists already"):
        mosaic(parts, tmp_path / "m.tif")
    assert contents(tmp_path) == {"m.qml": b"mine"}
    mosaic(parts, tmp_path / "m.tif", overwrite=True)


def test_nothing_is_kept_of_an_image_that_is_written_to_meanwhile(
    model: Checkpoint, wide_stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = wide_stack.sar._states[wide_stack.sar.paths[0]]
    monkeypatch.setitem(wide_stack.sar._states, wide_stack.sar.paths[0], (0, *state[1:]))  # as if it had grown since
    with pytest.raises(RasterError, match="was modified while it was being read"):
        map_scene(model, wide_stack, tmp_path / "m.tif", settings=settings("2/3"))
    assert (tmp_path / "m.tif.2-of-3.partial").is_dir()
    assert not list(tmp_path.rglob("*.npz"))


def test_a_missing_double_unfinished_or_damaged_part_is_named(parts: list[Path], tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="one of 3 shards; missing: 2, 3"):
        mosaic(parts[:1], tmp_path / "m.tif")
    with pytest.raises(OutputError, match=r"is shard 1 of 3, like .* Give each once"):
        mosaic([parts[0], *parts], tmp_path / "m.tif")
    cut = Path(shutil.copytree(parts[1], tmp_path / "cut.partial"))
    strip = next(cut.glob("*.npz"))
    strip.write_bytes(strip.read_bytes()[:-9])
    with pytest.raises(OutputError, match=rf"cut.partial/{strip.name}: is damaged \(.*\)\. Make the map again"):
        mosaic([parts[0], cut, parts[2]], tmp_path / "m.tif")
    strip.unlink()
    with pytest.raises(OutputError, match=r"cut.partial: is not finished. Run this shard again with `resume`"):
        mosaic([parts[0], cut, parts[2]], tmp_path / "m.tif")
    assert not (tmp_path / "m.tif").exists()


def test_a_part_of_another_map_is_not_mixed_in(
    parts: list[Path], model: Checkpoint, wide_stack: Stack, tmp_path: Path
) -> None:
    other = replace(wide_stack, spectral_offset=5.0)
    foreign = map_scene(model, other, tmp_path / "m.tif", settings=settings("2/3"))
    with pytest.raises(OutputError, match="belongs to another map than"):
        mosaic([parts[0], foreign, parts[2]], tmp_path / "m.tif")


@pytest.mark.parametrize(("what", "says"), [("model", "another model"), ("version", "version was .*, is 0.0.0")])
def test_a_part_is_gone_on_with_by_the_same_model_and_version_only(
    what: str,
    says: str,
    parts: list[Path],
    model: Checkpoint,
    wide_stack: Stack,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    part = Path(shutil.copytree(parts[0], tmp_path / parts[0].name))
    if what == "model":  # of the same classes and bands
        model = replace(model, weights={name: 2 * values for name, values in model.weights.items()})
    else:
        monkeypatch.setattr(scene_map, "version", lambda package: "0.0.0")
    with pytest.raises(OutputError, match=rf"partial: belongs to another run: {says}\. Give the inputs"):
        map_scene(model, wide_stack, tmp_path / "m.tif", settings=settings("1/3"), resume=True)
    assert contents(part) == contents(parts[0])


@pytest.mark.parametrize("shard", ["5/4", "0/4", "2", "a/b"])
def test_a_shard_that_is_none_is_refused(shard: str) -> None:
    with pytest.raises(SettingsError, match=f"`shard={shard}`: is not a part of a map. Write it like 2/4"):
        _ = settings(shard).shard_of
