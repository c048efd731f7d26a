"""Settings for reading class rasters, and for drawing points to label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.settings import Setting, changed_settings, check

EACH = "proportional, equal or neyman"


@dataclass(frozen=True)
class ClassReading:
    """How the classes of a raster are found if bdgf did not write it."""

    legend: Annotated[
        str | None,
        Setting(
            "class names of MAP: a CSV with value,name,color, a QGIS style (.qml) or an .sld",
            default="those of its .aux.xml, .vat.dbf or .qml, else the codes",
            unit="file",
        ),
    ] = None

    __repr__ = changed_settings


@dataclass(frozen=True)
class DesignSettings(ClassReading):
    """Settings of :func:`~landcover_bdgf.survey.drawing.design`."""

    points: Annotated[int | None, Setting("number of points", least=1, default="by --target-se")] = None
    target_se: Annotated[
        float | None,
        Setting(
            "draw as many points as the overall accuracy needs for this standard error, as a share, e.g. 0.01",
            least=0.0001,
            most=0.5,
        ),
    ] = None
    sampling: Annotated[
        Literal["stratified", "simple", "systematic"],
        Setting("stratified: at random in each stratum; simple: at random in the map; systematic: on a square grid"),
    ] = "stratified"
    allocation: Annotated[str, Setting(f"points of the strata: {EACH}, or a CSV with columns class,n", unit="rule")] = (
        "proportional"
    )
    expected: Annotated[
        str,
        Setting("expected user's accuracy, for neyman and --target-se: a number, or a CSV with class,accuracy"),
    ] = "0.8"
    min_per_class: Annotated[int, Setting("at least this many points in each stratum", least=2)] = 30
    strata: Annotated[
        str | None, Setting("class raster on the grid of MAP that holds the strata", default="MAP", unit="file")
    ] = None
    chips: Annotated[
        str | None,
        Setting(
            "also write an HTML sheet with a picture of each point, from IMAGE or IMAGE:4,3,2 (bands)", unit="image"
        ),
    ] = None
    seed: Annotated[int, Setting("random seed", least=0)] = 0

    __repr__ = changed_settings

    def __post_init__(self) -> None:
        check(self)
        numbers = [self.points, self.target_se, self.allocation.endswith(".csv") or None]
        if sum(each is not None for each in numbers) != 1:
            raise SettingsError(
                None,
                "the number of points is missing or given twice",
                "Give one of `points`, `target_se` and a CSV as `allocation`.",
            )
        if self.sampling != "stratified" and (self.strata or self.allocation != "proportional"):
            raise SettingsError(
                f"`sampling={self.sampling}`",
                "has no strata",
                "Leave out `strata` and `allocation`, or use stratified.",
            )


@dataclass(frozen=True)
class WhereSettings:
    """Settings of :func:`~landcover_bdgf.survey.next_labels.where`."""

    number: Annotated[int, Setting("number of places", least=1)] = 40
    side_px: Annotated[
        int, Setting("side of a place; odd, so that it has a centre", unit="pixels", least=1, most=99)
    ] = 5

    __repr__ = changed_settings

    def __post_init__(self) -> None:
        check(self)
        if self.side_px % 2 == 0:
            raise SettingsError(f"`side_px={self.side_px}`", "is even", f"Use {self.side_px + 1}.")
