"""Files of a zip archive are written below one folder, within limits of size."""

from __future__ import annotations

import shutil
import zipfile
from types import SimpleNamespace

import pytest

from landcover_bdgf.errors import OutputError, RasterError
from landcover_bdgf.geo import archive


@pytest.fixture
def path(tmp_path):
    """An archive with an ordinary file, those of macOS, and one whose path leads out of it."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for name in ("x/B02.tif", "__MACOSX/x/._B02.tif", "x/.DS_Store", "../../y.tif", "/z.tif"):
            file.writestr(name, name)
    return tmp_path / "a.zip"


def test_files_are_written_below_the_folder(path, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    with archive.opened(path, RasterError) as opened:
        written = archive.extract(path, opened, archive.members(opened), folder, RasterError)
    assert written == [folder / "x/B02.tif", folder / "y.tif", folder / "z.tif"]
    assert (folder / "y.tif").read_text() == "../../y.tif"


def test_an_archive_of_little_that_declares_much_is_refused(path, tmp_path):
    with archive.opened(path, RasterError) as opened:
        files = archive.members(opened)
        files[0].file_size = 2 * 10**9
        with pytest.raises(RasterError, match=r"a\.zip: declares 2 GB of files\. Unpack it and give what is in it"):
            archive.extract(path, opened, files, tmp_path, RasterError)
    assert not (tmp_path / "x").exists()


def test_a_full_disk_is_noticed_before(path, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=3))
    with archive.opened(path, RasterError) as opened, pytest.raises(RasterError, match=r"unpacked, .* set TMPDIR"):
        archive.extract(path, opened, archive.members(opened), tmp_path, RasterError)
    assert not (tmp_path / "x").exists()


def test_a_file_that_cannot_be_written_is_named(path, tmp_path):
    (tmp_path / "x").write_text("")
    with (
        archive.opened(path, RasterError) as opened,
        pytest.raises(OutputError, match=r"x/B02\.tif: cannot be written"),
    ):
        archive.extract(path, opened, archive.members(opened), tmp_path, RasterError)


@pytest.mark.parametrize("change", [lambda data: data[:-30], lambda data: data.replace(b"x/B02.tif", b"x/B03.tif", 1)])
def test_a_damaged_archive_is_refused(path, tmp_path, change):
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(RasterError, match="cannot be unpacked"), archive.opened(path, RasterError) as opened:
        archive.extract(path, opened, archive.members(opened), tmp_path, RasterError)


def test_a_zip_is_known_by_its_first_bytes(path, tmp_path):
    (tmp_path / "b.zip").write_bytes(b"II*\0")
    assert [archive.is_zip(file) for file in (path, tmp_path / "b.zip", tmp_path)] == [True, False, False]
