"""The demo writes its scene, a map and a report into a folder."""

from pathlib import Path

import pytest
from conftest import SHORT_OPTIONS, Bdgf


def test_the_demo(bdgf: Bdgf, capsys: pytest.CaptureFixture[str]) -> None:
    assert bdgf("demo", "-q", *SHORT_OPTIONS) == 0
    out = capsys.readouterr().out
    assert "demo/landcover.tif: map" in out
    assert "demo/landcover_steps/report/report.html: report" in out
    assert Path("demo/landcover.tif").is_file()
