"""The area of interest: polygons to which the work on a scene is limited."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.features import rasterize
from rasterio.windows import Window

from landcover_bdgf.errors import LabelError
from landcover_bdgf.geo import WGS84, Grid, read_features, to_pixels, transformer
from landcover_bdgf.progress import log
from landcover_bdgf.scene.open_files import State, check_states, state_of
from landcover_bdgf.scene.pair_checks import box_text
from landcover_bdgf.scene.pixel_set import Bools, PixelSet

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

# Side of the blocks in which maps are computed, counted from the first pixel of the image. The crop consists of whole
# blocks, so that the networks get the same arrays as in a map of the whole image, on any device. At smaller steps the
# classes are the same up to rounding, as sums are grouped by the position in the array: on a CPU, steps of 2 to 16
# changed one novelty value in a thousand, steps of 32 and 64 none.
LATTICE_PX = 128
_SHAPEFILE = (".shp", ".shx", ".dbf", ".prj", ".cpg")


@dataclass(frozen=True, eq=False)
class Area:
    """The part of an image that is of interest, made by :func:`read_area`.

    Attributes
    ----------
    path : Path
    image : Grid
        The whole image.
    grid : Grid
        The crop: the bounding box of the polygons, outward to whole blocks of the lattice.
    origin_rc : (int, int)
        Row and column of the first pixel of the crop in the image.
    inside : PixelSet
        The pixels of the crop whose centres lie in the polygons.
    pixels : int
        Their number.
    """

    path: Path
    image: Grid
    grid: Grid
    origin_rc: tuple[int, int]
    inside: PixelSet
    pixels: int
    states: Mapping[Path, State]

    def in_image(self, window: Window) -> Window:
        """A window of the crop as one of the image."""
        row, col = self.origin_rc
        return Window(window.col_off + col, window.row_off + row, window.width, window.height)

    def read_image(self, window: Window) -> Bools:
        """Which pixels of a window of the image are in the area."""
        row, col = self.origin_rc
        return self.inside.read(Window(window.col_off - col, window.row_off - row, window.width, window.height))

    def check_unchanged(self) -> None:
        """RasterError if the file was modified since it was read."""
        check_states(self.states)

    def describe(self) -> str:
        """File, number of pixels and share of the image."""
        share = self.pixels / math.prod(self.image.shape_hw)
        return f"{self.path}: {self.pixels} px, {100 * share:.3g} % of the image"

    def to_dict(self) -> dict[str, Any]:
        """For the record of a map."""
        return {"file": self.path.name, "pixels": self.pixels, "share": self.pixels / math.prod(self.image.shape_hw)}


def read_area(path: str, image: Grid) -> Area:
    """Read the polygons of a vector file, and find the pixels whose centres they contain.

    Coordinates are converted to the CRS of the image vertex by vertex, as those of labels are.

    Raises
    ------
    LabelError
        If the file cannot be read, holds points or lines, or no pixel of the image.
    """
    states = {file: state_of(file) for file in _files(Path(path))}
    features = _features(path)
    polygons = _in_pixels(path, features, image)
    left, top, right, bottom = _box(polygons, image)
    if top >= bottom or left >= right:
        raise _apart(path, features, image)
    crop = Window(left, top, right - left, bottom - top)
    moved = shapely.transform(polygons, lambda xy: xy - (left, top))
    burnt = rasterize(list(moved), out_shape=(crop.height, crop.width), fill=0, default_value=1, dtype="uint8")
    pixels = int(burnt.sum(dtype=np.int64))
    if not pixels:
        problem = "its polygons are so small or thin that they hold no centre of a pixel"
        raise LabelError(path, problem, "Draw a larger area.")
    area = Area(
        Path(path), image, image.window_grid(crop), (top, left), PixelSet.of(burnt.astype(bool)), pixels, states
    )
    log.info("area of interest: %s", area.describe())
    return area


def _files(path: Path) -> list[Path]:
    """A vector file and those that belong to it."""
    if path.is_dir():
        return sorted(path.iterdir())
    if path.suffix.lower() not in _SHAPEFILE:
        return [path]
    return [path, *(file for file in map(path.with_suffix, _SHAPEFILE) if file.exists() and file != path)]


def _features(path: str) -> GeoDataFrame:
    """The features of a file; LabelError unless they are polygons."""
    try:
        features = read_features(path, fields=[])
    except LabelError as error:
        if "`layer`" not in error.remedy:  # a setting of labels
            raise
        raise LabelError(error.path, error.problem, "Save the polygons of the area as a file of their own.") from error
    shapes = features.geometry.to_numpy()
    features = features[~(shapely.is_missing(shapes) | shapely.is_empty(shapes))]
    if not len(features):
        raise LabelError(path, "has no polygons", "Draw the area of interest first, or check the file.")
    kinds = set(shapely.get_type_id(features.geometry.to_numpy()).tolist())
    if not kinds <= {3, 6}:
        what = "points" if kinds & {0, 4} else "lines" if kinds & {1, 2, 5} else "mixed geometries"
        raise LabelError(path, f"holds {what}, but an area of interest is made of polygons", "Draw or buffer them.")
    return features


def _in_pixels(path: str, features: GeoDataFrame, image: Grid) -> NDArray[np.object_]:
    """Valid polygons in pixels of the image: x is the column, y the row, (0, 0) the corner of the first pixel."""
    polygons = features.geometry.to_numpy().copy()
    to_pixels(path, polygons, features.crs.to_wkt(), image)
    if not np.isfinite(shapely.get_coordinates(polygons)).all():
        problem = "reaches beyond the places that can be converted to the CRS of the image"
        raise LabelError(path, problem, "Clip it to the surroundings of the image, and check its CRS.")
    invalid = ~shapely.is_valid(polygons)
    polygons[invalid] = shapely.make_valid(polygons[invalid], method="structure")
    return np.asarray(polygons[~shapely.is_empty(polygons)])


def _box(polygons: NDArray[np.object_], image: Grid) -> tuple[int, int, int, int]:
    """First and last + 1 column and row of the blocks that the polygons touch: left, top, right, bottom."""
    if not len(polygons):
        return 0, 0, 0, 0
    height, width = image.shape_hw
    left, top, right, bottom = shapely.total_bounds(polygons).clip(0, (width, height, width, height))
    first = [math.floor(edge / LATTICE_PX) * LATTICE_PX for edge in (left, top)]
    last = [math.ceil(edge / LATTICE_PX) * LATTICE_PX for edge in (right, bottom)]
    if left >= right or top >= bottom:
        return 0, 0, 0, 0
    return first[0], first[1], min(last[0], width), min(last[1], height)


def _apart(path: str, features: GeoDataFrame, image: Grid) -> LabelError:
    to_wgs84 = transformer(CRS.from_wkt(features.crs.to_wkt()), WGS84)
    theirs = box_text(to_wgs84.transform_bounds(*features.total_bounds))
    ours = box_text(image.bounds_in(WGS84))
    problem = f"does not overlap the image: the area covers {theirs}, the image {ours} (WGS84)"
    return LabelError(path, problem, "Check the CRS of both.")
