"""A settings object shows what differs from its defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.mapping.settings import SieveSettings
from landcover_bdgf.settings import changed_settings


@dataclass
class Settings:
    place: Path
    side_px: int = 9
    names: list[str] = field(default_factory=list)

    __repr__ = changed_settings


def test_settings_show_what_was_changed() -> None:
    assert repr(Settings(Path("a.tif"))) == "Settings(place='a.tif')"
    assert repr(Settings(Path("a.tif"), 5, ["b"])) == "Settings(place='a.tif', side_px=5, names=['b'])"


def test_a_number_in_place_of_a_text_is_told() -> None:
    with pytest.raises(SettingsError, match=r"`connectivity=4`: is unknown\. Use '4' or '8'"):
        SieveSettings("9px", connectivity=4)  # type: ignore[arg-type]
