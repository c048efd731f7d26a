"""bdgf check describes the inputs before a long run."""

import json

import pytest
from conftest import Bdgf

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


def test_the_device_that_a_run_would_use(
    bdgf: Bdgf, scene_files: SceneFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["check", scene_files.spectral, scene_files.sar, "--threads", 3, "--json"]
    assert bdgf(*words) == 0
    assert json.loads(capsys.readouterr().out)["machine"][0] == "device: CPU, 3 threads"
