"""``bdgf areas``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from landcover_bdgf.app.options import OVERWRITE, Shown, Typed, argument, option, with_settings
from landcover_bdgf.app.terminal import say
from landcover_bdgf.survey import ClassReading


@with_settings
def areas(
    shown: Shown, typed: Typed, classes: ClassReading,
    map_file: Annotated[Path, argument("map of bdgf or any class raster", "MAP")],
    zones: Annotated[Path | None, option("zones", "polygons of zones, in any CRS", "Inputs")] = None,
    field: Annotated[
        str | None, option("field", "field of the zones that holds their names", "Inputs", "their numbers")
    ] = None,
    output: Annotated[
        Path | None, option("output", "table to write (.csv); the same as .json is written beside it", "Outputs")
    ] = None,
    overwrite: OVERWRITE = False,
) -> None:  # fmt: skip
    """Area of each class of a map on the ellipsoid, in total and by zone."""
    from landcover_bdgf.survey import areas as areas_of, areas_lines, areas_values

    if zones is None:
        typed.refuse({"field"}, "--zones")
    rows = areas_of(map_file, zones=zones, field=field, legend=classes.legend, output=output, overwrite=overwrite)
    written = [f"{output}: table of the areas"] if output else []
    say(shown, [*areas_lines(rows), *written], areas_values(rows))
