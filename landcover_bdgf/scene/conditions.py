"""Which sensors saw a pixel, and which pixels are mapped where one sensor is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.scene.settings import Missing, Sensor

BOTH = 1  # code of a condition
ALONE: Final[Mapping[Sensor, int]] = {"spectral": 2, "sar": 3}
CONDITIONS: Final = ("both", *ALONE)  # by their codes, from 1
SENSOR_NAMES: Final[Mapping[Sensor, str]] = {"spectral": "the spectral image", "sar": "the SAR image"}


def accepted(missing: Missing) -> tuple[Sensor, ...]:
    """The sensors that may be the only one of a pixel."""
    return tuple(sensor for sensor in ALONE if missing in (sensor, "any"))


def conditions(spectral: NDArray[np.bool_], sar: NDArray[np.bool_], missing: Missing) -> NDArray[np.uint8]:
    """Codes (h, w) from the pixels that have data of each sensor: 1 both, 2 and 3 one that may be alone, else 0."""
    found = (spectral & sar).astype(np.uint8)
    for sensor in accepted(missing):
        own, other = (spectral, sar) if sensor == "spectral" else (sar, spectral)
        found[own & ~other] = ALONE[sensor]
    return found


def seen_by(condition: NDArray[Any], sensor: Sensor | None) -> NDArray[np.bool_]:
    """The pixels that a sensor saw, alone or with the other; None for those that both saw."""
    both = np.asarray(condition == BOTH)
    return both if sensor is None else both | (condition == ALONE[sensor])
