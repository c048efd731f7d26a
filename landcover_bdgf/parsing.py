"""JSON and TOML out of files that nobody vouches for."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.regular import open_regular

MOST_NESTED = 64  # ours are less than ten deep; Python's own limit would end a command later, wherever it is walked
MOST_TOML_BYTES = 200_000
MOST_DOTS = 1000  # in a line, with numbers; tomllib takes memory for a key by the square of its parts
TOO_DEEP = "it is nested too deeply"


def json_object(text: str | bytes) -> dict[str, Any]:
    """Names to values.

    Raises
    ------
    ValueError
        It is no JSON, no object, or nested too deeply.
    """
    try:
        values = json.loads(text)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    if not isinstance(values, dict):
        raise ValueError("it is no JSON object")
    return _shallow(values)


def toml_table(path: Path) -> dict[str, Any]:
    """What a settings file says.

    Raises
    ------
    SettingsError
        It cannot be read, is no TOML, or nested too deeply.
    """
    try:
        with open_regular(path) as file:
            data = file.read(MOST_TOML_BYTES + 1)
        if len(data) > MOST_TOML_BYTES:
            raise ValueError("it is larger than 200 kB")
        if any(line.count(b".") > MOST_DOTS for line in data.splitlines()):
            raise ValueError(TOO_DEEP)
        return _shallow(tomllib.loads(data.decode("utf-8").replace("\r\n", "\n")))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read as TOML: {error.strerror}.") from None
    except ValueError as error:
        raise SettingsError(f"{path}: cannot be read as TOML: {error}.") from None
    except RecursionError:
        raise SettingsError(f"{path}: cannot be read as TOML: {TOO_DEEP}.") from None


def _shallow(values: dict[str, Any]) -> dict[str, Any]:
    level: list[Any] = [values]
    for _ in range(MOST_NESTED):
        level = [child for value in level for child in _children(value)]
    if level:
        raise ValueError(TOO_DEEP)
    return values


def _children(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
