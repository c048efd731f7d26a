"""``bdgf sieve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from landcover_bdgf.app.options import MAP_OUTPUT, OVERWRITE, Shown, argument, with_settings
from landcover_bdgf.app.terminal import say
from landcover_bdgf.mapping import SieveSettings
from landcover_bdgf.survey import ClassReading


@with_settings
def sieve(
    shown: Shown,
    classes: ClassReading,
    sieving: SieveSettings,
    map_file: Annotated[Path, argument("map of bdgf or any class raster", "MAP")],
    output: MAP_OUTPUT,
    overwrite: OVERWRITE = False,
) -> None:
    """Write a map without its small patches, which get the class of their largest neighbour."""
    from landcover_bdgf.mapping import sieve as sieve_map

    sieve_map(map_file, output, settings=sieving, legend=classes.legend, overwrite=overwrite)
    say(shown, [f"{output}: land-cover map"], {"map": str(output)})
