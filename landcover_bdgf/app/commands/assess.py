"""``bdgf assess``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from landcover_bdgf.app.options import FIELD, OVERWRITE, Shown, Typed, argument, option, with_settings
from landcover_bdgf.app.terminal import say
from landcover_bdgf.errors import SettingsError
from landcover_bdgf.labels import ReadSettings
from landcover_bdgf.settings import described
from landcover_bdgf.survey import ClassReading


@with_settings
def assess(
    shown: Shown, typed: Typed, reading: ReadSettings, classes: ClassReading,
    map_file: Annotated[Path, argument("map of bdgf or any class raster", "MAP")],
    reference: Annotated[Path | None, option(
        "reference", "polygons or points with classes, samples.gpkg, or the model of the map", "Inputs"
    )] = None,
    design: Annotated[Path | None, option("design", "labelled points from bdgf design", "Inputs")] = None,
    compare: Annotated[Path | None, option("compare", "a second map, to compare at the same pixels", "Inputs")] = None,
    output: Annotated[Path | None, option("output", "folder for the report", "Outputs")] = None,
    field: FIELD = None,
    overwrite: OVERWRITE = False,
) -> None:  # fmt: skip
    """Measure the accuracy of a map with reference labels or a probability sample; or compare two maps."""
    if (reference is None) == (design is None):
        raise SettingsError(
            None, "assess needs either --reference or --design", "Give labels, or points of bdgf design."
        )
    if design is not None:
        typed.refuse(described(ReadSettings), "--reference")
    written = {"output": output, "overwrite": overwrite}
    if compare is not None:
        typed.refuse({"legend"}, "a single map")
        lines, values = _compared((map_file, compare), reference, design, field=field, reading=reading, **written)
    elif design is not None:
        lines, values = _by_design(map_file, design, field, legend=classes.legend, **written)
    else:
        assert reference is not None
        lines, values = _by_labels(map_file, reference, typed, field, reading, legend=classes.legend, **written)
    say(shown, [*lines, *([f"{output / 'report.html'}: report"] if output else [])], values)


def _compared(
    maps: tuple[Path, Path], reference: Path | None, design: Path | None, **given: Any
) -> tuple[list[str], dict[str, Any]]:
    from dataclasses import asdict

    from landcover_bdgf.survey import compare

    found = compare(*maps, points=design, reference=reference, **given)
    return str(found).splitlines(), {**asdict(found), "verdict": found.verdict}


def _by_design(map_file: Path, design: Path, field: str | None, **given: Any) -> tuple[list[str], dict[str, Any]]:
    from landcover_bdgf.survey import assess_design

    found = assess_design(map_file, design, field=field, **given)
    return str(found).splitlines(), found.to_dict()


def _by_labels(
    map_file: Path, reference: Path, typed: Typed, field: str | None, reading: ReadSettings, **given: Any
) -> tuple[list[str], dict[str, Any]]:
    from landcover_bdgf.assessment import ReferenceFile, assess as assess_map, summary_lines
    from landcover_bdgf.labels import is_samples_file
    from landcover_bdgf.survey import as_map

    own = reference.suffix == ".safetensors" or is_samples_file(reference)
    if own and typed & {"field", *described(ReadSettings)}:
        typed.refuse({"field", *described(ReadSettings)}, "polygons or points as --reference")
    legend = given.pop("legend")
    if reference.suffix == ".safetensors":
        from landcover_bdgf.app.job import labels_of_model

        accuracy = assess_map(map_file, labels_of_model(reference, map_file), **given)
    else:
        with as_map(map_file, legend) as path:
            accuracy = assess_map(path, ReferenceFile(reference, reading), field=field, **given)
    return summary_lines(accuracy), accuracy.to_dict()
