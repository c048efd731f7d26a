"""A command loads no library that it does not need: mistakes are told at once, and a map starts without waiting."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.scene.simulation import SceneFiles

# Libraries that take a tenth of a second or more; a map needs the first row.
OF_MAPS = {"numpy", "numba", "rasterio", "scipy", "shapely", "torch"}
OF_OTHERS = {"geopandas", "jinja2", "matplotlib", "pandas", "pyogrio", "sklearn", "torch._dynamo", "torch._inductor"}
CODE = """
import sys
from landcover_bdgf.app.cli import main
try:
    main()
except SystemExit as ended:
    print(ended.code or 0, *sys.modules)
"""


def run(folder: Path, *words: object) -> tuple[int, set[str]]:
    """Exit code of a command in a new process, and the modules that it loaded."""
    command = [sys.executable, "-c", CODE, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    code, *modules = done.stdout.splitlines()[-1].split()
    return int(code), set(modules)


@pytest.mark.parametrize(("words", "code"), [
    ("hsi.tif sar.tif -o there.tif", 6),
    ("hsi.tif sar.tif -o nowhere/map.tif", 6),
    ("missing.tif sar.tif -o map.tif", 3),
    ("hsi.tif sar.tif -o map.tif --model missing.safetensors", 5),
    ("hsi.tif sar.tif -o map.tif --gaps some", 2),
])  # fmt: skip
def test_a_mistake_is_told_before_any_library_is_loaded(words: str, code: int, tmp_path: Path) -> None:
    for name in ("hsi.tif", "sar.tif", "there.tif", "model.safetensors"):
        (tmp_path / name).write_text("mine")
    found, modules = run(tmp_path, "map", *words.split())
    assert found == code
    assert not modules & (OF_MAPS | OF_OTHERS)


def test_a_map_loads_no_library_of_other_commands(model: Checkpoint, scene_files: SceneFiles, tmp_path: Path) -> None:
    model.save(tmp_path / "model.safetensors")
    code, modules = run(tmp_path, "map", scene_files.spectral, scene_files.sar, "-o", "map.tif")
    assert code == 0
    assert OF_MAPS - {"shapely"} <= modules
    assert not modules & OF_OTHERS
