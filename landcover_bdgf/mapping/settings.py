"""Settings of a map."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Self

from landcover_bdgf.errors import SettingsError
from landcover_bdgf.labels import ClassSettings
from landcover_bdgf.scene import Missing
from landcover_bdgf.settings import Setting, changed_settings, check

_SHARD = re.compile(r"([1-9]\d{0,5})/([1-9]\d{0,5})")


_PATCHES = "give smaller patches of a class that of their largest neighbour, as gdal_sieve does; e.g. 0.5ha or 20px"
Keep = Annotated[
    tuple[str, ...],
    Setting("classes whose patches stay, however small, with --min-area; repeatable", unit="class,class"),
]
Connectivity = Annotated[
    Literal["4", "8"], Setting("whether pixels of a patch touch at their sides (4), or also at corners (8)")
]


@dataclass(frozen=True)
class SieveSettings:
    """Settings of :func:`~landcover_bdgf.mapping.sieve`."""

    min_area: Annotated[str, Setting(_PATCHES, unit="AREA")]
    keep: Keep = ()
    connectivity: Connectivity = "4"

    __repr__ = changed_settings

    def __post_init__(self) -> None:
        check(self)

    def to_dict(self) -> dict[str, Any]:
        """For the record of a map."""
        return {"min_area": self.min_area, "keep": list(self.keep), "connectivity": int(self.connectivity)}


@dataclass(frozen=True)
class PolygonSettings:
    """Settings of :func:`~landcover_bdgf.mapping.polygons`."""

    simplify: Annotated[
        float | None,
        Setting(
            "simplify borders between polygons by this tolerance in units of the CRS; the border of the map stays",
            above=0,
            unit="tolerance",
            default="none",
        ),
    ] = None

    __repr__ = changed_settings

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class MapSettings(PolygonSettings, ClassSettings):
    """Settings of :func:`~landcover_bdgf.mapping.map_scene`.

    Only the areas of patches, ``merge``, ``missing`` and masks change the classes of pixels.
    """

    min_area: Annotated[str | None, Setting(_PATCHES, unit="AREA", default="none")] = None
    keep: Keep = ()
    connectivity: Connectivity = "4"
    tile_px: Annotated[int, Setting("side of the tiles that are read at once", unit="pixels")] = 512
    confidence: Annotated[
        bool,
        Setting(
            "also write OUTPUT_confidence.tif, the probability of the class in percent; that of chance at most where "
            "a pixel is unlike the training data"
        ),
    ] = False
    novelty: Annotated[
        bool,
        Setting("also write OUTPUT_novelty.tif, a novelty p-value in percent (low = outside the training data)"),
    ] = False
    probabilities: Annotated[
        bool, Setting("also write OUTPUT_probabilities.tif, the probability of each class, one band a class")
    ] = False
    probability_type: Annotated[
        Literal["uint8", "uint16"],
        Setting("of the probabilities: uint8 for percent, uint16 for hundredths of a percent"),
    ] = "uint8"
    sets: Annotated[
        float | None,
        Setting(
            "also write OUTPUT_sets.tif, prediction sets: classes that together contain the true one with this "
            "probability, e.g. 0.9",
            least=0.5,
            most=0.99,
            default="none",
        ),
    ] = None
    entropy: Annotated[
        bool, Setting("also write OUTPUT_entropy.tif, how undecided the model is, in percent of the maximum")
    ] = False
    polygons: Annotated[
        str | None,
        Setting(
            "also write the map as polygons with names and areas; of a table, SCENE_FILE.gpkg for each",
            unit="FILE.gpkg",
            default="none",
        ),
    ] = None
    stac: Annotated[
        str | None,
        Setting(
            "also write OUTPUT.stac.json, a STAC item; the value is the date of the images, e.g. 2020-06-04, or two "
            "joined by / (needs pystac)",
            unit="DATE",
            default="none",
        ),
    ] = None
    missing: Annotated[
        Missing,
        Setting(
            "also map pixels without one of the sensors, by networks of the other alone: spectral (where only the "
            "spectral image has data), sar (where only the SAR has, as under clouds that are masked) or any; writes "
            "OUTPUT_condition.tif, which tells them apart; error leaves them 0"
        ),
    ] = "error"
    map_masked: Annotated[
        bool, Setting("also classify masked pixels (clouds), as if they were not masked; by default they are 0")
    ] = False
    force: Annotated[
        bool,
        Setting(
            "map a scene although most of its pixels are unlike the training data; accept very different pixel sizes"
        ),
    ] = False
    max_ram: Annotated[
        str | None, Setting("memory limit, e.g. 4GB; tiles and threads are chosen to stay below it", default="none")
    ] = None
    shard: Annotated[
        str,
        Setting(
            "map only part I of N, e.g. 2/4, to be joined with bdgf mosaic; of a table, every N-th scene from the I-th",
            unit="I/N",
        ),
    ] = "1/1"

    __repr__ = changed_settings

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_area is None and (self.keep or self.connectivity != "4"):
            name = "keep" if self.keep else "connectivity"
            raise SettingsError(f"`{name}`", "applies only with `min_area`", "Remove it, or add `min_area`.")
        whole = {"min_area": ", then use bdgf sieve", "polygons": ", then use bdgf polygons", "stac": ""}
        for name, command in whole.items():
            if getattr(self, name) and self.shard_of[1] > 1:
                remedy = f"Join the parts with bdgf mosaic{command}."
                raise SettingsError(f"`{name}`", "needs the whole map, and this is a part", remedy)
        if self.simplify and not self.polygons:
            raise SettingsError("`simplify`", "applies only with `polygons`", "Remove it, or add `polygons`.")

    @property
    def sieve(self) -> SieveSettings | None:
        """How small patches are replaced, if they are."""
        return None if self.min_area is None else SieveSettings(self.min_area, self.keep, self.connectivity)

    @property
    def condition(self) -> bool:
        """Whether a layer tells which sensors each pixel was mapped by."""
        return self.missing != "error"

    def without_sar(self) -> Self:
        """Settings for a scene without a SAR image, which the spectral image alone maps."""
        return replace(self, missing="spectral") if self.missing == "error" else self

    @property
    def layers(self) -> dict[str, str]:
        """The layers to write, and the data types of their pixels."""
        from landcover_bdgf.labels import LAYERS

        types = {"probabilities": self.probability_type}
        return {name: types.get(name, "uint8") for name in LAYERS if getattr(self, name)}

    def layer_bytes(self, classes: int) -> int:
        """Bytes of a pixel in all layers of a map of so many classes."""
        from landcover_bdgf.labels import LAYERS

        bands = {name: bool(LAYERS[name].band) + classes * LAYERS[name].by_class for name in self.layers}
        return sum(bands[name] * (2 if dtype == "uint16" else 1) for name, dtype in self.layers.items())

    @property
    def shard_of(self) -> tuple[int, int]:
        """Number of the shard, from 1, and number of shards; SettingsError if invalid."""
        match = _SHARD.fullmatch(self.shard)
        number, count = map(int, match.groups()) if match else (0, 0)
        if not 1 <= number <= count:
            raise SettingsError(
                f"`shard={self.shard}`", "is not a part of a map", "Write it like 2/4, the second of four."
            )
        return number, count


@dataclass(frozen=True)
class DaskSettings:
    """The machines that compute a map."""

    dask: Annotated[
        str | None,
        Setting(
            "let workers of dask compute the map: local:N starts N on this machine, tcp://HOST:8786 is a scheduler; "
            "--threads is then that of each worker (needs distributed)",
            unit="ADDRESS",
            default="none",
        ),
    ] = None

    __repr__ = changed_settings


@dataclass(frozen=True)
class MosaicSettings:
    """Settings of :func:`~landcover_bdgf.mapping.mosaic` for finished maps."""

    overlap: Annotated[
        Literal["first", "confidence", "novelty"],
        Setting(
            "whose class a pixel gets where maps overlap: that of the first map with data, or of the one whose "
            "_confidence.tif or _novelty.tif is highest there"
        ),
    ] = "first"
    crs: Annotated[str | None, Setting("CRS of the mosaic, e.g. EPSG:32633", default="that of most maps")] = None
    resolution: Annotated[
        float | None, Setting("its pixel size in units of the CRS", above=0, default="that of the first such map")
    ] = None

    __repr__ = changed_settings

    def __post_init__(self) -> None:
        check(self)
