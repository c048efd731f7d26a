"""The layers of a map besides its classes: what their bands hold, how they are stored and shown in QGIS.

All but codes are percentages, numbers of classes, or 0 and 1, and the largest value of the data type is no data; of
codes, 0 is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from landcover_bdgf.geo import RasterProfile
from landcover_bdgf.labels.colors import Color
from landcover_bdgf.labels.legend import Legend
from landcover_bdgf.labels.symbology import palette_style
from landcover_bdgf.scene import ALONE, BOTH
from landcover_bdgf.text import printable

LAYER_NODATA: Final = 255  # of layers in uint8
HUNDREDTHS: Final = "uint16"  # a data type of the probabilities: hundredths of a percent, 65535 is no data


@dataclass(frozen=True)
class Layer:
    """One kind of layer.

    Attributes
    ----------
    band : str
        Name of the first band; empty if each class has a band of its own.
    ramp : tuple of (float, str, str)
        Upper limits in the units of uint8, colours and plain names, from the lowest.
    by_class : bool
        Whether each class has a band.
    codes : bool
        Whether its values are codes from 1, those of the ramp.
    """

    band: str
    ramp: tuple[tuple[float, str, str], ...]
    by_class: bool = False
    codes: bool = False

    @property
    def colors(self) -> dict[int, Color]:
        """Colours by code; empty for a layer without codes."""
        return {} if not self.codes else {int(code): (*bytes.fromhex(color[1:]),) for code, color, _ in self.ramp}

    def bands(self, legend: Legend) -> tuple[str, ...]:
        """Names of the bands for the classes of a map."""
        names = map(printable, legend.names) if self.by_class else ()
        return (*filter(None, [self.band]), *names)


# Five steps of viridis, which colour-blind readers can order, dark for what deserves a look.
_LOW, _POOR, _FAIR, _GOOD, _BEST = "#440154", "#3b528b", "#21918c", "#5ec962", "#fde725"

# By the end of their file names, in the order in which they are written.
LAYERS: Mapping[str, Layer] = {
    "confidence": Layer(
        "probability of the class in percent",
        (
            (50, _LOW, "up to 50 %: any class may be right"), (70, _POOR, "51 to 70 %: doubtful"),
            (80, _FAIR, "71 to 80 %"), (90, _GOOD, "81 to 90 %"), (100, _BEST, "above 90 %: confident"),
        ),
    ),
    "novelty": Layer(
        "novelty p-value in percent; low is outside the training data",
        (
            (0, _LOW, "0 %: unlike all training data"), (4, _POOR, "1 to 4 %: unusual"),
            (19, _GOOD, "5 to 19 %"), (100, _BEST, "20 % or more: like the training data"),
        ),
    ),
    "probabilities": Layer(
        "",
        (
            (1, _LOW, "up to 1 %"), (20, _POOR, "2 to 20 %"), (50, _FAIR, "21 to 50 %"), (80, _GOOD, "51 to 80 %"),
            (100, _BEST, "above 80 %"),
        ),
        by_class=True,
    ),
    "sets": Layer(
        "number of classes in the prediction set",
        (
            (0, _LOW, "no class fits"), (1, _BEST, "one class"), (2, _GOOD, "two classes"), (3, _FAIR, "three classes"),
            (254, _POOR, "four or more classes"),
        ),
        by_class=True,
    ),
    "entropy": Layer(
        "entropy of the class probabilities in percent of its maximum",
        (
            (20, _BEST, "up to 20 %: one class stands out"), (40, _GOOD, "21 to 40 %"), (60, _FAIR, "41 to 60 %"),
            (80, _POOR, "61 to 80 %"), (100, _LOW, "above 80 %: classes are nearly equal"),
        ),
    ),
    "condition": Layer(
        "sensors that the pixel was mapped by",
        (
            (BOTH, _BEST, "both sensors"), (ALONE["spectral"], _FAIR, "the spectral image alone"),
            (ALONE["sar"], _LOW, "the SAR image alone"),
        ),
        codes=True,
    ),
}  # fmt: skip


def layer_path(output: Path, layer: str) -> Path:
    """``landcover.tif``, ``confidence`` -> ``landcover_confidence.tif``."""
    return output.parent / f"{output.stem}_{layer}{output.suffix}"


def layer_files(output: Path, layer: str) -> tuple[Path, Path]:
    """The raster of a layer and its QGIS style."""
    path = layer_path(output, layer)
    return path, path.with_suffix(".qml")


def layer_nodata(name: str, dtype: str) -> int:
    """The value of a layer that means no data."""
    return 0 if LAYERS[name].codes else int(np.iinfo(dtype).max)


def layer_scale(dtype: str) -> int:
    """Steps of a percent: 1, or 100 for hundredths."""
    return 100 if dtype == HUNDREDTHS else 1


def layer_profile(name: str, legend: Legend, dtype: str) -> RasterProfile:
    """How the raster of a layer is written."""
    bands = LAYERS[name].bands(legend)
    return RasterProfile(
        dtype, len(bands), nodata=layer_nodata(name, dtype), band_names=bands, scale=1 / layer_scale(dtype),
        overviews="mode" if name in ("sets", "condition") else "average", colormap=LAYERS[name].colors or None,
    )  # fmt: skip


def layer_style(name: str, legend: Legend) -> Element:
    """A QGIS style of a layer: fixed steps or codes with plain names, for its first band."""
    if LAYERS[name].codes:
        return palette_style((int(code), color, label) for code, color, label in LAYERS[name].ramp)
    root = Element("qgis", version="3.22", styleCategories="Symbology")
    renderer = SubElement(
        SubElement(root, "pipe"), "rasterrenderer", type="singlebandpseudocolor", band="1", opacity="1",
        alphaBand="-1", nodataColor="", classificationMin="0", classificationMax="100",
    )  # fmt: skip
    shader = SubElement(
        SubElement(renderer, "rastershader"), "colorrampshader", colorRampType="DISCRETE", classificationMode="1",
        clip="0", minimumValue="0", maximumValue="100", labelPrecision="0",
    )  # fmt: skip
    prefix = f"{printable(legend.names[0])}: " if name == "probabilities" else ""
    for limit, color, label in LAYERS[name].ramp:
        SubElement(shader, "item", value=f"{limit:g}", color=color, label=f"{prefix}{label}", alpha="255")
    return root
