"""The scripts in benchmarks/, some of which import another, can be started."""

import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
IMPORTED = "rows", "raster_stand_ins"  # by scripts; not scripts themselves
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in IMPORTED)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_finds_what_it_imports(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    assert callable(runpy.run_path(str(FOLDER / f"{name}.py"), run_name=f"benchmarks_{name}")["main"])
