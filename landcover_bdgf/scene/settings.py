"""Settings of align."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.settings import Setting, changed_settings, check

NO_IMAGE = "none"  # in place of a SAR image
NO_MASK = "none"  # in place of a mask
Sensor = Literal["spectral", "sar"]
Missing = Literal["error", "spectral", "sar", "any"]  # which sensor may be the only one of a mapped pixel
Coreg = Literal["off", "grid", "auto"]


@dataclass(frozen=True)
class AlignSettings:
    """Settings of :func:`~landcover_bdgf.scene.align`.

    A shift is corrected only where several windows of the scene agree on it; it is always reported.
    """

    coreg: Annotated[
        Coreg,
        Setting("correct the estimated shift of the SAR: off, grid (by whole pixels) or auto (by parts of a pixel)"),
    ] = "off"
    max_shift_px: Annotated[float, Setting("largest shift to search for", unit="pixels", above=0)] = 8.0
    sar_unit: Annotated[
        Literal["db", "power"] | None, Setting("unit of the SAR values, if it is not recognised", default="recognised")
    ] = None
    sar_bands: Annotated[
        str | None,
        Setting(
            "SAR channels to use, e.g. VV,VH,elevation; those that are no polarisation are not converted",
            default="polarisations",
        ),
    ] = None
    extra: Annotated[
        tuple[str, ...],
        Setting(
            "more layers, e.g. dem.tif or tessera=embeddings.tif; scaled by themselves, and needed again by the model; "
            "repeatable",
            unit="[NAME=]FILE",
        ),
    ] = ()
    hsi_crs: Annotated[
        str | None, Setting("CRS of the spectral image, e.g. EPSG:32633, if the file has none or a wrong one")
    ] = None
    sar_crs: Annotated[str | None, Setting("CRS of the SAR image, if the file has none or a wrong one")] = None
    spectral_offset: Annotated[
        float | None,
        Setting(
            "add this to all spectral values; by default -1000 for Sentinel-2 products whose darkest pixels show the "
            "offset that they have since January 2022",
            default="recognised",
        ),
    ] = None
    gaps: Annotated[
        Literal["drop", "zero"],
        Setting("pixels without data in some spectral bands only: drop, or zero (0 there, as over water)"),
    ] = "drop"
    least_dates: Annotated[
        float,
        Setting(
            "images of several dates: share of the dates that must have data in a pixel, so that the others are filled "
            "in time; 1: none is filled",
            least=0,
            most=1,
        ),
    ] = 0.5
    keep_water_vapour: Annotated[bool, Setting("keep bands in the water-vapour absorption windows")] = False
    mask: Annotated[
        tuple[str, ...],
        Setting(
            "leave out pixels by a raster, e.g. scl.tif:3,8-10; without values, clouds and shadows of an SCL, else all "
            "but 0; none: not by the SCL of the product either; repeatable",
            unit="FILE[:VALUES]",
            default="SCL of the product",
        ),
    ] = ()
    aoi: Annotated[str | None, Setting("polygons of the area of interest: use only what lies in them")] = None
    force: Annotated[bool, Setting("accept pixel sizes that differ more than 50-fold")] = False
    warp_gcps: Annotated[
        bool, Setting("georeference images by their ground-control points, without terrain correction")
    ] = False
    allow_vrt: Annotated[bool, Setting("also read VRT files, which can refer to any other file or address")] = False

    __repr__ = changed_settings

    @property
    def wanted(self) -> tuple[str, ...]:
        """Names of the SAR channels to use; empty for the polarisations."""
        return tuple(name.strip() for name in (self.sar_bands or "").split(",") if name.strip())

    def __post_init__(self) -> None:
        check(self)
        for name, texts in (("mask", self.mask), ("extra", self.extra), ("aoi", (self.aoi,))):
            if any(text is not None and not text.strip() for text in texts):  # a variable of a script that is not set
                raise SettingsError(f"`{name}`", "is empty", "Name a file, or leave it out.")
