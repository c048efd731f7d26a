"""The worker reads arrays like SciPy; files that need too much memory or time end only the worker."""

from __future__ import annotations

import contextlib
import http.server
import os
import resource
import threading
import time
from pathlib import Path

import make_bad as bad
import numpy as np
import pytest
from conftest import Tally
from fuzz import mutated
from scipy.io import loadmat, savemat
from scipy.sparse import coo_matrix

from landcover_bdgf.errors import LabelError, RasterError, ResourceError
from landcover_bdgf.geo import read_features, vector_worker
from landcover_bdgf.geo.vector_worker import read_in_worker

NUMBERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64")
MEMORY = r"reading took more than 2 GB of memory\. Keep only the features"
TIME = r"reading took more than \d+ s\. Keep only the features"


def read_matlab5(path: Path, name: str) -> tuple[list[str], list[np.ndarray]]:
    about, arrays = read_in_worker(path, "matlab", RasterError, "", name=str(path), array=name)
    assert "error" not in about, about
    return about["names"], arrays


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_of_matlab_5_are_those_that_scipy_reads(tmp_path: Path, *, compressed: bool) -> None:
    rng = np.random.default_rng(0)
    arrays = {f"a_{dtype}": (rng.random((3, 4, 2)) * 200).astype(dtype) for dtype in NUMBERS}
    arrays |= {"logical": rng.random((5, 6)) > 0.5, "empty": np.zeros((0, 3))}
    others = {
        "text": "abc",
        "cell": np.array([1, "b"], object),
        "complex": np.eye(2) * 1j,
        "sparse": coo_matrix(np.eye(3)),
    }
    savemat(tmp_path / "a.mat", arrays | others, do_compression=compressed)
    expected = loadmat(tmp_path / "a.mat")
    for name in arrays:
        names, found = read_matlab5(tmp_path / "a.mat", name)
        assert names == sorted(arrays)
        np.testing.assert_array_equal(found[0], expected[name], strict=True)
    assert read_matlab5(tmp_path / "a.mat", "b")[1] == []


HOSTILE: dict[str, tuple[bad.Make, str, str]] = {
    "a query without end": (
        bad.view("gpkg_contents", f"{bad.ENDLESS} SELECT real.* FROM n, real"), "bad.gpkg", TIME,
    ),
    "a query of gigabytes": (
        bad.view("labels", "SELECT fid, geom, printf('%.*c', 400000000, class) AS class FROM real"), "bad.gpkg", MEMORY,
    ),
    "many records of one polygon": (bad.shared_records, "bad.shp", MEMORY),
    "lists nested without end": (
        bad.geojson('{"a": ' + 100_000 * "[" + 100_000 * "]" + "}"), "bad.geojson", "maximum recursion depth",
    ),
    "an archive for a GeoPackage": (bad.content(bad.zipped, "bad.gpkg"), "bad.gpkg", "cannot be read"),
}  # fmt: skip


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits as POSIX has them")
@pytest.mark.parametrize("case", HOSTILE)
def test_a_malicious_file_ends_only_the_worker(
    case: str, folder: Path, monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    make, name, words = HOSTILE[case]
    monkeypatch.setattr(vector_worker, "SECONDS", 10 if words == MEMORY else 3)
    make(folder)
    before, used = set(folder.iterdir()), resource.getrusage(resource.RUSAGE_CHILDREN)
    with pytest.raises(LabelError, match=words) as caught:
        read_features(folder / name)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert caught.value.exit_code == 4
    assert after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime < 10
    assert after.ru_maxrss < 2 * 10**9 / 1024 or after.ru_maxrss == used.ru_maxrss
    assert set(folder.iterdir()) == before
    tally("file made to hurt, at the worker", 1)


@pytest.mark.parametrize("name", ["bad.gpkg", "bad.shp", "bad.geojson"])
def test_damaged_files_are_refused_or_read(folder: Path, name: str, tally: Tally) -> None:
    bad.labels(lambda frame: frame[:3], name)(folder)
    good, rng = (folder / name).read_bytes(), np.random.default_rng(0)
    for _ in range(6):
        (folder / name).write_bytes(mutated(good, [("over", int(rng.integers(1 << 24)), rng.bytes(8))] * 3))
        with contextlib.suppress(LabelError):
            read_features(folder / name)
    tally("mutated file at the worker", 6)


def test_waiting_for_a_pipe_ends_after_the_time_limit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad.shapefile(bad.pipe("bad.cpg"))(folder)
    monkeypatch.setattr(vector_worker, "SECONDS", 1)
    monkeypatch.setattr(vector_worker, "_PATIENCE", 5)
    begun = time.monotonic()
    with pytest.raises(LabelError, match="reading took more than 5 s"):
        read_in_worker(
            folder / "bad.shp", "vector", LabelError, "", name=str(folder / "bad.shp"), driver="ESRI Shapefile",
            layers=[], encoding=None,
        )  # fmt: skip
    assert time.monotonic() - begun < 30


def test_a_crs_link_is_not_followed(folder: Path, tally: Tally) -> None:
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        link = f'"link", "properties": {{"href": "http://127.0.0.1:{server.server_address[1]}/a.wkt"}}'
        named = '"name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}'
        bad.geojson(bad.features(("a", bad.square(1, 1))).replace(named, link))(folder)
        with pytest.raises(LabelError, match="its CRS is a link, which is not followed"):
            read_features(folder / "bad.geojson")
        server.shutdown()
    assert not asked
    tally("way for a file to name an address, none asked", 1)


def test_a_worker_that_does_not_start_is_a_resource_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_worker, "__name__", "landcover_bdgf.no_such_module")
    with pytest.raises(ResourceError, match=r"the process that reads it did not start \(.*no_such_module"):
        read_features(folder / "labels.gpkg")
