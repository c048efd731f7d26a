"""``bdgf assess``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from landcover_bdgf.app.options import FIELD, OVERWRITE, Shown, Typed, argument, option, with_settings
from landcover_bdgf.app.terminal import say
from landcover_bdgf.errors import SettingsError
from landcover_bdgf.labels import ReferenceSettings
from landcover_bdgf.settings import described
from landcover_bdgf.survey import ClassReading


@with_settings
def assess(
    shown: Shown, typed: Typed, reading: ReferenceSettings, classes: ClassReading,
    map_file: Annotated[Path, argument("map of bdgf or any class raster", "MAP")],
    reference: Annotated[Path | None, option(
        "reference", "polygons or points with classes, samples.gpkg, or the model of the map", "Inputs"
    )] = None,
    design: Annotated[Path | None, option("design", "labelled points from bdgf design", "Inputs")] = None,
    compare: Annotated[Path | None, option(
        "compare", "a second map, to compare at the same pixels; --legend names the classes of both", "Inputs"
    )] = None,
    output: Annotated[Path | None, option("output", "folder for the report", "Outputs")] = None,
    field: FIELD = None,
    image: Annotated[Path | None, option("image", "spectral image to show beside the map", "Inputs")] = None,
    overwrite: OVERWRITE = False,
) -> None:  # fmt: skip
    """Measure the accuracy of a map with reference labels or a probability sample; or compare two maps."""
    if (reference is None) == (design is None):
        raise SettingsError(
            None, "assess needs either --reference or --design", "Give labels, or points of bdgf design."
        )
    if reference is not None:
        _check_reference(reference, typed, compared=compare is not None)
    if design is not None:
        typed.refuse(described(ReferenceSettings), "--reference")
    if design is not None or compare is not None or output is None:
        typed.refuse({"image"}, "--reference, a single map and --output", "Remove it.")
    written = {"output": output, "overwrite": overwrite}
    if compare is not None:
        labels = design if reference is None else (reference, reading)
        assert labels is not None  # one of them is given
        lines, values = _compared((map_file, compare), labels, field=field, legend=classes.legend, **written)
    elif design is not None:
        lines, values = _by_design(map_file, design, field, legend=classes.legend, **written)
    else:
        assert reference is not None
        lines, values = _by_labels(map_file, (reference, reading), field, classes.legend, image, **written)
    say(shown, [*lines, *([f"{output / 'report.html'}: report"] if output else [])], values)


def _compared(
    maps: tuple[Path, Path], reference: Path | tuple[Path, ReferenceSettings], **given: Any
) -> tuple[list[str], dict[str, Any]]:
    from landcover_bdgf.assessment import ReferenceFile
    from landcover_bdgf.survey import compare, read_points

    labels = ReferenceFile(*reference) if isinstance(reference, tuple) else read_points(reference, given["field"])
    found = compare(*maps, reference=labels, **given)
    return str(found).splitlines(), found.to_dict()


def _by_design(map_file: Path, design: Path, field: str | None, **given: Any) -> tuple[list[str], dict[str, Any]]:
    from landcover_bdgf.survey import assess_design

    found = assess_design(map_file, design, field=field, **given)
    return str(found).splitlines(), found.to_dict()


def _check_reference(reference: Path, typed: Typed, *, compared: bool) -> None:
    """SettingsError for a reference of ours that another option takes, or with options that have no effect."""
    from landcover_bdgf.labels import is_samples_file
    from landcover_bdgf.survey import is_design_file

    is_model = reference.suffix == ".safetensors"
    if is_model and compared:
        problem = "is a model, whose labels judge only the map that it made"
        raise SettingsError(reference, problem, "Give polygons, points or samples as --reference.")
    if is_model or is_samples_file(reference):
        needed = "polygons or points as --reference"
        typed.refuse({"field", *described(ReferenceSettings)}, needed, "Remove it.")
    elif is_design_file(reference):
        problem = "holds points of bdgf design, whose weights --reference would ignore"
        raise SettingsError(reference, problem, "Give it as --design.")
    if is_model and "legend" in typed:
        raise SettingsError("--legend", "has no effect with a model as --reference", "Remove it.")


def _by_labels(
    map_file: Path, labels: tuple[Path, ReferenceSettings], field: str | None, legend: str | None, image: Path | None,
    **given: Any,
) -> tuple[list[str], dict[str, Any]]:  # fmt: skip
    from landcover_bdgf.assessment import ReferenceFile, ReportContext, assess as assess_map, summary_lines

    reference: Any = ReferenceFile(*labels)
    context = ReportContext(image=image)
    if labels[0].suffix == ".safetensors":
        from landcover_bdgf.app.model_labels import judged_model
        from landcover_bdgf.app.report_context import report_context

        model, reference = judged_model(labels[0], map_file)
        context = report_context(model, image)
    accuracy = assess_map(map_file, reference, field=field, legend=legend, context=context, **given)
    return summary_lines(accuracy), accuracy.to_dict()
