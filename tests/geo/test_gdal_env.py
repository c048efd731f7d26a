"""GDAL reads only what the user names: no files or addresses that a file refers to."""

from __future__ import annotations

import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pyogrio
import pytest
import rasterio
from conftest import process_restored, run_command

from landcover_bdgf.errors import BdgfError, RasterError
from landcover_bdgf.geo import gdal_env

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


def test_only_self_contained_formats_are_available():
    gdal_env.check_lock()
    with rasterio.Env() as env:
        assert set(env.drivers()) <= KEPT
    assert set(pyogrio.list_drivers()) <= KEPT


def test_errors_in_gdal_callbacks_are_shown_only_with_debug(write_tif, noise, capsys, monkeypatch):
    image = write_tif("a.img", noise, driver="ENVI")
    header, named = image.with_suffix(".hdr"), b'"Latitude_Of_Origin",'  # quoted in an error, and decoded as UTF-8
    assert named in header.read_bytes()
    header.write_bytes(header.read_bytes().replace(named, named + b"\x87\x8b"))
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)  # not that of pytest
    assert run_command("info", image) == 0
    assert capsys.readouterr().err == ""
    run_command("info", image, "--debug")
    assert "UnicodeDecodeError" in capsys.readouterr().err


def test_gdal_started_before_the_lock_is_an_error(scene_files):
    done = run("info", scene_files.spectral, before="import pyogrio")
    assert done.returncode == BdgfError.exit_code
    assert "GDAL was started before it could be restricted" in done.stderr


@pytest.mark.parametrize("way", ["/vsicurl/{}", "{}", "/vsicurl_streaming/{}", "/vsicurl?url={}"])
def test_an_address_in_a_file_is_not_opened(way, server, write_tif, noise, tally):
    site, _, asked = server
    path = write_tif("a.tif", noise)
    with rasterio.open(path, "r+") as file:
        file.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=way.format(f"{site}/x.tif"))
    with rasterio.open(path) as file:
        assert file.overviews(1) == []
    assert not asked
    tally("way for a file to name an address, none asked", 1)


@pytest.fixture(scope="module")
def aligned(scene_files, tmp_path_factory):
    """The bytes of the SAR image that align writes from local files."""
    path = tmp_path_factory.mktemp("aligned") / "sar.tif"
    with process_restored():  # set up before the fixture that restores the process after each test
        assert run_command("align", scene_files.spectral, scene_files.sar, "-o", path) == 0
    return path.read_bytes()


@pytest.mark.parametrize(
    "way",
    ["{site}/{bucket}/{name}", "/vsicurl/{site}/{bucket}/{name}", "/vsis3/{bucket}/{name}", "s3://{bucket}/{name}"],
)
def test_a_typed_address_is_read(way, server, aligned, scene_files, tmp_path, monkeypatch):
    site, folder, asked = server
    monkeypatch.delenv("CPL_VSIL_CURL_ALLOWED_EXTENSIONS")
    host = site.removeprefix("http://")
    ours = {"S3_ENDPOINT": host, "HTTPS": "NO", "VIRTUAL_HOSTING": "FALSE", "NO_SIGN_REQUEST": "YES"}
    for name, value in ours.items():  # the server acts as an object store
        monkeypatch.setenv(f"AWS_{name}", value)
    images = scene_files.spectral, scene_files.sar
    bucket = tmp_path.name  # GDAL caches what it read from an address
    (folder / bucket).mkdir()
    for path in images:
        shutil.copy(path, folder / bucket)
    addresses = [way.format(site=site, bucket=bucket, name=path.name) for path in images]
    assert run_command("align", *addresses, "-o", tmp_path / "a.tif") == 0
    assert (tmp_path / "a.tif").read_bytes() == aligned
    assert any(scene_files.sar.name in name for name in asked)
    asked.clear()


def test_a_vrt_is_read_when_allowed_and_known_by_its_pixels(scene_files, tmp_path):
    vrt, pixels = tmp_path / "one.vrt", shutil.copy(scene_files.spectral, tmp_path / "pixels.tif")
    with rasterio.open(pixels) as file:
        width, height, crs, place = file.width, file.height, file.crs, file.transform.to_gdal()
    bands = "".join(
        f'<VRTRasterBand dataType="Int16" band="{i}"><NoDataValue>-9999</NoDataValue><SimpleSource>'
        f"<SourceFilename>{pixels}</SourceFilename><SourceBand>{i}</SourceBand></SimpleSource></VRTRasterBand>"
        for i in (1, 2)
    )
    vrt.write_text(
        f'<VRTDataset rasterXSize="{width}" rasterYSize="{height}"><SRS>{crs.to_string()}</SRS>'
        f"<GeoTransform>{', '.join(map(str, place))}</GeoTransform>{bands}</VRTDataset>"
    )
    assert run_command("check", vrt, scene_files.sar) == RasterError.exit_code
    changed = f"""
from landcover_bdgf.geo.gdal_env import lock
lock(["--allow-vrt"])
import rasterio
from landcover_bdgf.scene.alignment import AlignSettings, align

def fingerprint():
    with align({str(vrt)!r}, {str(scene_files.sar)!r}, settings=AlignSettings(allow_vrt=True)) as stack:
        return stack.fingerprint()

first, again = fingerprint(), fingerprint()
with rasterio.open({str(pixels)!r}, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
    file.write(file.read(2) + 1, 2)
assert first == again != fingerprint()
"""
    allowed = run("check", vrt, scene_files.sar, "--allow-vrt", before=changed)
    assert allowed.returncode == 0, allowed.stderr
    assert "spectral: 2 bands" in allowed.stdout
