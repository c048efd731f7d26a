"""One finished job, shared by the tests of the command line."""

from __future__ import annotations

from contextlib import redirect_stdout
from pathlib import Path

import pytest
from conftest import SHORT_OPTIONS, commands_in

from landcover_bdgf.scene.simulation import SceneFiles


@pytest.fixture(scope="session")
def job_words(scene_files: SceneFiles) -> list[str]:
    """A short ``bdgf map`` with labels."""
    pair = [str(scene_files.spectral), str(scene_files.sar)]
    return ["map", *pair, "-o", "map.tif", "--labels", str(scene_files.labels), "--field", "class",
            *SHORT_OPTIONS, "--confidence"]  # fmt: skip


@pytest.fixture(scope="session")
def finished_job(job_words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder where it was run; its standard output is in out.txt."""
    folder = tmp_path_factory.mktemp("job")
    with commands_in(folder) as bdgf, (folder / "out.txt").open("w") as out, redirect_stdout(out):
        assert bdgf(*job_words) == 0
    return folder
