"""A table of dates names images, their dates and masks; what is wrong in one is told with its line."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.scene.date_table import dated_sources, is_date_table
from landcover_bdgf.scene.scene_table import is_scene_table


def table(folder: Path, text: str) -> str:
    for name in ("a.tif", "b.tif", "B2.tif", "B3.tif", "clouds.tif"):
        (folder / name).touch()
    (folder / "dates.csv").write_text(text)
    return str(folder / "dates.csv")


def test_a_table_of_dates(tmp_path: Path) -> None:
    text = "image,mask,date\na.tif,clouds.tif:1;b.tif,2023-06-04\nB2.tif;B3.tif,,01.07.2023\nb.tif,,\n"
    first, second, third = dated_sources(table(tmp_path, text)) or ()
    assert (first.source, first.day) == ((str(tmp_path / "a.tif"),), date(2023, 6, 4))
    assert first.masks == (str(tmp_path / "clouds.tif:1"), str(tmp_path / "b.tif"))
    assert (second.source, second.day) == ((str(tmp_path / "B2.tif"), str(tmp_path / "B3.tif")), date(2023, 7, 1))
    assert (third.day, third.masks, third.named) == (None, (), f"{tmp_path / 'dates.csv'}: line 4")
    without, other = dated_sources(table(tmp_path, "image,mask\na.tif,none\nb.tif,none;clouds.tif\n")) or ()
    assert without.masks == ("none",)
    assert other.masks == ("none", str(tmp_path / "clouds.tif"))


def test_it_is_told_from_a_table_of_scenes_and_from_images(tmp_path: Path) -> None:
    dates = table(tmp_path, "Date;Image\n")
    (tmp_path / "scenes.csv").write_text("hsi,sar\n")
    scenes = str(tmp_path / "scenes.csv")
    assert (is_date_table(dates), is_scene_table(dates)) == (True, False)
    assert (is_date_table(scenes), is_scene_table(scenes)) == (False, True)
    assert not is_date_table(str(tmp_path / "a.tif"))
    assert dated_sources(str(tmp_path / "a.tif")) is None
    assert dated_sources([tmp_path / "a.tif", tmp_path / "b.tif"]) is None
    assert len(dated_sources((table(tmp_path, "image\na.tif\nb.tif\n"),)) or ()) == 2


def test_a_mapping_of_dates_to_images(tmp_path: Path) -> None:
    found = dated_sources({"2023-06-04": "a.tif", "2023-07-01": ["B2.tif", "B3.tif"]}) or ()
    assert [(one.day, one.source) for one in found] == [
        (date(2023, 6, 4), "a.tif"), (date(2023, 7, 1), ["B2.tif", "B3.tif"]),
    ]  # fmt: skip
    assert [one.day for one in dated_sources({date(2023, 6, 4): "a.tif", date(2023, 7, 1): "b.tif"}) or ()][1].day == 1
    with pytest.raises(SettingsError, match=r"'June' is not a date\. Write it like 2023-06-04"):
        dated_sources({"June": "a.tif", "2023-07-01": "b.tif"})


@pytest.mark.parametrize(("text", "message"), [
    ("date,image\n2023-06-04,a.tif\n", r"names an image of one date only\. Name two or more; an image of one date"),
    ("date,image\n", r"names no image\. Name two or more"),
    ("date,file\n2023-06-04,a.tif\n", r"its first row has no column image\. Name the columns there: date, image, mask"),
    ("date,image\n2023-06-04,a.tif\nJune,b.tif\n", r"line 3: 'June' is not a date\. Write it like 2023-06-04"),
    ("date,image\n2023-06-04,a.tif\n2023-07-01,\n", r"line 3: has no image\. Name an image there"),
    ("date,image\n2023-06-04,a.tif\n2023-07-01,c.tif\n", r"c\.tif \(line 3\) does not exist\. Paths are relative"),
])  # fmt: skip
def test_what_is_wrong_is_told(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=message):
        dated_sources(table(tmp_path, text))
