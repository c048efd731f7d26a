"""The files of a map: class raster, layers, companions and record, published together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from rasterio.windows import Window

from landcover_bdgf.geo import Grid, RasterProfile, open_raster, write_raster
from landcover_bdgf.labels import (
    EDGE_PX,
    LAYER_NODATA,
    LAYERS,
    NODATA,
    Legend,
    companion_paths,
    edge_share,
    layer_path,
    write_companions,
)
from landcover_bdgf.progress import log
from landcover_bdgf.storage import atomic_output, command_line, write_record

TOLD_SHARE = 0.05  # of the mapped pixels

Tiles = Iterable[tuple[Window, NDArray[Any]]]  # windows with their pixels, (1, h, w)


def write_map_files(
    output: Path, grid: Grid, legend: Legend, codes: Tiles, layers: Mapping[str, Tiles], *,
    record: Mapping[str, Any], overwrite: bool, begun: bool = False,
) -> None:  # fmt: skip
    """Write a map from tiles of its codes and of its layers.

    With ``begun``, an interrupted run may already have written all but the class raster.
    """
    log.info("writing %s", output)
    classes = RasterProfile(
        str(legend.dtype), nodata=NODATA, band_names=("land cover",), colormap=legend.colors, overviews="mode"
    )
    with atomic_output(output, overwrite=overwrite, begun=begun) as draft:
        write_raster(draft, grid, codes, profile=classes)
        for name, tiles in layers.items():
            percent = RasterProfile("uint8", nodata=LAYER_NODATA, band_names=(LAYERS[name],), overviews="average")
            write_raster(layer_path(draft, name), grid, tiles, profile=percent)
        write_companions(draft, legend)
        companions = [*companion_paths(draft), *(layer_path(draft, name) for name in layers)]
        written = {**record, "layers": list(layers), "command": command_line()}
        write_record(draft, written, beside=companions)
    _tell_edges(output)


def _tell_edges(output: Path) -> None:
    with open_raster(output) as dataset:
        share = edge_share(dataset)
    if share > TOLD_SHARE:
        log.info(
            "%.0f %% of the mapped pixels lie within %d px of the border or of a gap, where classes are less stable",
            100 * share, EDGE_PX,
        )  # fmt: skip
