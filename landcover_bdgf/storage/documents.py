"""JSON and TOML files, and other small files that must be regular ones."""

from __future__ import annotations

import errno
import json
import os
import stat
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from landcover_bdgf.errors import BdgfError, SettingsError

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
        raise SettingsError(path, f"cannot be read as TOML: {error.strerror}") from None
    except ValueError as error:
        raise SettingsError(path, f"cannot be read as TOML: {error}") from None
    except RecursionError:
        raise SettingsError(path, f"cannot be read as TOML: {TOO_DEEP}") from None


def _shallow(values: dict[str, Any]) -> dict[str, Any]:
    level: list[Any] = [values]
    for _ in range(MOST_NESTED):
        level = [child for value in level for child in _children(value)]
    if level:
        raise ValueError(TOO_DEEP)
    return values


def _children(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []


def open_regular(path: Path, mode: str = "rb", *, follow: bool = True) -> IO[bytes]:
    """Open a file in binary.

    Raises
    ------
    OSError
        Also where it is a pipe or a device; and without ``follow`` where it is a link, which may lead to a file that
        nobody named.
    """
    unwaited = getattr(os, "O_NONBLOCK", 0) | (0 if follow else getattr(os, "O_NOFOLLOW", 0))

    def opener(name: str, flags: int) -> int:
        descriptor = os.open(name, flags | unwaited, 0o666)
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISREG(kind):
            return descriptor
        os.close(descriptor)
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
        raise OSError(errno.EINVAL, "it is no regular file", name)

    return open(path, mode, opener=opener)


def check_regular_beside(path: Path, kind: type[BdgfError]) -> None:
    """Refuse pipes and devices among the files that libraries look for beside one, by its name and other endings.

    Raises
    ------
    BdgfError
        Of that kind.
    """
    stem, name = f"{path.stem}.".casefold(), path.name.casefold()
    with suppress(PermissionError):  # a folder whose files may be opened but not listed
        for file in path.parent.iterdir():
            beside = file.name.casefold().startswith((stem, name))
            if beside and file.exists() and not (file.is_file() or file.is_dir()):
                raise kind(file, "is not a regular file", f"Copy all files of {path.name} again.")
