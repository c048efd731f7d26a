"""Text is decoded strictly in the encoding that is given or declared; UTF-8 read in another one is warned about."""

from __future__ import annotations

import make_bad as bad
import pytest

from landcover_bdgf.errors import LabelError, SettingsError
from landcover_bdgf.geo import read_features

FOREST, WATER, SOIL = ["Forêt", "Gewässer"], ["вода", "лес"], ["水体", "森林"]


def shapefile(folder, names, encoding, *, cpg=None, language=0):
    """The good polygons with these classes, and what the files say about their encoding."""
    change = lambda frame: frame[:2].assign(**{"class": names})  # noqa: E731
    bad.labels(change, "bad.shp", encoding=encoding)(folder)
    (folder / "bad.cpg").unlink()
    if cpg is not None:
        (folder / "bad.cpg").write_text(cpg)
    table = bytearray((folder / "bad.dbf").read_bytes())
    table[29] = language
    (folder / "bad.dbf").write_bytes(table)
    return folder / "bad.shp"


@pytest.mark.parametrize("given", ["latin-1", "latin1", "Latin_1", "iso-8859-1", "ISO8859-1", "cp1252", "windows-1252"])
def test_one_encoding_under_all_its_names(folder, given):
    path = shapefile(folder, FOREST, "ISO-8859-1")
    assert read_features(path, encoding=given)["class"].tolist() == FOREST


@pytest.mark.parametrize(("names", "encoding", "given"), [
    (FOREST, "UTF-8", "utf8"), (FOREST, "UTF-8", "UTF-8"), (WATER, "CP1251", "windows-1251"), (SOIL, "GBK", "gb2312"),
])  # fmt: skip
def test_the_given_encoding_is_used(folder, names, encoding, given):
    assert read_features(shapefile(folder, names, encoding), encoding=given)["class"].tolist() == names


@pytest.mark.parametrize(("names", "encoding", "cpg"), [
    (FOREST, "UTF-8", "UTF-8"), (FOREST, "UTF-8", "utf8\n"), (FOREST, "UTF-8", "65001"),
    (FOREST, "ISO-8859-1", "88591"), (FOREST, "ISO-8859-1", "ISO-8859-1"), (FOREST, "ISO-8859-1", "ANSI 1252"),
    (WATER, "CP1251", "1251"),
    (WATER, "CP866", "OEM 866"), (SOIL, "GBK", "936"), (SOIL, "GBK", "GBK"),
])  # fmt: skip
def test_the_cpg_is_used_in_the_spellings_of_all_programs(folder, names, encoding, cpg):
    assert read_features(shapefile(folder, names, encoding, cpg=cpg))["class"].tolist() == names


@pytest.mark.parametrize(("names", "encoding", "language"), [
    (FOREST, "ISO-8859-1", 0), (["l’eau à 5 €", "pré"], "CP1252", 0), (["l’eau", "œuf"], "CP1252", 0x57),
    (FOREST, "ISO-8859-1", 0x57), (WATER, "CP1251", 0xC9), (SOIL, "GBK", 0x4D),
    (WATER, "CP866", 0x65), (["łąka", "las"], "CP1250", 0xC8), (["מים", "יער"], "CP1255", 0x7D),
    (["ماء", "غابة"], "CP1256", 0x7E),
])  # fmt: skip
def test_the_table_may_declare_its_encoding(folder, names, encoding, language):
    assert read_features(shapefile(folder, names, encoding, language=language))["class"].tolist() == names


@pytest.mark.parametrize(("options", "given"), [({}, "utf8"), ({"cpg": "UTF-8"}, None), ({"language": 0x4D}, None)])
def test_invalid_text_is_refused_and_no_letter_dropped(folder, options, given):
    path = shapefile(folder, ["Forêt", "Açude ä"], "ISO-8859-1", **options)
    with pytest.raises(
        LabelError, match=r"has text in another encoding \(.*\)\. Try `encoding=utf-8`, latin-1, cp850 or gbk"
    ):
        read_features(path, encoding=given)


@pytest.mark.parametrize(("options", "given"), [({}, None), ({"cpg": "ISO-8859-1"}, None), ({"cpg": "1252"}, "cp1251")])
@pytest.mark.parametrize(("names", "encoding"), [(FOREST, "UTF-8"), (["Açude", "açaí"], "UTF-8")])
def test_utf_8_read_in_another_encoding_is_warned_about(folder, caplog, names, encoding, options, given):
    read_features(shapefile(folder, names, encoding, **options), encoding=given)
    assert "in UTF-8 that was read in another encoding. If so, set `encoding=utf-8`" in caplog.text
    assert any(f"looks like {name}" in caplog.text for name in names)


