"""``bdgf where``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from landcover_bdgf.app.options import GPKG_OUTPUT, OVERWRITE, Shown, argument, option, with_settings
from landcover_bdgf.app.terminal import say
from landcover_bdgf.survey import WhereSettings


@with_settings
def where(
    shown: Shown, settings: WhereSettings,
    map_file: Annotated[Path, argument("map made by bdgf map", "MAP")],
    output: GPKG_OUTPUT,
    probabilities: Annotated[Path | None, option(
        "probabilities", "class probabilities of bdgf map --probabilities", "Inputs", "MAP_probabilities.tif"
    )] = None,
    polygons: Annotated[bool, typer.Option(
        "--polygons/--points", help="small polygons, or points", rich_help_panel="Outputs"
    )] = True,
    overwrite: OVERWRITE = False,
) -> None:  # fmt: skip
    """Suggest places to label next: where the model is undecided, or the scene is unlike the training data."""
    from landcover_bdgf.survey import places_lines, where as find

    places = find(map_file, probabilities, settings, polygons=polygons, output=output, overwrite=overwrite)
    rows = places.drop(columns="geometry").to_dict("records")
    lines = [*places_lines(places), f"{output}: places to label; fill in the field class, in QGIS or elsewhere"]
    say(shown, lines, {"output": str(output), "places": rows})
