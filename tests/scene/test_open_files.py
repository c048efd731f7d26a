"""Files are opened when they are asked for, and known by their size and time."""

from __future__ import annotations

import os

from landcover_bdgf.scene.open_files import OpenFiles, state_of


def test_the_state_of_a_file_changes_with_it(tmp_path, write_tif, noise):
    path = write_tif("a.tif", noise)
    before = state_of(path)
    os.utime(path, ns=(0, 1))
    assert state_of(path) != before
    assert state_of(tmp_path / "missing") == (0, 0, 0)
    assert state_of("/vsis3/bucket/a.tif") is None


def test_headers_are_among_the_states(write_tif, noise):
    path = write_tif("a.img", noise, driver="ENVI")
    files = OpenFiles()
    assert files[path].count == 3
    assert set(files.states()) == {path, path.with_suffix(".hdr")}
    files.close()
    assert not files
