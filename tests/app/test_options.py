"""An option is made from a field of a settings class, fills it, and exists only where it does something."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from conftest import Bdgf

from landcover_bdgf.app.options import GROUPS, Shown, Typed, with_settings
from landcover_bdgf.bench.settings import BenchSettings
from landcover_bdgf.labels.sample_file import write_samples
from landcover_bdgf.labels.samples import Samples
from landcover_bdgf.labels.settings import SampleSettings
from landcover_bdgf.mapping.settings import MapSettings
from landcover_bdgf.model.run import Run
from landcover_bdgf.scene.settings import AlignSettings
from landcover_bdgf.scene.simulation import SceneFiles

seen: list[Any] = []


@with_settings
def one_scene(
    shown: Shown, typed: Typed, aligning: AlignSettings, sampling: SampleSettings, mapping: MapSettings, run: Run
) -> None:
    seen[:] = [shown, typed, aligning, sampling, mapping, run]


@with_settings
def comparison(shown: Shown, benching: BenchSettings) -> None:
    seen[:] = [shown, benching]


def fill(command: Callable[..., None], *words: str) -> list[Any]:
    """Settings as a command gets them when these words are typed."""
    stand_in = typer.Typer()
    stand_in.command()(command)
    stand_in(list(words), standalone_mode=False)
    return list(seen)


def test_without_options_settings_have_the_defaults_of_their_classes() -> None:
    defaults = [Shown(), frozenset(), AlignSettings(), SampleSettings(), MapSettings(), Run()]
    assert fill(one_scene) == defaults
    assert fill(comparison, "--dataset", "x") == [Shown(), BenchSettings(("x",))]


def test_options_fill_the_fields_they_are_named_after() -> None:
    words = "--max-shift 3 --coreg grid --ignore-class 0 --ignore-class x --block-size 8 --shard 2/4 --ood --seed 4"
    shown, typed, aligning, sampling, mapping, run = fill(one_scene, *words.split(), "--json")
    assert shown == Shown(json=True)
    assert typed == {"max_shift_px", "coreg", "ignore_class", "block_size_px", "shard", "novelty", "seed", "json"}
    assert aligning == AlignSettings("grid", 3.0)
    assert sampling == SampleSettings(ignore_class=("0", "x"), block_size_px=8, seed=4)
    assert mapping == MapSettings(shard="2/4", novelty=True)  # --ood is its former name
    assert run == Run(seed=4)
    for protocols in (["--protocols", "far,near"], ["--protocols", "far", "--protocols", "near"]):
        comparing = fill(comparison, "--dataset", "x", "--dataset", "y", *protocols)[1]
        assert comparing == BenchSettings(("x", "y"), protocols=("far", "near"))


@pytest.mark.parametrize(("words", "says"), [
    ("map {msi} -o m.tif", "Missing argument 'SAR'. Give a SAR image, or a table of scenes"),
    ("map {table} {sar} -o maps", "{table}: is a table of scenes, which names their SAR images, and {sar} was given"),
    ("map {table} -o maps --labels {labels} --field class", "{table}: is a table of scenes, which names their labels"),
    ("map none.csv -o maps", "none.csv: does not exist."),
    ("align {msi} {sar} -o a.tif --coreg always", "Invalid value for '--coreg': "),
    ("pretrain {msi} {sar} {msi} -o d.safetensors", "Expected pairs of images"),
    ("map {msi} {sar} -o m.tif --labels {labels}", "{labels}: --field is missing, the field that"),
    ("info x.tif --device cpu", "No such option: --device"),
    ("mosaic a.partial -o m.tif --set a.b=1", "No such option: --set"),
    ("align {msi} {sar} -o a.tif --seed 1", "No such option: --seed"),
    ("map {msi} {sar} -o m.tif --model x --field class", "--field: applies only with --labels. Remove it, or add"),
    ("map {msi} {sar} -o m.tif --model x --split block", "--split: applies only with --labels."),
    ("map {msi} {sar} -o m.tif --model x -c base", "-c and --set apply only when a model is trained. Remove them, or"),
    ("map {msi} {sar} -o m.tif --labels {labels} --field class --shard 1/2", "--shard: needs --model."),
    ("map {msi} {sar} -o m.tif --model x --dask local:2 --shard 1/2", "--dask: computes the whole map, and --shard a"),
    ("map {msi} {sar} -o m.tif --model x --dask host", "--dask host: is not the address of a dask scheduler. Write it"),
    ("train {msi} {sar} --samples s.gpkg --labels {labels} --field class", "train needs either --samples"),
    ("train {msi} {sar}", "train needs either --samples"),
    ("train {msi} {sar} --samples s.gpkg --buffer 3", "--buffer: applies only with --labels."),
    ("check {msi} {sar} --seed 1", "--seed: applies only with --labels and --field."),
    ("check {msi} {sar} --labels {labels} --set a.b=1", "{labels}: --field is missing, the field that"),
    ("map {msi} {sar} -o m.tif --seed -1", "--seed -1: is out of range. Use a value of at least 0."),
    ("map {table} -o maps --per-class 5", "--per-class: applies only with labels in the table, and without --model. "
     "Remove it."),
    ("align {msi} {sar} -o a.tif --max-shift 0", "--max-shift 0: is out of range. Use a value above 0."),
    ("sample {msi} {sar} -o s.gpkg --labels {labels} --test-share 1", "--test-share 1: is out of range."),
])  # fmt: skip
def test_wrong_options_and_those_that_would_do_nothing_are_refused(
    words: str, says: str, bdgf: Bdgf, scene_files: SceneFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "scenes.csv"
    table.write_text(f"hsi,sar\n{scene_files.spectral},{scene_files.sar}\n")
    Path("x").touch()  # the model, which is not read
    paths = {"msi": scene_files.spectral, "sar": scene_files.sar, "labels": scene_files.labels, "table": table}
    assert bdgf(*words.format(**paths).split(), "-q") == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"bdgf: error: {says.format(**paths)}")
    assert (out, err.count("\n")) == ("", 1)


def test_assess_refuses_a_field_for_samples(
    bdgf: Bdgf, samples: Samples, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write_samples(samples, tmp_path / "s.gpkg")
    assert bdgf("assess", "m.tif", "--reference", "s.gpkg", "--field", "class", "-o", "out", "-q") == 2
    assert "--field: applies only with polygons or points as --reference." in capsys.readouterr().err


@pytest.mark.parametrize("width", [80, 100])
def test_help_has_groups_and_defaults_and_fits_its_width(
    width: int, bdgf: Bdgf, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert bdgf("map", "--help") == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= width
    assert re.findall("─ ([A-Z][a-z]+) ─", text) == ["Arguments", *GROUPS]
    assert "\x1b" not in text
    assert "from 0 to 0.9" in " ".join(text.replace("│", " ").split())
    for default in ("off", "8.0", "512", "1/1", "($BDGF_MODEL or", "auto", "folds", "2000"):
        assert f"[default: {default}" in text, default
