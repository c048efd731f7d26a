"""The command line of bdgf, without QGIS: where the program is, which words it gets, what its lines tell."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

EXECUTABLE = "BDGF_EXECUTABLE"  # name of the setting of QGIS
FOLDER = os.path.dirname(os.path.abspath(__file__))
ALGORITHMS, RECORD = os.path.join(FOLDER, "algorithms.json"), os.path.join(FOLDER, "installed.json")
OPTIONS = "Settings > Options > Processing > Providers > bdgf"
# Variables by which QGIS leads its own Python and GDAL to their files, and other programs astray.
OF_QGIS = (
    "PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "GDAL_DATA", "GDAL_DRIVER_PATH", "PROJ_LIB", "PROJ_DATA",
    "GEOTIFF_CSV", "QT_PLUGIN_PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
)  # fmt: skip
_LEVEL = re.compile(r"bdgf: (warning|error): ")
Values = Mapping[str, Any]


class NotFoundError(Exception):
    """There is no program bdgf."""


@dataclass(frozen=True)
class Program:
    """The words that start bdgf, and the environment of its process."""

    words: tuple[str, ...]
    environment: dict[str, str]


def read_algorithms() -> list[dict[str, Any]]:
    """The commands and their options, as ``bdgf qgis install`` wrote them down."""
    with open(ALGORITHMS, encoding="utf-8") as file:
        return json.load(file)


def find_program(setting: str, environment: Mapping[str, str], record: str = RECORD) -> Program:
    """The bdgf of the setting; without one, that which installed the plugin if it is still there, else that on PATH.

    Raises
    ------
    NotFoundError
        There is none.
    """
    clean = {name: value for name, value in environment.items() if name not in OF_QGIS}
    clean["PYTHONIOENCODING"] = "utf-8"
    if setting:
        if not os.path.isfile(setting):
            raise NotFoundError(f"{setting}: does not exist. Correct it in {OPTIONS}.")
        return Program((setting,), clean)
    installed = _installed(record)
    if installed is not None and os.path.isfile(installed["command"][0]):
        return Program(tuple(installed["command"]), {**clean, **installed["environment"]})
    found = shutil.which("bdgf", path=environment.get("PATH"))
    if found is None:
        raise NotFoundError(f"bdgf was not found. Run bdgf qgis install again, or name it in {OPTIONS}.")
    return Program((found,), clean)


def _installed(record: str) -> dict[str, Any] | None:
    try:
        with open(record, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def command_words(algorithm: Values, values: Values) -> list[str]:
    """The words after ``bdgf``: the command, its options that differ from their defaults, then its arguments.

    Parameters
    ----------
    algorithm : mapping
        One of :func:`read_algorithms`.
    values : mapping
        Values by the name of the option: text, numbers, bools, lists of text; None and empty text are left out.
    """
    options: list[str] = []
    arguments: list[str] = []
    for each in algorithm["parameters"]:
        value = values.get(each["name"])
        if value is False or value in (None, "", []) or (value == each["default"] and not each["required"]):
            continue
        if not each["flag"]:
            arguments.append(str(value))
        elif value is True:
            options.append(each["flag"])
        else:
            several = value if isinstance(value, list) else [value]
            options += [f"{each['flag']}={_text(one)}" for one in several]
    return [algorithm["command"], *options, "--", *arguments]


def _text(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def shown_command(words: list[str]) -> str:
    """The command as it could be typed, for the log."""
    return " ".join(word if re.fullmatch(r"[\w@%+=:,./\\-]+", word) else f'"{word}"' for word in words)


def layer_files(algorithm: Values, values: Values, output: str) -> dict[str, str]:
    """The rasters that come with a map, by the option that asks for them."""
    asked = {
        each["name"] for each in algorithm["parameters"] if values.get(each["name"]) not in (None, "", each["default"])
    }
    return {name: beside(path, output) for name, path in algorithm["layers"].items() if name in asked}


def report_file(algorithm: Values, output: str) -> str:
    """The report that comes with an output, empty if none does."""
    return beside(algorithm["report"], output) if algorithm["report"] and output else ""


def beside(path: str, output: str) -> str:
    """A file next to an output, or in an output folder: ``{stem}_novelty.tif`` -> ``/maps/a_novelty.tif``."""
    if path.startswith("{output}"):
        return os.path.normpath(path.replace("{output}", output))
    stem, suffix = os.path.splitext(os.path.basename(output))
    named = path.replace("{stem}", stem)
    if os.path.splitext(path)[1] == ".tif":
        named = os.path.splitext(named)[0] + suffix
    return os.path.join(os.path.dirname(output), *named.split("/"))


def level(line: str) -> str:
    """Whether a line is a ``warning``, an ``error`` or ``info``."""
    found = _LEVEL.match(line)
    return found[1] if found else "info"


def message(line: str) -> str:
    """A line without ``bdgf:`` and its level."""
    return re.sub(r"^bdgf: (?:warning: |error: )?", "", line)
