"""The one vector file in a zip archive is read as if it were unpacked; other archives are refused."""

from __future__ import annotations

import shutil
import zipfile

import make_bad as bad
import pytest

from landcover_bdgf.errors import LabelError
from landcover_bdgf.geo import read_features

SHAPEFILE = ("bad.shp", "bad.shx", "bad.dbf", "bad.prj", "bad.cpg")


def archive(folder, names, *, inside="{}", to="bad.zip"):
    """A zip archive of files in the folder."""
    with zipfile.ZipFile(folder / to, "w", zipfile.ZIP_DEFLATED) as file:
        for name in names:
            file.write(folder / name, inside.format(name))
    return folder / to


@pytest.mark.parametrize(("names", "inside"), [
    (SHAPEFILE, "{}"), (SHAPEFILE, "a folder/{}"), (("labels.gpkg",), "{}"), (("labels.gpkg",), "../../{}"),
    ((*SHAPEFILE, "bad.json"), "{}"), (("bad.geojson", "bad.json"), "a!b{}"[3:]),
])  # fmt: skip
def test_an_archive_is_read_like_its_file(folder, names, inside):
    bad.SHAPEFILE(folder)
    bad.labels(lambda frame: frame, "bad.geojson")(folder)
    (folder / "bad.json").write_text("{}")
    before = set(folder.rglob("*"))
    path = archive(folder, names, inside=inside)
    expected = read_features(folder / "labels.gpkg")
    assert read_features(path, fields=["class"])["class"].tolist() == expected["class"].tolist()
    assert set(folder.rglob("*")) == {*before, path}


def test_a_kmz_is_read(folder):
    bad.written_freely(("doc.kml", "LIBKML"))(folder)
    assert len(read_features(archive(folder, ["doc.kml"], to="bad.kmz"), fields=["class"])) == 48


@pytest.mark.parametrize("inside", ["labels.gdb/{}", "a folder/labels.gdb/{}", "{}"])
def test_a_file_geodatabase_is_read(folder, inside):
    expected = read_features(folder / "labels.gpkg")
    bad.written_freely(("labels.gdb", "OpenFileGDB"))(folder)
    with zipfile.ZipFile(folder / "bad.zip", "w") as file:
        for part in (folder / "labels.gdb").iterdir():
            file.write(part, inside.format(part.name))
    shutil.rmtree(folder / "labels.gdb")
    found = read_features(folder / "bad.zip", fields=["class"])
    assert found["class"].tolist() == expected["class"].tolist()


@pytest.mark.parametrize(("names", "message"), [
    (["bad.shp", "bad.shx", "bad.prj"], r"bad\.zip: bad\.shp in it: its \.dbf, which holds the classes, is miss"),
    (["bad.shp", "bad.shx", "bad.dbf"], r"bad\.zip: bad\.shp in it: has no CRS, its \.prj is missing\."),
    ([*SHAPEFILE, "labels.gpkg"], r"bad\.zip: is an archive of 2 vector files, bad\.shp, labels\.gpkg\. Unpack it"),
    (["bad.prj"], r"bad\.zip: is an archive without a vector file\. Give a file of labels\."),
    (["a.gdbtable", "labels.gpkg"], r"bad\.zip: is an archive of 2 vector files, \./, labels\.gpkg\. Unpack it"),
])  # fmt: skip
def test_archives_without_one_whole_file_are_refused(folder, names, message):
    bad.SHAPEFILE(folder)
    (folder / "a.gdbtable").write_bytes(bytes(9))
    with pytest.raises(LabelError, match=message):
        read_features(archive(folder, names))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_damaged_archive_is_refused(folder, share):
    path = archive(folder, ["labels.gpkg"])
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(LabelError, match=r"bad\.zip: cannot be unpacked \(.*\)\. Unpack it and give what is in it"):
        read_features(path)
    path.write_bytes(whole[:2000] + bytes(100) + whole[2100:])
    with pytest.raises(LabelError, match=r"bad\.zip"):
        read_features(path)
