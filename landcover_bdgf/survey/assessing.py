"""Step: assess with a design. Accuracy of a map and areas of its classes, from points of a probability sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from landcover_bdgf.errors import LabelError
from landcover_bdgf.geo import M2_PER_HA, PixelAreas
from landcover_bdgf.labels import ClassRaster, Color, Legend, class_sizes, codes_of, open_classes
from landcover_bdgf.progress import log
from landcover_bdgf.storage import PathLike, check, content_sha256
from landcover_bdgf.survey.estimators import Sample, error_matrix
from landcover_bdgf.survey.points_file import REFERENCE, Design, read_design
from landcover_bdgf.survey.survey_accuracy import ClassEstimates, SurveyAccuracy
from landcover_bdgf.survey.survey_report import survey_product, write_survey_report
from landcover_bdgf.text import listed, percent, printable

_OTHER: Color = (136, 136, 136)  # classes that only the reference has


def assess_design(
    map_path: PathLike,
    points: PathLike | Design,
    *,
    field: str | None = None,
    legend: PathLike | None = None,
    output: PathLike | None = None,
    overwrite: bool = False,
) -> SurveyAccuracy:
    """Estimate the accuracy of a map and the areas of its classes from labelled points of a probability sample.

    Parameters
    ----------
    map_path : path
        A class raster on the grid of the sample; its classes need not be the strata (estimators.py).
    points : path or Design
        Points of :func:`~landcover_bdgf.survey.drawing.design`, labelled.
    field : str, optional
        The field with the labels, by default ``reference``: names of the map's classes, their values, or other classes.
    legend : path, optional
        Class names of the map, see :func:`~landcover_bdgf.labels.open_classes`.
    output : path, optional
        Folder for ``report.html``, ``accuracy.json``, ``accuracy.csv`` and ``confusion.csv``.
    overwrite : bool
        Replace an existing report.

    Raises
    ------
    LabelError
        If the points are no probability sample, or too few of a stratum are labelled.
    RasterError, OutputError
        If the map or the folder cannot be used.
    """
    if output is not None:
        check(survey_product(output), overwrite=overwrite)
    found = read_points(points, field)
    with open_classes(map_path, legend) as map_:
        result = _assessed(map_, found)
        if output is not None:
            write_survey_report(output, map_, result, overwrite=overwrite)
    return result


def labels_of(design: Design, legend: Legend) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Class of each point, int64 (n,), −1 without a label, and the names of the classes that the legend lacks.

    These get the numbers after those of the legend.
    """
    texts = np.array([text or "" for text in design.reference or [""] * len(design)], object)
    classes, first = codes_of(legend, texts) - 1, len(legend.entries)
    lacking = (classes < 0) & (texts != "")
    names = {text.casefold(): text for text in sorted(texts[lacking])}
    numbers = {key: first + number for number, key in enumerate(names)}
    classes[lacking] = [numbers[text.casefold()] for text in texts[lacking]]
    return classes, tuple(names.values())


def read_points(points: PathLike | Design, field: str | None) -> Design:
    """The points of a file, or those given; LabelError if fewer than two of a stratum are labelled."""
    found = points if isinstance(points, Design) else read_design(points, field or REFERENCE)
    labelled = np.array([bool(text) for text in found.reference or [""] * len(found)], bool)
    counts = np.bincount(found.stratum[labelled], minlength=len(found.names))
    if (short := np.flatnonzero(counts < np.minimum(2, found.pixels))).size:
        h = int(short[0])
        problem = f"stratum {printable(found.names[h])} has {counts[h]} labelled points of {found.points[h]}"
        path = None if isinstance(points, Design) else points
        raise LabelError(path, problem, "Label at least two points of each stratum, so that it can be judged.")
    return found


def sample_of(design: Design, labelled: NDArray[np.bool_]) -> Sample:
    """The labelled points."""
    areas = PixelAreas(design.about.grid).at(design.rows[labelled], design.cols[labelled])
    return Sample(design.stratum[labelled], areas, design.pixels)


