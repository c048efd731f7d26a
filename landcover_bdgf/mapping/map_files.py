"""The files of a map: class raster, layers, companions and record, published together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.geo import Grid, RasterProfile, open_raster, write_raster
from landcover_bdgf.labels import (
    EDGE_PX,
    NODATA,
    Legend,
    companion_paths,
    edge_share,
    layer_files,
    layer_profile,
    layer_style,
    write_companions,
    write_style,
)
from landcover_bdgf.mapping.patches import Sieve, Tiles
from landcover_bdgf.progress import log
from landcover_bdgf.storage import atomic_output, command_line, draft_folder, write_record

TOLD_SHARE = 0.05  # of the mapped pixels


@dataclass(frozen=True)
class MapContent:
    """What the files of a map hold.

    Attributes
    ----------
    grid : Grid
    legend : Legend
    codes : Tiles
        Of the class raster.
    layers : mapping of str to (str, Tiles)
        By name, with the data types of their pixels.
    record : mapping
        Provenance.
    sieve : Sieve, optional
        What is done to the codes; the layers are those of the unsieved map.
    values : tuple of int, optional
        Pixel values of the classes, if they are not the codes of the legend.
    nodata : int
        Pixel value without data.
    """

    grid: Grid
    legend: Legend
    codes: Tiles
    layers: Mapping[str, tuple[str, Tiles]]
    record: Mapping[str, Any]
    sieve: Sieve | None = None
    values: tuple[int, ...] | None = None
    nodata: int = NODATA

    @property
    def lookup(self) -> NDArray[Any]:
        """Pixel values by code."""
        values = self.values or self.legend.codes
        dtype = self.legend.dtype if self.values is None else np.min_scalar_type(max(self.nodata, *values))
        return np.array([self.nodata, *values], dtype)


def write_map_files(output: Path, content: MapContent, *, overwrite: bool, begun: bool = False) -> None:
    """Write a map.

    With ``begun``, an interrupted run may already have written all but the class raster.
    """
    log.info("writing %s", output)
    legend, found = content.legend, dict(content.record)
    with atomic_output(output, overwrite=overwrite, begun=begun) as draft:
        found |= _write_codes(draft, content)
        companions = list(companion_paths(draft))
        for name, (dtype, tiles) in content.layers.items():
            raster, style = layer_files(draft, name)
            write_raster(raster, content.grid, tiles, profile=layer_profile(name, legend, dtype))
            write_style(style, layer_style(name, legend))
            companions += [raster, style]
        write_companions(draft, legend, content.values)
        written = {**found, "layers": list(content.layers), "command": command_line()}
        write_record(draft, written, beside=companions)


def _write_codes(draft: Path, content: MapContent) -> dict[str, int]:
    """Write the class raster; returns what its record adds: the number of pixels that a sieve changed."""
    legend, grid, sieve, lookup = content.legend, content.grid, content.sieve, content.lookup
    colors = {int(lookup[code]): color for code, color in legend.colors.items()}
    profile = RasterProfile(
        str(lookup.dtype), nodata=content.nodata, band_names=("land cover",), colormap=colors, overviews="mode"
    )
    if sieve is None:
        write_raster(draft, grid, _valued(content.codes, lookup), profile=profile)
        return {}
    counts = Counter[str]()
    with draft_folder(draft) as folder:
        tiles = sieve.sieved(content.codes, grid, legend.dtype, folder=folder, counts=counts)
        write_raster(draft, grid, _valued(tiles, lookup), profile=profile)
    share = 100 * counts["changed"] / max(1, counts["mapped"])
    log.info("%.1f %% of the pixels lay in patches of less than %d px and got another class", share, sieve.least_px)
    return {"sieved_px": counts["changed"]}


def _valued(tiles: Tiles, lookup: NDArray[Any]) -> Tiles:
    """Tiles of codes as tiles of pixel values."""
    return ((window, lookup[codes]) for window, codes in tiles)


def tell_edges(output: Path) -> None:
    """Say how much of a map lies where networks saw less than elsewhere."""
    with open_raster(output) as dataset:
        share = edge_share(dataset)
    if share > TOLD_SHARE:
        log.info(
            "%.0f %% of the mapped pixels lie within %d px of the border or of a gap, where classes are less stable",
            100 * share, EDGE_PX,
        )  # fmt: skip
