"""A table with labels becomes one model, a map of each scene, and a report with a row for each; it can be resumed."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from conftest import SHORT

from landcover_bdgf.app import scenes_job
from landcover_bdgf.model.checkpoint import load_checkpoint
from landcover_bdgf.scene.simulation import simulate, write_scene
from landcover_bdgf.training import loop

Bdgf = Callable[..., int]
SETTINGS = (*SHORT, "training.folds=2")
OPTIONS = [word for setting in SETTINGS for word in ("--set", setting)]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two scenes of the same place; the second has no labels."""
    rows = ["hsi,sar,labels,output"]
    for name, seed in (("north", 6), ("south", 7)):
        (tmp_path / name).mkdir()
        files = write_scene(simulate((104, 120), seed=seed), tmp_path / name, seed=seed)
        labels = f"{name}/{files.labels.name}" if name == "north" else ""
        rows.append(f"{name}/{files.spectral.name},{name}/{files.sar.name},{labels},{name}")
    (tmp_path / "scenes.csv").write_text("\n".join(rows))
    return tmp_path / "scenes.csv"


def test_a_table_with_labels_is_mapped_and_resumed(
    bdgf: Bdgf, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bdgf("map", table, "-o", "maps", *OPTIONS) != 0
    assert "labels.gpkg: --field is missing, the field that holds the class. Choose from" in capsys.readouterr().err
    call = ("map", table, "--field", "class", "-o", "maps", *OPTIONS, "--force")
    assert bdgf(*call, "--json") == 0
    maps = tmp_path / "maps"
    told = json.loads(capsys.readouterr().out)
    assert told["model"] == str(Path("maps/model.safetensors"))
    assert told["accuracy"]["n"] > 100
    assert {path.name for path in maps.glob("*.tif")} == {"north.tif", "south.tif"}
    assert len(load_checkpoint(maps / "denoiser.safetensors").provenance["pixels_m"]) == 2
    assert json.loads((maps / "report/accuracy.json").read_text())["n"] > 100
    before = (maps / "model.safetensors").read_bytes(), (maps / "north.tif").read_bytes()
    for file in maps.glob("south.*"):
        file.unlink()
    assert "<title>Accuracy of north</title>" in (maps / "report/report.html").read_text(encoding="utf-8")
    assert bdgf("assess", maps / "none.tif", "--reference", maps / "model.safetensors", "-o", "r") != 0
    assert "none.tif: does not exist" in capsys.readouterr().err
    assert bdgf(*call) != 0, "without --resume nothing is replaced"
    assert "Skip finished maps with --resume" in capsys.readouterr().err
    assert bdgf(*call, "--resume") == 0
    assert (maps / "south.tif").exists()
    assert ((maps / "model.safetensors").read_bytes(), (maps / "north.tif").read_bytes()) == before
    assert bdgf(*call, "--resume", "--set", "training.steps=3") != 0
    assert "was made with different scenes" in capsys.readouterr().err


def test_what_a_later_step_would_refuse_is_refused_before_the_training(
    bdgf: Bdgf, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained(*_: object, **__: object) -> None:
        raise AssertionError("training began")

    monkeypatch.setattr(scenes_job, "pretrain", trained)
    call = ("map", table, "--field", "class", "-o", "maps", *OPTIONS)

    def refused(*more: object) -> str:
        assert bdgf(*call, *more) not in (0, 1)
        return " ".join(capsys.readouterr().err.split())

    assert "--shard: needs --model" in refused("--shard", "1/2")
    assert "--tile 8: is smaller than" in refused("--tile", "8")
    assert ("2019-13" if find_spec("pystac") else "--stac: needs the package pystac") in refused("--stac", "2019-13")
    (tmp_path / "maps/report").mkdir()
    (tmp_path / "maps/report/mine.txt").touch()
    assert "maps/report: contains other files" in refused()
    (tmp_path / "maps/report/mine.txt").unlink()
    (tmp_path / "maps/south.tif").touch()
    assert "maps/south.tif: exists already" in refused()
    (tmp_path / "maps/south.tif").unlink()
    (tmp_path / "south/msi.tif").write_text("no image")
    assert "msi.tif: is not a GeoTIFF, ENVI or JPEG 2000 file (line 3 of the table). If" in refused()


class Killed(BaseException):
    """The end of a process, which nothing catches."""


@contextmanager
def killed(monkeypatch: pytest.MonkeyPatch, name: str) -> Iterator[None]:
    """A run that is killed in the second step of a training; the state of the first is on the disk."""
    take = loop._step

    def step(task: Any, number: int, *rest: Any) -> dict[str, float]:
        if (task.name, number) == (name, 1):
            raise Killed
        return take(task, number, *rest)

    with monkeypatch.context() as context:
        context.setattr(loop, "_step", step)
        context.setattr(loop, "SAVE_INTERVAL_S", 0)
        with pytest.raises(Killed):
            yield


def test_a_killed_training_continues_to_the_same_bytes(
    bdgf: Bdgf, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    dates = ["--stac", "2020-06-04"] if find_spec("pystac") else []
    call = ("map", table, "--field", "class", *OPTIONS, "--force", *dates)
    with killed(monkeypatch, "pretrain"):
        bdgf(*call, "-o", "maps")
    assert bdgf(*call, "-o", "maps") != 0
    assert "denoiser.partial.safetensors: was left by an earlier run" in capsys.readouterr().err
    with killed(monkeypatch, "train"):
        bdgf(*call, "-o", "maps", "--resume")
    capsys.readouterr()
    assert bdgf(*call, "-o", "maps", "--resume", "--set", "scaling.fit=scene") == 5
    assert "denoiser.safetensors: was made with different scenes, labels, settings" in capsys.readouterr().err
    assert bdgf(*call, "-o", "maps", "--resume") == 0
    assert bdgf(*call, "-o", "whole") == 0
    made, whole = tmp_path / "maps", tmp_path / "whole"
    assert {file.name for file in made.iterdir()} == {file.name for file in whole.iterdir()}
    for name in ("denoiser.safetensors", "model.safetensors", "north.tif", "south.tif"):
        assert (made / name).read_bytes() == (whole / name).read_bytes()
    if dates:
        links = json.loads((made / "south.stac.json").read_text())["links"]
        assert [link["href"] for link in links] == ["./model.stac.json"]
        assert json.loads((made / "model.stac.json").read_text())["properties"]["datetime"].startswith("2020-06-04")


def test_an_interrupted_job_says_how_to_continue(
    bdgf: Bdgf, table: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    call = ("map", table, "--field", "class", "-o", "maps", *OPTIONS, "--force")
    monkeypatch.setattr(scenes_job, "train", stopped)
    assert bdgf(*call) != 0
    assert "Continue with --resume." in capsys.readouterr().err
    assert bdgf(*call) != 0
    assert "denoiser.safetensors: was left by an earlier run. Continue with --resume" in capsys.readouterr().err