def check_strata(map_: ClassRaster, design: Design, mapped: NDArray[np.integer]) -> bool:
    """Whether the strata are the classes of this map; LabelError if they should be and are not."""
    if design.about.strata != "classes":
        return False
    names = np.array(["", *map_.legend.names], object)
    same = names[mapped] == np.array(design.names, object)[design.stratum]
    if not same.all() and content_sha256(map_.path) == design.about.map_sha256:
        pairs = np.unique(np.stack([design.stratum, mapped]), axis=1)
        if all(len(np.unique(each)) == len(each) for each in pairs):  # one class in each stratum
            problem = "has other class names than the strata of the points"
            raise LabelError(map_.path, problem, "Give the same `legend` as for the design.")
        problem = f"{int((~same).sum())} points have another stratum than their class in {map_.path.name}"
        raise LabelError(None, problem, "Strata were changed. Draw the sample again with bdgf design.")
    return bool(same.all())


def _assessed(map_: ClassRaster, design: Design) -> SurveyAccuracy:
    map_.check_grid(design.about.grid, "the points")
    codes = map_.codes_at(design.rows.astype(np.int32), design.cols.astype(np.int32)).astype(np.int64)
    own_strata = check_strata(map_, design, codes)
    classes, extra = labels_of(design, map_.legend)
    labelled = classes >= 0
    if (classes[labelled] >= len(map_.legend.entries)).all():
        problem = f"has none of the classes of the points, {listed(extra)}, but {listed(map_.legend.names)}"
        raise LabelError(map_.path, problem, "Check the field, or give class names next to the map.")
    sample, mapped, reference = sample_of(design, labelled), codes[labelled] - 1, classes[labelled]
    has_data = mapped >= 0
    if not has_data.any():
        raise LabelError(map_.path, "has no data at any labelled point", "Check that it is the right map.")
    names = (*map_.legend.names, *extra)
    counts = np.zeros((len(names), len(names)), np.int64)
    np.add.at(counts, (mapped[has_data], reference[has_data]), 1)
    shares = error_matrix(sample.weights[has_data], mapped[has_data], reference[has_data], len(names))
    return SurveyAccuracy(
        map_.path.name,
        design,
        float(design.area_m2.sum()) / M2_PER_HA,
        sample.estimate(has_data & (mapped == reference), has_data),
        _classes(map_, sample, (mapped, reference), names),
        counts,
        shares,
        int(labelled.sum()),
        int((~labelled).sum()),
        int((~has_data).sum()),
        _notes(design, own_strata, labelled, ~has_data, extra),
    )


def _classes(
    map_: ClassRaster, sample: Sample, pair: tuple[NDArray[np.int64], NDArray[np.int64]], names: Sequence[str]
) -> tuple[ClassEstimates, ...]:
    mapped, reference = pair
    has_data, everywhere = mapped >= 0, np.ones(len(mapped), bool)
    own = len(map_.legend.entries)
    pixels, area_m2 = class_sizes(map_.strips(), own, PixelAreas(map_.grid))
    found = []
    for k, name in enumerate(names):
        is_mapped, is_class = mapped == k, reference == k
        right = is_mapped & is_class
        found.append(
            ClassEstimates(
                name,
                map_.legend.entries[k].color if k < own else _OTHER,
                int(is_mapped.sum()),
                int((is_class & has_data).sum()),
                int(right.sum()),
                int(pixels[k]) if k < own else 0,
                float(area_m2[k]) / M2_PER_HA if k < own else 0.0,
                sample.estimate(right, is_mapped),
                sample.estimate(right, is_class & has_data, unseen=True),
                sample.estimate(is_class, everywhere),
            )
        )
    return tuple(found)


def _notes(
    design: Design,
    own_strata: bool,
    labelled: NDArray[np.bool_],
    no_data: NDArray[np.bool_],
    extra: tuple[str, ...],
) -> tuple[str, ...]:
    about, notes = design.about, []
    if missing := int((~labelled).sum()):
        share = percent(missing / len(design))
        notes.append(
            f"{missing} of {len(design)} points ({share}) have no label and are left out; if these are the "
            "difficult ones, the figures are too high"
        )
    if no_data.any():
        notes.append(
            f"the map has no data at {int(no_data.sum())} labelled points: they count in areas, not in accuracies"
        )
    if about.strata == "raster" or (about.strata == "classes" and not own_strata):
        source = about.strata_file or about.map
        notes.append(f"the strata are those of {printable(source)}, not the classes of this map (Stehman 2014)")
    if about.sampling == "systematic":
        notes.append(
            "the standard errors are those of a simple random sample; for points on a grid they are usually too large"
        )
    if extra:
        text = listed(extra, printable)
        notes.append(f"the map has no class {text}, but the reference has: such points count as wrong")
        log.warning("the reference has class %s, which the map lacks. Check its spelling.", text)
    return tuple(notes)
