"""The benchmark of a GPU runs without the libraries of rasters and vectors, and has a row for each measurement."""

import os
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
TESTS_ON_ARRAYS = Path(__file__).parents[1] / "end_to_end" / "test_cuda_arrays.py"
# As on a machine that lacks these libraries: nothing finds them but the script's own stand-ins.
WITHOUT = """
import importlib.util, runpy, sys

sys.path.insert(0, sys.argv[1])
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name in LIBRARIES else find_spec(name, *more)
from raster_stand_ins import LIBRARIES, Finder

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in LIBRARIES:
            return None
        own = [finder for finder in sys.meta_path if isinstance(finder, Finder)]
        if not own:
            raise ModuleNotFoundError(name)
        return own[0].find_spec(name)

sys.meta_path.insert(0, Missing())
"""
SCRIPT = """
sys.argv = ["gpu.py", "--tiny", "--device", "cpu"]
runpy.run_path(f"{sys.path[0]}/gpu.py", run_name="__main__")
"""
TESTS = """
import pytest
sys.exit(pytest.main(["--noconftest", "-p", "no:cacheprovider", "-rs", sys.argv[2]]))
"""


def run_without(code: str, *words: object) -> str:
    command = [sys.executable, "-c", WITHOUT + code, str(BENCHMARKS), *map(str, words)]
    run = subprocess.run(command, capture_output=True, text=True, env=os.environ, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_a_tiny_run_on_the_cpu_without_raster_libraries() -> None:
    out = run_without(SCRIPT)
    assert "CPU, torch" in out
    assert "without SimpleITK, affine, geopandas" in out
    for row in (
        "map, `laptop`, 128 × 128, 14 bands", "scan, numba, with gradients", "pre-training, `paper`, Augsburg, a step",
        "pre-training, `base`, Augsburg, repeated with the same seed | same bits | same bits | met",
        "training, `base`, Augsburg, 3,000 steps by extrapolation", "all of this",
    ):  # fmt: skip
        assert row in out


def test_the_tests_that_it_runs_need_no_raster_libraries() -> None:
    out = run_without(TESTS, TESTS_ON_ARRAYS)
    assert "needs a CUDA GPU" in out or "passed" in out
