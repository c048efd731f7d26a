"""The QGIS plugin in the profile of a user: put there, replaced, removed."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from landcover_bdgf.errors import OutputError
from landcover_bdgf.storage import Product, atomic_folder

PLUGIN = "bdgf"  # its folder, and its name in QGIS
SOURCE = Path(__file__).parent / "qgis_plugin"
MAIN = "metadata.txt"  # without which QGIS sees no plugin; published last
RECORD, ALGORITHMS = "installed.json", "algorithms.json"  # written when it is installed
CUSTOM = "QGIS_CUSTOM_CONFIG_PATH"  # variable of QGIS with a folder in place of that of the user
# Variables without which a conda environment, or a checkout, does not start from within QGIS.
KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "CONDA_PREFIX")


def qgis_folder() -> Path:
    """The folder with the settings of QGIS 3 of this user."""
    custom = os.environ.get(CUSTOM)
    return Path(custom) if custom else user_data_path("QGIS", appauthor=False, roaming=True) / "QGIS3"


def profile_folder(name: str | None = None) -> Path:
    """The folder of a profile, by default the one that QGIS opens by itself.

    Raises
    ------
    OutputError
        There is no profile of this name.
    """
    profiles = qgis_folder() / "profiles"
    folder = profiles / (name or _default_profile(profiles))
    if name and (Path(name).name != name or not folder.is_dir()):
        there = ", ".join(sorted(each.name for each in profiles.glob("*") if each.is_dir())) or "none"
        raise OutputError(folder, "is no profile of QGIS 3", f"Its profiles are: {there}.")
    return folder


def _default_profile(profiles: Path) -> str:
    settings = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        settings.read(profiles / "profiles.ini", encoding="utf-8")
    except (configparser.Error, UnicodeError):
        return "default"
    name = settings.get("core", "defaultProfile", fallback="default").strip('"')
    return name if name and Path(name).name == name else "default"


def install(profile: str | None, algorithms: Sequence[Mapping[str, Any]]) -> Path:
    """Write the plugin into a profile, in place of an older one of ours; returns its folder.

    Parameters
    ----------
    profile : str, optional
        A profile of QGIS, by default the one that QGIS opens by itself.
    algorithms : sequence of mapping
        The commands and their options, from :func:`~landcover_bdgf.app.qgis_description.algorithms`.

    Raises
    ------
    OutputError
        The profile does not exist, or the folder holds a plugin that was not put there by :func:`install`.
    """
    folder = plugin_folder(profile)
    sources = [each for each in sorted(SOURCE.iterdir()) if each.is_file() and each.suffix != ".pyc"]
    files = [MAIN, *(each.name for each in sources if each.name != MAIN), ALGORITHMS, RECORD]
    older = _installed(folder) if folder.exists() else []
    folder.parent.mkdir(parents=True, exist_ok=True)
    there = [each.name for each in folder.iterdir()] if older else []  # also bytecode of QGIS, and files of the user
    product = Product(folder, contents=(*files, *(name for name in there if name not in files)))
    with atomic_folder(product, overwrite=bool(older)) as draft:
        for each in sources:
            shutil.copyfile(each, draft / each.name)
        metadata = (SOURCE / MAIN).read_text(encoding="utf-8").replace("{version}", version("landcover-bdgf"))
        (draft / MAIN).write_text(metadata, encoding="utf-8")
        _write(draft / ALGORITHMS, [*algorithms])
        environment = {name: os.environ[name] for name in KEPT if os.environ.get(name)}
        command = [sys.executable, "-m", "landcover_bdgf"]
        _write(draft / RECORD, {"command": command, "environment": environment, "files": files})
    _remove(folder, [name for name in older if name not in files])
    return folder


def remove(profile: str | None) -> Path:
    """Remove what :func:`install` has written, and nothing else; returns the folder of the plugin.

    Raises
    ------
    OutputError
        There is no plugin of ours.
    """
    folder = plugin_folder(profile)
    if not folder.exists():
        raise OutputError(folder, "does not exist, so there is no plugin to remove", "Check the profile.")
    _remove(folder, sorted(_installed(folder), key=lambda name: name != RECORD, reverse=True))
    if not any(folder.iterdir()):
        folder.rmdir()
    return folder


def plugin_folder(profile: str | None = None) -> Path:
    """The folder of the plugin in a profile."""
    return profile_folder(profile) / "python/plugins" / PLUGIN


def _installed(folder: Path) -> list[str]:
    """The files that install has written; OutputError for another plugin."""
    try:
        names = json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"]
        if all(isinstance(name, str) and Path(name).name == name for name in names):
            return [*names]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise OutputError(folder, "was not written by bdgf qgis install", "Move it away, or remove it in QGIS.")


def _remove(folder: Path, names: Sequence[str]) -> None:
    """Remove files, and the bytecode that QGIS made of them."""
    bytecode = folder / "__pycache__"
    for name in names:
        for file in (folder / name, *bytecode.glob(f"{Path(name).stem}.*.pyc")):
            file.unlink(missing_ok=True)
    if bytecode.is_dir() and not any(bytecode.iterdir()):
        bytecode.rmdir()


def _write(path: Path, values: Any) -> None:
    path.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
