"""A settings object shows what differs from its defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

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
