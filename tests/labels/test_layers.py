"""Layers have named bands and a style of fixed steps that covers every value."""

from __future__ import annotations

from pathlib import Path

import pytest

from landcover_bdgf.labels.layers import HUNDREDTHS, LAYERS, layer_files, layer_profile, layer_style
from landcover_bdgf.labels.legend import Legend

LEGEND = Legend.from_values(["water", "wood"])


def test_files_bands_and_data_types() -> None:
    assert layer_files(Path("a/m.tif"), "sets") == (Path("a/m_sets.tif"), Path("a/m_sets.qml"))
    percent, fine = (layer_profile("probabilities", LEGEND, dtype) for dtype in ("uint8", HUNDREDTHS))
    assert (percent.nodata, percent.scale, fine.nodata, fine.scale) == (255, 1, 65535, 0.01)
    assert fine.band_names == ("water", "wood")
    assert layer_profile("sets", LEGEND, "uint8").count == 3
    assert layer_profile("confidence", LEGEND, "uint8").band_names == ("probability of the class in percent",)


@pytest.mark.parametrize("name", [name for name, layer in LAYERS.items() if not layer.codes])
def test_a_style_has_steps_with_names_up_to_the_largest_value(name: str) -> None:
    items = list(layer_style(name, LEGEND).iter("item"))
    limits = [float(item.get("value", "")) for item in items]
    assert limits == sorted(set(limits))
    assert limits[-1] == (254 if name == "sets" else 100)
    assert len({item.get("color") for item in items}) == len(items)
    assert all(item.get("label") for item in items)


def test_codes_have_names_and_colours() -> None:
    """In the style, and in the colour table."""
    rows = {entry.get("value"): entry.get("label") for entry in layer_style("condition", LEGEND).iter("paletteEntry")}
    assert rows == {"1": "both sensors", "2": "the spectral image alone", "3": "the SAR image alone"}
    profile = layer_profile("condition", LEGEND, "uint8")
    assert (profile.nodata, profile.overviews) == (0, "mode")
    assert profile.colormap is not None
    assert [*profile.colormap] == [1, 2, 3]
    assert layer_profile("confidence", LEGEND, "uint8").colormap is None
