"""The files of a map are known without PyTorch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from landcover_bdgf.mapping.map_outputs import map_product, part_path
from landcover_bdgf.mapping.settings import MapSettings


def test_files() -> None:
    output = Path("m.tif")
    settings = MapSettings(confidence=True, polygons="p.gpkg", stac="2020-06-04")
    found = {str(file) for file in map_product(output, settings).files}
    layer = {"m_confidence.tif", "m_confidence.qml"}
    polygons = {"p.gpkg", "p.gpkg.json", "p.gpkg-journal"}
    assert found == {"m.tif", "m.tif.json", "m.tif.aux.xml", "m.qml", "m.stac.json", "m.tif.partial"} | layer | polygons
    assert part_path(output, MapSettings(shard="2/4")) == Path("m.tif.2-of-4.partial")
    assert map_product(output, MapSettings(shard="2/4")).shared


def test_pytorch_is_not_loaded() -> None:
    code = "import sys; from landcover_bdgf.mapping import map_product; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert run.stdout.strip() == "False"
