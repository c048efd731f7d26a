"""Step: design. Draw a probability sample of the pixels of a map, to be labelled."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.geo import M2_PER_HA
from landcover_bdgf.labels import ClassRaster, companion_paths, open_classes
from landcover_bdgf.progress import log
from landcover_bdgf.storage import PathLike, check, content_sha256
from landcover_bdgf.survey.allocation import allocate, expected_accuracy, expected_se
from landcover_bdgf.survey.chips import chip_sheet
from landcover_bdgf.survey.points_file import About, Design, design_product, write_design
from landcover_bdgf.survey.settings import DesignSettings
from landcover_bdgf.survey.strata import Strata, draw_random, draw_systematic, strata_of
from landcover_bdgf.text import printable

Ints = NDArray[np.int64]


def design(
    map_path: PathLike, settings: DesignSettings, *, output: PathLike | None = None, overwrite: bool = False
) -> Design:
    """Draw points from a map for an assessment of its accuracy and of the areas of its classes.

    Each pixel with data has a known probability to be drawn, so that the labelled points support estimates with
    intervals for the whole map (:func:`~landcover_bdgf.survey.assessing.assess_design`).

    Parameters
    ----------
    map_path : path
        A class raster, of bdgf or another program.
    settings : DesignSettings
    output : path, optional
        GeoPackage for the points, with a QGIS style next to it.
    overwrite : bool
        Replace existing files.

    Raises
    ------
    RasterError, LabelError, SettingsError, OutputError
        If the map, the strata, the settings or the output cannot be used.
    """
    if output is not None:
        product = design_product(output, chips=settings.chips is not None)
        check(product, inputs=[map_path, *companion_paths(map_path)], overwrite=overwrite)
    with open_classes(map_path, settings.legend) as map_:
        found = _drawn(map_, settings)
        if output is not None:
            sheet = chip_sheet(found, settings.chips) if settings.chips else None
            write_design(found, output, sheet=sheet, overwrite=overwrite)
    return found


def _drawn(map_: ClassRaster, settings: DesignSettings) -> Design:
    if settings.sampling != "stratified":
        return _from_strata(map_, strata_of(map_, None, one=True), settings)
    if settings.strata is None:
        return _from_strata(map_, strata_of(map_, None), settings)
    with open_classes(settings.strata) as other:
        return _from_strata(map_, strata_of(map_, other), settings)


def _from_strata(map_: ClassRaster, strata: Strata, settings: DesignSettings) -> Design:
    counts = allocate(strata.pixels, strata.names, settings)
    if settings.sampling == "systematic":
        rows, cols, stratum, step = draw_systematic(strata, map_.grid.shape_hw, int(counts.sum()), settings.seed)
        log.info("a point every %.1f px, %d points", step, len(rows))
        counts = np.bincount(stratum, minlength=len(strata.names))
    else:
        rows, cols, stratum = draw_random(strata, counts, settings.seed)
    order = np.random.default_rng([settings.seed, 0]).permutation(len(rows))
    strata_kind = "none" if settings.sampling != "stratified" else "raster" if settings.strata else "classes"
    about = About(
        format=1,
        grid=map_.grid,
        legend=map_.legend,
        sampling=settings.sampling,
        strata=strata_kind,
        map=map_.path.name,
        map_sha256=content_sha256(map_.path),
        strata_file=Path(settings.strata).name if settings.strata else "",
        seed=settings.seed,
        settings=repr(settings),
        version=version("landcover-bdgf"),
    )
    sizes = (strata.values, strata.pixels, counts, strata.area_m2)
    return Design(about, strata.names, *sizes, rows[order], cols[order], stratum[order])


def design_lines(design: Design, settings: DesignSettings) -> list[str]:
    """The strata of a sample as a table, and the standard error to expect."""
    width = max(len("stratum"), *(len(printable(name)) for name in design.names))
    lines = [f"{'stratum':<{width}} {'pixels':>12} {'share':>7} {'points':>7}"]
    total = design.pixels.sum()
    for name, pixels, points in zip(design.names, design.pixels, design.points, strict=True):
        lines.append(f"{printable(name):<{width}} {pixels:>12} {100 * pixels / total:>6.1f}% {points:>7}")
    spread = np.sqrt((users := expected_accuracy(settings.expected, design.names)) * (1 - users))
    se = expected_se(design.points, design.pixels, spread)
    return [
        *lines,
        f"{len(design)} points; expected standard error of the overall accuracy {100 * se:.1f} %, "
        f"if user's accuracies are {settings.expected}",
    ]


def design_values(design: Design) -> dict[str, object]:
    """A sample as JSON types."""
    columns = zip(design.names, design.codes, design.pixels, design.points, design.area_m2, strict=True)
    return {
        "points": len(design),
        "sampling": design.about.sampling,
        "strata": [
            {
                "name": name,
                "code": int(code),
                "pixels": int(pixels),
                "points": int(points),
                "hectares": area_m2 / M2_PER_HA,
            }
            for name, code, pixels, points, area_m2 in columns
        ],
    }
