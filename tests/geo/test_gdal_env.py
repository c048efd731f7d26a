"""GDAL reads only what the user names: no files or addresses that a file refers to, and opens no socket."""

from __future__ import annotations

import functools
import http.server
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio
import seccomp
from conftest import Tally, WriteTif

from landcover_bdgf.errors import BdgfError, RasterError
from landcover_bdgf.geo import gdal_env
from landcover_bdgf.scene.simulation import SceneFiles

KEPT = {*gdal_env.RASTER_DRIVERS, *gdal_env.VECTOR_DRIVERS, *gdal_env.WORKING_DRIVERS}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, list[str]]]:
    """The address of a web server, its folder, and the requests it received."""
    folder, asked = tmp_path_factory.mktemp("web"), list[str]()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            asked.append(self.path)

        def do_GET(self) -> None:
            """Serve byte ranges, as object stores do."""
            whole = (folder / self.path[1:]).read_bytes()
            first, last = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "bytes=0-")).groups()
            part = whole[int(first) : int(last or len(whole)) + 1]
            self.send_response(206 if "Range" in self.headers else 200)
            self.send_header("Content-Length", str(len(part)))
            self.send_header("Content-Range", f"bytes {first}-{int(first) + len(part) - 1}/{len(whole)}")
            self.end_headers()
            self.wfile.write(part)

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}", folder, asked
        running.shutdown()


