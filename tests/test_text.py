"""Names out of files are safe to print, and the cells of a table are escaped."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from landcover_bdgf.text import FILE_NAMES, file_name, listed, percent, placed_name, printable, rough_percent, table


def test_a_name_is_one_short_line_without_control_characters() -> None:
    assert printable("a\x1b[31m\n b\u202ec") == "a [31m b c"
    assert printable("") == "(no name)"
    assert len(printable(100 * "x")) == 60
    assert printable(100 * "x").endswith("…")


def test_long_lists_of_names_are_cut() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed([str(i) for i in range(15)]).endswith("11 and 3 more")


def test_table_cells_are_escaped() -> None:
    assert table([["<script>", 1]], ["a"]) == (
        "<table><tr><th>a</th></tr><tr><td>&lt;script&gt;</td><td>1</td></tr></table>"
    )


def test_shares_have_two_digits_and_no_exponent() -> None:
    shares = (0, 8.3e-9, 0.000_234, 0.0712, 0.328, 0.996, 1)
    said = [rough_percent(share) for share in shares]
    assert said == ["0 %", "0.00000083 %", "0.023 %", "7.1 %", "33 %", "100 %", "100 %"]


def test_a_share_is_a_percentage_or_a_dash() -> None:
    assert [percent(share) for share in (0.7036, 1.0, None, math.nan)] == ["70.4 %", "100.0 %", "–", "–"]


def test_files_are_named_without_folders_and_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    assert file_name(Path("/home/me/s1.tif")) == "s1.tif"
    assert file_name("https://example.org/a/s2.tif?token=secret") == "s2.tif"
    monkeypatch.setitem(FILE_NAMES, "/tmp/x/array.tif", "the spectral array")
    assert file_name(Path("/tmp/x/array.tif")) == "the spectral array"


def test_a_folder_tells_files_of_one_name_apart() -> None:
    assert placed_name(Path("/data/north/labels.gpkg")) == "north/labels.gpkg"
    assert placed_name("labels.gpkg") == "labels.gpkg"
    assert placed_name("https://example.org/a.tif?token=1") == "a.tif"
