"""Points are divided among strata by the rule, with the least number each, and enough of them for the target."""

import math
from pathlib import Path

import numpy as np
import pytest

from landcover_bdgf.errors import BdgfError
from landcover_bdgf.survey.allocation import allocate, expected_accuracy, expected_se, shared
from landcover_bdgf.survey.settings import DesignSettings

PIXELS = np.array([200_000, 150_000, 3_200_000, 6_450_000])
NAMES = ("Deforestation", "Forest gain", "Stable forest", "Stable non-forest")


def test_olofsson_2014_section_5() -> None:
    """641 points for a standard error of 0.01 with user's accuracies of 0.70, 0.60, 0.90 and 0.95; tables 5 and 6."""
    spread = np.sqrt((users := np.array([0.7, 0.6, 0.9, 0.95])) * (1 - users))
    assert round(float(((PIXELS / PIXELS.sum() * spread).sum() / 0.01) ** 2)) == 641
    proportional = allocate(PIXELS, NAMES, DesignSettings(points=641, min_per_class=2))
    assert proportional.tolist() == [13, 10, 205, 413]
    assert allocate(PIXELS, NAMES, DesignSettings(points=640, allocation="equal")).tolist() == [160] * 4


def test_points_for_a_target_reach_it_and_one_less_does_not(tmp_path: Path) -> None:
    table = tmp_path / "expected.csv"
    table.write_text(
        "class,accuracy\n" + "\n".join(f"{n},{u}" for n, u in zip(NAMES, (0.7, 0.6, 0.9, 0.95), strict=True))
    )
    spread = np.sqrt((users := expected_accuracy(str(table), NAMES)) * (1 - users))
    share = PIXELS / PIXELS.sum()
    by_formula = {  # of eq. (1), written out for each rule
        "neyman": (share * spread).sum() ** 2 / 1e-4,
        "proportional": (share * spread**2).sum() / 1e-4,
        "equal": 4 * (share**2 * spread**2).sum() / 1e-4,
    }
    for rule, expected in by_formula.items():
        settings = DesignSettings(target_se=0.01, allocation=rule, expected=str(table), min_per_class=2)
        found = allocate(PIXELS, NAMES, settings)
        assert expected_se(found, PIXELS, spread) <= 0.01
        assert found.sum() == pytest.approx(expected, abs=4)


def test_neyman_gives_more_points_to_uncertain_strata() -> None:
    settings = DesignSettings(points=1000, allocation="neyman", min_per_class=2)
    assert np.allclose(allocate(PIXELS, NAMES, settings) / 1000, PIXELS / PIXELS.sum(), atol=1e-3)
    assert math.isclose(expected_accuracy("0.8", NAMES).sum(), 3.2)


@pytest.mark.parametrize(("total", "shares", "pixels", "least", "found"), [
    (100, [0.5, 0.5], [10**6, 10**6], 30, [50, 50]),
    (100, [0.01, 0.99], [10**4, 10**6], 30, [30, 70]),
    (100, [0.5, 0.5], [10, 10**6], 30, [10, 90]),  # no more points than pixels
    (500, [0.5, 0.5], [10, 20], 30, [10, 20]),
    (101, [1 / 3, 1 / 3, 1 / 3], [10**6] * 3, 2, [34, 34, 33]),
    (100, [0.9, 0.05, 0.05], [20, 10**6, 10**6], 30, [20, 40, 40]),
])  # fmt: skip
def test_limits_of_the_strata(total: int, shares: list[float], pixels: list[int], least: int, found: list[int]) -> None:
    assert shared(total, np.array(shares), np.array(pixels), least).tolist() == found


def test_a_table_of_points(tmp_path: Path) -> None:
    table = tmp_path / "points.csv"
    table.write_text("class,n\nstable forest,100\nDeforestation,75\nforest gain,75\nStable non-forest,300\n")
    assert allocate(PIXELS, NAMES, DesignSettings(allocation=str(table))).tolist() == [75, 75, 100, 300]
    for other in (";", "\t"):
        table.write_text(table.read_text().replace(",", other).replace(";", other))
        assert allocate(PIXELS, NAMES, DesignSettings(allocation=str(table))).tolist() == [75, 75, 100, 300]


@pytest.mark.parametrize(("text", "says"), [
    ("class,n\nDeforestation,75\n", "lacks Forest gain"),
    ("class,points\nDeforestation,75\n", "t.csv: has no column n. Give a CSV with columns class,n"),
    ("class,n\nDeforestation,many\n", "is not a table of numbers"),
    ("class,n\nDeforestation,75\nForest gain,1\nStable forest,9\nStable non-forest,9\n", "fewer than 2 points"),
    ("class,n\nDeforestation,7\nForest gain,7\nStable forest,9\nStable non-forest,9\nSwamp,5", "names swamp, unknown"),
    ("class,n\nForest gain,7\nStable forest,9\nStable non-forest,9\nForest  GAIN,8\n", "names forest gain twice. N"),
])  # fmt: skip
def test_a_table_that_does_not_fit_is_refused(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(BdgfError, match=says):
        allocate(PIXELS, NAMES, DesignSettings(allocation=str(tmp_path / "t.csv")))


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BdgfError, match=r"too few for 4 strata of at least 30 points. Use 120 or more"):
        allocate(PIXELS, NAMES, DesignSettings(points=100))
    with pytest.raises(BdgfError, match=r"is unknown. Use proportional, equal or neyman, or a CSV file"):
        allocate(PIXELS, NAMES, DesignSettings(points=200, allocation="optimal"))
    with pytest.raises(BdgfError, match="is not between 0 and 1"):
        allocate(PIXELS, NAMES, DesignSettings(points=200, expected="80"))
    with pytest.raises(BdgfError, match=r"`target_se=1`: is out of range. Use a value from 0.0001 to 0.5"):
        DesignSettings(target_se=1)
    for given in ({}, {"points": 5, "target_se": 0.1}, {"points": 5, "allocation": "a.csv"}):
        with pytest.raises(BdgfError, match=r"^the number of points is missing or given twice"):
            DesignSettings(**given)  # type: ignore[arg-type]
    with pytest.raises(BdgfError, match="has no strata"):
        DesignSettings(points=5, sampling="simple", allocation="equal")
