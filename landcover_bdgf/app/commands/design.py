"""``bdgf design``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from landcover_bdgf.app.options import GPKG_OUTPUT, OVERWRITE, Shown, argument, with_settings
from landcover_bdgf.app.terminal import say
from landcover_bdgf.survey import DesignSettings


@with_settings
def design(
    shown: Shown, settings: DesignSettings,
    map_file: Annotated[Path, argument("map of bdgf or any class raster", "MAP")],
    output: GPKG_OUTPUT,
    overwrite: OVERWRITE = False,
) -> None:  # fmt: skip
    """Draw points to label, from which bdgf assess --design estimates the accuracy and the areas of a map."""
    from landcover_bdgf.survey import design as draw, design_lines, design_values

    found = draw(map_file, settings, output=output, overwrite=overwrite)
    lines = [*design_lines(found, settings), f"{output}: points; fill in the field reference, in QGIS or elsewhere"]
    if settings.chips:
        lines.append(f"{output.with_suffix('.html')}: pictures of the points")
    say(shown, lines, {"output": str(output), **design_values(found)})
