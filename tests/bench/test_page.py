"""Published numbers are those of the paper; pictures of a comparison pool their cells."""

import numpy as np
import pytest

from landcover_bdgf.bench.page import _pooled, by_distance, embedding, published_results, published_tables
from landcover_bdgf.labels.legend import Legend


def test_published_results_are_consistent() -> None:
    augsburg = published_results("augsburg")
    assert augsburg is not None
    assert augsburg["methods"][-1] == {"method": "BDGF", "oa": 93.57, "aa": 90.12, "kappa": 90.93}
    tables = published_tables()
    for name, of_name in tables["results"].items():
        whole = tables["ablation"][name][-1]  # experiment 12 is the method itself
        assert of_name["methods"][-1] == {"method": "BDGF", **{k: whole[k] for k in ("oa", "aa", "kappa")}}
        assert tables["uncertainty"][name]["mean"]["oa"] == whole["oa"]
    berlin = published_results("berlin")
    assert berlin is not None
    assert next(m for m in berlin["methods"] if m["method"] == "UACL") == {
        "method": "UACL", "oa": 72.90, "aa": 71.15, "kappa": 61.26,
    }  # fmt: skip
    assert "swaps the AA and the kappa" in berlin["note"]
    assert published_results("chile") is None


def test_bins_are_pooled_by_their_numbers_of_pixels() -> None:
    pooled = _pooled([{"n": 30, "probability": 0.8, "right": 0.5}, {"n": 10, "probability": 0.4, "right": 0.9}])
    assert (pooled.n, pooled.probability, pooled.right) == (40, pytest.approx(0.7), pytest.approx(0.6))


def test_pictures_are_svg_and_names_cannot_break_them() -> None:
    places, codes = np.float32([[0, 1], [2, 3], [4, 5]]), np.uint16([1, 2, 2])
    assert embedding(places, codes, Legend.from_values([1, 2], {"1": "<b>", "2": "$x$"})).startswith(
        "data:image/svg+xml"
    )
    spans = [{"from_px": 0, "n": 5, "oa": 80.0}, {"from_px": 4, "n": 5, "oa": 60.0}]
    assert by_distance([{"method": "bdgf", "by_distance": spans}]).startswith("data:image/svg+xml")