@pytest.mark.parametrize(("names", "encoding", "options"), [
    (["źródło", "łąka"], "CP1250", {}), (["łąka", "las"], "ISO-8859-2", {}), (["вода", "лес"], "CP866", {}),
    (["水体", "林地"], "GBK", {}), (["Grün", "Fläche"], "CP850", {"cpg": "ISO-8859-1"}), (["M?r", "a"], "ASCII", {}),
])  # fmt: skip
def test_text_that_cannot_be_right_is_warned_about(folder, caplog, names, encoding, options):
    read_features(shapefile(folder, names, encoding, **options))
    assert "looks as if it was read in another encoding. If so, set it with `encoding=cp1250`, cp850" in caplog.text


@pytest.mark.parametrize("names", [
    ["«forêt»", "½ m²"], ["Populus×canadensis", "§ 12 Föhre/Lärche"], ["col·lectiu", "Wald?"], ["l´eau", "¿Bosque?"],
    ["nº 5", "±5 °C"], ["一", "七"], ["水体", "联通"], ["Änger", "Öl"],
])  # fmt: skip
def test_text_with_signs_is_not_warned_about(folder, caplog, names):
    assert read_features(shapefile(folder, names, "UTF-8", cpg="UTF-8"))["class"].tolist() == names
    assert "encoding" not in caplog.text


def test_utf_8_read_as_chinese_is_warned_about(folder, caplog):
    read_features(shapefile(folder, ["水体", "裸地"], "UTF-8", language=0x4D))
    assert "looks like 水体 in UTF-8" in caplog.text


def test_a_missing_field_is_explained_by_its_encoding(folder, caplog):
    change = lambda frame: frame[:2].rename(columns={"class": "Größe"})  # noqa: E731
    bad.labels(change, "bad.shp", encoding="UTF-8")(folder)
    (folder / "bad.cpg").unlink()
    with pytest.raises(LabelError, match="has no field 'Größe'"):
        read_features(folder / "bad.shp", fields=["Größe"])
    assert "looks like Größe in UTF-8 that was read in another encoding. If so, set `encoding=utf-8`" in caplog.text


@pytest.mark.parametrize(("text", "shown"), [
    ("Gewässer grü".encode()[:-1], "Gewässer gr"), ("水体水体".encode("gbk")[:7], "水体水"),
])  # fmt: skip
def test_a_last_letter_cut_by_the_width_of_the_field_is_left_out(folder, text, shown):
    change = lambda frame: frame[:2].assign(**{"class": ["x" * len(text), "las"]})  # noqa: E731
    bad.labels(change, "bad.shp", encoding="UTF-8", RESIZE="YES")(folder)
    (folder / "bad.cpg").write_text("GBK" if "水" in shown else "UTF-8")
    table = folder / "bad.dbf"
    table.write_bytes(table.read_bytes().replace(b"x" * len(text), text))
    assert read_features(folder / "bad.shp")["class"].tolist() == [shown, "las"]


def test_cyrillic_read_as_latin_letters_is_warned_about(folder, caplog):
    read_features(shapefile(folder, WATER, "CP1251"))
    assert "looks like вода in cp1251 that was read in another encoding. If so, set `encoding=cp1251`" in caplog.text


@pytest.mark.parametrize(("names", "encoding", "given"), [
    (["Äcker", "été"], "ISO-8859-1", None), (["às", "É"], "ISO-8859-1", None), (["ÖÄ", "Été"], "ISO-8859-1", None),
    (FOREST, "ISO-8859-1", None), (FOREST, "UTF-8", "utf-8"), (["Gewässer", "Ödland – öde"], "CP1252", "cp1252"),
    (WATER, "CP1251", "cp1251"), (SOIL, "GBK", "gbk"), (["água", "açaí"], "ISO-8859-1", None),
])  # fmt: skip
def test_right_text_is_not_warned_about(folder, caplog, names, encoding, given):
    read_features(shapefile(folder, names, encoding), encoding=given)
    assert "looks like" not in caplog.text


def test_garbled_text_in_a_geopackage_is_warned_about(folder, caplog):
    bad.labels(lambda frame: frame.assign(**{"class": "ForÃªt"}))(folder)
    read_features(folder / "bad.gpkg")
    assert "looks like Forêt in UTF-8 that was read in another encoding. If so, correct it where the" in caplog.text


@pytest.mark.parametrize("given", ["klingon", "hex", "utf\0", ""])
def test_unknown_encodings_are_refused(folder, given):
    with pytest.raises(SettingsError, match=r"is unknown\. Use one such as utf-8, latin-1, cp1252 or gbk"):
        read_features(folder / "labels.gpkg", encoding=given)
