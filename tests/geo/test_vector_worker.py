"""The worker reads arrays like SciPy; files that need too much memory or time end only the worker."""

from __future__ import annotations

import os
import resource
import socket

import make_bad as bad
import numpy as np
import pytest
from scipy.io import loadmat, savemat
from scipy.sparse import coo_matrix

from landcover_bdgf.errors import LabelError, RasterError, ResourceError
from landcover_bdgf.geo import read_features, vector_worker
from landcover_bdgf.geo.vector_worker import read_in_worker


def test_arrays_of_matlab_5_are_those_that_scipy_reads(tmp_path):
    path, cube = tmp_path / "a.mat", np.random.default_rng(0).random((3, 4, 2))
    arrays = {"cube": cube.astype(">f4"), "logical": cube[0] > 0.5, "empty": np.zeros((0, 3), np.int64)}
    others = {"text": "abc", "cell": np.array([1, "b"], object), "complex": np.eye(2) * 1j}
    savemat(path, arrays | others | {"sparse": coo_matrix(np.eye(3))}, do_compression=True)
    expected = loadmat(path)
    for name in (*arrays, "none"):
        about, found = read_in_worker(path, "matlab", RasterError, "", name=str(path), array=name)
        assert about["names"] == sorted(arrays)
        assert len(found) == (name in arrays)
        for array in found:
            np.testing.assert_array_equal(array, expected[name], strict=True)


ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="limits as POSIX has them")
@pytest.mark.parametrize(("table", "query", "seconds", "words"), [
    ("gpkg_contents", f"{ENDLESS} SELECT real.* FROM n, real", 1, r"\d s"),
    ("labels", "SELECT fid, geom, printf('%.*c', 400000000, class) AS class FROM real", 10, "2 GB of memory"),
], ids=["time", "memory"])  # fmt: skip
def test_too_much_time_or_memory_ends_only_the_worker(table, query, seconds, words, folder, monkeypatch, tally):
    monkeypatch.setattr(vector_worker, "SECONDS", seconds)
    renamed = "PRAGMA legacy_alter_table = ON", f"ALTER TABLE {table} RENAME TO real"
    bad.database(*renamed, f"CREATE VIEW {table} AS {query}")(folder)
    before, used = set(folder.iterdir()), resource.getrusage(resource.RUSAGE_CHILDREN)
    with pytest.raises(LabelError, match=rf"reading took more than {words}\. Keep only the features") as caught:
        read_features(folder / "bad.gpkg")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert caught.value.exit_code == 4
    assert after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime < 10
    assert after.ru_maxrss < 2 * 10**9 / 1024 or after.ru_maxrss == used.ru_maxrss
    assert set(folder.iterdir()) == before
    tally("file made to hurt, at the worker", 1)


def test_waiting_for_a_pipe_ends_after_the_time_limit(folder, monkeypatch):
    path = folder / "bad.shp"
    bad.both(bad.SHAPEFILE, bad.pipe("bad.cpg"))(folder)
    monkeypatch.setattr(vector_worker, "SECONDS", 1)
    monkeypatch.setattr(vector_worker, "_PATIENCE", 2)
    request = {"name": str(path), "driver": "ESRI Shapefile", "layers": [], "fields": None, "encoding": None}
    with pytest.raises(LabelError, match="reading took more than 2 s"):
        read_in_worker(path, "vector", LabelError, "", **request)


def test_a_crs_link_is_not_followed(folder, tally):
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = f'"link", "properties": {{"href": "http://127.0.0.1:{server.getsockname()[1]}/a.wkt"}}'
        named = '"name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}'
        bad.geojson(bad.features(("a", bad.square(1, 1))).replace(named, link))(folder)
        with pytest.raises(LabelError, match="its CRS is a link, which is not followed"):
            read_features(folder / "bad.geojson")
        server.setblocking(False)
        with pytest.raises(BlockingIOError):  # nobody has connected
            server.accept()
    tally("way for a file to name an address, none asked", 1)


def test_a_worker_that_does_not_start_is_a_resource_error(folder, monkeypatch):
    bad.geojson(bad.features(("a", bad.square(1, 1))))(folder)
    monkeypatch.setattr(vector_worker, "__name__", "landcover_bdgf.no_such_module")
    with pytest.raises(ResourceError, match=r"the process that reads it did not start \(.*no_such_module"):
        read_features(folder / "bad.geojson")
