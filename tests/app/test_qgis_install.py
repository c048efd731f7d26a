"""``bdgf qgis install`` puts the plugin into the profile of the user; ``remove`` takes only that away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Bdgf

from landcover_bdgf.app import qgis_install
from landcover_bdgf.app.qgis_install import install, plugin_folder, profile_folder, qgis_folder, remove
from landcover_bdgf.errors import OutputError

ALGORITHMS = [{"name": "check"}]


@pytest.fixture
def profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the profiles of a user who has the profile "default"."""
    monkeypatch.setenv("QGIS_CUSTOM_CONFIG_PATH", str(tmp_path / "qgis"))
    (tmp_path / "qgis/profiles/default").mkdir(parents=True)
    return tmp_path / "qgis/profiles"


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def test_the_folder_is_that_of_qgis(profiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert qgis_folder() == profiles.parent
    monkeypatch.delenv("QGIS_CUSTOM_CONFIG_PATH")
    assert qgis_folder().parts[-2:] == ("QGIS", "QGIS3")


def test_the_profile_is_the_one_that_qgis_opens(profiles: Path) -> None:
    assert profile_folder() == profiles / "default"
    (profiles / "profiles.ini").write_text("[core]\ndefaultProfile=field work\n")
    assert profile_folder() == profiles / "field work"
    assert profile_folder("default") == profiles / "default"
    (profiles / "profiles.ini").write_bytes(b"\xff\x00 no settings")
    assert profile_folder() == profiles / "default"


@pytest.mark.parametrize("name", ["other", "../default", "."])
def test_an_unknown_profile_is_refused_with_the_names_of_those_there(profiles: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"is no profile of QGIS 3\. Its profiles are: default\."):
        profile_folder(name)


def test_install_and_remove_as_commands(profiles: Path, bdgf: Bdgf, capsys: pytest.CaptureFixture[str]) -> None:
    assert bdgf("qgis", "install") == 0
    folder = profiles / "default/python/plugins/bdgf"
    assert f"{folder}: plugin for QGIS; restart QGIS and tick bdgf in Plugins" in capsys.readouterr().out
    assert {"metadata.txt", "__init__.py", "algorithms.json", "installed.json"} <= names(folder)
    assert "version={" not in (folder / "metadata.txt").read_text()
    found = json.loads((folder / "algorithms.json").read_text(encoding="utf-8"))
    assert "map_with_model" in {each["name"] for each in found}
    assert names(folder.parent) == {"bdgf"}  # no drafts
    assert bdgf("qgis", "remove") == 0
    assert not folder.exists()
    assert bdgf("qgis", "remove") == 6
    assert f"error: {folder}: does not exist, so there is no plugin to remove" in capsys.readouterr().err


def test_remove_leaves_what_others_have_put_there(profiles: Path) -> None:
    folder = install(None, ALGORITHMS)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__/plugin.cpython-39.pyc").touch()
    (folder / "notes.txt").write_text("mine")
    assert remove(None) == folder
    assert names(folder) == {"notes.txt"}


def test_install_replaces_an_older_plugin_and_removes_its_files(profiles: Path) -> None:
    folder = install(None, ALGORITHMS)
    (folder / "old.py").touch()
    record = json.loads((folder / "installed.json").read_text())
    (folder / "installed.json").write_text(json.dumps(record | {"files": [*record["files"], "old.py"]}))
    (folder / "notes.txt").write_text("mine")
    (folder / "plugin.py").write_text("older")
    assert install(None, ALGORITHMS) == folder
    assert "old.py" not in names(folder)
    assert "notes.txt" in names(folder)
    assert (folder / "plugin.py").read_bytes() == (qgis_install.SOURCE / "plugin.py").read_bytes()


@pytest.mark.parametrize("record", [None, "{}", '{"files": ["../../x"]}', "[1]"])
def test_a_folder_that_is_not_ours_is_neither_replaced_nor_removed(profiles: Path, record: str | None) -> None:
    folder = plugin_folder()
    folder.mkdir(parents=True)
    (folder / "metadata.txt").write_text("of another plugin")
    if record:
        (folder / "installed.json").write_text(record)
    before = names(folder)
    for action in (lambda: install(None, ALGORITHMS), lambda: remove(None)):
        with pytest.raises(OutputError, match=r"was not written by bdgf qgis install\. Move it away"):
            action()
    assert names(folder) == before


def test_a_disk_that_fails_leaves_the_older_plugin(profiles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = install(None, ALGORITHMS)
    before = {each.name: each.read_bytes() for each in folder.iterdir()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(OutputError, match=r"cannot be written, No space left on device\. Free some space\."):
        install(None, ALGORITHMS)
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == before
