"""Tables of scenes as people and spreadsheets write them are read; what is wrong in one is told with its line."""

from __future__ import annotations

import logging
import unicodedata
from pathlib import Path

import pytest

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.scene.scene_table import SceneRow, read_scene_table

FILES = ("a.tif", "b.tif", "VV.tif", "VH.tif", "one, two.tif", "labels.gpkg")


def table(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    """A table beside images that exist."""
    for name in FILES:
        (folder / name).touch()
    (folder / "2020.06.04").mkdir()
    (folder / "S2A.SAFE").mkdir()
    (folder / "scenes.csv").write_text(text, encoding=encoding)
    return folder / "scenes.csv"


@pytest.mark.parametrize(("text", "encoding"), [
    ("hsi,sar,labels,field,date,output\na.tif,VV.tif;VH.tif,labels.gpkg,class,2020-06-04,north\n", "utf-8"),
    ("HSI;Sar ;LABELS;field;date;output\r\na.tif;VV.tif,VH.tif;labels.gpkg;class;04.06.2020;north\r\n", "utf-8-sig"),
    ("sep=;\noutput;date;field;labels;sar;hsi\nnorth;2020-06-04;class;labels.gpkg;VV.tif,VH.tif;a.tif\n", "utf-8"),
    ('# ours\n\nhsi,sar,labels,field,date,output\n,,,,,\na.tif,"VV.tif, VH.tif",labels.gpkg,class,2020-06-04,north',
     "utf-8"),
    ("hsi\tsar\tlabels\tfield\tdate\toutput\na.tif\tVV.tif,VH.tif\tlabels.gpkg\tclass\t2020-06-04\tnorth\n", "utf-8"),
])  # fmt: skip
def test_tables_of_people_and_spreadsheets(text: str, encoding: str, tmp_path: Path) -> None:
    (row,) = read_scene_table(table(tmp_path, text, encoding))
    assert row.hsi == (str(tmp_path / "a.tif"),)
    assert row.sar == (str(tmp_path / "VV.tif"), str(tmp_path / "VH.tif"))
    assert (row.labels, row.field, row.date) == (tmp_path / "labels.gpkg", "class", "2020-06-04")
    assert row.name == "north"


@pytest.mark.parametrize(("cells", "name"), [
    ("a.tif,b.tif,", "a"), ("a.tif,b.tif,north.TIF", "north"), ("a.tif,b.tif,v1.2", "v1.2"),
    ("2020.06.04,b.tif,", "2020.06.04"), ("S2A.SAFE,b.tif,", "S2A"), ('"one, two.tif",b.tif,', "one, two"),
])  # fmt: skip
def test_name_of_a_scene(cells: str, name: str, tmp_path: Path) -> None:
    (row,) = read_scene_table(table(tmp_path, f"hsi,sar,output\n{cells}\n"))
    assert row.name == name


def test_addresses_and_absolute_paths_stay(tmp_path: Path) -> None:
    address = "https://example.org/b.tif?token=1"
    (row,) = read_scene_table(table(tmp_path, f"hsi,sar\n{tmp_path / 'a.tif'},{address}\n"))
    assert row == SceneRow((str(tmp_path / "a.tif"),), (address,), line=2)


def test_other_columns_are_ignored_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "landcover_bdgf"):
        assert len(read_scene_table(table(tmp_path, "id,hsi,sar,outptu\n1,a.tif,b.tif,north\n"))) == 1
    assert "ignored columns id, outptu;" in caplog.text


@pytest.mark.parametrize(("text", "message"), [
    ("", "holds no scenes"),
    ("hsi,sar\n", "holds no scenes"),
    ("a.tif,b.tif\n", "its first row has no column hsi and no column sar"),
    ("hsi,sar,HSI\n", "has two columns hsi"),
    ("hsi,sar\na.tif,\n", "line 2: has no sar"),
    ("hsi,sar\n\n# no image\nNone,a.tif\n", "line 4: hsi is none, but a scene needs a spectral image"),
    ("hsi,sar\na.tif,VV.tif,VH.tif\n", "line 2: has more cells than the first row"),
    ('hsi,sar\n"a.tif,b.tif\n', "line 2: is not CSV"),
    ("hsi,sar,date\na.tif,b.tif,6/4/2020\n", "line 2: '6/4/2020' is not a date. Write it like 2020-06-04"),
    ("hsi,sar,output\na.tif,b.tif,maps/a.tif\n", "line 2: output maps/a.tif is not a plain name"),
    ("hsi,sar,output\na.tif,b.tif,One\na.tif,b.tif,one.tif\n", "the scenes in lines 2, 3 would all be named one"),
    ("hsi,sar\na.tif,b.tif\nc.tif,VV.tif;d.tif\nb.tif,e.tif\n",
     r"c\.tif \(line 3\), .*d\.tif \(line 3\), .*e\.tif \(line 4\) do not exist"),
])  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=rf"scenes\.csv: .*{message}"):
        read_scene_table(table(tmp_path, text))


def test_a_table_that_is_missing_or_in_another_encoding(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.csv: does not exist"):
        read_scene_table(tmp_path / "none.csv")
    path = table(tmp_path, "hsi,sar\nä.tif,b.tif\n", "cp1252")
    with pytest.raises(SettingsError, match="is not in UTF-8"):
        read_scene_table(path)


def test_a_scene_that_is_there_twice_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = "a.tif,b.tif,north\na.tif,VV.tif,other\na.tif,b.tif,again\n"
    with caplog.at_level(logging.WARNING, "landcover_bdgf"):
        assert len(read_scene_table(table(tmp_path, f"hsi,sar,output\n{rows}"))) == 3
    assert "lines 2, 4 name the same images, which then count 2 times." in caplog.text


def test_accents_may_be_composed_or_not_and_the_home_folder_a_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """macOS and some spreadsheets write é as e and an accent."""
    decomposed, composed = (unicodedata.normalize(form, "élan.tif") for form in ("NFD", "NFC"))
    (tmp_path / decomposed).touch()
    (tmp_path / "home").mkdir()
    (tmp_path / "home/s1.tif").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    (row,) = read_scene_table(table(tmp_path, f"hsi,sar\n{composed},~/s1.tif\n"))
    assert (row.hsi, row.sar) == ((str(tmp_path / decomposed),), (str(tmp_path / "home/s1.tif"),))
