"""A folder with good labels."""

import shutil
from pathlib import Path

import pytest

from landcover_bdgf.scene.simulation import SceneFiles


@pytest.fixture
def folder(tmp_path: Path, scene_files: SceneFiles) -> Path:
    """A folder with good labels."""
    shutil.copy(scene_files.labels, tmp_path / "labels.gpkg")
    return tmp_path
