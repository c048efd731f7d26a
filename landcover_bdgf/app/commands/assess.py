"""``bdgf assess``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from landcover_bdgf.app.options import FIELD, OUTPUT, OVERWRITE, Shown, Typed, argument, option, with_settings
from landcover_bdgf.app.terminal import say
from landcover_bdgf.labels import ReadSettings
from landcover_bdgf.settings import described


@with_settings
def assess(
    shown: Shown, typed: Typed, reading: ReadSettings,
    map_file: Annotated[Path, argument("map made by bdgf map", "MAP")],
    reference: Annotated[Path, option(
        "reference", "polygons or points with classes, samples.gpkg, or the model of the map", "Inputs"
    )],
    output: OUTPUT,
    field: FIELD = None,
    image: Annotated[Path | None, option("image", "spectral image to show beside the map", "Inputs")] = None,
    overwrite: OVERWRITE = False,
) -> None:  # fmt: skip
    """Measure the accuracy of a map with reference labels: tables, confusion matrix, a printable report."""
    from landcover_bdgf.assessment import ReferenceFile, ReportContext, assess as assess_map, summary_lines
    from landcover_bdgf.labels import is_samples_file

    context = ReportContext(image=image)
    own = reference.suffix == ".safetensors" or is_samples_file(reference)
    if own and typed & {"field", *described(ReadSettings)}:
        typed.refuse({"field", *described(ReadSettings)}, "polygons or points as --reference")
    if reference.suffix == ".safetensors":
        from landcover_bdgf.app.job import labels_of_model

        judged = labels_of_model(reference, map_file)
        accuracy = assess_map(map_file, judged, output=output, overwrite=overwrite, context=context)
    else:
        given = ReferenceFile(reference, reading)
        accuracy = assess_map(map_file, given, field=field, output=output, overwrite=overwrite, context=context)
    say(shown, [*summary_lines(accuracy), f"{output / 'report.html'}: report"], accuracy.to_dict())
