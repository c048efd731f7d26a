"""JSON and TOML documents, read as the pydantic models, dataclasses or other types that they should be."""

from __future__ import annotations

import reprlib
import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.text import printable

# Of models, and of dataclasses as ``__pydantic_config__``: an unknown key is an error, a number in quotes is no number.
STRICT = ConfigDict(frozen=True, extra="forbid", strict=True)

T = TypeVar("T")


class Document(BaseModel):
    """A JSON document, or a part of one, that this program wrote."""

    model_config = STRICT


def read_json(kind: type[T], source: Path | str | bytes) -> T:
    """Read a JSON document of this type from a file or a text.

    Raises
    ------
    OSError
        The file cannot be read.
    ValueError
        It is not JSON, or not of this type; one line that names the first key that is wrong.
    """
    text = source.read_bytes() if isinstance(source, Path) else source
    try:
        return TypeAdapter(kind).validate_json(text)
    except ValidationError as error:
        raise ValueError(": ".join(filter(None, flaw(error)))) from None


def read_toml(kind: type[T], path: Path) -> T:
    """Read a settings file of this type.

    Raises
    ------
    SettingsError
        It cannot be read, is not TOML, or not of this type.
    """
    try:
        with path.open("rb") as file:
            return TypeAdapter(kind).validate_python(tomllib.load(file))
    except ValidationError as error:
        key, problem = flaw(error)
        keys = ", ".join(getattr(kind, "model_fields", ()))
        raise SettingsError(path, f"key {key!r}: {problem}", f"Keys are {keys}.") from None
    except OSError as error:
        raise SettingsError(path, f"cannot be read as TOML: {error.strerror}") from None
    except ValueError as error:
        raise SettingsError(path, f"cannot be read as TOML: {error}") from None
    except RecursionError:
        raise SettingsError(path, "cannot be read as TOML: it is nested too deeply") from None


def flaw(error: ValidationError) -> tuple[str, str]:
    """The first key that a model refuses, empty for all of the document, and the reason with the value found."""
    first = error.errors(include_url=False)[0]
    key = printable(".".join(map(str, first["loc"]))) if first["loc"] else ""
    found = "" if isinstance(first["input"], dict) or not key else f", found {reprlib.repr(first['input'])}"
    return key, first["msg"].removeprefix("Value error, ") + found
