"""``bdgf align``."""

from __future__ import annotations

from landcover_bdgf.app.commands.inputs import read_stack
from landcover_bdgf.app.options import HSI, OUTPUT, OVERWRITE, SAR, Shown, with_settings
from landcover_bdgf.app.terminal import say
from landcover_bdgf.scene import AlignSettings


@with_settings
def align(
    shown: Shown, aligning: AlignSettings, hsi: HSI, sar: SAR, output: OUTPUT, overwrite: OVERWRITE = False
) -> None:
    """Resample the SAR image to the grid of the spectral image, in linear power; report the shift between them."""
    stack = read_stack(hsi, sar, aligning)
    stack.write_sar(output, overwrite=overwrite)
    shift = stack.shift.describe() if stack.shift else "not estimated"
    say(shown, [f"{output}: SAR on the spectral grid; shift {shift}"], {"output": str(output), "shift": shift})
