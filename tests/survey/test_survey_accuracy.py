"""The estimates as text and JSON types."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from surveys import labelled, maps, truth

from landcover_bdgf.survey.assessing import assess_design
from landcover_bdgf.survey.drawing import design
from landcover_bdgf.survey.estimators import Estimate
from landcover_bdgf.survey.settings import DesignSettings
from landcover_bdgf.survey.survey_accuracy import SurveyAccuracy, hectares_text, interval_text


@pytest.fixture
def found(tmp_path: Path) -> SurveyAccuracy:
    _, path = maps(tmp_path)
    return assess_design(path, labelled(design(path, DesignSettings(points=200)), truth()))


def test_lines_have_the_figures_of_the_estimates(found: SurveyAccuracy) -> None:
    lines = str(found).splitlines()
    overall = found.overall
    assert lines[0].startswith(f"overall accuracy {100 * (overall.value or 0):.1f} % ({100 * (overall.low or 0):.1f} %")
    water = next(line for line in lines if line.startswith("water"))
    row = found.classes[3]
    assert hectares_text(row.share, found.hectares, row.few) in water
    assert interval_text(row.users, row.few) in water
    assert ": fewer than 10 points are right, or fewer than 10 wrong" in lines[-1]
    assert lines[-1].endswith("so exact intervals are shown")
    assert "200 points" in repr(found)
    assert ", 200 points, 1,195 ha" in lines[0]


def test_json_has_areas_in_hectares(found: SurveyAccuracy) -> None:
    values = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert values["points"] == {"labelled": 200, "unlabelled": 0, "no_map_data": 0}
    row = values["classes"][1]
    assert row["hectares_value"] == pytest.approx(row["share"]["value"] * values["hectares"])
    assert sum(each["hectares_value"] for each in values["classes"]) == pytest.approx(values["hectares"])
    assert values["strata"][0]["points"] == 30
    assert sum(map(sum, values["error_matrix"]["shares_of_area"])) == pytest.approx(1)


def test_what_cannot_be_estimated_is_a_dash() -> None:
    nothing = Estimate(None, None, None, None, None, None, 0)
    assert (interval_text(nothing), hectares_text(nothing, 10.0)) == ("–", "–")
    assert hectares_text(Estimate(0.5, 0.01, 0.48, 0.52, 0.47, 0.53, 99), 20_000.0) == "10,000 ± 392"


def test_no_variance_and_few_points_have_exact_intervals() -> None:
    same = Estimate(1.0, 0.0, 1.0, 1.0, 0.884, 1.0, 30)
    assert interval_text(same) == "100.0 % (88.4 % to 100.0 %)"
    assert hectares_text(same, 500.0) == "500 (442 to 500)"
    some = Estimate(0.9, 0.05, 0.8, 1.0, 0.75, 0.97, 30)
    assert interval_text(some) == "90.0 % (80.0 % to 100.0 %)"
    assert interval_text(some, few=True) == "90.0 % (75.0 % to 97.0 %)"
    assert hectares_text(some, 500.0) == "450 ± 49"
    assert hectares_text(some, 500.0, few=True) == "450 (375 to 485)"


def test_an_overall_accuracy_of_few_wrong_points_has_its_exact_interval(found: SurveyAccuracy) -> None:
    counts = np.diag([12, 12, 12, 13])
    counts[0, 1] = 1
    nearly = replace(found, counts=counts, overall=Estimate(0.98, 0.02, 0.941, 1.0, 0.894, 0.999, 50))
    assert nearly.few
    assert str(nearly).startswith("overall accuracy 98.0 % (89.4 % to 99.9 %)")
    assert "the overall accuracy" in str(nearly).splitlines()[-1]
