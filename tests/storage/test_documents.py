"""Documents are read as their types; an error is one line with the key and the value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.storage.documents import STRICT, Document, read_json, read_toml


@dataclass(frozen=True)
class Band:
    """A part of a document."""

    name: str
    nm: float | None = None

    __pydantic_config__ = STRICT


class Scene(Document):
    """A document."""

    kind: Literal["scene"]
    bands: tuple[Band, ...]
    size: int = 0


GOOD = '{"kind": "scene", "bands": [{"name": "B02", "nm": 492}], "size": 3}'


def test_a_document_is_read_from_a_text_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "scene.json").write_text(GOOD)
    expected = Scene(kind="scene", bands=(Band("B02", 492.0),), size=3)
    assert read_json(Scene, GOOD) == read_json(Scene, tmp_path / "scene.json") == expected
    with pytest.raises(FileNotFoundError):
        read_json(Scene, tmp_path / "none.json")


@pytest.mark.parametrize(("old", "new", "message"), [
    ("492", '"x"', "bands.0.nm: Input should be a valid number, found 'x'"),
    ('"B02"', "5", "bands.0.name: Input should be a valid string, found 5"),
    ("3}", "true}", "size: Input should be a valid integer, found True"),
    ('"size"', '"sides"', "sides: Extra inputs are not permitted, found 3"),
    ('"kind": "scene", ', "", "kind: Field required"),
    ("scene", 30 * "map", "kind: Input should be 'scene', found 'mapmapmapmap...pmapmapmapmap'"),
    ('"size"', r'"\u001b[31m"', "[31m: Extra inputs are not permitted, found 3"),
    (GOOD, "[1]", "Input should be an object"),
    ("3}", "3", "Invalid JSON: EOF while parsing an object at line 1 column 66"),
])  # fmt: skip
def test_a_wrong_document_is_reported_in_one_line(old: str, new: str, message: str) -> None:
    with pytest.raises(ValueError) as told:  # noqa: PT011
        read_json(Scene, GOOD.replace(old, new))
    assert str(told.value) == message


@pytest.mark.parametrize(("text", "message"), [
    ("[[", "cannot be read as TOML: Invalid "),
    ("a = '\udcff'", "cannot be read as TOML: 'utf-8' codec"),
    ("kind = 'map'", "key 'kind': Input should be 'scene', found 'map'."),
    (None, "cannot be read as TOML: No such file or directory."),
])  # fmt: skip
def test_a_wrong_settings_file_is_reported_in_one_line(text: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    if text is not None:
        path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(SettingsError) as told:
        read_toml(Scene, path)
    assert str(told.value).startswith(f"{path}: {message}")


def test_a_settings_file_is_read_as_a_table(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("a = 1\n[b]\nc = [2]\n")
    assert read_toml(dict[str, Any], tmp_path / "a.toml") == {"a": 1, "b": {"c": [2]}}
