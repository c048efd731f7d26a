"""Settings that align does not know are refused by name."""

import pytest

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.scene.settings import AlignSettings


@pytest.mark.parametrize(("settings", "message"), [
    ({"coreg": "yes"}, "`coreg=yes`: is unknown. Use off, grid or auto"),
    ({"sar_unit": "dBm"}, "`sar_unit=dBm`: is unknown. Use db or power"),
    ({"max_shift_px": 0}, "`max_shift_px=0`: is out of range. Use a value above 0"),
])  # fmt: skip
def test_unknown_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        AlignSettings(**settings)  # type: ignore[arg-type]
