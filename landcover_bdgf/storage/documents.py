"""JSON and TOML documents, read and validated as pydantic models, dataclasses or other types."""

from __future__ import annotations

import reprlib
import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.text import printable

# For models, and as ``__pydantic_config__`` of dataclasses: unknown keys and numbers in quotes are errors.
STRICT = ConfigDict(frozen=True, extra="forbid", strict=True)

T = TypeVar("T")


class Document(BaseModel):
    """A JSON document written by this package, or a part of one."""

    model_config = STRICT


def read_json(kind: type[T], source: Path | str | bytes) -> T:
    """Read a JSON document of this type from a file or a text.

    Raises OSError if the file cannot be read, and ValueError with the first wrong key if it is not of this type.
    """
    text = source.read_bytes() if isinstance(source, Path) else source
    try:
        return TypeAdapter(kind).validate_json(text)
    except ValidationError as error:
        raise ValueError(": ".join(filter(None, flaw(error)))) from None


def read_toml(kind: type[T], path: Path) -> T:
    """Read a settings file of this type; SettingsError if it cannot be read, is not TOML or not of this type."""
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
    """The first wrong key, empty for the document itself, and the reason with the value found."""
    first = error.errors(include_url=False)[0]
    key = printable(".".join(map(str, first["loc"]))) if first["loc"] else ""
    found = "" if isinstance(first["input"], dict) or not key else f", found {reprlib.repr(first['input'])}"
    return key, first["msg"].removeprefix("Value error, ") + found
