"""How different colours look, also to readers who are colour-blind.

Colours are converted to CIELAB as seen with normal vision, without red cones (protanopia) and without green cones
(deuteranopia), and compared by CIEDE2000. A difference of 1 is just visible side by side; areas of a map that are far
apart need about 10.

References: Machado, Oliveira and Fernandes (2009), doi:10.1109/TVCG.2009.113, for the two dichromacies; Sharma, Wu and
Dalal (2005), doi:10.1002/col.20070, for CIEDE2000, whose names of quantities are used here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Linear RGB as seen: normal, protanopia and deuteranopia of severity 1 (Machado et al., table 1).
VISIONS = np.array([
    [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
])  # fmt: skip
# Linear sRGB to XYZ (IEC 61966-2-1), each row divided by the white point D65.
_XYZ = np.array([
    [0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041],
])  # fmt: skip
_XYZ /= _XYZ.sum(axis=1, keepdims=True)
_EPSILON, _KAPPA = 216 / 24389, 24389 / 27  # of CIELAB
_CHROMA = 25.0**7


def lab_as_seen(colors: Floats) -> Floats:
    """CIELAB (3 visions, n, 3) of sRGB colours (n, 3), 0 to 255."""
    encoded = np.asarray(colors, np.float64) / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.einsum("vij,nj->vni", VISIONS, linear), 0, 1)
    xyz = seen @ _XYZ.T
    x, y, z = np.moveaxis(np.where(xyz > _EPSILON, np.cbrt(xyz), (_KAPPA * xyz + 16) / 116), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def ciede2000(one: Floats, other: Floats) -> Floats:
    """CIEDE2000 difference of CIELAB colours (..., 3), which are broadcast (Sharma et al., equations 2 to 22)."""
    (L1, a1, b1), (L2, a2, b2) = (np.moveaxis(np.asarray(each, np.float64), -1, 0) for each in (one, other))
    G = 0.5 * (1 - _saturation((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2))
    C1, C2 = np.hypot((1 + G) * a1, b1), np.hypot((1 + G) * a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, (1 + G) * a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    grey = C1 * C2 == 0
    turn = np.where(grey, 0, (h2 - h1 + 180) % 360 - 180)
    mean_hue = np.where(grey, h1 + h2, (h1 + turn / 2) % 360)
    L, C = (L1 + L2) / 2, (C1 + C2) / 2
    S_L = 1 + 0.015 * (L - 50) ** 2 / np.sqrt(20 + (L - 50) ** 2)
    S_C, S_H = 1 + 0.045 * C, 1 + 0.015 * C * _hue_weight(mean_hue)
    R_T = -2 * _saturation(C) * np.sin(np.radians(60 * np.exp(-(((mean_hue - 275) / 25) ** 2))))
    lightness, chroma = (L2 - L1) / S_L, (C2 - C1) / S_C
    hue = 2 * np.sqrt(C1 * C2) * np.sin(np.radians(turn / 2)) / S_H
    return np.sqrt(lightness**2 + chroma**2 + hue**2 + R_T * chroma * hue)


def _saturation(chroma: Floats) -> Floats:
    """From 0 for grey to 1 for vivid colours."""
    return np.sqrt(chroma**7 / (chroma**7 + _CHROMA))


def _hue_weight(hue: Floats) -> Floats:
    """T of equation 15; ``hue`` in degrees."""
    size, times, phase = np.array([(-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.20, 4, -63)]).T
    return 1 + np.cos(np.radians(np.multiply.outer(hue, times) + phase)) @ size
