"""An output is refused where it would replace an input or another's file, and is whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from landcover_bdgf.errors import OutputError
from landcover_bdgf.storage.atomic import atomic_output, check_output


def test_an_existing_output_needs_overwrite(tmp_path):
    path = tmp_path / "map.tif"
    path.write_text("old")
    with pytest.raises(OutputError, match="exists already"):
        check_output(path, overwrite=False)
    check_output(path, overwrite=True)


def test_an_output_needs_its_folder(tmp_path):
    with pytest.raises(OutputError, match="does not exist"):
        check_output(tmp_path / "nowhere" / "map.tif")
    with pytest.raises(OutputError, match="is a folder"):
        check_output(tmp_path)


def test_an_output_is_never_an_input_not_even_by_a_link(tmp_path):
    source = tmp_path / "in" / "scene.tif"
    source.parent.mkdir()
    source.touch()
    link = tmp_path / "map.tif"
    link.symlink_to(source)
    for inputs in ([source], [source.parent]):
        with pytest.raises(OutputError, match="one of the inputs"):
            check_output(link, overwrite=True, inputs=inputs)


def test_a_failed_output_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "map [1].json"
    path.write_text("old")

    def half_write():
        with atomic_output(path, overwrite=True) as temporary:
            temporary.write_text("half")
            Path(f"{temporary}.aux.xml").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half_write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="No space left"), atomic_output(tmp_path / "a.json"):
        raise OSError(28, "No space left on device")
    assert not list(tmp_path.iterdir())