def run(*arguments: object, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command in a new process, after some statements, without the environment of this one."""
    program = f"{before}\nfrom landcover_bdgf.app.cli import main\nmain()"
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("GDAL_", "CPL_", "PROJ_"))}
    words = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False, env=clean, timeout=600)


def test_only_self_contained_formats_are_available() -> None:
    gdal_env.check_lock()
    with rasterio.Env() as env:
        assert set(env.drivers()) <= KEPT
    assert set(pyogrio.list_drivers()) <= KEPT


def test_errors_in_gdal_callbacks_are_shown_only_with_debug(
    tmp_path: Path, write_tif: WriteTif, noise: np.ndarray
) -> None:
    image = write_tif("a.img", noise, driver="ENVI")
    header = image.with_suffix(".hdr").read_bytes()
    assert b'"Latitude_Of_Origin",0.0' in header  # GDAL quotes it in an error, which rasterio decodes as UTF-8
    image.with_suffix(".hdr").write_bytes(
        header.replace(b'"Latitude_Of_Origin",0.0', b'"Latitude_Of_Origin",\x87\x8b0.0')
    )
    quiet, loud = run("info", image), run("info", image, "--debug")
    assert (quiet.returncode, quiet.stderr) == (0, "")
    assert "UnicodeDecodeError" in loud.stderr


def test_gdal_started_before_the_lock_is_an_error(scene_files: SceneFiles) -> None:
    done = run("info", scene_files.spectral, before="import pyogrio")
    assert done.returncode == BdgfError.exit_code
    assert "GDAL was started before it could be restricted" in done.stderr


@pytest.mark.parametrize("way", ["/vsicurl/{}", "{}", "/vsicurl_streaming/{}", "/vsicurl?url={}"])
def test_an_address_in_a_file_is_not_opened(
    way: str, server: tuple[str, Path, list[str]], write_tif: WriteTif, noise: np.ndarray, tally: Tally
) -> None:
    site, _, asked = server
    path = write_tif("a.tif", noise)
    with rasterio.open(path, "r+") as file:
        file.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=way.format(f"{site}/x.tif"))
    locked = "from landcover_bdgf.geo.gdal_env import lock; lock(); import rasterio"
    looks = f"{locked}; rasterio.open({str(path)!r}).overviews(1)"
    subprocess.run([sys.executable, "-W", "ignore", "-c", looks], check=True)
    assert not asked
    tally("way for a file to name an address, none asked", 1)


@pytest.mark.parametrize(
    "way", ["{site}/bucket/{name}", "/vsicurl/{site}/bucket/{name}", "/vsis3/bucket/{name}", "s3://bucket/{name}"]
)
def test_a_typed_address_is_read(
    way: str,
    server: tuple[str, Path, list[str]],
    scene_files: SceneFiles,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site, folder, asked = server
    (folder / "bucket").mkdir(exist_ok=True)
    for path in (scene_files.spectral, scene_files.sar):
        (folder / "bucket" / path.name).write_bytes(path.read_bytes())
    host = site.removeprefix("http://")
    ours = {"S3_ENDPOINT": host, "HTTPS": "NO", "VIRTUAL_HOSTING": "FALSE", "NO_SIGN_REQUEST": "YES"}
    for name, value in ours.items():  # the server acts as an object store
        monkeypatch.setenv(f"AWS_{name}", value)
    images = [way.format(site=site, name=path.name) for path in (scene_files.spectral, scene_files.sar)]
    done = run("align", *images, "-o", tmp_path / "a.tif")
    assert done.returncode == 0, done.stderr
    local = run("align", scene_files.spectral, scene_files.sar, "-o", tmp_path / "b.tif")
    assert local.returncode == 0, local.stderr
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()
    assert any(scene_files.sar.name in name for name in asked)
    asked.clear()


def test_a_vrt_is_read_when_allowed(write_tif: WriteTif, scene_files: SceneFiles, tmp_path: Path) -> None:
    vrt, pixels = tmp_path / "one.vrt", tmp_path / "pixels.tif"
    shutil.copy(scene_files.spectral, pixels)
    with rasterio.open(pixels) as file:
        width, height, crs, place = file.width, file.height, file.crs, file.transform.to_gdal()
    bands = "".join(
        f'<VRTRasterBand dataType="Int16" band="{i - 1}"><Description>{name}</Description>'
        "<NoDataValue>-9999</NoDataValue><SimpleSource>"
        f"<SourceFilename>{pixels}</SourceFilename><SourceBand>{i}</SourceBand></SimpleSource></VRTRasterBand>"
        for i, name in ((2, "B03"), (3, "B04"))
    )
    vrt.write_text(
        f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}"><SRS>{crs.to_string()}</SRS>'
        f"<GeoTransform>{', '.join(map(str, place))}</GeoTransform>{bands}</VRTDataset>"
    )
    refused = run("check", vrt, scene_files.sar)
    assert refused.returncode == RasterError.exit_code
    allowed = run("check", vrt, scene_files.sar, "--allow-vrt")
    assert allowed.returncode == 0, allowed.stderr
    assert "spectral: 2 bands" in allowed.stdout

    def scene(name: str) -> str:
        """The scene in the record of an output."""
        done = run("align", vrt, scene_files.sar, "--allow-vrt", "-o", tmp_path / name)
        assert done.returncode == 0, done.stderr
        return str(json.loads((tmp_path / f"{name}.json").read_text())["inputs"])

    first = scene("a.tif")
    assert scene("b.tif") == first
    with rasterio.open(pixels, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
        file.write(file.read(2) + 1, 2)
    assert scene("c.tif") != first


@pytest.mark.skipif(sys.platform != "linux" or platform.machine() not in seccomp.SOCKET, reason="needs seccomp")
def test_the_whole_job_opens_no_socket(scene_files: SceneFiles, tmp_path: Path, tally: Tally) -> None:
    here = str(Path(seccomp.__file__).parent)
    barred = f"import sys; sys.path.insert(0, {here!r}); import seccomp; seccomp.no_internet()"
    asks = run(before=f"{barred}; import socket; socket.socket()")
    if "OSError" in asks.stderr:
        pytest.skip("this kernel takes no filters")
    assert asks.returncode < 0  # the filter works
    quick = ("diffusion.steps=2", "diffusion.batch=4", "training.steps=2", "training.calibration_folds=0")
    labelled = (
        "--labels",
        scene_files.labels,
        "--field",
        "class",
        "--model",
        tmp_path / "m.safetensors",
        "-o",
        tmp_path / "map.tif",
    )
    images = scene_files.spectral, scene_files.sar
    done = run("map", *images, *labelled, *(f"--set={s}" for s in quick), before=barred)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "map.tif").is_file()
    tally("whole job that any internet socket would have ended", 1)
