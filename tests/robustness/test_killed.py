"""A map that is killed at any moment, again and again, goes on and comes out the same; nothing half-written."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import rasterio
from conftest import Tally

from landcover_bdgf.labels.layers import layer_path
from landcover_bdgf.mapping.scene_map import MapSettings, map_scene
from landcover_bdgf.model.checkpoint import Checkpoint
from landcover_bdgf.scene.alignment import align
from landcover_bdgf.scene.simulation import simulate, write_scene

KILLS = 20 if int(os.environ.get("BDGF_TRIALS", "1")) > 1 else 6

# Maps in children of its own, which have no start-up time in which a kill would be wasted.
MAPPER = """
import logging, os, signal, sys
import landcover_bdgf as bdgf
logging.disable()
spectral, sar, model, output = sys.argv[1:]
stack, loaded = bdgf.align(spectral, sar), bdgf.load_checkpoint(model)
settings = bdgf.MapSettings(tile_px=128, confidence=True)
bdgf.map_scene(loaded, stack, output + ".warm.tif", settings=settings)  # compiles and imports what is needed
while sys.stdin.readline():
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # rather a failure than a test without end
        bdgf.map_scene(loaded, stack, output, settings=settings, overwrite=True, resume=True)
        os._exit(0)
    print(child, flush=True)
    sys.stdin.readline()  # until then its number belongs to nobody else
    print(os.waitpid(child, 0)[1], flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_random_moments(model: Checkpoint, tmp_path: Path, tally: Tally) -> None:
    """Of a scene of three strips."""
    (tmp_path / "scene").mkdir()
    files = write_scene(simulate((300, 48), seed=4), tmp_path / "scene", seed=4)
    stack, sources = align(files.spectral, files.sar), [str(files.spectral), str(files.sar)]
    model.save(tmp_path / "model.safetensors")
    whole, path = tmp_path / "whole" / "landcover.tif", tmp_path / "landcover.tif"
    whole.parent.mkdir()
    for _ in range(2):  # the first one may have to compile
        started = time.monotonic()
        map_scene(model, stack, whole, settings=MapSettings(tile_px=128, confidence=True), overwrite=True)
        usual_s = time.monotonic() - started
    command = [sys.executable, "-c", MAPPER, *sources, str(tmp_path / "model.safetensors"), str(path)]
    moments, killed, finished = random.Random(0), 0, 0
    # one thread: a fork copies no others, but the locks that they hold
    alone = os.environ | {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=alone) as mapper:
        assert mapper.stdin is not None
        assert mapper.stdout is not None
        while killed < KILLS or not finished:
            mapper.stdin.write("\n")
            mapper.stdin.flush()
            child = int(mapper.stdout.readline())
            if killed < KILLS:
                time.sleep(moments.uniform(0, usual_s / 2))
                os.kill(child, signal.SIGKILL)
            mapper.stdin.write("\n")
            mapper.stdin.flush()
            status = os.waitstatus_to_exitcode(int(mapper.stdout.readline()))
            assert status in (0, -signal.SIGKILL)
            killed += status == -signal.SIGKILL
            if path.exists():  # whatever bears the name is whole
                assert path.read_bytes() == whole.read_bytes()
                with rasterio.open(path) as dataset:
                    assert dataset.checksum(1)
            if status == 0:
                finished += 1
                assert layer_path(path, "confidence").read_bytes() == layer_path(whole, "confidence").read_bytes()
                assert json.loads(Path(f"{path}.json").read_text()) == json.loads(Path(f"{whole}.json").read_text())
                assert not Path(f"{path}.partial").exists()
                path.unlink()
        mapper.stdin.close()
    assert killed >= KILLS
    tally("kill -9 at a random moment", killed)
