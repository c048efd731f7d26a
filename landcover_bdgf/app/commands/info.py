"""``bdgf info``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from landcover_bdgf.app.options import Shown, argument, option, with_settings
from landcover_bdgf.app.terminal import say


@with_settings
def info(
    shown: Shown,
    file: Annotated[Path, argument("model, denoiser, map, samples, points of a design, polygons, or raster")],
    verify: Annotated[bool, option("verify", "compare the file with its checksums", "Inputs")] = False,
) -> None:
    """Show what a file holds, or whether it is unchanged since it was written (--verify)."""
    from landcover_bdgf.app.info import describe, verify as compare

    if verify:
        return say(shown, [compare(file)], {"file": str(file), "as written": True})
    values = describe(file)
    return say(shown, [f"{key}: {_text(value)}" for key, value in values.items()], values)


def _text(value: Any) -> str:
    """A value as text; those of a list, which are text themselves, are joined."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return "; ".join(value) or "none"
    return str(value)
