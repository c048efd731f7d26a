"""A whole job as in a locked container: no home folder, a package that is read-only, no internet."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import seccomp
from conftest import SHORT_OPTIONS, Tally

from landcover_bdgf.scene.simulation import SceneFiles
from landcover_bdgf.storage.cache import VARIABLE

# A user by a number without a name.
HOMELESS = """
import pwd, tempfile
from pathlib import Path
import landcover_bdgf

def unknown(user):
    raise KeyError(user)

def elsewhere(*arguments, dir=None, **options):
    if dir is not None and Path(dir).is_relative_to(Path(landcover_bdgf.__file__).parent):
        raise PermissionError(13, "Permission denied", dir)
    return made(*arguments, dir=dir, **options)

pwd.getpwuid = unknown
made, tempfile.TemporaryFile = tempfile.TemporaryFile, elsewhere  # by which numba finds out where it may write
from landcover_bdgf.app.cli import main
main()
"""
BARRED = f"""
import sys
sys.path.insert(0, {str(Path(seccomp.__file__).parent)!r})
import seccomp
seccomp.no_internet()  # a process that opens a socket is ended
"""


def run(program: str, folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """A program in a new process, without the variables that lead to a home or set up GDAL."""
    homes = ("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR", VARIABLE)
    clean = {k: v for k, v in os.environ.items() if k not in homes and not k.startswith(("GDAL_", "CPL_", "PROJ_"))}
    command = [sys.executable, "-c", program, *map(str, words)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=clean, timeout=600)


def filters_sockets(folder: Path) -> bool:
    """Whether this system ends processes that open a socket, when they ask for that."""
    if sys.platform != "linux" or platform.machine() not in seccomp.SOCKET:
        return False
    asked = run(f"{BARRED}\nimport socket\nsocket.socket()", folder)
    if "OSError" in asked.stderr:  # this kernel takes no filters
        return False
    assert asked.returncode < 0
    return True


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX home folders")
def test_a_job_needs_no_home_and_opens_no_socket(scene_files: SceneFiles, tmp_path: Path, tally: Tally) -> None:
    filtered = filters_sockets(tmp_path)
    images, labels = (scene_files.spectral, scene_files.sar), ["--labels", scene_files.labels, "--field", "class"]
    quicker = ["--set", "fusion.branches=cnn", "--set", "fusion.guidance="]  # fewer kernels to compile
    words = ["map", *images, *labels, *SHORT_OPTIONS, *quicker, "-o", "map.tif"]
    done = run((BARRED if filtered else "") + HOMELESS, tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(tmp_path)) == [
        "map.model.csv", "map.model.safetensors", "map.qml", "map.tif", "map.tif.aux.xml", "map.tif.json", "map_steps",
    ]  # fmt: skip
    tally("whole job that any internet socket would have ended", int(filtered))
