"""Step: where. Places of a map at which labels would help a next training most.

A place helps if the model is undecided there, or if the place is unlike the training data:

- margin: probability of the best class minus that of the second (margin sampling: Scheffer, Decomain and Wrobel 2001,
  doi:10.1007/3-540-44816-0_31; Tuia et al. 2011, doi:10.1109/JSTSP.2011.2139193, for images of the ground)
- novelty: the p-value of ``MAP_novelty.tif``, if the map has it

Both are averaged over the pixels of a place, so that a single odd pixel does not make one. The map is read strip by
strip; of each square cell only the most useful place is kept. Of these, places are chosen one by one, the most useful
first, each less useful the nearer it is to one already chosen: neighbours would teach the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window
from scipy import ndimage

from landcover_bdgf.assessment import training_pixels
from landcover_bdgf.errors import RasterError
from landcover_bdgf.geo import grid_of, open_raster
from landcover_bdgf.labels import STRIP_ROWS, ClassRaster, companion_paths, layer_path, open_classes
from landcover_bdgf.progress import log, track
from landcover_bdgf.storage import PathLike, check, read_record
from landcover_bdgf.survey.places_file import Places, as_frame, places_product, unlikeness, write_places
from landcover_bdgf.survey.settings import WhereSettings
from landcover_bdgf.text import printable

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

CELLS = 4  # cells for each place that is wanted, to choose from

Floats = NDArray[np.float32]


def where(
    map_path: PathLike, probabilities: PathLike | None = None, settings: WhereSettings | None = None, *,
    polygons: bool = True, output: PathLike | None = None, overwrite: bool = False,
) -> GeoDataFrame:  # fmt: skip
    """Find places to label next, the most useful first.

    Places have no data missing and no training pixel of the map in them, and do not overlap.

    Parameters
    ----------
    map_path : path
        A map; its novelty layer is used if it is there.
    probabilities : path, optional
        By default ``MAP_probabilities.tif``. Raster with a band for each class, in the order of the legend, on the grid
        of the map; uint8 in percent, or another type with its scale in the file (uint16, 0.01). The bands are named
        like the classes.
    settings : WhereSettings, optional
    polygons : bool
        Polygons of the pixels of one class around each place, else points.
    output : path, optional
        GeoPackage for the places, with a QGIS style next to it.
    overwrite : bool
        Replace existing files.

    Returns
    -------
    geopandas.GeoDataFrame
        ``id`` from 1, the most useful first; ``class``, empty, to fill in; ``reason``; ``map_class`` and
        ``second_class``, the most probable other class; ``margin`` and ``novelty`` in percent, the latter NaN for a map
        without novelty layer.

    Raises
    ------
    RasterError, LabelError, OutputError
        The map or the probabilities cannot be used, or the output cannot be written.
    """
    settings = settings or WhereSettings()
    shares = probabilities or layer_path(Path(map_path), "probabilities")
    if probabilities is None and not Path(shares).is_file():
        raise RasterError(shares, "does not exist", "Map again with `probabilities`, or name the file.")
    if output is not None:
        read = [map_path, *companion_paths(map_path), shares]
        check(places_product(output), inputs=read, overwrite=overwrite)
    with ExitStack() as opened:
        map_ = opened.enter_context(open_classes(map_path))
        layers = _Layers.of(map_, shares, opened, settings.side_px)
        if "sieved_px" in read_record(map_.path):
            log.info("%s: was sieved, so map_class may be another class than the most probable one", map_.path)
        places = _chosen(_candidates(layers, settings), settings, map_.grid.shape_hw)
        if len(places) < settings.number:
            log.warning(
                "%s: only %d of %d places fit; use a smaller `side_px`", map_.path, len(places), settings.number
            )
        frame = as_frame(places, map_, side_px=settings.side_px, polygons=polygons)
        if output is not None:
            write_places(frame, map_.legend, output, overwrite=overwrite)
    return frame


@dataclass(frozen=True)
class _Layers:
    """The open rasters of a map."""

    map_: ClassRaster
    probabilities: DatasetReader
    novelty: DatasetReader | None
    trained: NDArray[np.int64]  # rows and columns (n, 2) of the training pixels, by row
    side_px: int

    @classmethod
    def of(cls, map_: ClassRaster, probabilities: PathLike, opened: ExitStack, side_px: int) -> _Layers:
        """The layers of a map; RasterError if they do not belong to it."""
        shares = opened.enter_context(open_raster(probabilities))
        _check_bands(shares, map_)
        map_.check_grid(grid_of(shares), f"the probabilities {probabilities}")
        novelty, path = None, layer_path(map_.path, "novelty")
        if path.is_file():
            novelty = opened.enter_context(open_raster(path))
            map_.check_grid(grid_of(novelty), f"its novelty layer {path}")
        found = training_pixels(read_record(map_.path), map_.grid)
        trained = np.zeros((0, 2), np.int64) if found is None else np.round(found.positions).astype(np.int64)
        trained = trained[((trained >= 0) & (trained < map_.grid.shape_hw)).all(axis=1)]
        return cls(map_, shares, novelty, trained[np.argsort(trained[:, 0], kind="stable")], side_px)

    def read(self, window: Window) -> Places:
        """All pixels of a window of whole rows as centres of places, (h, w); their use is 0 where there can be none."""
        halo, height = self.side_px // 2, self.map_.grid.shape_hw[0]
        top, bottom = max(0, window.row_off - halo), min(height, window.row_off + window.height + halo)
        tall = Window(0, top, window.width, bottom - top)
        valid, margin, best, second = _margins(self.probabilities, tall)
        free = valid & (self.map_.read(tall) > 0) & ~self._trained(tall)
        whole = ndimage.minimum_filter(free, self.side_px, mode="constant", cval=False)
        margin, novelty = (_mean(each, self.side_px) for each in (margin, self._novelty(tall)))
        use = np.where(whole, np.maximum(1 - margin, unlikeness(novelty)), 0).astype(np.float32)
        pixels = np.indices(use.shape, np.int32)
        inner = slice(window.row_off - top, window.row_off - top + window.height)
        return Places(pixels[0] + np.int32(top), pixels[1], use, margin, novelty, best, second).where(inner)

    def _novelty(self, window: Window) -> Floats:
        """P-values from 0 to 1, NaN where there are none."""
        if self.novelty is None:
            return np.full((window.height, window.width), np.nan, np.float32)
        percent = self.novelty.read(1, window=window)
        return np.where(percent == self.novelty.nodata, np.nan, percent / 100).astype(np.float32)

    def _trained(self, window: Window) -> NDArray[np.bool_]:
        """Where training pixels are in a window of whole rows."""
        first, last = np.searchsorted(self.trained[:, 0], (window.row_off, window.row_off + window.height))
        mask = np.zeros((window.height, window.width), bool)
        rows, cols = self.trained[first:last].T
        mask[rows - window.row_off, cols] = True
        return mask


def _check_bands(shares: DatasetReader, map_: ClassRaster) -> None:
    """RasterError unless the bands of the probabilities are the classes of the map, in their order."""
    expected = tuple(map(printable, map_.legend.names))
    found = tuple(printable(name or "(no name)") for name in shares.descriptions)
    if found != expected:
        problem = f"has the bands {', '.join(found[:8])}, but the classes of {map_.path} are {', '.join(expected[:8])}"
        raise RasterError(shares.name, problem, "Map again with `probabilities` and use both files of that run.")


def _margins(shares: DatasetReader, window: Window) -> tuple[NDArray[Any], Floats, NDArray[Any], NDArray[Any]]:
    """Where there are probabilities, their margin 0 to 1, and the indices of the best and second class, (h, w)."""
    stored = shares.read(window=window)
    valid = np.ones(stored.shape[1:], bool) if shares.nodata is None else (stored != shares.nodata).all(axis=0)
    scale = np.float32(shares.scales[0] / 100)
    if len(stored) == 1:
        nothing = np.zeros(valid.shape, np.uint16)
        return valid, np.ones(valid.shape, np.float32), nothing, nothing
    best = stored.argmax(axis=0)
    highest = np.take_along_axis(stored, best[None], axis=0)[0].astype(np.float32)
    np.put_along_axis(stored, best[None], 0, axis=0)
    second = stored.argmax(axis=0)
    second = np.where(second == best, (best + 1) % len(stored), second)  # all others are 0
    lower = np.take_along_axis(stored, second[None], axis=0)[0].astype(np.float32)
    return valid, (highest - lower) * scale, best.astype(np.uint16), second.astype(np.uint16)


def _mean(values: Floats, side_px: int) -> Floats:
    """Mean over squares; NaN counts as 1."""
    if np.isnan(values).all():
        return values
    return ndimage.uniform_filter(np.nan_to_num(values, nan=1.0), side_px, mode="nearest")


def _candidates(layers: _Layers, settings: WhereSettings) -> Places:
    """The most useful place of each cell of a grid."""
    height, width = layers.map_.grid.shape_hw
    cell_px = max(settings.side_px, int(np.sqrt(height * width / (CELLS * settings.number))))
    windows = list(_bands_of_cells(height, width, cell_px))
    found: dict[tuple[int, int], Places] = {}
    for window in track(windows, "looking for places", len(windows)):
        places = layers.read(window)
        for place in _best_of_cells(places, cell_px):
            cell = place.rows[0] // cell_px, place.cols[0] // cell_px
            if cell not in found or place.use[0] > found[cell].use[0]:
                found[cell] = place
    if not found:
        problem = "has no place without training pixels in it" if len(layers.trained) else "has no data"
        raise RasterError(layers.map_.path, problem, "Use smaller places (`side_px`), or another map.")
    return Places.joined(list(found.values()))


def _best_of_cells(places: Places, cell_px: int) -> Iterator[Places]:
    """The most useful place in each cell of a row of cells, if there is one."""
    height, width = places.use.shape
    cells = -(-width // cell_px)
    padded = np.zeros((height, cells * cell_px), np.float32)
    padded[:, :width] = places.use
    of_cells = padded.reshape(height, cells, cell_px).transpose(1, 0, 2).reshape(cells, -1)
    for cell, at in enumerate(of_cells.argmax(axis=1)):
        if of_cells[cell, at] > 0:
            row, col = divmod(int(at), cell_px)
            yield places.where((slice(row, row + 1), cell * cell_px + col))


def _bands_of_cells(height: int, width: int, cell_px: int) -> Iterator[Window]:
    """Windows of whole rows, none of which crosses a border of cells."""
    for row in range(0, height, cell_px):
        for first in range(row, min(row + cell_px, height), STRIP_ROWS):
            yield Window(0, first, width, min(STRIP_ROWS, row + cell_px - first, height - first))


def _chosen(places: Places, settings: WhereSettings, shape_hw: tuple[int, int]) -> Places:
    """The places to label: useful, and far from one another."""
    spacing = np.sqrt(shape_hw[0] * shape_hw[1] / settings.number)
    value = places.use.astype(np.float64)
    picked: list[int] = []
    nearest = np.full(len(places), np.inf)
    while len(picked) < settings.number:
        now = value * np.minimum(1, nearest / spacing)
        if not now.max(initial=0) > 0:
            break
        at = int(now.argmax())
        picked.append(at)
        away = np.stack([places.rows - places.rows[at], places.cols - places.cols[at]])
        nearest = np.minimum(nearest, np.hypot(*away))
        value = np.where(np.abs(away).max(axis=0) < settings.side_px, 0, value)  # would overlap
    return places.where(np.array(picked, np.intp))
