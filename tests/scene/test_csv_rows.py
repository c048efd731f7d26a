"""Rows of a table are told by their lines; files are found beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.scene.csv_rows import Columns, check_files, csv_rows, has_column, placed_files

COLUMNS = Columns(("image",), ("date", "image"))


def test_rows_have_the_numbers_of_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("# dates\nDate;IMAGE\n\n2023-06-04;a.tif,b.tif\n;c.tif\n")
    assert [*csv_rows(path, COLUMNS)] == [
        (4, {"date": "2023-06-04", "image": "a.tif,b.tif"}), (5, {"date": "", "image": "c.tif"}),
    ]  # fmt: skip
    assert placed_files(tmp_path, "a.tif, b.tif") == (str(tmp_path / "a.tif"), str(tmp_path / "b.tif"))


def test_a_column_is_looked_for_in_any_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("date,Image\n")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    found = [has_column(tmp_path / name, "image") for name in ("a.csv", "b.csv", "none.csv", ".")]
    assert found == [True, False, False, False]


def test_all_missing_files_are_told_at_once(tmp_path: Path) -> None:
    missing = [(line, f"{line}.tif") for line in range(2, 9)]
    with pytest.raises(
        SettingsError, match=r"2\.tif \(line 2\), .*6\.tif \(line 6\) and 2 more do not exist\. Paths are"
    ):
        check_files(tmp_path / "a.csv", [*missing, (9, "https://example.org/a.tif")])
