"""``bdgf polygons``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from landcover_bdgf.app.options import GPKG_OUTPUT, OVERWRITE, Shown, argument, with_settings
from landcover_bdgf.app.terminal import say
from landcover_bdgf.mapping import PolygonSettings
from landcover_bdgf.survey import ClassReading


@with_settings
def polygons(
    shown: Shown,
    classes: ClassReading,
    drawing: PolygonSettings,
    map_file: Annotated[Path, argument("map of bdgf or any class raster", "MAP")],
    output: GPKG_OUTPUT,
    overwrite: OVERWRITE = False,
) -> None:
    """Write a map as polygons with class names and areas, in a GeoPackage with a style.

    Run bdgf sieve first on noisy maps.
    """
    from landcover_bdgf.mapping import polygons as draw_polygons

    draw_polygons(map_file, output, settings=drawing, legend=classes.legend, overwrite=overwrite)
    say(shown, [f"{output}: polygons"], {"polygons": str(output)})
