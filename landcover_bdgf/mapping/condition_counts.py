"""How many pixels of a map were mapped by both sensors, and by each of them alone."""

from __future__ import annotations

import numpy as np

from landcover_bdgf.labels import LAYERS
from landcover_bdgf.mapping.patches import Tiles
from landcover_bdgf.progress import log
from landcover_bdgf.scene import CONDITIONS
from landcover_bdgf.text import percent


def condition_counts(tiles: Tiles) -> dict[str, int]:
    """Number of pixels of each case in tiles (1, h, w) of the layer ``condition``; their shares are told."""
    counts = np.zeros(len(CONDITIONS) + 1, np.int64)
    for _, pixels in tiles:
        counts += np.bincount(pixels.ravel(), minlength=len(counts))
    found = dict(zip(CONDITIONS, counts[1:].tolist(), strict=True))
    total = max(1, sum(found.values()))
    labels = (label for _, _, label in LAYERS["condition"].ramp)
    shares = (f"{label} {percent(n / total)}" for label, n in zip(labels, found.values(), strict=True))
    log.info("pixels are mapped by: %s", ", ".join(shares))
    return found
