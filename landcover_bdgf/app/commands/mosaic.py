"""``bdgf mosaic``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from landcover_bdgf.app.options import OUTPUT, OVERWRITE, Shown, argument, with_settings
from landcover_bdgf.app.terminal import say
from landcover_bdgf.mapping import MosaicSettings


@with_settings
def mosaic(
    shown: Shown,
    settings: MosaicSettings,
    parts: Annotated[
        list[Path],
        argument("all parts of one map (bdgf map --shard), or finished maps whose classes agree, or a folder of them"),
    ],
    output: OUTPUT,
    overwrite: OVERWRITE = False,
) -> None:
    """Join the parts of a map that was made with --shard, or finished maps of tiles, scenes and UTM zones."""
    from landcover_bdgf.mapping import mosaic as join_parts
    from landcover_bdgf.storage import read_record

    join_parts(parts, output, settings=settings, overwrite=overwrite)
    overlaps = read_record(output).get("overlaps", [])  # their agreement was logged
    say(shown, [f"{output}: land-cover map"], {"map": str(output), "overlaps": overlaps})
