"""A table with labels becomes one model, a map of each scene, and a report with a row for each; it can be resumed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from landcover_bdgf.model.checkpoint import load_checkpoint
from landcover_bdgf.scene.simulation import simulate, write_scene

Bdgf = Callable[..., int]
SETTINGS = ("diffusion.steps=2", "diffusion.width=0.0625", "training.steps=2", "training.batch=16", "training.folds=2")
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
    assert "--field: is missing" in " ".join(capsys.readouterr().err.split())
    call = ("map", table, "--field", "class", "-o", "maps", *OPTIONS, "--force")
    assert bdgf(*call) == 0
    maps = tmp_path / "maps"
    assert {path.name for path in maps.glob("*.tif")} == {"north.tif", "south.tif"}
    assert len(load_checkpoint(maps / "denoiser.safetensors").provenance["pixels_m"]) == 2
    assert json.loads((maps / "report/accuracy.json").read_text())["n"] > 100
    before = (maps / "model.safetensors").read_bytes(), (maps / "north.tif").read_bytes()
    for file in maps.glob("south.*"):
        file.unlink()
    assert bdgf(*call) != 0, "without --resume nothing is replaced"
    assert bdgf(*call, "--resume") == 0
    assert (maps / "south.tif").exists()
    assert ((maps / "model.safetensors").read_bytes(), (maps / "north.tif").read_bytes()) == before
    assert bdgf(*call, "--resume", "--set", "training.steps=3") != 0
    assert "was made with different scenes" in capsys.readouterr().err
