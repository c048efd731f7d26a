"""bdgf check describes the inputs before a long run."""

import json

import geopandas
import pytest
from conftest import Bdgf
from shapely import Point

from landcover_bdgf.scene.simulation import SceneFiles


def test_the_scene_the_classes_and_the_device(
    bdgf: Bdgf, scene_files: SceneFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["check", scene_files.spectral, scene_files.sar]
    assert bdgf(*words, "--labels", scene_files.labels, "--field", "class") == 0
    out = capsys.readouterr().out
    for text in ("120 × 104 px", "dB", "valid in both sensors: 9", "bare soil", "grassland", "scan on cpu: numba"):
        assert text in out
    assert bdgf(*words) == 0
    assert "labels: not checked (pass --labels)" in capsys.readouterr().out


def test_without_a_field_the_fields_of_the_labels_are_listed(
    bdgf: Bdgf, scene_files: SceneFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["wood"] * 20 + ["water"] * 9 + [None]
    table = {"cover": names, "number": range(30), "empty": [None] * 30, "odd\x1b[1m": ["a\nb"] * 30}
    frame = geopandas.GeoDataFrame(table, geometry=[Point(0, i) for i in range(30)], crs=32633)
    frame.to_file("points.gpkg", engine="pyogrio")
    words = ["check", scene_files.spectral, scene_files.sar, "--labels", "points.gpkg"]
    assert bdgf(*words) == 0
    out = capsys.readouterr().out
    for text in (
        "labels: choose the field that holds the class with --field.", "  cover: wood (20), water (9)\n",
        "  number: 0 (1), 1 (1), 2 (1)", "11 (1) and 18 more\n", "  empty: no values\n", "  odd [1m: a b (30)\n",
    ):  # fmt: skip
        assert text in out
    assert bdgf(*words, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["classes"] is None
    assert found["fields"]["cover"] == {"distinct": 2, "values": {"wood": 20, "water": 9}}
    assert len(found["fields"]["number"]["values"]) == 12
    assert found["fields"]["number"]["distinct"] == 30
