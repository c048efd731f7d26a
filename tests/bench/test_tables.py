"""Means, intervals and paired differences are those of Student's t."""

import numpy as np
import pytest

from landcover_bdgf.bench.cells import Cell
from landcover_bdgf.bench.published import published_tables
from landcover_bdgf.bench.tables import DETAILS, Spread, lines, paired, rows, signed, spread, tables


def test_the_interval_is_that_of_the_paper() -> None:
    """Its Table 7: ten runs; standard deviation, CV, NSI and half width are consistent."""
    for name, of_name in published_tables()["uncertainty"].items():
        if name == "table":
            continue
        mean, std = of_name["mean"]["oa"], of_name["std"]["oa"]
        ten = np.linspace(-1, 1, 10)
        found = Spread.of((mean + std * ten / ten.std(ddof=1)).tolist())
        assert found.half_width == pytest.approx(of_name["ci95"]["oa"], abs=0.01)
        assert found.cv == pytest.approx(of_name["cv"]["oa"], abs=0.02)
        assert found.nsi == pytest.approx(of_name["nsi"]["oa"], abs=2e-4)


def cells_of(values: dict[str, list[float]]) -> list[Cell]:
    common = {"dataset": "d", "protocol": "far", "leak": 0.0, "test_px": 10, "ece": None, "seconds": 1.0,
              "shortages": [], "producers": {"water": 50.0}, **dict.fromkeys(DETAILS)}  # fmt: skip
    return [
        {**common, "method": method, "seed": seed, "oa": oa, "aa": oa + 1, "kappa": None}
        for method, own in values.items()
        for seed, oa in enumerate(own)
    ]


def test_paired_differences_are_independent_of_the_spread_over_seeds() -> None:
    """One point apart on every seed, while seeds differ by ten: only the paired interval excludes 0."""
    cells = cells_of({"a": [61, 71.2, 80.9, 51], "b": [60, 70, 80, 50]})
    a, b = ([c for c in cells if c["method"] == name] for name in "ab")
    apart = paired(a, b, "oa")
    assert apart is not None
    assert apart.apart_from_0
    assert apart.mean == pytest.approx(1.025)
    alone = spread(a, "oa")
    assert alone is not None
    assert alone.half_width > 10
    assert paired(a[:1], b[1:], "oa") is None
    assert not Spread.of([3.0]).apart_from_0, "one seed proves nothing"
    assert np.isnan(Spread.of([0.0, 0.0]).cv), "two methods may agree"
    assert paired(a, b, "kappa") is None


def test_tables_pair_one_method_with_all_others() -> None:
    table = tables(cells_of({"a": [61, 71], "b": [60, 70]}), "a")[0]
    assert [row.name for row in table.rows] == ["a", "b"]
    assert not table.rows[0].above
    assert table.rows[1].above["oa"].mean == pytest.approx(1)
    assert any("a minus b: OA +1.0" in line for line in lines([table]))


def test_a_comparison_says_where_classes_have_too_few_pixels() -> None:
    """The protocol "far" on a small scene may leave nothing to judge by: the accuracy alone would hide it."""
    cells = cells_of({"a": [61, 71, 50]})
    assert not any("too few" in line for line in lines(tables(cells, "a")))
    for cell in cells[:2]:
        cell["shortages"] = ["hay: 0 test px"]
    assert lines(tables(cells[:1], "a"))[1] == "  too few pixels: seed 0: hay: 0 test px"
    assert lines(tables(cells, "a"))[1] == "  too few pixels: seed 0: hay: 0 test px, and in 1 other seed"


def test_numbers_that_need_more_seeds_are_null_in_json() -> None:
    (row,) = rows(tables(cells_of({"a": [61]}), "a"))
    assert row["oa"] == {"n": 1, "mean": 61.0, "std": None, "ci95": None, "cv": None, "nsi": None}
    assert "kappa" not in row
    assert (str(Spread.of([61.0])), signed(Spread.of([-1.0]))) == ("61.0", "-1.0")


def test_accuracy_near_borders_and_lengths_of_streams_are_paired_where_a_scene_has_them() -> None:
    cells = cells_of({"a": [61, 71], "b": [60, 70]})
    (row,) = rows(tables(cells[:2], "a"))
    assert not set(DETAILS) & row.keys()
    near = [cell | {"oa_0_2": cell["oa"] - 20, "kept_2px": cell["oa"] + 5} for cell in cells]
    table = tables(near, "a")[0]
    assert (table.rows[0].metrics["oa_0_2"].mean, table.rows[1].above["kept_2px"].mean) == (46, pytest.approx(1))
    assert "near borders 46.0" in lines([table])[1]
