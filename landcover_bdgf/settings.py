"""Settings classes, whose fields carry their help, unit and limits.

::

    @dataclass(frozen=True)
    class AlignSettings:
        max_shift_px: Annotated[float, Setting("largest shift to search for", unit="pixels", above=0)] = 8.0

        def __post_init__(self) -> None:
            check(self)

The command line derives its options from them. Modules with settings classes import no large library, so that
``bdgf --help`` stays fast.
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
    """Description of one field of a settings class.

    Attributes
    ----------
    help : str
        One phrase.
    unit : str
        For example "pixels".
    least, most : float, optional
        Smallest and largest value allowed.
    above : float, optional
        Exclusive lower limit.
    default : str
        Meaning of None or an empty tuple.
    """

    help: str
    unit: str = ""
    least: float | None = None
    most: float | None = None
    above: float | None = None
    default: str = ""

    def limits(self) -> str:
        """The allowed range in words, empty if unlimited."""
        if self.least is not None and self.most is not None:
            return f"from {self.least:g} to {self.most:g}"
        if self.above is not None:
            return f"above {self.above:g}"
        return "" if self.least is None else f"of at least {self.least:g}"

    def allows(self, value: float) -> bool:
        """Whether a number is within the limits; NaN is not."""
        return not (
            (self.least is not None and not value >= self.least)
            or (self.most is not None and not value <= self.most)
            or (self.above is not None and not value > self.above)
        )


@cache
def described(kind: type) -> dict[str, tuple[Any, Setting]]:
    """Type and :class:`Setting` by field name, for the fields of a settings class that have one."""
    hints = get_type_hints(kind, include_extras=True)
    return {
        name: (get_args(hint)[0], found)
        for name, hint in hints.items()
        for found in getattr(hint, "__metadata__", ())
        if isinstance(found, Setting)
    }


def check(settings: object) -> None:
    """Check the values of a settings object against the choices and limits of its fields.

    Raises
    ------
    SettingsError
        A value is not allowed.
    """
    kind: Any = type(settings)
    for name, (hint, setting) in described(kind).items():
        value = getattr(settings, name)
        allowed = choices(hint)
        if value is not None and allowed and value not in allowed:
            texts = allowed if isinstance(value, str) else [*map(repr, allowed)]  # 4 instead of "4"
            raise SettingsError(f"`{name}={value}`", "is unknown", f"Use {', '.join(texts[:-1])} or {texts[-1]}.")
        if isinstance(value, int | float) and not setting.allows(value):
            raise SettingsError(f"`{name}={value:g}`", "is out of range", f"Use a value {setting.limits()}.")


def choices(hint: Any) -> tuple[str, ...]:
    """The values of a ``Literal``, also inside an optional type; empty for other types."""
    if get_origin(hint) in (Union, UnionType):
        return tuple(word for part in get_args(hint) for word in choices(part))
    return get_args(hint) if get_origin(hint) is Literal else ()


def changed_settings(settings: Any) -> str:
    """The ``repr`` of a dataclass, with only the fields that differ from their defaults."""
    shown = []
    for field in fields(settings):
        value = getattr(settings, field.name)
        default = field.default if field.default_factory is MISSING else field.default_factory()
        if default is MISSING or value != default:
            shown.append(f"{field.name}={str(value) if isinstance(value, PurePath) else value!r}")
    return f"{type(settings).__name__}({', '.join(shown)})"
