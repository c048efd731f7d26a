"""What the QGIS plugin makes of options and of the lines of bdgf, where QGIS is not needed."""

from __future__ import annotations

import ast
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from landcover_bdgf.app.qgis_description import algorithms
from landcover_bdgf.app.qgis_plugin.command_line import (
    FOLDER,
    NotFoundError,
    beside,
    command_words,
    find_program,
    layer_files,
    level,
    message,
    report_file,
    shown_command,
)

FOUND = {each["name"]: each for each in algorithms()}


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """What bdgf qgis install wrote down."""
    path = tmp_path / "installed.json"
    path.write_text(json.dumps({"command": [sys.executable, "-m", "landcover_bdgf"], "environment": {"PATH": "/env"}}))
    return path


def test_the_program_of_the_setting_comes_first_then_that_which_installed_the_plugin(
    tmp_path: Path, record: Path
) -> None:
    own = tmp_path / "my bdgf"
    own.touch()
    environment = {"PATH": "/usr/bin", "PYTHONHOME": "/qgis", "PYTHONPATH": "/qgis", "GDAL_DATA": "/qgis", "HOME": "/h"}
    found = find_program(str(own), environment, str(record))
    assert found.words == (str(own),)
    assert found.environment == {"PATH": "/usr/bin", "HOME": "/h", "PYTHONIOENCODING": "utf-8"}
    found = find_program("", environment, str(record))
    assert found.words == (sys.executable, "-m", "landcover_bdgf")
    assert found.environment["PATH"] == "/env"


def test_without_its_environment_the_program_is_found_on_the_path(tmp_path: Path, record: Path) -> None:
    gone = tmp_path / "gone.json"
    gone.write_text(json.dumps({"command": ["/no/python", "-m", "landcover_bdgf"], "environment": {}}))
    program = tmp_path / ("bdgf.exe" if os.name == "nt" else "bdgf")
    shutil.copy(sys.executable, program)
    for each in (gone, tmp_path / "missing.json"):
        assert find_program("", {"PATH": str(tmp_path)}, str(each)).words == (str(program),)
        with pytest.raises(NotFoundError, match=r"^bdgf was not found\. Run bdgf qgis install again, or name it in"):
            find_program("", {"PATH": str(tmp_path / "empty")}, str(each))
    with pytest.raises(NotFoundError, match=r"^/no/bdgf: does not exist\. Correct it in Settings > Options"):
        find_program("/no/bdgf", {}, str(record))


def test_only_options_that_differ_from_their_defaults_are_given() -> None:
    values = {
        "hsi": "/été 1/-a.tif", "sar": "b.tif", "model": "m.safetensors", "output": "o.tif", "tile_px": 512,
        "max_shift_px": 4.5, "coreg": "off", "confidence": True, "novelty": False, "mask": ["a.tif:1", "b.tif"],
        "sar_unit": None, "min_area": "", "seed": 3,
    }  # fmt: skip
    words = command_words(FOUND["map_with_model"], values)
    assert words[0] == "map"
    assert words[-3:] == ["--", "/été 1/-a.tif", "b.tif"]
    assert sorted(words[1:-3]) == [
        "--confidence", "--mask=a.tif:1", "--mask=b.tif", "--max-shift=4.5", "--model=m.safetensors", "--output=o.tif",
        "--seed=3",
    ]  # fmt: skip
    assert shown_command(words[-3:]) == '-- "/été 1/-a.tif" b.tif'


def test_files_that_come_with_a_map() -> None:
    values = {"confidence": True, "novelty": False, "missing": "any"}
    output = os.path.join("maps", "my map.tiff")
    assert layer_files(FOUND["map_with_model"], values, output) == {
        "confidence": os.path.join("maps", "my map_confidence.tiff"),
        "missing": os.path.join("maps", "my map_condition.tiff"),
    }
    report = report_file(FOUND["map_from_labels"], output)
    assert report == os.path.join("maps", "my map_steps", "report", "report.html")
    assert report_file(FOUND["assess"], "survey") == os.path.join("survey", "report.html")
    assert report_file(FOUND["assess"], "") == report_file(FOUND["check"], "") == ""
    assert layer_files(FOUND["map_with_model"], {"missing": "error"}, output) == {}


def test_the_level_and_the_text_of_a_line() -> None:
    lines = ["bdgf: warning: a: b", "bdgf: error: c.tif: is damaged. Copy it.", "bdgf: writing d.tif", "map: e"]
    assert [level(line) for line in lines] == ["warning", "error", "info", "info"]
    assert [message(line) for line in lines] == ["a: b", "c.tif: is damaged. Copy it.", "writing d.tif", "map: e"]


def test_beside() -> None:
    assert beside("{stem}_sets.tif", "a.tif") == "a_sets.tif"


@pytest.mark.parametrize("path", sorted(Path(FOLDER).glob("*.py")), ids=lambda path: path.name)
def test_the_plugin_is_python_of_qgis_and_imports_nothing_else(path: Path) -> None:
    """QGIS 3.22 for Windows has Python 3.9; bdgf and its libraries are not there."""
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
    names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert {name.split(".")[0] for name in names} <= {*sys.stdlib_module_names, "qgis", "processing"}


def test_a_number_of_zero_is_a_value() -> None:
    """0 equals False in Python, but only a switch that is off says nothing."""
    words = command_words(FOUND["map_from_labels"], {"buffer_px": 0, "test_share": 0.0, "confidence": False})
    assert {"--buffer=0", "--test-share=0.0"} <= {*words}
    assert "--confidence" not in words
