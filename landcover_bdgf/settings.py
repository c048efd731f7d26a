"""Settings classes: a field's help, unit and limits stand on its line, and nowhere else.

::

    @dataclass(frozen=True)
    class AlignSettings:
        max_shift_px: Annotated[float, Setting("largest shift to search for", unit="pixels", above=0)] = 8.0

        def __post_init__(self) -> None:
            check(self)

The command line makes its options from the same lines. Modules with settings classes import no large library, so that
``bdgf --help`` is quick.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import PurePath
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from landcover_bdgf.errors import SettingsError


@dataclass(frozen=True)
class Setting:
    """What is known of one field of a settings class.

    Attributes
    ----------
    help : str
        One phrase for the command line and for readers of the code.
    unit : str
        Such as "pixels".
    least, most : float, optional
        Smallest and largest value allowed.
    above : float, optional
        A limit that is not allowed itself.
    default : str
        What None, or an empty tuple, stands for.
    """

    help: str
    unit: str = ""
    least: float | None = None
    most: float | None = None
    above: float | None = None
    default: str = ""

    def limits(self) -> str:
        """The allowed values in words, empty where there is no limit."""
        if self.least is not None and self.most is not None:
            return f"from {self.least:g} to {self.most:g}"
        if self.above is not None:
            return f"above {self.above:g}"
        return "" if self.least is None else f"at least {self.least:g}"

    def allows(self, value: float) -> bool:
        """Whether a number lies within the limits; NaN does not."""
        return not (
            (self.least is not None and not value >= self.least)
            or (self.most is not None and not value <= self.most)
            or (self.above is not None and not value > self.above)
        )


@cache
def described(kind: type) -> dict[str, tuple[Any, Setting]]:
    """Type and :class:`Setting` of the fields of a settings class that have one, by name."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        name: (get_args(hint)[0], found)
        for name, hint in hints.items()
        for found in getattr(hint, "__metadata__", ())
        if isinstance(found, Setting)
    }


def check(settings: object) -> None:
    """Hold a settings object to the choices and limits of its fields.

    Raises
    ------
    SettingsError
        The first value that is not allowed.
    """
    kind: Any = type(settings)
    for name, (hint, setting) in described(kind).items():
        value = getattr(settings, name)
        allowed = choices(hint)
        if value is not None and allowed and value not in allowed:
            raise SettingsError(f"`{name}={value}`", f"must be {', '.join(allowed[:-1])} or {allowed[-1]}")
        if isinstance(value, int | float) and not setting.allows(value):
            raise SettingsError(f"`{name}={value:g}`", f"must be {setting.limits()}")


def choices(hint: Any) -> tuple[str, ...]:
    """The words of a ``Literal``, also of one that may be None; empty for other types."""
    if get_origin(hint) in (Union, UnionType):
        return tuple(word for part in get_args(hint) for word in choices(part))
    return get_args(hint) if get_origin(hint) is Literal else ()


def changed_settings(settings: Any) -> str:
    """A dataclass as ``Name(field=value)``, with the fields that differ from their defaults."""
    shown = []
    for field in fields(settings):
        value = getattr(settings, field.name)
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if default is MISSING or value != default:
            shown.append(f"{field.name}={str(value) if isinstance(value, PurePath) else value!r}")
    return f"{type(settings).__name__}({', '.join(shown)})"
