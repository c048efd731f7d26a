"""The files of the whole job; `map` refuses files before PyTorch is loaded, with the messages of the steps."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import WriteTif

from landcover_bdgf.app.job_files import job_products
from landcover_bdgf.mapping.settings import MapSettings
from landcover_bdgf.model.checkpoint import Checkpoint

CODE = """
import sys
from landcover_bdgf.app.cli import main
try:
    main()
except SystemExit as ended:
    print("torch" in sys.modules, ended.code)
"""


def run(folder: Path, *words: str) -> tuple[str, str]:
    """Whether PyTorch was loaded and the exit code; the last message."""
    done = subprocess.run([sys.executable, "-c", CODE, *words], capture_output=True, text=True, check=True, cwd=folder)
    return done.stdout.strip(), done.stderr.strip().splitlines()[-1]


def test_files(tmp_path: Path) -> None:
    output, model = tmp_path / "m.tif", tmp_path / "m.safetensors"
    made = job_products(output, model, MapSettings(stac="2020-06-04"))
    assert [product.path for product in made] == [output, model]
    assert tmp_path / "m.model.stac.json" in made[1].companions
    assert tmp_path / "m.stac.json" in made[0].companions
    (tmp_path / "m_steps").mkdir()
    names = [product.path.name for product in job_products(output, model, MapSettings())]
    assert names == ["m.tif", "m.safetensors", "samples.gpkg", "denoiser.safetensors", "report"]


@pytest.mark.parametrize(("words", "code", "says"), [
    (("no image.tif", "s1.tif", "--model", "m.safetensors"), 3, "no image.tif: "),
    (("s2.tif", "s1.tif", "--model", "missing.safetensors"), 5, "missing.safetensors: there is no such file"),
    (("s2.tif", "s1.tif", "--model", "m.safetensors", "--confidence"), 6, "o_confidence.tif: exists already"),
])  # fmt: skip
def test_refused_before_pytorch_is_loaded(
    words: tuple[str, ...], code: int, says: str, model: Checkpoint, tmp_path: Path, write_tif: WriteTif
) -> None:
    model.save(tmp_path / "m.safetensors")
    for name in ("no image.tif", "s1.tif", "s2.tif", "o_confidence.tif"):
        (tmp_path / name).write_text("not a raster")
    if "--confidence" not in words:
        (tmp_path / "o_confidence.tif").unlink()
    loaded, said = run(tmp_path, "map", *words, "-o", "o.tif")
    assert loaded == f"False {code}"
    assert says in said
